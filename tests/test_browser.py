"""The loop in a real browser, on the real starter model: from first page to second point of a chart."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import App, browser, page_of, running_app

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parent.parent
QUICK = {
    "ALIGNCHAT_TRAINING__STEPS": "3",
    "ALIGNCHAT_TRAINING__BATCH_SIZE": "2",
    "ALIGNCHAT_TRAINING__MAX_LENGTH": "128",
    "ALIGNCHAT_EVALUATION__LIMIT": "4",
    "ALIGNCHAT_CHAT__MAX_TOKENS": "24",
}
MINUTE = 60_000
CUT_OFF = """() => [...document.querySelectorAll("button:is(.sm, .md, .lg)")]
    .filter((b) => b.offsetParent && b.innerText.trim() && b.scrollWidth > b.clientWidth + 1)
    .map((b) => b.innerText)"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def shared_app(tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Iterator[App]:  # noqa: ARG001 - skips first
    with running_app(tmp_path_factory.mktemp("shared"), **QUICK) as app:
        print(f"page ready {app.ready_seconds:.1f} s after the start of app.py")
        yield app


def go(page: Any, tab: str) -> None:
    position = ["chat", "compare", "rounds", "scores"].index(tab)
    page.locator("#tabs button[role=tab]").nth(position).click()


def say(page: Any, text: str) -> None:
    page.fill("#message textarea", text)
    page.keyboard.press("Enter")
    page.wait_for_selector("#stop", state="visible")


def wait_for_reply(page: Any) -> None:
    page.wait_for_selector("#send", state="visible", timeout=2 * MINUTE)


def wait_for_text(page: Any, selector: str, text: str, timeout: int = MINUTE) -> None:
    page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.innerText.includes(text)",
        arg=[selector, text],
        timeout=timeout,
    )


def wait_for_value(page: Any, selector: str, value: str) -> None:
    page.wait_for_function(
        "([selector, value]) => document.querySelector(selector)?.value === value", arg=[selector, value]
    )


def counts(page: Any) -> tuple[int, ...]:
    return tuple(int(page.inner_text(f"#strip .{kind} b")) for kind in ("up", "down", "pairs"))


def mark(page: Any, reply: int, label: str, expected: tuple[int, ...]) -> None:
    row = page.locator("#chat .message-buttons-left").nth(reply)
    row.locator(f"button[aria-label^='{label}']").click()
    page.wait_for_function(
        """expected => ["up", "down", "pairs"].every(
            (kind, i) => document.querySelector(`#strip .${kind} b`).innerText == expected[i])""",
        arg=list(expected),
    )


def chat_and_mark(page: Any) -> None:
    for question in ("What is the sea?", "Name a colour.", "What is bread?"):
        say(page, question)
        wait_for_reply(page)
    mark(page, 0, "Good reply", (1, 0, 0))
    mark(page, 1, "Bad reply", (1, 1, 0))
    mark(page, 2, "Good reply", (2, 1, 0))
    mark(page, 2, "Good reply", (1, 1, 0))
    mark(page, 2, "Bad reply", (1, 2, 0))


def compare_and_choose(page: Any, key: str, pairs: tuple[int, ...]) -> None:
    go(page, "compare")
    page.fill("#compare-prompt textarea", "Say hello.")
    page.keyboard.press("Enter")
    page.wait_for_selector("#verdict-left:enabled", timeout=2 * MINUTE)
    assert page.inner_text("#left-reply").strip()
    assert page.inner_text("#right-reply").strip()
    page.keyboard.press(key)
    wait_for_text(page, "#compare-notice", "Saved")
    assert counts(page) == pairs
    assert page.input_value("#compare-prompt textarea") == ""


def retrain_and_watch(page: Any) -> set[str]:
    """Press Retrain, chat meanwhile, and return what the progress said until the round was done."""
    go(page, "rounds")
    wait_for_text(page, "#preview", "3 replies")
    page.click("#retrain")
    page.wait_for_selector("#rounds-progress [role=progressbar]", timeout=MINUTE)
    go(page, "chat")
    say(page, "Are you there?")
    wait_for_reply(page)
    go(page, "rounds")
    seen: set[str] = set()
    while "is done" not in page.inner_text("#rounds-notice"):
        seen.update(page.locator("#rounds-progress p").all_inner_texts())
        assert "failed" not in page.inner_text("#round-failure")
        page.wait_for_timeout(200)
    return seen


def test_from_the_first_page_to_the_second_point_of_the_chart(chromium: Any, tmp_path: Path) -> None:
    with running_app(tmp_path, **QUICK) as app, page_of(chromium, app) as page:
        print(f"page ready {app.ready_seconds:.1f} s after the start of app.py")
        chat_and_mark(page)
        compare_and_choose(page, "1", (1, 2, 1))
        seen = retrain_and_watch(page)
        assert any(re.search(r"step \d of 3 · loss 0\.\d+", line) for line in seen), seen
        assert page.locator("#training-chart svg").count() == 1
        page.click("#use")
        wait_for_text(page, "#rounds-notice", "Round 1 is in use")
        go(page, "compare")
        wait_for_value(page, "#left-voice input", "The one in use (round 1)")
        wait_for_value(page, "#right-voice input", "Base model")
        compare_and_choose(page, "b", (1, 2, 1))
        go(page, "scores")
        page.wait_for_selector("#scores-chart svg")
        described = page.locator("#scores-chart svg desc").text_content()
        assert "base" in described
        assert "round 1" in described
        assert page.locator("#scores-table tbody tr").count() >= 6
        assert app.stop() == 0
    with running_app(tmp_path, **QUICK) as app, page_of(chromium, app) as page:
        assert counts(page) == (1, 2, 1)
        wait_for_text(page, "#strip", "round 1")
        page.locator("#conversations label", has_text="What is the sea?").click()
        page.wait_for_selector("#chat button[aria-pressed=true]")
        assert page.locator("#chat button[aria-pressed=true]").count() == 3
        say(page, "And now?")
        wait_for_reply(page)
        assert "round 1" in page.locator("#chat .who").last.inner_text()
        go(page, "scores")
        page.wait_for_selector("#scores-chart svg")
        go(page, "rounds")
        wait_for_text(page, "#rounds-table", "in use")


def test_stop_keeps_what_came_and_marks_it(chromium: Any, tmp_path: Path) -> None:
    long = {**QUICK, "ALIGNCHAT_CHAT__MAX_TOKENS": "3000", "ALIGNCHAT_CHAT__TEMPERATURE": "0"}
    with running_app(tmp_path, **long) as app, page_of(chromium, app) as page:
        say(page, "Write a very long story about a ship and its crew.")
        page.wait_for_function(
            "() => (document.querySelector('#chat .bot')?.innerText.length ?? 0) > 5",
            timeout=MINUTE,
        )
        page.click("#stop")
        wait_for_reply(page)
        assert "stopped" in page.locator("#chat .who").last.inner_text()
        assert len(page.locator("#chat .bot").last.inner_text()) > 5
        page.reload(wait_until="domcontentloaded")
        wait_for_text(page, "#chat", "stopped")


def test_an_italian_browser_is_spoken_to_in_italian_and_can_switch(chromium: Any, shared_app: App) -> None:
    with page_of(chromium, shared_app, locale="it-IT") as page:
        assert page.inner_text("#to-rounds") == "Riaddestra"
        page.wait_for_selector("html[lang=it]")
        page.click("#send")
        wait_for_text(page, "#chat-notice", "Non c'è nulla a cui rispondere")
        page.click("header nav a[lang=en]")
        wait_for_text(page, "#to-rounds", "Retrain")
        page.goto(shared_app.url, wait_until="domcontentloaded")
        wait_for_text(page, "#to-rounds", "Retrain")


def test_dpo_without_pairs_says_one_sentence_on_the_page(chromium: Any, shared_app: App) -> None:
    with page_of(chromium, shared_app) as page:
        page.click("#to-rounds")
        page.locator("#method label", has_text="DPO").click()
        wait_for_text(page, "#preview", "Not yet")
        page.click("#retrain")
        wait_for_text(page, "#rounds-notice", "There are no pairs for DPO yet")
        assert "Traceback" not in page.inner_text("body")


@pytest.mark.parametrize("dark", [False, True])
def test_no_tab_scrolls_sideways_on_a_telephone(chromium: Any, shared_app: App, dark: bool) -> None:
    with page_of(chromium, shared_app, locale="it-IT", width=390, height=844, dark=dark) as page:
        for tab in ("chat", "compare", "rounds", "scores"):
            go(page, tab)
            page.wait_for_timeout(300)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, tab
            assert page.evaluate(CUT_OFF) == [], tab


def test_a_picture_of_the_page_for_the_readme(chromium: Any, tmp_path: Path) -> None:
    """Written to docs/screenshot.png if ALIGNCHAT_SCREENSHOT is set, else thrown away."""
    with (
        running_app(tmp_path, ALIGNCHAT_CHAT__MAX_TOKENS="80") as app,
        page_of(chromium, app, height=760) as page,
    ):
        for question in ("Why is the sea salty?", "Say it in one short sentence."):
            say(page, question)
            wait_for_reply(page)
        mark(page, 0, "Bad reply", (0, 1, 0))
        mark(page, 1, "Good reply", (1, 1, 0))
        target = (
            ROOT / "docs" / "screenshot.png" if os.environ.get("ALIGNCHAT_SCREENSHOT") else tmp_path / "x.png"
        )
        target.parent.mkdir(exist_ok=True)
        page.screenshot(path=target)
        assert target.stat().st_size <= 400_000
