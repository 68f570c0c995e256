"""The tab Label in a real browser: fifty pairs by keyboard alone, and everything else that a key does."""

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from browser import browser, go, page_of, reload, running_app, wait_for_text, wait_for_value

from alignchat import catalog, config
from alignchat.engine import ScriptedEngine
from alignchat.loop import Loop
from feedback_store import Choice, FeedbackStore, Verdict

# What the browser says of requests that were cut off.
CUT = "ERR_INTERNET_DISCONNECTED|network|[Cc]onnection|Failed to fetch"
pytestmark = pytest.mark.browser

ARTEFACTS = Path(__file__).parent.parent / "artefacts"
OURS = 100  # milliseconds from key to next pair that may be ours
REPLY = """Here are **three** ideas, number {}:

1. An omelette with tomatoes and `basil`
2. A soup, such as *pappa al pomodoro*
3. <b>Bread</b> ![picture](http://example.com/x.png) with [oil](http://example.com)

Whatever you choose, let the tomatoes cook slowly and take the eggs out of the fridge in good time."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


def queued(data: Path, model: catalog.Model, count: int, *, anna: Sequence[Verdict] = ()) -> dict[str, str]:
    """Make a data folder with so many pairs to label, and return the app's environment for it.

    With what Anna said of the first ones, each pair is for two people.
    """
    numbers = iter(range(10**9))
    settings = config.load(data, model=str(model.path))
    with Loop.open(settings, lambda: ScriptedEngine(lambda *_: REPLY.format(next(numbers)))) as loop:
        prompts = [*loop.labelling.starters("en"), *loop.labelling.starters("it")]
        loop.labelling.prepare(prompts, count=count, overlap=2 if anna else 1)
        loop.labelling.ahead.wait(60)
        for item, verdict in zip(loop.labelling.take(count=count), anna, strict=False):
            loop.arena.vote(item.id, verdict, annotator="anna")
    return {"ALIGNCHAT_MODEL": str(model.path), "ALIGNCHAT_CHAT__MAX_TOKENS": "12"}


# Waits for a pair on the stage or for a message, and tells whether it is the message.
PAIR_OR_SAID = """said => {
    if (document.getElementById("label-message").innerText.includes(said)) return [true];
    return document.getElementById("label-pair").hidden ? null : [false];
}"""


def shown(page: Any) -> str:
    """Return the pair on the stage."""
    page.wait_for_selector("#label-pair:not([hidden])")
    id = page.get_attribute("#label-stage", "data-comparison")
    assert isinstance(id, str)
    return id


def press(page: Any, key: str) -> str:
    """Press a key and return the pair that then is on the stage."""
    before = shown(page)
    page.keyboard.press(key)
    page.wait_for_function(
        "id => document.getElementById('label-pair').hidden"
        " || document.getElementById('label-stage').dataset.comparison !== id",
        arg=before,
    )
    return page.get_attribute("#label-stage", "data-comparison") or ""


def all_saved(page: Any) -> None:
    page.wait_for_function("() => alignchat.unsaved().length === 0")


def choices(data: Path) -> list[Choice]:
    with FeedbackStore.open(data / "feedback") as store:
        return store.choices()


def verdicts(data: Path) -> dict[str, str]:
    """Return by pair what was said of it in the page."""
    with FeedbackStore.open(data / "feedback") as store:
        of = {completion.id: completion.conversation_id for completion in store.completions()}
    said = [choice for choice in choices(data) if choice.annotator == "local"]
    assert all(choice.blind for choice in said)
    return {of[choice.left_id]: choice.verdict for choice in said}


def test_fifty_pairs_are_labelled_by_keyboard_alone_and_each_next_one_is_there_at_once(
    chromium: Any, tmp_path: Path, tiny_llama: catalog.Model
) -> None:
    keys = {
        "1": "left",
        "ArrowLeft": "left",
        "2": "right",
        "ArrowRight": "right",
        "t": "tie",
        "b": "both_bad",
    }
    environment = queued(tmp_path, tiny_llama, 52)
    said: dict[str, str] = {}
    with running_app(tmp_path, **environment) as app, page_of(chromium, app) as page:
        page.focus("#tab-label-button")
        page.keyboard.press("Enter")
        shown(page)
        started = page.evaluate("performance.now()")
        for number in range(50):
            key = list(keys)[number % len(keys)]
            said[shown(page)] = keys[key]
            press(page, key)
        seconds = (page.evaluate("performance.now()") - started) / 1000
        all_saved(page)
        page.wait_for_timeout(100)
        times = page.evaluate(
            "performance.getEntriesByType('measure')"
            ".filter(m => m.name.startsWith('label-')).map(m => m.duration)"
        )
        wait_for_text(page, "#label-progress", "50 labelled · 2 left")
        reload(page)
        go(page, "label")
        wait_for_text(page, "#label-progress", "50 labelled · 2 left")
        assert shown(page) not in said
    assert verdicts(tmp_path) == said
    assert len(times) == len(said) == 50
    times.sort()
    print(
        f"50 pairs in {seconds:.1f} s; from key to the next pair painted: "
        f"median {statistics.median(times):.0f}, 95th of 100 {times[47]:.0f}, longest {times[-1]:.0f} ms"
    )
    assert statistics.median(times) <= OURS


@pytest.mark.parametrize(("locale", "width", "dark"), [("en-GB", 1280, False), ("it-IT", 390, True)])
def test_undo_later_discard_and_edit_in_both_languages(
    chromium: Any, tmp_path: Path, tiny_llama: catalog.Model, locale: str, width: int, dark: bool
) -> None:
    environment = queued(tmp_path, tiny_llama, 8)
    ARTEFACTS.mkdir(exist_ok=True)
    with (
        running_app(tmp_path, **environment) as app,
        page_of(chromium, app, locale=locale, width=width, dark=dark) as page,
    ):
        go(page, "label")
        first = shown(page)
        page.screenshot(path=ARTEFACTS / f"label-{locale[:2]}-{width}.png", full_page=True)
        second = press(page, "1")
        assert press(page, "u") == first
        assert press(page, "2") == second
        third = press(page, "s")
        fourth = press(page, "d")
        assert press(page, "u") == third
        assert press(page, "d") == fourth
        page.keyboard.press("e")
        page.check("input[name=label-edit-side][value=right]")
        page.fill("#label-edit-text", "A better reply.")
        page.screenshot(path=ARTEFACTS / f"label-edit-{locale[:2]}-{width}.png")
        page.keyboard.press("Control+Enter")
        press(page, "t")
        all_saved(page)
        page.click("#prepare button")
        page.wait_for_selector("#prepare-run")
        page.screenshot(path=ARTEFACTS / f"label-prepare-{locale[:2]}-{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        done = {"en": "All done: 7", "it": "Finito: 7"}[locale[:2]]
        while page.wait_for_function(PAIR_OR_SAID, arg=done).json_value() == [False]:
            press(page, "b")
        all_saved(page)
    told = verdicts(tmp_path)
    assert (told[first], told[second], told[fourth]) == ("right", "both_bad", "tie")
    assert third not in told
    assert len(told) == 7
    with FeedbackStore.open(tmp_path / "feedback") as store:
        (edit,) = store.edits()
        pair = sorted(c.id for c in store.completions(conversation_id=fourth))
    assert (edit.text, edit.completion_id) == ("A better reply.", pair[1])


def test_two_pages_show_different_pairs_and_a_reply_is_shown_as_text(
    chromium: Any, tmp_path: Path, tiny_llama: catalog.Model
) -> None:
    environment = queued(tmp_path, tiny_llama, 24)
    with (
        running_app(tmp_path, **environment) as app,
        page_of(chromium, app) as one,
        page_of(chromium, app) as other,
    ):
        seen: list[str] = []
        for page in (one, other):
            go(page, "label")
            seen.append(shown(page))
        for page in (one, other) * 5:
            seen.append(press(page, "1"))
        assert all(seen)
        assert len(seen) == len(set(seen)) == 12
        assert one.locator("#label-left strong").count() <= 1
        assert "<b>Bread</b>" in other.inner_text("#label-left")
        assert other.locator("#label-stage img, #label-stage .reply a, #label-stage .reply b").count() == 0


def test_of_pairs_prepared_for_two_agreement_is_told_and_what_is_decided_offline_is_sent_later(
    chromium: Any, tmp_path: Path, tiny_llama: catalog.Model
) -> None:
    environment = queued(tmp_path, tiny_llama, 8, anna=["left", "both_bad"])
    with (
        running_app(tmp_path, **environment) as app,
        page_of(
            chromium, app, expected="ERR_INTERNET_DISCONNECTED|network|[Cc]onnection|Failed to fetch"
        ) as page,
    ):
        go(page, "label")
        said = {shown(page): "left"}
        page.wait_for_function("() => document.getElementById('label-progress').textContent")
        page.context.set_offline(True)
        said[press(page, "1")] = "both_bad"
        press(page, "b")
        wait_for_text(page, "#unsaved", "not saved yet")
        assert "local" not in {choice.annotator for choice in choices(tmp_path)}
        page.context.set_offline(False)
        all_saved(page)
        reload(page)
        go(page, "label")
        wait_for_text(page, "#label-agreement", "α = 1.00 on 2 pairs")
    assert verdicts(tmp_path) == said


def test_pairs_are_prepared_in_the_page_from_a_list_and_labelled(
    chromium: Any, tmp_path: Path, tiny_llama: catalog.Model
) -> None:
    environment = {"ALIGNCHAT_MODEL": str(tiny_llama.path), "ALIGNCHAT_CHAT__MAX_TOKENS": "12"}
    prompts = [f"What is number {i}?" for i in range(6)]
    file = tmp_path / "prompts.txt"
    file.write_text("\n".join(prompts))
    with running_app(tmp_path / "data", **environment) as app, page_of(chromium, app) as page:
        go(page, "label")
        wait_for_text(page, "#label-message", "Nothing to label now")
        page.locator("#prepare-source label", has_text="My own list").click()
        page.click("#prepare-run")
        wait_for_text(page, "#prepare-notice", "There are no prompts here")
        page.set_input_files("#prepare-file", file)
        wait_for_value(page, "#prepare-list textarea", "\n".join(prompts))
        page.click("#prepare-run")
        wait_for_text(page, "#prepare-progress", "pairs are ready")
        shown(page)
        asked = set()
        while page.is_visible("#label-pair"):
            asked.add(page.inner_text("#label-prompt").strip())
            press(page, "t")
        # Random weights may say nothing, and such a pair is left out.
        assert asked <= set(prompts)
        assert len(asked) >= 4
