"""The tab Feedback in a real browser: found, changed, taken back, opened again, by mouse and by keyboard."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import App, browser, page_of, running_app

from alignchat import config
from alignchat.engine import ScriptedEngine
from alignchat.loop import Loop
from feedback_store import Edit, FeedbackStore

pytestmark = pytest.mark.browser

QUESTIONS = ("Perché il mare è salato?", "Write a haiku about rain.", "Chi ha scritto i Promessi Sposi?")
WORDS = {
    "en-GB": {
        "bad": "Bad",
        "good": "Good",
        "edit": "Rewritten",
        "pages": "1 to 25 of 32",
        "second": "26 to 32 of 32",
        "back": "taken back",
        "again": "It counts again.",
        "none": "Nothing fits these filters.",
        "coach": "18 more pairs: the shortest round shows each of 2 20 times",
    },
    "it-IT": {
        "bad": "Cattiva",
        "good": "Buona",
        "edit": "Riscritta",
        "pages": "da 1 a 25 di 32",
        "second": "da 26 a 32 di 32",
        "back": "ritirato",
        "again": "Vale di nuovo.",
        "none": "Niente corrisponde a questi filtri.",
        "coach": "Altre 18 coppie: il round più corto mostra ciascuna delle 2 per 20 volte",
    },
}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture
def app(tmp_path: Path, chromium: Any) -> Iterator[App]:  # noqa: ARG001 - skips first
    engine = ScriptedEngine(lambda messages, *_: f"A reply with <b>marks</b> to: {messages[-1].content}")
    with Loop.open(config.load(tmp_path), lambda: engine) as loop:
        first = ""
        for i in range(30):
            *_, reply = loop.reply(None, QUESTIONS[i % 3])
            first = first or reply.completion_id
            tags = ["my own"] if i == 29 else []
            loop.feedback.rate(reply.completion_id, i % 2 == 0, tags=tags, comment="così" if i == 29 else "")
        *_, (left, right) = loop.compare("Say hello.")
        assert left is not None
        assert right is not None
        loop.choose(left.completion_id, right.completion_id, "left")
    with FeedbackStore.open(tmp_path / "feedback") as store:
        store.add(Edit(completion_id=first, text="I fiumi portano sali."))
    with running_app(tmp_path) as running:
        yield running


def wait_for(page: Any, selector: str, text: str) -> None:
    page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.textContent.includes(text)",
        arg=[selector, text],
    )


def row(page: Any, number: int) -> Any:
    return page.locator("#feedback-table tbody tr").nth(number)


def choose(page: Any, name: str, label: str) -> None:
    page.click(f"#filter-{name} input")
    page.locator(f"#filter-{name} [role=option]", has_text=re.compile(rf"{label}\s*$")).click()


def picture(page: Any, name: str) -> None:
    folder = Path("artefacts")
    folder.mkdir(exist_ok=True)
    page.wait_for_timeout(300)
    page.screenshot(path=folder / f"{name}.png")


@pytest.mark.parametrize("locale", WORDS)
def test_what_was_said_is_found_changed_taken_back_and_opened(
    chromium: Any, app: App, tmp_path: Path, locale: str
) -> None:
    words = WORDS[locale]
    with page_of(chromium, app, locale=locale, height=1000) as page:
        page.click("#tab-feedback-button")
        wait_for(page, "#feedback-count", words["pages"])
        wait_for(page, "#coach", words["coach"])
        assert "<b>marks</b>" in page.inner_text("#feedback-table")
        picture(page, f"feedback-{locale[:2]}")
        page.click("#page-after")
        wait_for(page, "#feedback-count", words["second"])
        page.click("#page-before")
        wait_for(page, "#feedback-count", words["pages"])

        page.fill("#find textarea, #find input", "PROMESSI")
        wait_for(page, "#feedback-count", "10")
        choose(page, "verdict", words["bad"])
        wait_for(page, "#feedback-count", "5")
        assert page.locator("#feedback-table .said .down").count() == 5

        # Change: by keyboard alone, from the first row's button on.
        wait_for(page, "#feedback-table .chip", "my own")
        row(page, 0).locator("[data-act=change]").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("#change-save", state="visible")
        wait_for(page, "#change-about", "A reply with <b>marks</b>")
        picture(page, f"feedback-change-{locale[:2]}")
        page.locator("#change-verdict input").first.check()
        page.fill("#change-comment textarea, #change-comment input", "anzi no")
        page.click("#change-save")
        wait_for(page, "#feedback-count", "4")
        assert page.inner_text("#strip .up b") == "16"
        assert not page.is_visible("#change-save")
        choose(page, "verdict", words["good"])
        wait_for(page, "#feedback-table q", "anzi no")

        # Take back, and restore; the focus stays on the row.
        button = row(page, 0).locator("[data-act=retract]")
        button.focus()
        page.keyboard.press("Enter")
        wait_for(page, "#feedback-table .badge", words["back"])
        assert page.inner_text("#strip .up b") == "15"
        page.wait_for_function("document.activeElement?.dataset?.act !== undefined")
        row(page, 0).locator("[data-act=restore]").click()
        wait_for(page, "#feedback-notice", words["again"])
        assert page.inner_text("#strip .up b") == "16"

        page.fill("#find textarea, #find input", "nowhere")
        wait_for(page, "#feedback-table", words["none"])
        page.fill("#find textarea, #find input", "sali")
        choose(page, "verdict", words["edit"])
        wait_for(page, "#feedback-table .reply ~ .reply", "I fiumi portano sali.")
        row(page, 0).locator("[data-act=open]").click()
        page.wait_for_selector("#tab-chat-button[aria-selected=true]")
        wait_for(page, "#chat", "Perché il mare è salato?")
        # An invisible joiner follows what could begin HTML, so the mark is looked for without its bracket.
        wait_for(page, "#chat", "b>marks")
    with FeedbackStore.open(tmp_path / "feedback") as store:
        (changed,) = (thumb for thumb in store.thumbs() if thumb.comment == "anzi no")
        assert (changed.up, changed.tags) == (True, ("my own",))
        assert [e.op for e in store.history(changed.id)] == ["add", "revise", "retract", "restore"]


def test_files_come_in_and_go_out_by_their_paths(chromium: Any, app: App, tmp_path: Path) -> None:
    out, rows = tmp_path / "out.jsonl", tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "Ciao?", "completion": "Ciao!", "label": true}\n', "utf-8")
    with page_of(chromium, app, locale="it-IT") as page:
        page.click("#tab-feedback-button")
        page.click("#feedback-files button")
        page.click("#export")
        wait_for(page, "#files-notice", "Prima scrivi il percorso di un file.")
        page.fill("#files-path textarea, #files-path input", str(out))
        page.click("#export")
        wait_for(page, "#files-notice", f"righe sono in {out}")
        assert out.stat().st_size > 1000
        page.fill("#files-path textarea, #files-path input", str(rows))
        page.click("#import-look")
        wait_for(page, "#files-notice", "entrerebbero")
        page.click("#import")
        wait_for(page, "#files-notice", "entrati")
        wait_for(page, "#feedback-table", "Ciao?")
        wait_for(page, "#strip .up b", "16")
        picture(page, "feedback-files-it")


@pytest.mark.parametrize("dark", [False, True])
def test_the_table_fits_a_telephone(chromium: Any, app: App, dark: bool) -> None:
    with page_of(chromium, app, locale="it-IT", width=390, height=844, dark=dark) as page:
        page.click("#tab-feedback-button")
        page.wait_for_selector("#feedback-table tbody tr")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        picture(page, f"feedback-390{'-dark' if dark else ''}")
        row(page, 0).scroll_into_view_if_needed()
        picture(page, f"feedback-390-rows{'-dark' if dark else ''}")
        row(page, 0).locator("[data-act=change]").click()
        page.wait_for_selector("#change-save", state="visible")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        picture(page, f"feedback-390-change{'-dark' if dark else ''}")
