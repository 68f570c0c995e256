"""Votes over HTTP: durable before they are acknowledged, once each, and one sentence for what is refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from alignchat import config
from alignchat.engine import ScriptedEngine
from alignchat.loop import Loop
from alignchat.ui import votes
from benchmarks import page
from benchmarks import votes as load
from feedback_store import FeedbackStore
from tests.tiny_models import write_llama
from tests.visitors import as_person


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    with Loop.open(config.load(tmp_path), lambda: ScriptedEngine(lambda *_: "one two")) as opened:
        yield opened


@pytest.fixture
def client(loop: Loop) -> TestClient:
    app = FastAPI()
    app.include_router(votes.router(loop))
    return TestClient(as_person(app))


@pytest.fixture
def reply(loop: Loop) -> str:
    *_, last = loop.reply(None, "hello")
    return last.completion_id


def thumb(reply: str, up: bool | None, **fields: Any) -> dict[str, Any]:
    return {"id": uuid4().hex, "completion_id": reply, "up": up, **fields}


def counts(client: TestClient, vote: dict[str, Any]) -> tuple[int, int]:
    answer = client.post("/votes", json=vote)
    assert answer.status_code == 200, answer.text
    assert answer.json()["saved"]
    return answer.json()["counts"]["up"], answer.json()["counts"]["down"]


def journal(data: Path) -> list[dict[str, Any]]:
    lines = (data / "feedback" / "journal.jsonl").read_text("utf-8").splitlines()
    return [event for event in map(json.loads, lines) if event["kind"] == "thumb"]


def test_an_acknowledged_vote_is_on_the_disk_with_its_reasons(
    client: TestClient, reply: str, tmp_path: Path
) -> None:
    vote = thumb(reply, False, tags=["rude", "off-topic"], comment="perché?")
    assert counts(client, vote) == (0, 1)
    with FeedbackStore.open(tmp_path / "feedback") as other:
        (saved,) = other.thumbs()
    assert (saved.id, saved.up, saved.tags, saved.comment) == (
        vote["id"],
        False,
        ("rude", "off-topic"),
        "perché?",
    )


def test_the_latest_vote_on_a_reply_counts_and_null_takes_it_back(client: TestClient, reply: str) -> None:
    assert counts(client, thumb(reply, True)) == (1, 0)
    assert counts(client, thumb(reply, False)) == (0, 1)
    assert counts(client, thumb(reply, None)) == (0, 0)
    assert counts(client, thumb(reply, None)) == (0, 0)
    assert counts(client, thumb(reply, True)) == (1, 0)


def test_a_vote_that_comes_again_later_counts_once(client: TestClient, reply: str, tmp_path: Path) -> None:
    up, back, down = thumb(reply, True), thumb(reply, None), thumb(reply, False)
    assert [counts(client, vote) for vote in (up, up, back, back, down)][-1] == (0, 1)
    written = journal(tmp_path)
    assert [counts(client, vote) for vote in (up, back, down)] == [(0, 1)] * 3
    assert journal(tmp_path) == written


def test_another_vote_under_the_same_id_is_refused(client: TestClient, loop: Loop, reply: str) -> None:
    vote = thumb(reply, True)
    counts(client, vote)
    for other in ({"up": False}, {"comment": "x"}, {"up": None}, {"id": reply}):
        assert client.post("/votes", json=vote | other).status_code == 400
    assert loop.feedback.stats()["up"] == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"id": "1", "completion_id": "x", "up": true}',
        b'{"id": "%s", "completion_id": "x"}' % (b"a" * 32),
        b'{"id": "%s", "completion_id": "x", "up": 1}' % (b"a" * 32),
        b'{"id": "%s", "completion_id": "x", "up": true, "text": "y"}' % (b"a" * 32),
        b'{"id": "%s", "completion_id": "x", "up": true, "comment": "%s"}' % (b"a" * 32, b"y" * 10_001),
    ],
)
def test_what_is_no_vote_is_one_sentence(client: TestClient, loop: Loop, body: bytes) -> None:
    answer = client.post("/votes", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("The vote cannot be read (")
    assert loop.feedback.stats()["up"] == 0


def test_a_reply_the_server_did_not_give_is_refused_in_the_pages_language(client: TestClient) -> None:
    vote = thumb("nothing", True)
    english = client.post("/votes", json=vote).json()["error"]
    italian = client.post("/votes", json=vote, headers={"accept-language": "it"}).json()["error"]
    assert "There is no completion nothing" in english
    assert "Non c'è più la risposta" in italian


def test_a_vote_that_the_disk_did_not_take_asks_to_be_sent_again(
    client: TestClient, loop: Loop, reply: str, tmp_path: Path
) -> None:
    vote = thumb(reply, True)
    file = tmp_path / "feedback" / "journal.jsonl"
    file.rename(file.with_name("away"))
    answer = client.post("/votes", json=vote, headers={"accept-language": "it"})
    assert answer.status_code == 503
    assert "Non salvato" in answer.json()["error"]
    file.with_name("away").rename(file)
    assert counts(client, vote) == (1, 0)
    assert loop.feedback.stats()["up"] == 1


def test_votes_are_not_refused_beside_streams(tmp_path: Path) -> None:
    model = write_llama(tmp_path / "tiny.gguf", tied=False)
    replies, folder = load.make_replies(tmp_path / "data"), tmp_path
    with page.serving(tmp_path / "data", str(model), **load.LONG) as app:
        figures, saved = load.measure(app, replies, folder, seconds=4, pause=0.2, streams=load.STREAMS)
    print(
        f"{figures.votes} votes, {figures.streamed} pieces; p50 {figures.p50:.0f}, p99 {figures.p99:.0f} ms"
    )
    assert figures.rejected == 0
    assert figures.votes == len(saved) >= load.VOTERS
    assert figures.streamed > 0
    assert load.missing_on_disk(tmp_path / "data", saved) == set()
