"""The loop in a real browser, on the real starter model: from first page to second point of a chart."""

import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import (
    MINUTE,
    App,
    browser,
    counts,
    go,
    page_of,
    reload,
    running_app,
    say,
    wait_for_reply,
    wait_for_text,
    wait_for_value,
)
from hub import Fault, loopback_hub
from tiny_models import write_llama

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parent.parent
QUICK = {
    "ALIGNCHAT_TRAINING__STEPS": "3",
    "ALIGNCHAT_TRAINING__BATCH_SIZE": "2",
    "ALIGNCHAT_TRAINING__MAX_LENGTH": "256",
    "ALIGNCHAT_EVALUATION__LIMIT": "4",
    "ALIGNCHAT_CHAT__MAX_TOKENS": "24",
}
NOTE_PROGRESS = """() => {
    const shown = document.querySelector("#rounds-progress");
    window.progressed = [];
    new MutationObserver(() => window.progressed.push(shown.querySelector("p")?.textContent ?? ""))
        .observe(shown, { subtree: true, childList: true, characterData: true });
}"""
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


def mark(page: Any, reply: int, label: str, expected: tuple[int, ...]) -> None:
    page.locator("#chat .foot[id^=reply-]").nth(reply).locator(f"button[aria-label^='{label}']").click()
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
    page.locator("#chat .foot[id^=reply-]").nth(0).locator("button[aria-label^=Good]").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.ariaLabel").startswith("Bad reply")


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
    """Press Retrain, chat meanwhile, and return all that the progress said until the round was done."""
    go(page, "rounds")
    wait_for_text(page, "#preview", "3 replies")
    page.evaluate(NOTE_PROGRESS)
    page.click("#advanced > button")  # What is shown there is what would be used anyway.
    page.wait_for_selector("#set-seed input:visible")
    assert page.input_value("#set-learning_rate input") == ""
    page.click("#advanced > button")
    page.click("#retrain")
    page.wait_for_selector("#rounds-progress [role=progressbar]", timeout=MINUTE)
    go(page, "chat")
    say(page, "Are you there?")
    wait_for_reply(page)
    go(page, "rounds")
    while "is done" not in page.inner_text("#rounds-notice"):
        assert "failed" not in page.inner_text("#round-failure")
        page.wait_for_timeout(200)
    return set(page.evaluate("window.progressed"))


def test_from_the_first_page_to_the_second_point_of_the_chart(chromium: Any, tmp_path: Path) -> None:
    # Enough steps for the page, which asks once a second, to see some of them.
    long = {**QUICK, "ALIGNCHAT_TRAINING__STEPS": "8"}
    with running_app(tmp_path, **long) as app, page_of(chromium, app) as page:
        print(f"page ready {app.ready_seconds:.1f} s after the start of app.py")
        chat_and_mark(page)
        compare_and_choose(page, "1", (1, 2, 1))
        seen = retrain_and_watch(page)
        assert any(re.search(r"step \d of 8 · loss 0\.\d+", line) for line in seen), seen
        assert page.locator("#training-chart svg").count() == 1
        page.click("#use")
        wait_for_text(page, "#rounds-notice", "Round 1 is in use")
        go(page, "compare")
        wait_for_value(page, "#first-voice input", "The one in use (round 1)")
        wait_for_value(page, "#second-voice input", "Base model")
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
        reload(page)
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
        for tab in ("chat", "compare", "label", "feedback", "rounds", "scores", "models"):
            go(page, tab)
            page.wait_for_timeout(300)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, tab
            assert page.evaluate(CUT_OFF) == [], tab


MINERVA = "mradermacher/Minerva-350M-base-v1.0-GGUF", "Minerva-350M-base-v1.0.Q8_0.gguf"


def test_a_model_is_got_cancelled_resumed_after_a_reload_and_made_the_default(
    chromium: Any, tmp_path: Path
) -> None:
    content = write_llama(tmp_path / "tiny.gguf", width=256, tied=False).read_bytes()
    with loopback_hub() as hub:
        hub.repositories[MINERVA[0]] = {MINERVA[1]: content}
        hub.fail("/resolve/", Fault(pace=0.1), Fault(pace=0.15))
        data, asked = tmp_path / "data", {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"}
        with running_app(data, **asked) as app, page_of(chromium, app) as page:
            page.click("#minerva-get")
            wait_for_text(page, "#model-facts", "minerva-350m")
            wait_for_text(page, "#model-facts", "374 MB. Licence: apache-2.0")
            assert page.input_value("#model-format input") == "the usual one"
            page.click("#model-get")
            wait_for_text(page, "#transfer", "MB a second · about")
            assert re.search(r"minerva-350m: \d\.\d MB of 5\.3 MB", page.inner_text("#transfer"))
            page.click("#transfer-cancel")
            page.wait_for_selector("#transfer-cancel", state="detached")
            wait_for_text(page, "#transfer", "kept")
            wait_for_text(page, "#models label.selected", "partly here")
            page.click("#model-get:has-text('Resume')")
            page.wait_for_selector("#transfer-cancel")
            reload(page)
            go(page, "models")
            wait_for_text(page, "#transfer", "MB a second")
            wait_for_text(page, "#models-notice", "minerva-350m is here, checked and ready.")
            page.locator("#models label", has_text="starter ·").first.click()
            page.click("#model-default")
            wait_for_text(page, "#models-notice", "starter opens at the next start")
            page.locator("#models label", has_text="minerva-350m").click()
            page.click("#model-default")
            wait_for_text(page, "#models-notice", "minerva-350m opens at the next start; until then")
            page.click("#model-talk")
            wait_for_text(page, "#strip .model", "minerva-350m")
            page.wait_for_selector("#strip li")
            assert page.locator("#reload .now").count() == 0
        starts = [headers.get("Range") for headers in hub.asked("/resolve/")]
        assert len(starts) == 2
        assert starts[0] == "bytes=0-"
        assert starts[1] != "bytes=0-"
        with running_app(data, **asked) as app, page_of(chromium, app) as page:
            assert page.inner_text("#strip .model") == "minerva-350m"
            assert page.locator("#minerva").count() == 0


def test_offline_is_said_within_five_seconds_and_blocks_nothing(chromium: Any, tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        nowhere = {
            "HF_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "HF_HUB_OFFLINE": "0",
            "ALIGNCHAT_CHAT__MAX_TOKENS": "4",
        }
        cut_off = (
            "signal is aborted|Connection errored out"  # gradio says so when a reload cuts off its stream
        )
        with running_app(tmp_path, **nowhere) as app, page_of(chromium, app, expected=cut_off) as page:
            go(page, "models")
            wait_for_text(page, "#model-facts", "not on this machine yet")
            go(page, "chat")
            say(page, "Hello.")
            wait_for_reply(page)
            go(page, "models")
            begun = time.monotonic()
            page.click("#model-get")  # before this nothing is asked of the network
            wait_for_text(page, "#transfer", "The hub cannot be reached")
            assert time.monotonic() - begun < 5
            go(page, "chat")
            page.click("#minerva-no")
            page.wait_for_selector("#minerva", state="detached")
            reload(page)
            page.wait_for_timeout(300)
            assert page.locator("#minerva").count() == 0


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


def test_a_long_reply_and_a_short_one_begin_at_one_height(chromium: Any, shared_app: App) -> None:
    with page_of(chromium, shared_app) as page:
        go(page, "compare")
        page.wait_for_selector("#left-reply:visible")
        page.evaluate("document.querySelector('#left-reply .prose').innerText = 'long '.repeat(999)")
        left, right = (page.locator(f"#{side}-reply").bounding_box() for side in ("left", "right"))
        assert left["height"] > 1000
        assert (left["y"], left["height"]) == (right["y"], right["height"])
