"""The group `label`: work through pairs of replies without a screen, under a name one gives oneself.

A pair is held for somebody only by a running app: two people at two command lines can be shown the same.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alignchat.arena import VERDICTS
from alignchat.cli.parsing import add_group, loop_command, positive
from alignchat.errors import Cancelled, DataError
from alignchat.loop import Loop
from alignchat.talk.replies_ahead import Prompt


def add_to(commands: Any) -> None:
    """Add the group."""
    group = add_group(commands, "label", "work through pairs of replies")
    asked = loop_command(group, "prepare", prepare)
    source = asked.add_mutually_exclusive_group()
    source.add_argument("--starters", choices=("en", "it"), help="the embedded prompts")
    source.add_argument("--history", action="store_true", help="what was asked so far")
    source.add_argument("--file", type=Path, help="one prompt a line, or JSON lines with `prompt`")
    source.add_argument("--set", metavar="NAME[:ROWS]", help="a preference set that is on this machine")
    asked.add_argument("--count", type=positive, default=20, help="at most so many prompts (20)")
    asked.add_argument("--overlap", type=positive, default=1, help="so many people label each pair (1)")
    for name, run in {"next": following, "answer": answer, "status": status}.items():
        asked = loop_command(group, name, run)
        asked.add_argument("--annotator", default="local", metavar="NAME")
        if run is answer:
            asked.add_argument("id", help="the pair's id, as `label next` gives it")
            asked.add_argument("verdict", choices=(*VERDICTS, "discard", "clear"))


def prepare(loop: Loop, options: argparse.Namespace) -> Any:
    """Make pairs of replies to label; without a source go on with those that wait."""
    ahead = loop.labelling.ahead
    prompts = _prompts(loop, options)
    if prompts is not None:
        loop.labelling.prepare(prompts, count=options.count, overlap=options.overlap)
    elif ahead.now().waiting:
        loop.labelling.go_on()
    else:
        raise DataError("Nothing waits to be made; give --starters, --history, --file or --set.")
    try:
        while (now := ahead.now()).running:
            print(f"{now.made} pairs made, {now.waiting} prompts to go", file=sys.stderr)
            ahead.wait(5)
    except KeyboardInterrupt:
        raise Cancelled("Stopped; go on with: label prepare") from None
    if now.error:
        raise now.error
    return {"made": now.made, "useless": now.useless, "waiting": now.waiting}


def following(loop: Loop, options: argparse.Namespace) -> Any:
    """Show the next pair to label; nothing if there is none."""
    items = loop.labelling.take(annotator=options.annotator)
    return {key: value for key, value in asdict(items[0]).items() if key != "overlap"} if items else {}


def answer(loop: Loop, options: argparse.Namespace) -> Any:
    """Say which reply of a pair is better; `clear` takes it back."""
    if options.verdict == "discard":
        loop.labelling.discard(options.id)
    else:
        verdict = None if options.verdict == "clear" else options.verdict
        loop.arena.vote(options.id, verdict, annotator=options.annotator)
    return {"id": options.id, "verdict": options.verdict}


def status(loop: Loop, options: argparse.Namespace) -> Any:
    """How far the queue is, and how far annotators agree."""
    return asdict(loop.labelling.state(annotator=options.annotator)) | {
        "waiting": loop.labelling.ahead.now().waiting
    }


def _prompts(loop: Loop, options: argparse.Namespace) -> list[Prompt] | None:
    queue = loop.labelling
    if options.file:
        return queue.read_file(options.file)
    if options.set:
        return queue.of_set(options.set)
    if options.history:
        return queue.history()
    return queue.starters(options.starters) if options.starters else None
