"""SIGTERM and Ctrl-C: what is being written is finished, a round stops with a checkpoint, the exit is 0."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from alignchat import config
from alignchat.engine import ScriptedEngine
from alignchat.errors import ModelError
from alignchat.loop import Loop
from alignchat.training import checkpoints
from benchmarks import page
from feedback_store import FeedbackStore
from tests.tiny_models import write_llama

STEPS = 10  # one of the choices on the page
SECONDS = 10
# A signal, and whether the worker gets it too, as where systemd ends all processes of a service.
ENDINGS = ((signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGTERM, True))


def test_closing_keeps_what_has_come_of_replies_under_way_and_begins_no_more(tmp_path: Path) -> None:
    settings = config.load(tmp_path)
    loop = Loop.open(settings, lambda: ScriptedEngine(lambda *_: "one two three"))
    going, side_by_side = loop.reply(None, "hello"), iter(loop.compare("hello"))
    next(going)
    next(side_by_side)
    loop.close()
    with FeedbackStore.open(tmp_path / "feedback") as store:
        assert [(kept.text, kept.finished) for kept in store.completions()] == [("one", False)] * 3
    assert list(going) == []
    with pytest.raises(ModelError, match="The app is ending"):
        next(loop.reply(None, "hello"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six votes, enough for a round."""
    with Loop.open(config.load(tmp_path), lambda: ScriptedEngine(lambda *_: "one two three")) as loop:
        for i in range(6):
            *_, reply = loop.reply(None, f"question {i}")
            loop.rate(reply.completion_id, i % 2 == 0)
    return tmp_path


def end(app: page.Running, how: signal.Signals) -> None:
    """Send a signal and see that the app ends well and in time."""
    begun = time.monotonic()
    app.process.send_signal(how)
    assert app.process.wait(timeout=3 * SECONDS) == 0
    assert time.monotonic() - begun < SECONDS


def wait_for_its_first_step(loop: Loop, number: int) -> None:
    """Return when a round waits for the chat."""
    progress = None
    while not progress or progress.phase != "waiting for the chat":
        threading.Event().wait(0.02)
        if number in loop.rounds.numbers():
            assert loop.round(number).status == "running"
            progress = loop.round(number).progress


def worker_of(app: page.Running) -> int:
    """Return the process of an app's that trains."""
    children = Path(f"/proc/{app.process.pid}/task").glob("*/children")
    found = [int(child) for kept in children for child in kept.read_text().split()]
    (worker,) = (i for i in found if b"alignchat.worker" in Path(f"/proc/{i}/cmdline").read_bytes())
    return worker


def pressed(told: Iterator[page.Message]) -> None:
    with closing(told):  # type: ignore[type-var]  # they come from a generator
        assert next(m for m in told if m["msg"] == "process_completed")["success"]


def test_a_round_stops_with_a_checkpoint_and_goes_on_from_there(data: Path) -> None:
    model = str(write_llama(data / "tiny.gguf", tied=False))
    asked = {"ALIGNCHAT_TRAINING__WHILE_CHATTING": "wait", "ALIGNCHAT_EVALUATION__LIMIT": "2"}
    with Loop.open(config.load(data, model=model)) as loop:
        chatting = loop.reply(None, "hello")
        next(chatting)
        for number, (how, at_all) in enumerate(ENDINGS, 1):
            with page.serving(data, model, **asked) as app:
                pressed(page.press(app, "retrain", steps=STEPS))
                wait_for_its_first_step(loop, number)
                if at_all:
                    os.kill(worker_of(app), how)
                end(app, how)
            assert loop.round(number).status == "cancelled"
            kept = checkpoints.newest(loop.rounds.folder(number) / checkpoints.FOLDER)
            assert kept
            assert kept.step == len(loop.steps(number)) == 2  # seen at the end of the next step
        chatting.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_reply_in_the_middle_of_its_stream_is_kept(tmp_path: Path, how: signal.Signals) -> None:
    with page.serving(tmp_path, None) as app:
        told = page.press(app, "send", message="Tell a very long story about a ship.")
        pictures = (message for message in told if message["msg"] == "process_generating")
        assert len(list(islice(pictures, 4))) == 4  # the first two come before the first token
        end(app, how)
    with FeedbackStore.open(tmp_path / "feedback") as store:
        (reply,) = store.completions()
    assert not reply.finished
    assert reply.text
