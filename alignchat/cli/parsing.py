"""What the parsers of all command groups share: how a command is added, and how it opens what it needs."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alignchat.config import Settings
from alignchat.judging.feedback import Feedback
from alignchat.loop import Loop
from alignchat.talk.conversations import Conversations

Command = Callable[[Settings, argparse.Namespace], Any]
LoopCommand = Callable[[Loop, argparse.Namespace], Any]
FeedbackCommand = Callable[[Feedback, argparse.Namespace], Any]
ConversationsCommand = Callable[[Conversations, argparse.Namespace], Any]


def add_group(commands: Any, name: str, text: str) -> Any:
    """Add a group of commands and return the place for them."""
    return commands.add_parser(name, help=text).add_subparsers(required=True, metavar="COMMAND")


def loop_command(commands: Any, name: str, run: LoopCommand) -> argparse.ArgumentParser:
    """Add a command that needs the application open, with a model."""
    parser = bare_command(commands, name, _opening(Loop, run))
    parser.add_argument("--model", help="a model's name, or the path of a GGUF file")
    return parser


def feedback_command(commands: Any, name: str, run: FeedbackCommand) -> argparse.ArgumentParser:
    """Add a command that needs only the feedback."""
    return bare_command(commands, name, _opening(Feedback, run))


def conversations_command(commands: Any, name: str, run: ConversationsCommand) -> argparse.ArgumentParser:
    """Add a command that needs only the conversations."""
    return bare_command(commands, name, _opening(Conversations, run))


def _opening(kind: type[Loop | Feedback | Conversations], run: Callable[..., Any]) -> Command:
    def opened(settings: Settings, options: argparse.Namespace) -> Any:
        with kind.open(settings) as part:
            if isinstance(part, Loop) and (fault := part.rounds.active_fault()):
                print(fault, file=sys.stderr)
            return run(part, options)

    opened.__doc__ = run.__doc__
    return opened


def bare_command(commands: Any, name: str, run: Command) -> argparse.ArgumentParser:
    """Add a command that opens for itself what it needs; its help is the function's docstring."""
    text = (run.__doc__ or "").rstrip(".")
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run, model=None, host=None, port=None)
    return parser


def add_data(parser: argparse.ArgumentParser, default: Any = None) -> None:
    """Add the option that names the data folder."""
    text = "folder of feedback and rounds; $ALIGNCHAT_HOME, else ./data"
    parser.add_argument("--data", type=Path, metavar="DIR", default=default, help=text)


def positive(text: str) -> int:
    """Read a number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number
