"""Killed before any touch of any file: nothing acknowledged is lost, nothing half made is shown."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from alignchat import config, dataset, worker
from alignchat.engine import Adapter, ScriptedEngine
from alignchat.files import read_json, sha256, write_json
from alignchat.loop import Loop
from alignchat.making import reports
from alignchat.rounds import ADAPTER_GGUF, ERROR_FILE, ROUND_FILE, Rounds
from tests.tiny_models import write_llama

ROOT = Path(__file__).parent.parent
# Of the calls in a life; 1 takes three times as long.
STRIDE = 3
NEVER = 10**9
Go = Callable[[str, int, Path], int]


@contextmanager
def forked(what: str) -> Iterator[Go]:
    """Give what lets a process live or work in a folder, refused something, and returns its exit status."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "tests.dying", what]
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        told, answers = process.stdin, process.stdout
        assert told
        assert answers

        def go(how: str, n: int, folder: Path) -> int:
            told.write(json.dumps([how, n, str(folder)]) + "\n")
            told.flush()
            return int(answers.readline())

        yield go
        told.close()


@pytest.fixture(scope="module")
def work() -> Iterator[Go]:
    with forked("work") as go:
        yield go


def test_killed_anywhere_in_a_life_of_chat_votes_and_rounds_nothing_acknowledged_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALIGNCHAT_MODEL", str(write_llama(tmp_path / "tiny.gguf")))
    with forked("life") as live:
        n = 1
        while (status := live("touch", n, tmp_path / str(n))) == -signal.SIGKILL:
            check(tmp_path / str(n))
            n += STRIDE
    assert status == 0
    check(tmp_path / str(n))
    print(f"killed up to call {n - STRIDE}")
    assert n > 100


def check(data: Path) -> None:
    """Open what a killed process has left: what it had acknowledged is there, and one can go on."""
    file = Path(f"{data}.acknowledged")
    facts = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    rounds = [about for what, about, *_ in facts if what == "round"]
    used = max((about for what, about, *_ in facts if what == "active"), default=0)
    with Loop.open(config.load(data), lambda: ScriptedEngine(lambda *_: "one two")) as loop:
        assert not loop._store.damage
        for what, about, *rest in facts:
            if what == "reply":
                assert loop._store.completion(about).text == rest[0]
            elif what == "up":
                assert [thumb.up for thumb in loop._store.thumbs(completion_id=about)] == [True]
            elif what == "chosen":
                assert [choice.chosen_id for choice in loop._store.choices()] == [about]
            elif what == "title":
                assert loop.conversations.get(about).title == rest[0]
        assert loop.rounds.numbers()[: len(rounds) + 1] == [0, *rounds]
        assert loop.rounds.active() in (used, used + 1)
        assert [report.number for report in loop.list_rounds()] == loop.talkable() == loop.rounds.numbers()
        assert [*loop.reply(None, "and on")][-1].finished


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A round that was trained and measured undisturbed."""

    rounds: Rounds
    adapter: Adapter
    scores: Mapping[str, Any]

    def begin(self, data: Path) -> Rounds:
        """Return rounds of which the first has been asked for in the same words and not been begun."""
        rounds = Rounds(data / "rounds" / self.rounds.root.name)
        for number in (0, 1):
            (rounds.root / f"{number:04d}").mkdir(parents=True)
            for name in (ROUND_FILE, dataset.ROWS_FILE, dataset.MANIFEST_FILE):
                if (asked := self.rounds.folder(number) / name).exists():
                    shutil.copy(asked, rounds.root / f"{number:04d}" / name)
        return rounds


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, work: Go) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    model = write_llama(folder / "tiny.gguf", tied=False)
    measured = {"limit": 1, "measures": ["regard"]}
    settings = config.load(folder / "data", model=str(model), evaluation=measured, training={"steps": 3})
    with Loop.open(settings, lambda: ScriptedEngine(lambda *_: "one two three")) as loop:
        for i in range(6):
            *_, reply = loop.reply(None, f"question {i}")
            loop.rate(reply.completion_id, i % 2 == 0)
        rows = loop.data.build("kto", settings.training, settings.dataset, ())
        with loop.rounds.create(loop._record(loop.model, 1, parent=0, method="kto", rows=rows)) as new:
            dataset.save(rows, new)
        assert work("change", NEVER, loop.rounds.folder(1)) == 0
        adapter, ended = loop.rounds.adapter(1), loop.round(1)
        assert adapter
        assert ended.scores
        return Trained(rounds=loop.rounds, adapter=adapter, scores=ended.scores)


def test_a_worker_killed_again_and_again_ends_with_the_round_of_one_that_was_not(
    tmp_path: Path, work: Go, trained: Trained
) -> None:
    rounds, kills = trained.begin(tmp_path), 0
    while (status := work("change", int(10 * 1.5**kills), rounds.folder(1))) == -signal.SIGKILL:
        kills += 1
        now = reports.report(rounds, 1)
        assert (now.status, now.scores) == ("interrupted", None)
        assert not now.has_adapter or sha256(rounds.folder(1) / ADAPTER_GGUF) == trained.adapter.sha256
    print(f"killed {kills} times")
    assert status == 0
    assert kills > 5
    ended, adapter = reports.report(rounds, 1), rounds.adapter(1)
    assert (ended.status, ended.scores) == ("done", trained.scores)
    assert adapter
    assert sha256(adapter.path) == adapter.sha256 == trained.adapter.sha256


def test_a_worker_on_a_full_disk_says_so_and_the_round_ends_once_there_is_room(
    tmp_path: Path, work: Go, trained: Trained
) -> None:
    rounds = trained.begin(tmp_path)
    assert work("disk", 20_000, rounds.folder(1)) == 1
    failed = reports.report(rounds, 1)
    assert failed.status == "failed"
    assert failed.error == worker.OUT_OF_DISK
    (rounds.folder(1) / ERROR_FILE).unlink()
    assert work("change", NEVER, rounds.folder(1)) == 0
    assert reports.report(rounds, 1).scores == trained.scores


def test_a_full_disk_that_sqlite_reports_is_one_too() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as full:
            database.execute("CREATE TABLE nats (key BLOB, value REAL)")
    assert worker._sentence(full.value) == worker.OUT_OF_DISK


def test_a_worker_without_memory_says_so_and_what_to_change(
    tmp_path: Path, work: Go, trained: Trained
) -> None:
    rounds = trained.begin(tmp_path)
    wide = write_llama(tmp_path / "wide.gguf", width=1024, heads=16, kv_heads=16, layers=1, tied=False)
    asked = read_json(rounds.folder(1) / ROUND_FILE)
    write_json(
        rounds.folder(1) / ROUND_FILE, {**asked, "model_path": str(wide), "model_sha256": sha256(wide)}
    )
    assert work("memory", wide.stat().st_size // 2, rounds.folder(1)) == 1
    assert reports.report(rounds, 1).error == worker.OUT_OF_MEMORY
