"""Several people on one server: what each may do, see and change, whatever their browser sends."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from browser import served
from visitors import Visitor

from alignchat import config
from alignchat.accounts import Accounts
from alignchat.engine import ScriptedEngine
from alignchat.loop import Loop
from alignchat.ui.people import OWNERS_ONLY

SECRET = "a good password"
# What answers an annotator, by what sets it off; everything else is the owner's.
OPEN = {
    "tabs", "to-rounds", "tab-compare", "tab-label", "tab-feedback", "tab-rounds", "tab-scores", "tab-models",
    "hear", "minerva-get", "minerva-no", "send", "message", "chat-act", "stop", "conversations", "new-chat",
    "conversations-search", "conversation-title", "conversation-delete", "conversation-undo",
    "how-temperature", "how-top-p", "how-top-k", "how-max-tokens", "how-seed", "how-reset",
    "compare", "compare-prompt",
    "compare-stop", "suggest", "verdict-skip", "compare-voted", "compare-taken-back", "standings-all",
    "prepare-source", "find", "filter-verdict", "filter-round", "filter-tag", "filter-annotator",
    "filter-counts", "filter-since", "filter-until", "page-before", "page-after", "feedback-act",
    "feedback-open", "change-save", "change-close", "which", "chart-kind", "difference-from", "difference-to",
    "texts-show", "texts-other", "texts-order", "texts-measure", "texts-words", "texts-back", "texts-on",
    "models", "model-keep",
}  # fmt: skip


@dataclass
class Team:
    """A served page, and who is signed in."""

    loop: Loop
    anna: Visitor
    bruno: Visitor
    carla: Visitor


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    data = tmp_path_factory.mktemp("team")
    users = Accounts(data)
    for name, role in (("anna", "owner"), ("bruno", "annotator"), ("carla", "annotator")):
        users.add(name, role, SECRET)  # type: ignore[arg-type]  # the literals above
    numbers = iter(range(10**9))
    with (
        Loop.open(config.load(data), lambda: ScriptedEngine(lambda *_: f"reply {next(numbers)}")) as loop,
        served(loop, users) as running,
    ):
        anna, bruno, carla = (
            Visitor.signing_in(running.port, name, SECRET) for name in ("anna", "bruno", "carla")
        )
        yield Team(loop=loop, anna=anna, bruno=bruno, carla=carla)


def said(team: Team, who: str, text: str = "hello") -> str:
    """Let somebody chat, and return the reply's id."""
    return [*team.loop.reply(None, text, annotator=who)][-1].completion_id


def vote(visitor: Visitor, **fields: Any) -> tuple[int, bytes]:
    return visitor.ask("POST", "/votes", {"id": uuid4().hex, **fields})


def test_without_signing_in_nothing_answers(team: Team) -> None:
    stranger = Visitor(port=team.anna.port)
    for path in (
        "/",
        "/en/",
        "/en/config",
        "/chat.js",
        "/label/next?page=x",
        f"/conversations/{said(team, 'bruno')}/json",
    ):
        assert stranger.ask("GET", path)[0] == 401, path
    for path in ("/votes", "/label/later", "/en/gradio_api/queue/join", "/en/gradio_api/run/predict"):
        assert stranger.ask("POST", path, {})[0] == 401, path


def test_every_handler_is_open_to_annotators_by_name_or_answers_only_owners(team: Team) -> None:
    """Sweep all of gradio's endpoints by index, past whatever the page shows."""
    before = [
        len(team.loop.list_rounds()),
        team.loop.model.name,
        [r.state for r in team.loop.models.reports()],
    ]
    page, refused, answered = team.carla.page(), set(), set()
    for targets, act in page.named():
        names = {target.rpartition(".")[0] for target in targets.split()}
        told = page.run(act, session=uuid4().hex[:11])
        # What is set off by no named part is a load, a timer or a state: these show, and do nothing.
        named = {name for name in names if not name.isdigit() and name != "None"}
        (refused if OWNERS_ONLY in told else answered).update(named)
    assert answered <= OPEN
    assert {"retrain", "use", "cancel", "resume", "measure", "export", "import", "import-look"} <= refused
    assert {"model-get", "model-remove", "model-really", "model-default", "model-talk"} <= refused
    assert {"tab-data", "data-add", "data-which", "data-method", "prepare-run", "prepare-forget"} <= refused
    assert {"bias-data-set", "bias-data-get", "bias-data-cancel"} <= refused
    after = [
        len(team.loop.list_rounds()),
        team.loop.model.name,
        [r.state for r in team.loop.models.reports()],
    ]
    assert after == before


def test_whose_a_vote_is_the_session_tells(team: Team) -> None:
    reply = said(team, "bruno")
    for field in ("annotator", "created_at", "round", "kind"):
        assert vote(team.bruno, completion_id=reply, up=True, **{field: "anna"})[0] == 400
    status, answer = vote(team.bruno, completion_id=reply, up=True)
    assert (status, b'"up":1' in answer) == (200, True)
    (thumb,) = team.loop._store.thumbs(completion_id=reply)
    assert thumb.annotator == "bruno"


def test_nobody_rates_or_reads_what_is_anothers(team: Team) -> None:
    reply, missing = said(team, "bruno", "a secret"), "f" * 32
    *_, pair = team.loop.compare("which", left=0, right=0, annotator="bruno")
    comparison = pair[0].conversation_id
    for intruder in (team.carla, team.anna):
        for id in (reply, missing):
            status, answer = vote(intruder, completion_id=id, up=False)
            assert (status, b"no reply" in answer or b"no completion" in answer) == (400, True)
            for kind in ("text", "markdown", "json"):
                assert intruder.ask("GET", f"/conversations/{id}/{kind}")[0] == 404
        assert vote(intruder, comparison_id=comparison, verdict="left")[0] == 400
    assert team.loop._store.thumbs(completion_id=reply) == []
    assert vote(team.bruno, comparison_id=comparison, verdict="left")[0] == 200


def test_a_vote_that_is_replayed_by_another_changes_nothing(team: Team) -> None:
    reply, own = said(team, "bruno"), said(team, "carla")
    act = {"id": uuid4().hex, "completion_id": reply, "up": True}
    assert team.bruno.ask("POST", "/votes", act)[0] == team.bruno.ask("POST", "/votes", act)[0] == 200
    assert team.carla.ask("POST", "/votes", act)[0] == 400
    assert team.carla.ask("POST", "/votes", act | {"completion_id": own, "up": False})[0] == 400
    assert [(t.annotator, t.up) for t in team.loop._store.thumbs(completion_id=reply)] == [("bruno", True)]


def test_handlers_take_no_id_of_anothers_conversation(team: Team) -> None:
    reply = said(team, "bruno", "zanzibar")
    conversation = team.loop.conversations.completion(reply).conversation_id
    page, store = team.carla.page(), team.loop._store
    before = store.version
    for act in ("again", "ask", "edit", "prefer", "show"):
        told = page.call("chat-act.change", f'{{"act": "{act}", "id": "{reply}", "text": "x"}}')
        assert "zanzibar" not in told
    page.call("send.click", "hello", reply)
    for name in ("conversation-delete.click", "conversation-undo.click", "conversations.input"):
        assert "zanzibar" not in page.call(name, reply) + page.call(name, conversation)
    assert "zanzibar" not in page.call("conversations-search.change", "zanzibar")
    assert store.version == before
    assert "zanzibar" in team.bruno.page().call("conversations-search.change", "zanzibar")


def test_annotators_find_and_change_only_their_own_ratings(team: Team) -> None:
    reply = said(team, "bruno", "quetzal")
    id = uuid4().hex
    vote_status = team.bruno.ask(
        "POST", "/votes", {"id": id, "completion_id": reply, "up": True, "comment": "axolotl"}
    )
    assert vote_status[0] == 200
    page = team.carla.page()
    for told in (
        page.call("find.change", "quetzal"),
        page.call("filter-annotator.change", "", "", -1, "", "bruno"),
        page.call("feedback-act.change", f"change {id}"),
        page.call("feedback-act.change", f"retract {id}"),
        page.call("change-save.click", id, "down", [], "taken over", ""),
        page.call("feedback-open.change", f"open {id}"),
    ):
        assert "axolotl" not in told
    (thumb,) = team.loop._store.thumbs(completion_id=reply)
    assert (thumb.up, thumb.comment) == (True, "axolotl")
    assert "axolotl" in team.bruno.page().call("find.change", "quetzal")
    assert "axolotl" in team.anna.page().call("find.change", "quetzal")  # an owner sees everybody's


def test_gradios_sessions_are_kept_apart(team: Team) -> None:
    session = uuid4().hex[:11]
    assert "process_completed" in team.bruno.page().call("suggest.click", session=session)
    path = "/en/gradio_api"
    assert team.carla.ask("GET", f"{path}/queue/data?session_hash={session}")[0] == 403
    assert team.carla.ask("GET", f"{path}/heartbeat/{session}")[0] == 403
    for route in ("queue/join", "run/predict", "cancel"):
        asked = {"session_hash": session, "fn_index": 0, "data": [], "event_id": "x"}
        assert team.carla.ask("POST", f"{path}/{route}", asked)[0] == 403


def test_an_import_is_ones_own_and_touches_nobody_elses(team: Team) -> None:
    reply = said(team, "bruno", "imported")
    team.loop.rate(reply, True, annotator="bruno")
    conversations = team.loop.conversations
    file = conversations.export_json(conversations.completion(reply).conversation_id)
    file["completions"][0]["sampling"] |= {"queue": True, "overlap": 9, "blind": True}
    mine = conversations.of(frozenset(["carla"]))
    with pytest.raises(Exception, match="There is no conversation"):
        mine.import_json(file, annotator="carla")
    text = json.dumps(file).replace(reply, "a" * 32).replace(file["conversation"]["id"], "b" * 32)
    forged = json.loads(text)
    forged["thumbs"][0]["id"] = "c" * 32
    assert mine.import_json(forged, annotator="carla")["new"] == 3
    (thumb,) = team.loop._store.thumbs(completion_id="a" * 32)
    assert thumb.annotator == "carla"
    assert not {"queue", "overlap", "blind"} & set(mine.completion("a" * 32).sampling)


def test_the_label_queue_takes_the_annotator_from_the_session(team: Team) -> None:
    team.loop.labelling.prepare(team.loop.labelling.starters("en"), count=3)
    team.loop.labelling.ahead.wait(30)
    (first, *_) = team.bruno.json("GET", "/label/next?page=p&count=1")["items"]
    others = team.carla.json("GET", "/label/next?page=p&count=5")["items"]
    assert first["id"] not in [item["id"] for item in others]  # the same page's name is not the same page
    assert vote(team.bruno, comparison_id=first["id"], verdict="left")[0] == 200
    assert team.bruno.json("GET", "/label/next?page=p&count=0")["state"]["labelled"] == 1
    assert team.carla.json("GET", "/label/next?page=p&count=0")["state"]["labelled"] == 0
    asked = {"id": others[0]["id"], "page": "p"}
    for route in ("discard", "restore"):
        status, answer = team.carla.ask("POST", f"/label/{route}", asked)
        assert (status, OWNERS_ONLY.encode() in answer) == (400, True)
    assert team.carla.ask("POST", "/label/later", {"id": "x" * 32, "page": "p"})[0] == 400


def test_each_conversation_is_its_persons_own(tmp_path: Path) -> None:
    with Loop.open(config.load(tmp_path), lambda: ScriptedEngine(lambda *_: "one")) as loop:
        for who in ("local", "anna", "bruno"):
            [*loop.reply(None, f"by {who}", annotator=who)]
        seen = {
            whose: sorted(c.title for c in loop.conversations.of(frozenset(whose)).all())
            for whose in (("bruno",), ("anna", "local"))
        }
        assert seen == {("bruno",): ["by bruno"], ("anna", "local"): ["by anna", "by local"]}
        assert len(loop.conversations.all()) == 3
