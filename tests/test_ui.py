"""The page's parts without a browser: texts, messages, pieces of HTML, errors, the guard, the server."""

import json
import re
import socket
import string
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignchat import config, serving
from alignchat.engine import ScriptedEngine
from alignchat.errors import EXPECTED, AlignchatError, Cancelled, ModelError, SettingsError
from alignchat.loop import Loop
from alignchat.making.reports import Progress, RoundReport
from alignchat.shelf import transfer
from alignchat.shelf.models import ModelReport
from alignchat.shelf.under_way import Transfer
from alignchat.talk.chat import Reply
from alignchat.talk.conversations import Turn
from alignchat.ui import i18n, messages, model_views, views
from alignchat.ui.stops import Stops
from feedback_store import Completion, Message, Thumb
from tests.tiny_models import write_llama

ROOT = Path(__file__).parent.parent
EN, IT = i18n.TEXTS["en"], i18n.TEXTS["it"]


def a_loop(data: Path) -> Loop:
    settings = config.load(data)
    return Loop.open(settings, lambda: ScriptedEngine(lambda *_: "one two three"))


# Texts


def test_both_languages_say_the_same_things() -> None:
    assert set(EN) == set(IT)
    for key in EN:
        names = [{f for _, f, _, _ in string.Formatter().parse(t[key]) if f} for t in (EN, IT)]
        assert names[0] == names[1], key


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("it", "it"),
        ("it-IT,it;q=0.9,en;q=0.8", "it"),
        ("en-GB,it;q=0.9", "en"),
        ("de,it;q=0.3,en;q=0.5", "en"),
        ("fr", "en"),
        ("it;q=0", "en"),
        ("it;q=nonsense", "en"),
    ],
)
def test_the_language_is_the_one_the_browser_prefers(accepted: str | None, language: str) -> None:
    assert i18n.choose(accepted) == language


def test_errors_a_person_can_meet_are_said_in_italian(tmp_path: Path) -> None:
    with a_loop(tmp_path) as loop:
        (*_, left), (*_, right) = loop.reply(None, "x"), loop.reply(None, "y")
        ids = left.completion_id, right.completion_id
        acts = [
            lambda: loop.reply(None, " "),
            lambda: loop.start_round("dpo"),
            lambda: loop.start_round("kto"),
            lambda: loop.activate(7),
            lambda: loop.choose(*ids, "left"),
        ]
        for act in acts:
            with pytest.raises(AlignchatError) as raised:
                act()
            assert i18n.error_sentence(raised.value, "it") != str(raised.value)
            assert i18n.error_sentence(raised.value, "en") == str(raised.value)


def test_what_goes_wrong_with_conversations_is_said_in_italian(tmp_path: Path) -> None:
    with a_loop(tmp_path) as loop:
        (*_, one), (*_, two) = loop.reply(None, "x"), loop.reply(None, "y")
        exported = loop.conversations.export_json(two.conversation_id)
        loop.conversations.delete(two.conversation_id)
        acts = [
            lambda: loop.reply(two.conversation_id, "z"),
            lambda: loop.reply(one.conversation_id, "z", after=two.completion_id),
            lambda: loop.reply(None, "z", seed=-1),
            lambda: loop.reply(None, "z", max_tokens=0),
            lambda: loop.conversations.rename(one.conversation_id, ""),
            lambda: loop.edit(one.completion_id, ""),
            lambda: loop.prefer(one.completion_id),
            lambda: loop.conversations.import_json({}),
            lambda: loop.conversations.import_json(exported | {"alignchat_conversation": 2}),
        ]
        for act in acts:
            with pytest.raises(EXPECTED) as raised:
                act()
            assert i18n.error_sentence(raised.value, "it") != str(raised.value)


# Messages


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a < b & c", "a < b & c"),
        ("<form action=x>", "<|form action=x>"),
        ("</form><!-- x --><?x", "<|/form><|!-- x --><|?x"),
        ("`<b>` and ```\n<b>", "`<|b>` and ```\n<|b>"),
        ("&lt;b&gt; &#60;", "&|lt;b&|gt; &|#60;"),
        ("![x](http://a.b/c.png)", "!|[x](http://a.b/c.png)"),
        ("$$x<y$$ and <y", "$$x< y$$ and <|y"),
        (r"\(a<b\) \[a</b\]", r"\(a< b\) \[a< /b\]"),
        ("$x_1$ is $y$.", r"\(x_1\) is \(y\)."),
        ("$5 or $6, $5-$6, a $ b", "$5 or $6, $5-$6, a $ b"),
        ("`$x$` and\n```\n$x$\n```", "`$x$` and\n```\n$x$\n```"),
    ],
)
def test_what_could_begin_html_or_an_image_is_text_and_formulas_stay(text: str, escaped: str) -> None:
    assert messages.escape(text) == escaped.replace("|", "\u2060")


@given(st.text(alphabet="<b>!/?&lt;$\\\\()[]`~ \n1x"))
def test_no_text_can_begin_a_tag_an_entity_or_an_image(text: str) -> None:
    assert not re.search(r"<[A-Za-z/!?]|&#?\w+;|!\[", messages.escape(text))


@pytest.mark.parametrize(
    ("text", "closed"),
    [
        ("```\ncode", True),
        ("~~~py\ncode\n```", True),
        ("````\n```", True),
        ("```", True),
        ("```\ncode\n```", False),
        ("```code``` here", False),
        ("- a\n  ```\n  b\nc", False),
        ("- a\n  ```\n  b", False),
        ("no code", False),
    ],
)
def test_code_that_was_left_open_does_not_swallow_the_foot(text: str, closed: bool) -> None:
    (message,) = messages.asked([], text)
    shown = message["content"].removesuffix('\n\n<div class="foot"></div>')
    assert (shown != text, shown.startswith(text)) == (closed, True)


def feet(shown: Sequence[Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return (id, facts) of the foot under each message."""
    found = [re.search(r'<div class="foot" id="(.*?)" title="(.*?)">', m["content"]) for m in shown]
    return [(foot[1], json.loads(unquote(foot[2]))) for foot in found if foot]


def test_each_reply_carries_its_id_thumb_versions_and_facts_and_each_message_its_replys_id() -> None:
    sampling = {"tokens": 9, "tokens_per_second": 61.25, "seed": 4, "temperature": 0.5}
    said = Thumb(completion_id="c1", up=True, tags=("safe",), comment='"$$" <b>\n```')
    turns = [
        Turn(message=Message(role="system", content="be brief")),
        Turn(message=Message(role="user", content="hello")),
        Turn(
            message=Message(role="assistant", content="hi"),
            completion=a_completion(id="c1", round=2, sampling=sampling),
            thumb=said,
            versions=("c0", "c1", "c3"),
        ),
        Turn(message=Message(role="user", content="again")),
        Turn(
            message=Message(role="assistant", content="no"),
            completion=a_completion(id="c2", round=None, finished=False),
            versions=("c2",),
        ),
    ]
    (ask, asked), (reply, first), _, (_, last) = feet(messages.messages(turns, IT, asking=True))
    assert (ask, asked, reply) == ("ask-c1", {"id": "c1"}, "reply-c1")
    assert (first["up"], first["tags"], first["comment"]) == (True, ["safe"], said.comment)
    assert (first["version"], first["versions"], first["earlier"], first["later"]) == (2, 3, "c0", "c3")
    assert first["facts"] == "round 2 · m · 9 token · 61,2 token al secondo · temperatura 0,5 · seme 4"
    assert (first["asking"], last["asking"], last["versions"], last["later"]) == (False, True, 1, None)
    assert last["who"] == f"{IT['edited_by_you']} · {IT['stopped']}"


def a_completion(**facts: Any) -> Completion:
    usual: dict[str, Any] = {"conversation_id": "c", "prompt": (), "text": "", "model": "m", "round": 0}
    return Completion(**usual | facts)


# Pieces of HTML


def a_report(**facts: Any) -> RoundReport:
    usual = dict.fromkeys(RoundReport.__dataclass_fields__)
    return RoundReport(**usual | {"number": 1, "status": "done", "parent": 0, "model": "m", **facts})


def test_a_round_is_told_by_phase_step_loss_and_time() -> None:
    now = Progress(phase="training", done=3, total=12, loss=0.5, seconds_left=600)
    running = a_report(status="running", progress=now)
    assert "Round 1: training 25 % · step 3 of 12 · loss 0.500 · about 10 min left" in views.progress(
        running, EN
    )
    assert "addestro 25 %" in views.progress(running, IT)
    assert 'aria-valuenow="25"' in views.progress(running, EN)
    waiting = a_report(status="running", progress=replace(now, phase="waiting for the chat"))
    assert "Round 1: waiting for the chat 25 % · step 3 of 12" in views.progress(waiting, EN)
    assert "aspetto la chat 25 %" in views.progress(waiting, IT)
    scoring = a_report(status="running", progress=Progress(phase="scoring round 1", done=0, total=0))
    assert "misuro il round 1" in views.progress(scoring, IT)
    assert views.progress(None, EN) == ""


@pytest.mark.parametrize(
    ("waiting", "english", "italian"),
    [(0, "you are next", "poi tocca a te"), (1, "1 before", "1 prima"), (2, "2 before you", "2 prima di te")],
)
def test_one_who_waits_for_a_reply_sees_how_many_are_before(waiting: int, english: str, italian: str) -> None:
    reply = Reply(
        completion_id="c",
        conversation_id="v",
        text="",
        round=0,
        prompt_tokens=0,
        tokens=0,
        tokens_per_second=0,
        stop_reason="stopped",
        finished=False,
        waiting=waiting,
    )
    assert english in messages.so_far(reply, EN)
    assert italian in messages.so_far(reply, IT)
    assert messages.so_far(replace(reply, waiting=None, text="so"), EN) == "so"


def test_words_from_outside_are_escaped_in_html() -> None:
    failed = a_report(status="failed", method="<b>", error="<script>")
    assert "<B>" not in views.rounds_table([failed], EN)
    assert "<script>" not in views.notice("<script>")


def test_html_is_one_line_so_that_markdown_leaves_it_alone() -> None:
    svg = "<svg>\n\n<title>a\nb</title>\n</svg>"
    for piece in (views.drawing(svg), views.notice("a\n\nb"), views.rounds_table([a_report()], EN)):
        assert "\n" not in piece


def test_a_preview_says_what_is_there_or_what_is_missing(tmp_path: Path) -> None:
    with a_loop(tmp_path) as loop:
        assert "Not yet" in views.preview("kto", loop.preview("kto"), EN)
        for up in (True, False):
            *_, reply = loop.reply(None, f"is it {up}?")
            loop.rate(reply.completion_id, up)
        assert "**2** replies: **1** good, **1** bad" in views.preview("kto", loop.preview("kto"), EN)
        assert "Non ancora" in views.preview("dpo", loop.preview("dpo"), IT)


# Models


def a_model(**facts: Any) -> ModelReport:
    usual: dict[str, Any] = {
        "name": "minerva-350m",
        "path": None,
        "quantisation": "Q8_0",
        "bytes": 374_000_000,
        "sha256": None,
        "default": False,
        "state": "available",
        "licence": "apache-2.0",
    }
    return ModelReport(**usual | facts)


def a_transfer(done: int | None = None, **facts: Any) -> Transfer:
    usual = dict.fromkeys(Transfer.__dataclass_fields__) | {"name": "tiny", "running": True}
    if done is not None:
        rate, left = 8_200_000.0, 31.0
        usual["progress"] = transfer.Progress(
            what="tiny.gguf", done=done, total=374_000_000, rate=rate, seconds_left=left
        )
    return Transfer(**usual | facts)


def under_way(of: Transfer | None) -> str:
    return model_views.under_way(of, "en", EN)


def test_a_model_is_a_line_with_its_state_what_it_is_and_its_facts() -> None:
    lines = model_views.line(a_model(), False, EN).splitlines()
    assert lines[0] == "minerva-350m · not here yet"
    assert "Minerva" in lines[1]
    assert lines[2] == "Italian, English · 374 MB · Q8_0 · apache-2.0"
    assert "italiano" in model_views.line(a_model(), False, IT)
    own = a_model(name="mine", quantisation="unknown", licence="unknown", state="ready")
    assert model_views.line(own, False, EN) == "mine · ready\nAdded by you.\n374 MB"
    assert model_views.line(a_model(state="ready", default=True), False, IT).startswith(
        "minerva-350m · predefinito"
    )
    assert model_views.line(a_model(state="ready", default=True), True, EN).startswith(
        "minerva-350m · in use"
    )


@pytest.mark.parametrize("state", ["ready", "fetching", "partial", "available", "missing", "damaged"])
def test_every_state_of_a_model_says_what_can_be_done(state: str) -> None:
    for texts in (EN, IT):
        said = model_views.standing(a_model(state=state, path="/m<b>.gguf"), False, "starter", texts)
        assert "<h2>minerva-350m</h2><p>" in said
        assert "<b>" not in said
        assert "\n" not in said


def test_a_ready_model_says_when_it_opens() -> None:
    ready = a_model(state="ready", default=True)
    assert "opens at the next start; until then you talk to starter" in model_views.standing(
        ready, False, "starter", EN
    )
    assert "now" in model_views.standing(ready, True, "minerva-350m", EN)


def test_a_transfer_is_told_in_bytes_with_rate_and_time_left() -> None:
    shown = under_way(a_transfer(120_000_000))
    assert "tiny: 120 MB of 374 MB · 8.2 MB a second · about 31 s left" in shown
    assert 'aria-valuenow="32"' in shown
    italian = model_views.under_way(a_transfer(120_000_000), "it", IT)
    assert "8,2 MB al secondo" in italian
    assert "asking" in under_way(a_transfer())
    assert "checking" in under_way(a_transfer(374_000_000))
    assert "stopping" in under_way(a_transfer(120_000_000, stopping=True))
    assert under_way(None) == under_way(a_transfer(running=False, report=a_model())) == ""


def test_a_transfer_that_did_not_arrive_says_why() -> None:
    stopped = under_way(a_transfer(running=False, error=Cancelled("Stopped; what has come is kept.")))
    assert 'class="notice done"' in stopped
    assert "kept" in stopped
    refused = under_way(a_transfer(running=False, error=ModelError("No <b>.")))
    assert 'class="notice error"' in refused
    assert "No &lt;b&gt;." in refused
    assert EN["unexpected"] in under_way(a_transfer(running=False, error=ZeroDivisionError("x")))


def test_what_stands_in_a_models_way_is_said_in_italian(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with a_loop(tmp_path) as loop:
        acts = [
            lambda: loop.models.get("minerva-350m"),
            lambda: loop.models.add("nonsense"),
            lambda: loop.models.add(str(loop.model.path), name="Not A Name"),
            lambda: loop.models.add(str(loop.model.path), name="starter"),
            lambda: loop.remove_model("starter"),
        ]
        sentences = [loop.models.offer("minerva-350m").obstacle]
        for act in acts:
            with pytest.raises(ModelError) as raised:
                act()
            sentences.append(str(raised.value))
    for sentence in sentences:
        assert i18n.translated(sentence, "it") != sentence
        assert i18n.translated(sentence, "en") == sentence


# Stops


def test_stop_closes_the_reply_of_its_own_session_only(tmp_path: Path) -> None:
    with a_loop(tmp_path) as loop:
        stops = Stops()
        mine = stops.until("me", loop.reply(None, "count"))
        first = next(mine)
        stops.stop("somebody else")
        stops.stop("me")
        assert len(list(mine)) == 1
        turn = loop.conversations.turns(first.conversation_id)[-1]
        assert not turn.completion.finished
        assert turn.message.content.startswith("one")


def test_the_last_piece_is_always_shown(tmp_path: Path) -> None:
    with a_loop(tmp_path) as loop:
        assert list(Stops().until("me", loop.reply(None, "count")))[-1].text == "one two three"


# The server


def test_a_busy_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"Port {port} .* choose another with --port"):
            serving.serve(config.load(tmp_path, server={"port": port}), open_browser=False)


@pytest.mark.parametrize(
    "arguments", [["--model", "nowhere.gguf"], ["--host", "0.0.0.0"], ["--data", "/proc/nothing"]]
)
def test_the_app_ends_with_one_sentence_and_no_traceback(tmp_path: Path, arguments: list[str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "app.py",
        "--data",
        str(tmp_path),
        "--port",
        str(port),
        "--no-browser",
        *arguments,
    ]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert len(ended.stderr.strip().splitlines()) == 1


def test_a_model_cut_off_in_its_weights_ends_the_app_before_it_serves(tmp_path: Path) -> None:
    whole = write_llama(tmp_path / "whole.gguf").read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[: len(whole) // 2])
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = config.load(tmp_path / "data", model=str(cut), server={"port": port})
    with pytest.raises(ModelError, match="the file may be damaged"):
        serving.serve(settings, open_browser=False)


def test_looking_at_settings_loads_no_gradio() -> None:
    heavy = "{'gradio', 'torch', 'trl', 'llama_cpp', 'matplotlib', 'pandas'}"
    code = f"import sys, alignchat.ui.server, app; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_gradio_is_imported_only_by_the_page() -> None:
    for path in [*ROOT.glob("alignchat/**/*.py"), *ROOT.glob("feedback_store/**/*.py")]:
        if "ui" not in path.parts:
            assert not re.search(r"^\s*(import|from) gradio", path.read_text("utf-8"), re.MULTILINE), path
