"""The tab Label's routes and pieces of HTML, and the standings as the page tells them; no browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from made_rounds import add_round

from alignchat import config
from alignchat.arena import Player, Standings
from alignchat.engine import ScriptedEngine
from alignchat.judging.win_rates import Duel, Vote, duel
from alignchat.loop import Loop
from alignchat.ui import i18n, label_routes, standings, votes
from alignchat.ui.label import stage
from tests.visitors import as_person

EN, IT = i18n.TEXTS["en"], i18n.TEXTS["it"]
BASE, TUNED = Player("starter", 0), Player("starter", 1)


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    numbers = iter(range(10**9))
    with Loop.open(config.load(tmp_path), lambda: ScriptedEngine(lambda *_: f"*{next(numbers)}*")) as opened:
        opened.rounds.activate(add_round(opened))
        opened.labelling.prepare(opened.labelling.starters("en"), count=6)
        opened.labelling.ahead.wait(30)
        yield opened


@pytest.fixture
def client(loop: Loop) -> TestClient:
    app = FastAPI()
    app.include_router(votes.router(loop))
    app.include_router(label_routes.router(loop))
    return TestClient(as_person(app))


def following(client: TestClient, **query: Any) -> dict[str, Any]:
    answer = client.get("/label/next", params={"page": "p", **query})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert isinstance(told, dict)
    return told


def test_the_next_pairs_are_ids_and_texts_and_nothing_that_tells_whose_they_are(
    client: TestClient, loop: Loop
) -> None:
    answer = client.get("/label/next", params={"page": "p", "count": 3})
    items = answer.json()["items"]
    assert len(items) == 3
    for item in items:
        assert set(item) == {"id", "prompt_html", "left", "right", "left_html", "right_html"}
        shown = loop.arena.comparison(item["id"])
        assert (item["left"], item["right"]) == (shown.left.text, shown.right.text)
        assert item["left_html"].startswith("<p><em>")
        for completion in (shown.left, shown.right):
            assert completion.id not in answer.text
    assert "round" not in answer.text
    assert "round" not in str(answer.headers)


def test_a_choice_arrives_by_the_votes_route_once_and_is_taken_back(client: TestClient, loop: Loop) -> None:
    (item,) = following(client, count=1)["items"]
    vote = {"id": uuid4().hex, "comparison_id": item["id"], "verdict": "right"}
    for _ in range(2):
        answer = client.post("/votes", json=vote)
        assert answer.json()["counts"]["pairs"] == 1
    assert following(client, count=0)["state"]["labelled"] == 1
    back = {"id": uuid4().hex, "comparison_id": item["id"], "verdict": None}
    assert client.post("/votes", json=back).json()["counts"]["pairs"] == 0
    again = loop.arena.vote(item["id"], "left")
    assert again is not None
    assert again.blind


def test_an_edited_reply_arrives_by_the_votes_route(client: TestClient, loop: Loop) -> None:
    (item,) = following(client, count=1)["items"]
    vote = {"id": uuid4().hex, "comparison_id": item["id"], "side": "left", "text": "better"}
    assert client.post("/votes", json=vote).status_code == 200
    (edit,) = loop._store.edits()
    assert (edit.text, edit.completion_id) == ("better", loop.arena.comparison(item["id"]).left.id)


@pytest.mark.parametrize(
    "fields",
    [
        {"verdict": "left", "comparison_id": "nothing"},
        {"verdict": "middle", "comparison_id": "x"},
        {"side": "left", "text": "x", "comparison_id": "nothing"},
        {"verdict": "left", "comparison_id": "x", "blind": True},
        {"verdict": "left", "comparison_id": "x" * 65},
    ],
)
def test_what_cannot_be_a_choice_is_refused_in_one_sentence(
    client: TestClient, fields: dict[str, Any]
) -> None:
    answer = client.post("/votes", json={"id": uuid4().hex, **fields})
    assert answer.status_code == 400
    assert answer.json()["error"].endswith(".")


def test_pairs_are_put_off_discarded_and_brought_back(client: TestClient) -> None:
    first, second, *_ = following(client, count=9)["items"]
    assert client.post("/label/later", json={"id": first["id"], "page": "p"}).status_code == 200
    assert following(client, count=9)["items"][-1] == first
    assert client.post("/label/discard", json={"id": second["id"], "page": "p"}).status_code == 200
    assert following(client, count=9)["state"]["left"] == 5
    assert client.post("/label/restore", json={"id": second["id"], "page": "p"}).status_code == 200
    assert following(client, count=9)["state"]["left"] == 6
    refused = client.post("/label/discard", json={"id": "x", "page": "p"}, headers={"accept-language": "it"})
    assert refused.status_code == 400
    assert refused.json()["error"] == "Questa coppia non è più nella coda."


def test_a_reply_is_text_and_marks_and_fetches_nothing() -> None:
    html = label_routes.html(
        "**bold** `<i>` <b>x</b> ![i](http://a.b/c.png) [l](http://a.b) <http://a.b> <script>1</script>"
        "\n\n- one"
    )
    assert "<strong>bold</strong> <code>&lt;i&gt;</code> &lt;b&gt;" in html
    assert "<li>one</li>" in html
    for bad in ("<img", "<a ", "<script", "<b>"):
        assert bad not in html


def test_the_stage_is_one_line_of_html_in_both_languages() -> None:
    for texts in (EN, IT):
        assert "\n" not in stage(texts)
        assert texts["label_both_bad"] in stage(texts)


def a_duel(wins: int, losses: int) -> Duel[Player]:
    outcomes = [Vote(TUNED, BASE, "first")] * wins + [Vote(TUNED, BASE, "second")] * losses
    return duel(TUNED, BASE, outcomes)


@pytest.mark.parametrize(
    ("wins", "losses", "english", "italian"),
    [
        (3, 1, "cannot be told apart yet (n = 4); about 26 more", "altri 26 voti"),
        (40, 10, "Round 1 wins more often than Base model (n = 50)", "vince più spesso"),
        (10, 40, "Round 1 wins less often", "vince meno spesso"),
        (40, 40, "are even (n = 80)", "sono pari (n = 80)"),
    ],
)
def test_what_votes_amount_to_is_said_in_words(wins: int, losses: int, english: str, italian: str) -> None:
    assert english in standings.sentence(a_duel(wins, losses), "starter", EN)
    assert italian in standings.sentence(a_duel(wins, losses), "starter", IT)


def test_standings_show_each_rate_with_its_votes_and_what_was_left_out() -> None:
    told = Standings(rounds=(), duels=(a_duel(3, 1),), ranked=(), votes=4, not_blind=2, same_round=0)
    shown = standings.shown(told, "starter", EN)
    assert "<td>4</td><td>3</td><td>0</td><td>1</td><td>0</td><td>0.75 (" in shown
    assert "Not counted: 2 that were not blind." in shown
    assert "minerva: Round 1" in standings.shown(
        Standings(
            rounds=(),
            duels=(duel(Player("minerva", 1), BASE, []),),
            ranked=(TUNED, BASE),
            votes=0,
            not_blind=0,
            same_round=1,
        ),
        "starter",
        EN,
    )
    nothing = Standings(rounds=(), duels=(), ranked=(), votes=0, not_blind=0, same_round=0)
    assert "No blind vote" in standings.shown(nothing, "starter", EN)
