"""Eight people chat, others vote and reload the page, a small round is trained: does anything grow or fail?

    python benchmarks/soak.py [--minutes N] [--warm-up N] [--model NAME_OR_PATH] [--json]

The app runs as people run it. Its memory, threads and open files are read off the system once it is warm and
at the end, and each acknowledged vote is looked up on the disk.
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
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[1]))

from alignchat import config
from alignchat.engine import ScriptedEngine
from alignchat.loop import Loop
from benchmarks import page
from benchmarks.sections import section
from benchmarks.votes import missing_on_disk

CHATTERS, VOTERS, REPLIES = 8, 8, 100
LIMIT_KB = 10  # of memory a vote
# A thread or a file may be between opening and closing when they are counted.
SLACK = 4
PATHS = ("/en/", "/it/", "/en/config", "/manifest.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the app holds: memory in KB, threads, open files."""

    memory: int
    threads: int
    files: int


@dataclass(slots=True)
class Crowd:
    """Everybody who uses one app until told to stop; their errors are kept."""

    app: page.Client
    replies: list[str]
    pause: float
    stop: threading.Event = field(default_factory=threading.Event)
    saved: list[str] = field(default_factory=list)
    chats: int = 0
    reloads: int = 0
    errors: list[str] = field(default_factory=list)

    def begin(self) -> list[threading.Thread]:
        """Let all of them go."""
        acts = [self._chat] * CHATTERS + [self._vote] * VOTERS + [self._reload]
        threads = [threading.Thread(target=self._again_and_again, args=(act,)) for act in acts]
        for thread in threads:
            thread.start()
        return threads

    def wait_for(self, votes: int) -> None:
        """Return when so many more votes are saved, or something has failed."""
        enough = len(self.saved) + votes
        while len(self.saved) < enough and not self.errors:
            time.sleep(0.05)

    def press(self, button: str, **values: object) -> None:
        """Press a button of the page, and note it if that fails."""
        with closing(page.press(self.app, button, **values)) as told:  # type: ignore[type-var]  # a generator
            if not next(message for message in told if message["msg"] == "process_completed")["success"]:
                self.errors.append(f"{button} failed")

    def _again_and_again(self, act: Callable[[], None]) -> None:
        while not self.stop.is_set():
            try:
                act()
            except Exception as error:
                self.errors.append(repr(error))

    def _chat(self) -> None:
        self.press("send", message=f"What is {random.randrange(1000)} in words?")
        self.chats += 1

    def _vote(self) -> None:
        vote = {"id": uuid4().hex, "completion_id": random.choice(self.replies), "up": random.random() < 0.5}
        page.post(self.app, "/votes", vote)
        self.saved.append(vote["id"])
        self.stop.wait(self.pause)

    def _reload(self) -> None:
        for path in PATHS:
            page.get(self.app, path)
        self.reloads += 1
        self.stop.wait(self.pause)


Wait = Callable[[Crowd], object]


def state_of(pid: int) -> State:
    """Read off the system what a process holds."""
    facts = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return State(
        memory=int(facts["VmRSS"].split()[0]),
        threads=int(facts["Threads"]),
        files=len(os.listdir(f"/proc/{pid}/fd")),
    )


def soak(
    folder: Path, model: str | None, *, warm_up: Wait, rest: Wait, pause: float, round_steps: int
) -> dict[str, Any]:
    """Let everybody use an app while both waits last, and return what it held between them and at the end.

    `pause` is in seconds between two votes of one person. With `round_steps` a round of so many steps, one of
    the page's choices, is trained in the second part.
    """
    data = folder / "data"
    with Loop.open(config.load(data), lambda: ScriptedEngine(lambda *_: "A reply.")) as loop:
        replies = [[*loop.reply(None, f"Question {i}")][-1].completion_id for i in range(REPLIES)]
        for i, reply in enumerate(replies):
            loop.rate(reply, i % 2 == 0)
    limits = {"ALIGNCHAT_CHAT__MAX_TOKENS": "48", "ALIGNCHAT_EVALUATION__LIMIT": "4"}
    with page.serving(data, model, **limits) as app:
        crowd = Crowd(app=app, replies=replies, pause=pause)
        threads = crowd.begin()
        warm_up(crowd)
        warm, before = state_of(app.process.pid), len(crowd.saved)
        if round_steps:
            crowd.press("retrain", steps=round_steps)
        rest(crowd)
        crowd.stop.set()
        for thread in threads:
            thread.join()
        votes, end = len(crowd.saved) - before, state_of(app.process.pid)
    ended = app.process.returncode
    return {
        "warm": asdict(warm),
        "end": asdict(end),
        "votes": votes,
        "chats": crowd.chats,
        "reloads": crowd.reloads,
        "kb_a_vote": round((end.memory - warm.memory) / max(votes, 1), 2),
        "errors": crowd.errors,
        "lost": len(missing_on_disk(data, crowd.saved)),
        "exit": ended,
        "holds": not crowd.errors
        and ended == 0
        and end.memory - warm.memory <= LIMIT_KB * votes
        and end.threads <= warm.threads + SLACK
        and end.files <= warm.files + SLACK,
    }


def table(found: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what was found, and what is asked of it."""
    asked = {"kb_a_vote": f"<= {LIMIT_KB}", "errors": "0", "lost": "0", "exit": "0", "holds": "True"}
    for name, value in found.items():
        text = str(value)
        if isinstance(value, dict):
            text = "memory {memory:,} KB, {threads} threads, {files} open files".format(**value)
        if isinstance(value, list):
            text = "; ".join(map(str, value)) or "0"
        yield name.replace("_", " "), text, asked.get(name, "")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--warm-up", type=float, default=3, help="minutes before memory is looked at")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        found = soak(
            folder,
            options.model,
            warm_up=lambda _: time.sleep(60 * options.warm_up),
            rest=lambda _: time.sleep(60 * (options.minutes - options.warm_up)),
            pause=0.5,
            round_steps=10,
        )
    finally:
        shutil.rmtree(folder)
    title = f"Soak (`soak.py --minutes {options.minutes:g} --warm-up {options.warm_up:g}`)"
    print(json.dumps(found) if options.json else section(title, table(found)))
    return 0 if found["holds"] and not found["lost"] else 1


if __name__ == "__main__":
    sys.exit(main())
