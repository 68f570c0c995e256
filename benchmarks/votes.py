"""16 clients vote while 8 others stream replies from the same server: how long until a vote is durable.

    python benchmarks/votes.py [--model NAME_OR_PATH] [--seconds N] [--pause S] [--json]

The app runs as people run it, with its model; the same clients vote without anybody streaming, and the bare
write + fdatasync of as many bytes is timed beside them. Each acknowledged vote is looked up on the disk.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))

from alignchat import config
from alignchat.engine import ScriptedEngine
from alignchat.loop import Loop
from benchmarks import page
from benchmarks.sections import section
from feedback_store import FeedbackStore

VOTERS, STREAMS, REPLIES = 16, 8, 200
LIMIT_MS = 300
QUESTION = "Tell a very long story about a ship."  # the reply is cut off at this length
COLUMNS = ("what", "p50", "p99", "longest", "bare sync p99", "votes", "pieces streamed", "p99 asked")
LONG = {"ALIGNCHAT_CHAT__MAX_TOKENS": "400"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the votes of one stretch of time took, in milliseconds, and what streamed meanwhile."""

    votes: int
    rejected: int
    p50: float
    p99: float
    longest: float
    disk_p99: float
    streamed: int


@dataclass(slots=True)
class Clients:
    """Everything that talks to one server until told to stop."""

    app: page.Running
    replies: Sequence[str]
    pause: float
    stop: threading.Event = field(default_factory=threading.Event)
    times: list[float] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)
    rejected: int = 0
    pieces: int = 0

    def vote(self) -> None:
        """Vote on one reply after another."""
        connection = self.app.connect(timeout=60)
        while not self.stop.is_set():
            vote = {"id": uuid4().hex, "completion_id": random.choice(self.replies)}
            body = json.dumps(vote | {"up": random.random() < 0.5, "tags": ["helpful"]})
            begun = time.perf_counter()
            connection.request("POST", "/votes", body, self.app.headers)
            answer = connection.getresponse()
            answer.read()
            self.times.append((time.perf_counter() - begun) * 1e3)
            if answer.status == 200:
                self.saved.append(vote["id"])
            else:
                self.rejected += 1
            time.sleep(random.uniform(0.5, 1.5) * self.pause)
        connection.close()

    def stream(self) -> None:
        """Ask for one reply after another, as the page does, and read each as it grows."""
        while not self.stop.is_set():
            for message in page.press(self.app, "send", message=QUESTION):
                if self.stop.is_set():
                    return
                self.pieces += message["msg"] == "process_generating"
                if message["msg"] == "process_completed":
                    if not message["success"]:
                        raise RuntimeError(f"a stream failed: {message}")
                    break

    def sync_bare(self, folder: Path) -> list[float]:
        """Append and sync as many bytes as a vote has, ten times a second."""
        handle, times = os.open(folder / "bare", os.O_CREAT | os.O_APPEND | os.O_WRONLY), []
        while not self.stop.is_set():
            begun = time.perf_counter()
            os.write(handle, b"x" * 300)
            os.fdatasync(handle)
            times.append((time.perf_counter() - begun) * 1e3)
            time.sleep(0.1)
        os.close(handle)
        return times


def measure(
    app: page.Running, replies: Sequence[str], folder: Path, *, seconds: float, pause: float, streams: int
) -> tuple[Figures, list[str]]:
    """Let the clients go for some time; return the figures and the ids that were acknowledged."""
    clients = Clients(app=app, replies=replies, pause=pause)
    failures: list[BaseException] = []

    def trying(act: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                act()
            except BaseException as error:
                failures.append(error)
                clients.stop.set()

        return run

    streaming = [threading.Thread(target=trying(clients.stream), daemon=True) for _ in range(streams)]
    voting = [threading.Thread(target=trying(clients.vote)) for _ in range(VOTERS)]
    for thread in streaming:
        thread.start()
    while streams and not clients.pieces and not failures:
        time.sleep(0.05)
    clients.pieces = 0
    for thread in voting:
        thread.start()
    threading.Timer(seconds, clients.stop.set).start()
    disk = clients.sync_bare(folder)
    for thread in voting:
        thread.join()
    if failures:
        raise failures[0]
    figures = Figures(
        votes=len(clients.times),
        rejected=clients.rejected,
        p50=median(clients.times),
        p99=quantiles(clients.times, n=100)[98],
        longest=max(clients.times),
        disk_p99=quantiles(disk, n=100)[98],
        streamed=clients.pieces,
    )
    return figures, clients.saved


def make_replies(data: Path) -> list[str]:
    """Fill a data folder with replies to vote on."""
    with Loop.open(config.load(data), lambda: ScriptedEngine(lambda *_: "A reply.")) as loop:
        return [[*loop.reply(None, f"Question {i}")][-1].completion_id for i in range(REPLIES)]


def missing_on_disk(data: Path, saved: Sequence[str]) -> set[str]:
    """Return which acknowledged votes a fresh look at the journal does not find."""
    with FeedbackStore.open(data / "feedback") as store:
        return set(saved) - {event.id for event in store.events()}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two votes of one client")
    parser.add_argument(
        "--folder", type=Path, default=Path("build"), help="where to write; must be a real disk"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        replies, found, saved = make_replies(folder / "data"), {}, []
        with page.serving(folder / "data", options.model, **LONG) as app:
            for streams in (0, STREAMS):
                figures, ids = measure(
                    app, replies, folder, seconds=options.seconds, pause=options.pause, streams=streams
                )
                found[f"{streams} streaming"] = figures
                saved += ids
        missing = missing_on_disk(folder / "data", saved)
    finally:
        shutil.rmtree(folder)
    busy = found[f"{STREAMS} streaming"]
    holds = busy.rejected == 0 and busy.p99 <= LIMIT_MS and not missing
    if options.json:
        print(
            json.dumps(
                {name: asdict(f) for name, f in found.items()} | {"lost": len(missing), "holds": holds}
            )
        )
        return 0 if holds else 1
    title = f"Votes (`votes.py --seconds {options.seconds:g} --pause {options.pause:g}`, {VOTERS} voting)"
    note = f"{len(saved)} acknowledged, {len(missing)} lost."
    print(section(title, table(found), head=COLUMNS, note=note))
    return 0 if holds else 1


def table(found: dict[str, Figures]) -> Iterator[tuple[str, ...]]:
    """Yield each stretch of time as a row of `COLUMNS`."""
    for name, f in found.items():
        times = [f"{ms:.1f} ms" for ms in (f.p50, f.p99, f.longest, f.disk_p99)]
        if f.p99 > LIMIT_MS:
            times[1] += ": **missed**"
        yield name, *times, f"{f.votes}, {f.rejected} rejected", str(f.streamed), f"{LIMIT_MS} ms"


if __name__ == "__main__":
    sys.exit(main())
