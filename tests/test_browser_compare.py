"""The tab Compare in a real browser: before the vote nothing tells whose reply is whose; and all keys."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from browser import MINUTE, App, Trouble, browser, counts, go, page_of, running_app, wait_for_text
from made_rounds import add_round
from recording import Exchange, Recording, recorder

from alignchat import catalog, config
from alignchat.engine import Adapter
from alignchat.loop import Loop
from alignchat.ui.messages import escape
from feedback_store import Completion, FeedbackStore

pytestmark = pytest.mark.browser

ARTEFACTS = Path(__file__).parent.parent / "artefacts"
QUESTION = "Say hello."
COMPARISONS = 12
# Pictures of growing texts come when the clock says so, and the queue's own when it is asked.
GROWING = ("process_generating", "heartbeat", "estimation")
NAMES = ("session_hash", "event_id", "eta", "avg_time", "duration", "average_duration", "cache_duration")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


def two_rounds(data: Path, model: catalog.Model, adapter: Adapter) -> dict[str, str]:
    """Make a data folder with a round in use, and return the app's environment for it."""
    with Loop.open(config.load(data, model=str(model.path))) as loop:
        loop.rounds.activate(add_round(loop, adapter))
    return {"ALIGNCHAT_MODEL": str(model.path), "ALIGNCHAT_CHAT__MAX_TOKENS": "12"}


def compare(page: Any) -> str:
    """Ask for two replies; return the comparison's id when they are there."""
    page.fill("#compare-prompt textarea", QUESTION)
    page.keyboard.press("Enter")
    page.wait_for_selector("#verdict-left:enabled")
    id = page.get_attribute("#comparison", "data-id")
    assert isinstance(id, str)
    return id


def vote(page: Any, key: str, said: str) -> None:
    page.keyboard.press(key)
    wait_for_text(page, "#compare-notice", said)


def sides(data: Path, comparison: str) -> tuple[Completion, Completion]:
    with FeedbackStore.open(data / "feedback") as store:
        left, right = sorted(store.completions(conversation_id=comparison), key=lambda c: c.id)
    return left, right


def test_until_the_vote_nothing_sent_or_shown_tells_which_round_is_where(
    chromium: Any, tmp_path: Path, tiny_llama: catalog.Model, tiny_adapter: Callable[..., Adapter]
) -> None:
    seen: list[tuple[str, list[Exchange], str]] = []
    environment = two_rounds(tmp_path, tiny_llama, tiny_adapter(1))
    with running_app(tmp_path, **environment) as app, recorder() as recording:
        for id, exchanges, html in blind_votes(chromium, app, recording):
            seen.append((id, exchanges, html))
    shapes: dict[int | None, list[Any]] = {0: [], 1: []}
    for id, exchanges, html in seen:
        left, right = sides(tmp_path, id)
        assert {left.round, right.round} == {0, 1}
        sent = "\n".join(exchange.text() for exchange in exchanges)
        assert QUESTION in sent
        for completion in (left, right):
            assert completion.id not in sent
            assert completion.id not in html
        assert not re.search(r"adapter|tuned|tokens_per_second|\"round\"|Round 1|Base model", sent)
        texts = [escape(left.text), escape(right.text)]
        told = [exchange for exchange in exchanges if exchange.path.split("/")[3] in ("queue", "run")]
        assert {exchange.path.split("/")[3] for exchange in exchanges} <= {"queue", "run", "heartbeat"}
        if all(texts):  # random weights may say nothing
            shapes[left.round].append([shape(exchange, texts) for exchange in told])
    with FeedbackStore.open(tmp_path / "feedback") as store:
        choices = store.choices()
    assert len(choices) == COMPARISONS
    assert all(choice.blind for choice in choices)
    # Apart from the texts and from names made by chance, it is the same whichever side the round is on.
    ARTEFACTS.mkdir(exist_ok=True)
    traffic = json.dumps({f"left is round {round}": told for round, told in shapes.items()}, indent=1)
    (ARTEFACTS / "compare-traffic.json").write_text(traffic)
    assert shapes[0]
    assert shapes[1]
    for other in shapes[1]:
        assert other == shapes[0][0]


def blind_votes(chromium: Any, app: App, recording: Recording) -> Iterator[tuple[str, list[Exchange], str]]:
    """Vote again and again; yield each comparison with its traffic up to the vote, and the page then."""
    proxy = {"server": f"http://127.0.0.1:{recording.port}", "bypass": "<-loopback>"}
    context, trouble = chromium.new_context(locale="en-GB", proxy=proxy), Trouble()
    page = context.new_page()
    trouble.watch(page)
    page.goto(app.url, wait_until="domcontentloaded")
    page.wait_for_selector("#strip li")
    go(page, "compare")
    page.wait_for_selector("#standings h2")
    for _ in range(COMPARISONS):
        before = len(recording.exchanges)
        id = compare(page)
        html = page.content()
        assert page.inner_text("#left-maker").strip() == page.inner_text("#right-maker").strip() == ""
        page.wait_for_timeout(150)  # what may come late is looked at too
        exchanges = recording.exchanges[before:]
        vote(page, "1", "Saved")
        assert {page.inner_text(f"#{side}-maker") for side in ("left", "right")} == {"Round 1", "Base model"}
        yield id, exchanges, html
    context.close()
    trouble.assert_none()


def shape(exchange: Exchange, texts: Sequence[str]) -> list[Any]:
    """Return what is left of an exchange without texts, random names, lengths, times and growing texts."""
    heads = [
        (name.lower(), value)
        for head in (exchange.asked, exchange.headers)
        for name, value in head.items()
        if name.lower() not in ("content-length", "date", "host", "referer", "cookie")
    ]
    path = re.sub(r"(session_hash|event_id)=\w+", r"\1=NAME", exchange.path)
    told = [message for message in messages(exchange) if message.get("msg") not in GROWING]
    return [exchange.method, path, exchange.status, heads, plain(told, texts)]


def messages(exchange: Exchange) -> list[Any]:
    """Return the JSON documents of an exchange: bodies, and events of a stream."""
    lines = [exchange.sent.decode(), *exchange.received.decode().splitlines()]
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.strip()]


def plain(value: Any, texts: Sequence[str]) -> Any:
    """Return a JSON value with texts, random names and times replaced by what they are."""
    if isinstance(value, dict):
        return {key: plain(part, texts) for key, part in value.items() if key not in NAMES}
    if isinstance(value, list):
        return [plain(part, texts) for part in value]
    if isinstance(value, float):
        return "TIME"
    if isinstance(value, str) and value and any(value in text for text in texts):
        return "TEXT"
    return re.sub(r"[0-9a-f]{32}", "NAME", value) if isinstance(value, str) else value


@pytest.mark.parametrize(
    ("locale", "width", "dark", "saved", "back", "skipped"),
    [
        ("en-GB", 1280, False, "Saved", "Taken back", "nothing was stored"),
        ("it-IT", 390, True, "Salvato", "Ritirato", "non è stato salvato nulla"),
    ],
)
def test_vote_reveal_undo_skip_and_standings_in_both_languages(
    chromium: Any,
    tmp_path: Path,
    tiny_llama: catalog.Model,
    tiny_adapter: Callable[..., Adapter],
    locale: str,
    width: int,
    dark: bool,
    saved: str,
    back: str,
    skipped: str,
) -> None:
    environment = two_rounds(tmp_path, tiny_llama, tiny_adapter(1))
    ARTEFACTS.mkdir(exist_ok=True)
    with (
        running_app(tmp_path, **environment) as app,
        page_of(chromium, app, locale=locale, width=width, dark=dark) as page,
    ):
        go(page, "compare")
        first = compare(page)
        vote(page, "ArrowRight", saved)
        assert counts(page) == (0, 0, 1)
        wait_for_text(page, "#standings", "1")
        page.screenshot(path=ARTEFACTS / f"compare-{locale[:2]}-{width}.png", full_page=True)
        page.keyboard.press("u")
        wait_for_text(page, "#compare-notice", back)
        assert counts(page) == (0, 0, 0)
        vote(page, "b", saved)
        compare(page)
        vote(page, "s", skipped)
        compare(page)
        vote(page, "t", saved)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    with FeedbackStore.open(tmp_path / "feedback") as store:
        told = {(choice.verdict, choice.blind) for choice in store.choices()}
        again = [choice for choice in store.choices() if choice.left_id == sides(tmp_path, first)[0].id]
    assert told == {("both_bad", False), ("tie", True)}
    assert [choice.verdict for choice in again] == ["both_bad"]


def test_what_is_not_blind_says_who_replies_on_the_side_asked_for(
    chromium: Any, tmp_path: Path, tiny_llama: catalog.Model, tiny_adapter: Callable[..., Adapter]
) -> None:
    environment = two_rounds(tmp_path, tiny_llama, tiny_adapter(1))
    with running_app(tmp_path, **environment) as app, page_of(chromium, app) as page:
        go(page, "compare")
        page.locator("#blind input").uncheck()
        compare(page)
        wait_for_text(page, "#left-maker", "Round 1")
        wait_for_text(page, "#right-maker", "Base model")
        vote(page, "1", "Saved")
        wait_for_text(page, "#standings", "1 that were not blind")
        page.locator("#standings-all input").check()
        wait_for_text(page, "#standings table", "1.00")


def test_what_is_asked_for_while_the_stream_of_answers_is_being_closed_is_answered(
    chromium: Any, tmp_path: Path, tiny_llama: catalog.Model
) -> None:
    held: list[tuple[Any, Any]] = []
    environment = {"ALIGNCHAT_MODEL": str(tiny_llama.path), "ALIGNCHAT_CHAT__MAX_TOKENS": "2"}
    with running_app(tmp_path, **environment) as app, page_of(chromium, app) as page:
        # The server has closed the stream that the tab's opening asked for; the page does not know yet.
        page.route("**/queue/data*", lambda route: held.append((route, route.fetch())), times=1)
        with page.expect_response("**/queue/data*", timeout=MINUTE) as late:
            go(page, "compare")
            while not held:
                page.wait_for_timeout(20)
            with page.expect_response("**/queue/join*"):
                page.fill("#compare-prompt textarea", QUESTION)
                page.keyboard.press("Enter")
            held[0][0].fulfill(response=held[0][1])
        assert late.value.ok
        page.wait_for_selector("#verdict-left:enabled")
