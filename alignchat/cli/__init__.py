"""The command line: arguments to one `Loop` call, its result as text or as one JSON document.

Results go to stdout, progress and errors to stderr. Exit status 0 done, 1 failed with one sentence,
2 bad usage. Knows neither the store nor the engine; each group of commands is a module here.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
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
    talking,
    users,
)
from alignchat.cli.parsing import Command, bare_command
from alignchat.errors import EXPECTED
from alignchat.files import hold_standard_streams

GROUPS = (
    talking, arena, label, conversations, feedback, rounds, models, scores, bias_data, paper, users, doctor,
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    hold_standard_streams()
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.json and getattr(options, "prompt", "") is None:
        parser.error("chat --json needs --prompt: a conversation is not one document")
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


def _settings(options: argparse.Namespace) -> config.Settings:
    return config.load(options.data, **({"model": options.model} if options.model else {}))


def _failed_check(value: Any) -> bool:
    found = [entry for entry in (value if isinstance(value, list) else [value]) if isinstance(entry, Mapping)]
    return any(entry.get("ok") is False or entry.get("state") == "problem" for entry in found)


def _failed(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


def serve(settings: config.Settings, _: argparse.Namespace) -> Any:
    """Open the app's page for browsers."""
    from alignchat.serving import serve as run

    sys.exit(run(settings, open_browser=False))


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
    parser.add_argument(
        "--data", type=Path, help="folder of feedback and rounds ($ALIGNCHAT_HOME, else ./data)"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in GROUPS:
        group.add_to(commands)
    bare_command(commands, "serve", serve).add_argument("--model", help="a name, or the path of a GGUF file")
    return parser
