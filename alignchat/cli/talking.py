"""The commands that talk: chat, compare, rate, choose."""

import argparse
import sys
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import asdict
from typing import Any

from alignchat.cli.parsing import loop_command, positive
from alignchat.loop import VERDICTS, Loop
from alignchat.talk.chat import Reply


def add_to(commands: Any) -> None:
    """Add the commands."""
    asked = loop_command(commands, "chat", chat)
    asked.add_argument("--round", type=int, metavar="N", help="0 is the base; the active round if not given")
    asked.add_argument("--prompt", help="reply to this and end; a conversation without it")
    asked.add_argument("--max-tokens", type=positive)
    asked.add_argument("--temperature", type=float)
    asked.add_argument("--seed", type=int)
    asked = loop_command(commands, "compare", compare)
    asked.add_argument("--prompt", required=True)
    asked.add_argument("--left", type=int, metavar="N", help="round; the active one if not given")
    asked.add_argument("--right", type=int, metavar="N")
    asked.add_argument("--left-model", metavar="NAME", help="the open one if not given")
    asked.add_argument("--right-model", metavar="NAME")
    asked = loop_command(commands, "rate", rate)
    asked.add_argument("completion_id")
    asked.add_argument("verdict", choices=("up", "down", "clear"))
    asked = loop_command(commands, "choose", choose)
    asked.add_argument("left_id")
    asked.add_argument("right_id")
    asked.add_argument("verdict", choices=VERDICTS)


def chat(loop: Loop, options: argparse.Namespace) -> Any:
    """One reply, or a conversation without --prompt."""
    how = {"max_tokens": options.max_tokens, "temperature": options.temperature, "seed": options.seed}
    if options.prompt is None:
        _converse(loop, options.round, how)
        return None
    facts = _reply(loop.reply(None, options.prompt, round=options.round, **how), echo=not options.json)
    return facts if options.json else {key: value for key, value in facts.items() if key != "text"}


def compare(loop: Loop, options: argparse.Namespace) -> Any:
    """Two replies to one prompt."""
    sides = {key: getattr(options, key) for key in ("left", "right", "left_model", "right_model")}
    *_, replies = loop.compare(options.prompt, **sides)
    left, right = (reply and _facts(reply) for reply in replies)
    return {"left": left, "right": right}


def rate(loop: Loop, options: argparse.Namespace) -> Any:
    """A thumb on a reply."""
    up = {"up": True, "down": False, "clear": None}[options.verdict]
    loop.rate(options.completion_id, up)
    return {"completion_id": options.completion_id, "up": up}


def choose(loop: Loop, options: argparse.Namespace) -> Any:
    """Which of two replies is better."""
    choice = loop.choose(options.left_id, options.right_id, options.verdict)
    return {**asdict(choice), "chosen_id": choice.chosen_id, "rejected_id": choice.rejected_id}


def _converse(loop: Loop, round: int | None, how: Mapping[str, Any]) -> None:
    conversation_id = None
    print("Write a message and press Enter; an empty line or Ctrl-D ends.", file=sys.stderr)
    while text := _ask():
        facts = _reply(loop.reply(conversation_id, text, round=round, **how), echo=True)
        conversation_id = facts["conversation_id"]
        print(f"[{facts['completion_id']}]", file=sys.stderr)


def _ask() -> str:
    try:
        return input("> ").strip()
    except EOFError:
        return ""


def _reply(replies: Generator[Reply, None, None], *, echo: bool) -> dict[str, Any]:
    shown = ""
    with closing(replies):  # what has come is kept, also when nobody reads it
        for reply in replies:
            if echo:
                print(reply.text[len(shown) :], end="", flush=True)
            shown = reply.text
    if echo:
        print()
    return _facts(reply)


def _facts(reply: Reply) -> dict[str, Any]:
    return {**asdict(reply), "tokens_per_second": round(reply.tokens_per_second, 1)}
