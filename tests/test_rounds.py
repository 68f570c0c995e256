"""A round's worker at its worst moments: killed, cancelled, resumed. A tiny model, the real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from alignchat import config, jobs, worker
from alignchat.config import override
from alignchat.errors import AdapterError, DiskError, RoundError
from alignchat.files import read_json, sha256, write_json
from alignchat.loop import Loop
from alignchat.making.reports import RoundReport
from alignchat.rounds import ERROR_FILE, EVALUATION_FILE, PROGRESS_FILE
from tests.tiny_models import write_llama

STEPS = 12
ROOT = Path(__file__).parent.parent
DIES_BETWEEN_TWO_PARTS = """
import os, signal, sys
from alignchat import worker
from alignchat.evaluation.kept import KeptTexts

def put_and_die(*part, put=KeptTexts.put):
    put(*part)
    os.kill(os.getpid(), signal.SIGKILL)

KeptTexts.put = put_and_die
sys.exit(worker.main())
"""
Act = Callable[[Loop, int], None]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("model") / "tiny.gguf", tied=False)


def open_loop(folder: Path, model: Path) -> Loop:
    settings = config.load(
        folder, model=str(model), evaluation={"limit": 2}, chat={"max_tokens": 8, "temperature": 2}
    )
    loop = Loop.open(settings)
    if not loop.feedback.stats()["up"]:
        for i in range(6):
            *_, reply = loop.reply(None, f"question {i}")
            loop.rate(reply.completion_id, i % 2 == 0)
    return loop


@pytest.fixture
def loop(tmp_path: Path, model: Path) -> Iterator[Loop]:
    with open_loop(tmp_path / "data", model) as opened:
        yield opened


@contextmanager
def a_reply_being_written(loop: Loop) -> Iterator[None]:
    """For the length of the block; a round begun with while_chatting="wait" waits after its first step."""
    reply = loop.reply(None, "hello")
    next(reply)
    try:
        yield
    finally:
        reply.close()


def wait_and_act(loop: Loop, number: int, act: Act) -> RoundReport:
    """Wait for the end of a round that waits for the chat, and do something once while it waits."""
    acted = []

    def look(report: RoundReport) -> None:
        if not acted and report.progress and report.progress.phase == "waiting for the chat":
            acted.append(True)
            act(loop, number)

    report = loop.wait(number, look)
    assert acted, report
    return report


def kill(loop: Loop, _: int) -> None:
    assert loop._worker
    os.killpg(loop._worker.pid, signal.SIGKILL)


def terminate(loop: Loop, _: int) -> None:
    assert loop._worker
    os.kill(loop._worker.pid, signal.SIGTERM)


def cancel(loop: Loop, number: int) -> None:
    loop.cancel_round(number)


@pytest.mark.parametrize(
    ("act", "status"), [(kill, "interrupted"), (cancel, "cancelled"), (terminate, "cancelled")]
)
def test_a_round_stopped_in_the_middle_says_so_and_resumes_to_its_end(
    loop: Loop, act: Act, status: str
) -> None:
    with a_reply_being_written(loop):
        number = loop.start_round("kto", steps=STEPS, while_chatting="wait")
        stopped = wait_and_act(loop, number, act)
    assert (stopped.status, stopped.error) == (status, None)
    with pytest.raises(RoundError, match="has no adapter yet"):
        loop.activate(number)
    loop.resume_round(number)
    ended = loop.wait(number)
    assert ended.status == "done"
    assert ended.train
    assert ended.train["steps"] == STEPS
    assert not (loop.rounds.folder(number) / "checkpoints").exists()
    assert [entry["step"] for entry in loop.steps(number)] == list(range(1, STEPS + 1))


def test_a_round_goes_on_when_the_app_is_killed_and_resumes_when_both_are(
    tmp_path: Path, model: Path
) -> None:
    folder = tmp_path / "data"
    code = (
        "import sys, time; from alignchat import config; from alignchat.loop import Loop\n"
        "settings = config.load(sys.argv[1], model=sys.argv[2], evaluation={'limit': 2})\n"
        f"loop = Loop.open(settings); loop.start_round('kto', steps={STEPS}, while_chatting='wait')\n"
        "print(loop._worker.pid, flush=True); time.sleep(600)"
    )
    with open_loop(folder, model) as loop:
        with a_reply_being_written(loop):
            app = subprocess.Popen(
                [sys.executable, "-c", code, str(folder), str(model)], stdout=subprocess.PIPE, cwd=ROOT
            )
            assert app.stdout
            pid = int(app.stdout.readline())
            app.kill()
            app.wait()
            assert loop.round(1).status == "running"

            def kill_worker(_: Loop, __: int) -> None:
                os.kill(pid, signal.SIGKILL)

            assert wait_and_act(loop, 1, kill_worker).status == "interrupted"
        assert loop.rounds.active() == 0
        assert list(loop.reply(None, "hello"))
        loop.resume_round(1)
        assert loop.wait(1).status == "done"


def test_the_next_round_can_go_on_from_the_last(loop: Loop) -> None:
    first = loop.start_round("kto", steps=2)
    loop.wait(first)
    base = loop.scorecard(0)
    second = loop.start_round("kto", steps=2, parent=first)
    assert loop.wait(second).status == "done"
    assert loop.round(second).parent == first
    assert loop.scorecard(0) == base  # with its time: what has not changed is not scored again
    assert {"training_ngrams", "training_ngrams_base"} <= set(loop.round(second).scores or {})


def test_an_evaluation_stopped_in_the_middle_ends_with_the_scores_of_one_that_was_not(
    tmp_path: Path, model: Path
) -> None:
    asked: dict[str, Any] = {"measures": ["regard", "honest"], "limit": 4, "honest_k": 2}
    with open_loop(tmp_path / "whole", model) as whole, open_loop(tmp_path / "stopped", model) as loop:
        whole.evaluate(0, **asked)
        whole.wait(0)
        evaluate_and_die(loop, asked)
        assert len(list((loop.rounds.folder(0) / worker.TEXTS_FOLDER).iterdir())) == 1
        assert loop.scorecard(0) is None
        loop.evaluate(0, **asked)
        loop.wait(0)
        one, other = whole.scorecard(0), loop.scorecard(0)
        assert one
        assert other
        assert one.scores == other.scores
        assert whole.samples(0) == loop.samples(0)
        assert loop.is_scored(0)
        evaluate_and_die(loop, {**asked, "seed": 1})
        assert loop.scorecard(0) == other
        assert not loop.is_scored(0)


def evaluate_and_die(loop: Loop, asked: dict[str, Any]) -> None:
    settings = override(loop.settings.evaluation, "evaluation", asked)
    write_json(loop.rounds.folder(0) / EVALUATION_FILE, settings.model_dump(mode="json"))
    command = [sys.executable, "-c", DIES_BETWEEN_TWO_PARTS, str(loop.rounds.folder(0)), "--evaluate"]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL


def test_a_damaged_adapter_is_not_activated_and_the_chat_stays_as_it_is(loop: Loop) -> None:
    number = loop.start_round("kto", steps=2)
    loop.wait(number)
    adapter = loop.rounds.adapter(number)
    assert adapter
    content = bytearray(adapter.path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    adapter.path.write_bytes(content)
    with pytest.raises(AdapterError, match=r"so the chat stays as it is: .* is damaged"):
        loop.activate(number)
    assert loop.rounds.active() == 0
    with pytest.raises(AdapterError, match="is damaged"):
        list(loop.reply(None, "hello", round=number))
    assert list(loop.reply(None, "hello"))


@pytest.mark.parametrize("content", [b"", b"GGUF", b"\0" * 4096])
def test_a_broken_adapter_takes_only_the_trial_process_down(
    tmp_path: Path, model: Path, content: bytes
) -> None:
    path = tmp_path / "adapter.gguf"
    path.write_bytes(content)
    assert jobs.adapter_problem(str(model), path, sha256(path))


def test_two_workers_never_share_a_round(loop: Loop) -> None:
    with a_reply_being_written(loop):
        number = loop.start_round("kto", steps=2, while_chatting="wait")
        with pytest.raises(RoundError, match="still running"):
            loop.start_round("kto")
        with pytest.raises(RoundError, match="being worked on already"):
            jobs.start(loop.rounds.folder(number))
    assert loop.wait(number).status == "done"


def test_a_round_that_runs_away_is_stopped_by_the_guard_and_a_person_may_go_on(loop: Loop) -> None:
    for i in range(6):
        *_, (left, right) = loop.compare(f"question {i}")
        assert left
        assert right
        loop.choose(left.completion_id, right.completion_id, "left")
    wild = {"dpo_loss": "sppo_hard", "learning_rate": 0.05}
    number = loop.start_round("dpo", steps=30, use_when_better=True, **wild)
    stopped = loop.wait(number)
    assert stopped.status == "failed"
    assert "Stopped by the guard at step" in (stopped.error or "")
    assert stopped.guard[-1].stopped
    assert stopped.guard[-1].step < 30
    loop.resume_round(number)
    ended = loop.wait(number)
    assert ended.status == "done", ended.error
    assert stopped.guard[-1].kind in loop.assess(number).against
    assert loop.rounds.active() == 0


def test_a_round_waits_for_the_chat_and_is_used_by_itself_if_asked_and_nothing_is_against_it(
    loop: Loop,
) -> None:
    chatting = loop.reply(None, "hello")
    next(chatting)
    number = loop.start_round("kto", steps=12, while_chatting="wait", use_when_better=True)

    def chat(loop: Loop, number: int) -> None:
        for _ in range(3):
            assert list(loop.reply(None, "hello"))
        assert [entry["step"] for entry in loop.steps(number)] == [1]
        chatting.close()

    assert wait_and_act(loop, number, chat).status == "done"
    assert loop.assess(number).against == ()
    assert loop.rounds.active() == number
    said = loop.sample_replies(number)
    assert len(said) == 6
    assert {"prompt", "base", "round"} == said[0].keys()


def test_a_worker_that_fails_on_a_full_disk_still_leaves_its_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / PROGRESS_FILE).write_text('{"phase": "training", "done": 1, "total": 60}' + " " * 4000)
    full = DiskError("no space")

    def refuse(*_: object) -> None:
        raise full

    monkeypatch.setattr(worker, "write_bytes", refuse)
    assert worker._fail(tmp_path, "The disk is full; free some space and resume.") == 1
    assert read_json(tmp_path / ERROR_FILE) == {"error": "The disk is full; free some space and resume."}
    (tmp_path / ERROR_FILE).unlink()
    assert worker._fail(tmp_path, "x") == 1
