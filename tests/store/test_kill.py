"""kill -9 at any moment, of one writer and of three at once: what was acknowledged is there afterwards."""

import os
import random
import select
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from feedback_store import FeedbackStore
from tests.store.makers import completion, thumb
from tests.store.trials import FACTOR, tell


def write_until_killed(folder: Path, pipe: int, seed: int) -> None:
    """Add, retract and batch without end, telling each acknowledged id."""
    rng = random.Random(seed)
    store = FeedbackStore.open(folder)
    while True:
        record = completion("x" * rng.choice([10, 500, 20_000])) if rng.random() < 0.7 else thumb()
        if rng.random() < 0.05:
            batch = [thumb(f"k{i}", annotator=record.id) for i in range(5)]
            store.add_many(batch)
            os.write(pipe, "".join(f"{mark.id}\n" for mark in batch).encode())
        store.add(record)
        os.write(pipe, f"{record.id}\n".encode())


def in_child(act: Callable[[int], None]) -> tuple[int, int]:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            act(writing)
        finally:
            os._exit(1)
    os.close(writing)
    return child, reading


def kill_after(children: list[tuple[int, int]], rng: random.Random) -> list[str]:
    """Let each child acknowledge a little, kill it, and return all that was acknowledged."""
    told = dict.fromkeys((reading for _, reading in children), b"")
    for child, reading in rng.sample(children, len(children)):
        told[reading] += os.read(reading, 1 << 16)
        select.select([], [], [], rng.random() * 0.015)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    for _, reading in children:
        while more := os.read(reading, 1 << 16):
            told[reading] += more
        os.close(reading)
    return [line for text in told.values() for line in text.decode().split("\n")[:-1]]


@pytest.mark.parametrize(("writers", "trials"), [(1, 200), (3, 40)])
def test_killed_writers_lose_nothing_acknowledged(
    tmp_path: Path, writers: int, trials: int, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, total, torn, lost = random.Random(writers), 0, 0, 0
    trials *= FACTOR
    acknowledged: list[str] = []
    for trial in range(trials):
        folder = tmp_path / str(trial // 20)
        if trial % 20 == 0:
            acknowledged = []
        seeds = [rng.random() for _ in range(writers)]
        children = [
            in_child(lambda pipe, seed=seed, folder=folder: write_until_killed(folder, pipe, hash(seed)))  # type: ignore[misc]
            for seed in seeds
        ]
        new = kill_after(children, rng)
        total += len(new)
        acknowledged += new
        with FeedbackStore.open(folder) as store:
            lost += sum(not store.knows(id) for id in acknowledged)
            assert not store.damage
            batches = [mark.annotator for mark in store.thumbs() if mark.completion_id.startswith("k")]
            assert all(batches.count(name) == 5 for name in set(batches) - {"local"})
        torn += len(list(folder.glob("quarantine/*")))
    tell(
        capsys,
        f"{trials} kill -9 of {writers} writer(s): {total} acknowledged, {lost} lost, {torn} torn ends kept",
    )
    assert lost == 0
