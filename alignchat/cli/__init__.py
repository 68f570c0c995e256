"""The command line: arguments to one `Loop` call, its result as text or as one JSON document.

Results go to stdout, progress and errors to stderr. Exit status 0 done, 1 failed with one sentence,
2 bad usage. Knows neither the store nor the engine; each group of commands is a module here.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from alignchat import config
from alignchat.cli import (
    arena,
    bias_data,
    conversations,
    doctor,
    feedback,
    label,
    models,
    paper,
    rounds,
    scores,
    serving,
    talking,
    users,
)
from alignchat.cli.parsing import Command, add_data
from alignchat.errors import EXPECTED
from alignchat.files import hold_standard_streams

GROUPS = (
    talking, arena, label, conversations, feedback, rounds, models, scores, bias_data, paper, users, doctor,
    serving,
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run one command, `serve` if none is named, and return its exit status."""
    hold_standard_streams()
    options = parse(sys.argv[1:] if arguments is None else arguments)
    run: Command = options.run
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # stdout is a text stream here
    try:
        # The doctor is asked where settings do not hold.
        settings = config.Settings.model_construct() if run is doctor.examine else _settings(options)
        value = run(settings, options)
        if value is not None:
            print(json.dumps(value) if options.json else _text(value), flush=True)
    except EXPECTED as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        return _failed("Stopped.")
    except BrokenPipeError:
        # Else Python tries once more at its end, and complains.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _failed("The output was closed before its end.")
    except OSError as error:
        return _failed(f"{error.filename or 'The output'} cannot be used ({error.strerror}); check the disk.")
    return 1 if _failed_check(value) else 0


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the arguments; exit with 2 and what is wrong with them, or with 0 and the help."""
    parser = _parser()
    options = parser.parse_args(_with_command(arguments))
    if options.json and getattr(options, "prompt", "") is None:
        parser.error("chat --json needs --prompt: a conversation is not one document")
    return options


def _with_command(arguments: list[str]) -> list[str]:
    rest = arguments[2:] if arguments[:1] == ["--data"] else arguments
    rest = rest[1:] if rest[:1] and rest[0].startswith("--data=") else rest
    named = bool(rest) and (not rest[0].startswith("-") or rest[0] in ("-h", "--help"))
    return arguments if named else ["serve", *arguments]


def _settings(options: argparse.Namespace) -> config.Settings:
    server = {"host": options.host, "port": options.port}
    arguments: dict[str, Any] = {"server": {key: value for key, value in server.items() if value is not None}}
    return config.load(options.data, **arguments, **({"model": options.model} if options.model else {}))


def _failed_check(value: Any) -> bool:
    found = [entry for entry in (value if isinstance(value, list) else [value]) if isinstance(entry, Mapping)]
    return any(entry.get("ok") is False or entry.get("state") == "problem" for entry in found)


def _failed(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


def _text(value: Any, indent: str = "") -> str:
    """Lay a JSON value out for people: a line a key, a block a row."""
    if isinstance(value, Mapping):
        lines = []
        for key, part in value.items():
            if isinstance(part, Mapping | list | tuple) and part:
                lines += [f"{indent}{key}:", _text(part, indent + "  ")]
            elif part is not None:
                lines.append(f"{indent}{key}: {part}")
        return "\n".join(lines)
    if isinstance(value, list | tuple):
        return "\n\n".join(_text(part, indent) for part in value)
    return f"{indent}{value}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="alignchat", description="Align a language model by talking to it.")
    add_data(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in GROUPS:
        group.add_to(commands)
    return parser
