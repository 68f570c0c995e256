"""The command `arena`: how rounds stand by the choices made."""

import argparse
from typing import Any

from alignchat.cli.parsing import loop_command
from alignchat.loop import Loop


def add_to(commands: Any) -> None:
    """Add the command."""
    asked = loop_command(commands, "arena", arena)
    asked.add_argument("--all", action="store_true", help="count votes that were not blind too")


def arena(loop: Loop, options: argparse.Namespace) -> Any:
    """How rounds stand by the choices made, with intervals."""
    return loop.arena.standings(loop.model.name, all=options.all).to_json()
