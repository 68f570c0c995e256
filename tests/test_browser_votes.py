"""Votes in a real browser: a connection that is cut loses none, and what is not saved is said."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import App, browser, page_of, reload, running_app

from alignchat import config
from alignchat.engine import ScriptedEngine
from alignchat.loop import Loop
from feedback_store import FeedbackStore

pytestmark = pytest.mark.browser

CUT = "ERR_INTERNET_DISCONNECTED|ERR_FAILED"
VOTE = """([reply, up]) => { alignchat.vote({ completion_id: reply, up, tags: ["helpful"] })
    .catch((error) => (window.refused = error.message)); }"""
NOT_SAVED = {"en-GB": "not saved yet", "it-IT": "non ancora salvat"}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture
def replies(tmp_path: Path) -> list[str]:
    with Loop.open(config.load(tmp_path), lambda: ScriptedEngine(lambda *_: "one two")) as loop:
        return [[*loop.reply(None, "hello")][-1].completion_id for _ in range(2)]


@pytest.fixture
def app(tmp_path: Path, replies: list[str], chromium: Any) -> Iterator[App]:  # noqa: ARG001 - made first
    with running_app(tmp_path) as running:
        yield running


def vote(page: Any, reply: str, up: bool | None) -> None:
    page.evaluate(VOTE, [reply, up])


def wait_for(page: Any, selector: str, text: str) -> None:
    page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.textContent.includes(text)",
        arg=[selector, text],
    )


@pytest.mark.parametrize("locale", NOT_SAVED)
def test_votes_pressed_while_the_connection_is_cut_are_saved_once_when_it_is_back(
    chromium: Any, app: App, replies: list[str], tmp_path: Path, locale: str
) -> None:
    artefacts = Path("artefacts")
    artefacts.mkdir(exist_ok=True)
    with page_of(chromium, app, locale=locale, expected=CUT) as page:
        page.evaluate("document.addEventListener('alignchat:votes', (e) => (window.told = e.detail))")
        vote(page, replies[0], True)
        wait_for(page, "#strip .up b", "1")
        wait_for(page, "#strip .up span", {"en-GB": "liked", "it-IT": "mi piace"}[locale])
        page.context.set_offline(True)
        vote(page, replies[0], None)
        vote(page, replies[0], False)
        vote(page, replies[1], False)
        wait_for(page, "#unsaved", NOT_SAVED[locale])
        assert page.inner_text("#unsaved").startswith("3")
        assert page.get_attribute("#unsaved", "role") == "status"
        assert [v["up"] for v in page.evaluate("alignchat.unsaved()")] == [None, False, False]
        assert len(page.evaluate("told.unsaved")) == 3
        assert page.inner_text("#strip .up b") == "1"
        page.screenshot(path=artefacts / f"votes-not-saved-{locale[:2]}.png")
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.screenshot(path=artefacts / f"votes-not-saved-{locale[:2]}-390.png")
        page.set_viewport_size({"width": 1280, "height": 860})
        # The page itself comes from the server; only votes are cut off while it is loaded again.
        page.route("**/votes", lambda route: route.abort())
        page.context.set_offline(False)
        reload(page)
        wait_for(page, "#unsaved", NOT_SAVED[locale])
        assert page.inner_text("#unsaved").startswith("3")
        page.unroute("**/votes")
        page.evaluate("dispatchEvent(new Event('online'))")
        wait_for(page, "#strip .down b", "2")
        page.wait_for_function("document.querySelector('#unsaved').textContent === ''")
        reload(page)
        wait_for(page, "#strip .down b", "2")
        assert page.evaluate("alignchat.unsaved()") == []
    with FeedbackStore.open(tmp_path / "feedback") as store:
        assert sorted((thumb.completion_id, thumb.up) for thumb in store.thumbs()) == sorted(
            (reply, False) for reply in replies
        )
        acts = [e.id for e in store.events() if (e.op, e.kind) == ("add", "thumb")]
        assert len(acts) == len(set(acts)) == 4


def test_a_strip_that_was_read_before_a_vote_and_comes_after_it_shows_the_vote(
    chromium: Any, app: App, replies: list[str]
) -> None:
    with page_of(chromium, app) as page:
        before = page.inner_html("#strip .strip >> xpath=..")
        assert page.inner_text("#strip .up b") == "0"
        vote(page, replies[0], True)
        wait_for(page, "#strip .up b", "1")
        page.evaluate(
            "html => { document.querySelector('#strip .strip').parentElement.innerHTML = html }", before
        )
        wait_for(page, "#strip .up b", "1")
        assert page.inner_text("#strip .up span") == "liked"


def test_an_answer_that_was_lost_does_not_save_a_vote_twice(
    chromium: Any, app: App, replies: list[str], tmp_path: Path
) -> None:
    with page_of(chromium, app, expected="ERR_FAILED") as page:
        lost: list[int] = []

        def lose(route: Any) -> None:
            if lost:
                route.continue_()
            else:
                lost.append(route.fetch().status)
                route.abort()

        page.route("**/votes", lose)
        vote(page, replies[0], True)
        wait_for(page, "#strip .up b", "1")
        assert lost == [200]
    with FeedbackStore.open(tmp_path / "feedback") as store:
        assert len([event for event in store.events() if event.kind == "thumb"]) == 1


def test_a_vote_the_server_refuses_is_said_and_not_sent_again(chromium: Any, app: App) -> None:
    with page_of(chromium, app, locale="it-IT", expected="400") as page:
        vote(page, "nothing", True)
        wait_for(page, "#unsaved", "Un voto è stato rifiutato. Non c'è più la risposta nothing.")
        assert page.evaluate("window.refused") == "Non c'è più la risposta nothing."
        assert page.evaluate("alignchat.unsaved()") == []
