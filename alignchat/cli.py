"""The command line: arguments to one `Loop` call, its result as text or as one JSON document.

Results go to stdout, progress and errors to stderr. Exit status 0 done, 1 failed with one sentence,
2 bad usage. Knows neither the store nor the engine.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from alignchat import config, model_commands
from alignchat.catalog import ENTRIES
from alignchat.chat import Reply
from alignchat.config import Method
from alignchat.errors import EXPECTED, Cancelled, RoundError
from alignchat.feedback import EXPORT_FORMATS, IMPORT_FORMATS, Feedback
from alignchat.llama_child import QUANTISATIONS
from alignchat.loop import VERDICTS, ExportFormat, Loop
from alignchat.reports import RoundReport

Command = Callable[[config.Settings, argparse.Namespace], Any]
LoopCommand = Callable[[Loop, argparse.Namespace], Any]
FeedbackCommand = Callable[[Feedback, argparse.Namespace], Any]
MEASURES = ("toxicity", "regard", "honest")


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.json and getattr(options, "prompt", "") is None:
        parser.error("chat --json needs --prompt: a conversation is not one document")
    run: Command = options.run
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # stdout is a text stream here
    try:
        settings = config.load(options.data, **({"model": options.model} if options.model else {}))
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
    failed_check = isinstance(value, dict) and value.get("ok") is False
    return 1 if failed_check else 0


def _failed(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


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
    *_, replies = loop.compare(options.prompt, left=options.left, right=options.right)
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


def feedback_stats(feedback: Feedback, _: argparse.Namespace) -> Any:
    """Count what was said so far."""
    return feedback.stats()


def feedback_import(feedback: Feedback, options: argparse.Namespace) -> Any:
    """Import all of a file, or nothing of it."""
    return feedback.import_file(options.file, format=options.format, dry_run=options.dry_run)


def feedback_export(feedback: Feedback, options: argparse.Namespace) -> Any:
    """Export the feedback; a name ending in .parquet gives Parquet."""
    return feedback.export_file(options.file, options.format)


def feedback_verify(feedback: Feedback, _: argparse.Namespace) -> Any:
    """Read the whole journal anew and say what was found."""
    return feedback.verify()


def feedback_backup(feedback: Feedback, options: argparse.Namespace) -> Any:
    """Copy the journal into a new folder, while the app runs."""
    return feedback.backup(options.folder)


def feedback_restore(feedback: Feedback, options: argparse.Namespace) -> Any:
    """Put a backup in place; what was there is kept beside it."""
    return feedback.restore(options.folder)


def feedback_compact(feedback: Feedback, _: argparse.Namespace) -> Any:
    """Erase for good what no longer counts."""
    return feedback.compact()


def dataset_preview(loop: Loop, options: argparse.Namespace) -> Any:
    """What a round would train on now."""
    return loop.preview(options.method)


def round_start(loop: Loop, options: argparse.Namespace) -> Any:
    """Start a round."""
    number = loop.start_round(options.method, steps=options.steps, parent=options.parent)
    return _trained(loop, number) if options.wait else loop.round(number).to_json()


def round_list(loop: Loop, _: argparse.Namespace) -> Any:
    """List all rounds."""
    return [report.to_json() for report in loop.list_rounds()]


def round_show(loop: Loop, options: argparse.Namespace) -> Any:
    """Show one round."""
    return loop.round(options.number).to_json()


def round_cancel(loop: Loop, options: argparse.Namespace) -> Any:
    """Stop a running round; it keeps a checkpoint."""
    loop.cancel_round(options.number)
    return loop.wait(options.number).to_json()


def round_resume(loop: Loop, options: argparse.Namespace) -> Any:
    """Go on with a round that did not end."""
    loop.resume_round(options.number)
    return _trained(loop, options.number) if options.wait else loop.round(options.number).to_json()


def round_activate(loop: Loop, options: argparse.Namespace) -> Any:
    """Let the chat use a round."""
    loop.activate(options.number)
    return loop.round(options.number).to_json()


def round_export(loop: Loop, options: argparse.Namespace) -> Any:
    """Write a round's adapter out."""
    return loop.export_round(options.number, options.format, options.out)


def evaluate(loop: Loop, options: argparse.Namespace) -> Any:
    """Score a round for bias."""
    loop.evaluate(options.round, measures=options.measures, limit=options.limit)
    try:
        _waited(loop, options.round)
    except KeyboardInterrupt:
        loop.cancel_round(options.round)
        raise
    if (card := loop.scorecard(options.round)) is None:
        raise RoundError(f"The scoring of round {options.round} was stopped, and there are no scores yet.")
    return card.to_json()


def serve(settings: config.Settings, _: argparse.Namespace) -> Any:
    """Open the app's page for browsers."""
    from alignchat.ui.server import serve as run

    sys.exit(run(settings, open_browser=False))


def _trained(loop: Loop, number: int) -> dict[str, Any]:
    try:
        return _waited(loop, number)
    except KeyboardInterrupt:
        raise Cancelled(f"Round {number} goes on by itself; stop it with: round cancel {number}") from None


def _waited(loop: Loop, number: int) -> dict[str, Any]:
    report = loop.wait(number, _tell)
    if report.error:
        raise RoundError(f"Round {number} failed: {report.error}")
    if report.status == "interrupted":
        raise RoundError(f"The process of round {number} ended early; go on with: round resume {number}")
    return report.to_json()


def _tell(report: RoundReport) -> None:
    if now := report.progress:
        loss = "" if now.loss is None else f", loss {now.loss:.4f}"
        left = "" if now.seconds_left is None else f", {now.seconds_left:.0f} s left"
        print(f"Round {report.number}: {now.phase} {now.done}/{now.total}{loss}{left}", file=sys.stderr)


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


def _text(value: Any, indent: str = "") -> str:
    """Lay a JSON value out for people: a line a key, a block a row."""
    if isinstance(value, Mapping):
        lines = []
        for key, part in value.items():
            if isinstance(part, Mapping | list) and part:
                lines += [f"{indent}{key}:", _text(part, indent + "  ")]
            elif part is not None:
                lines.append(f"{indent}{key}: {part}")
        return "\n".join(lines)
    if isinstance(value, list):
        return "\n\n".join(_text(part, indent) for part in value)
    return f"{indent}{value}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="alignchat", description="Align a language model by talking to it.")
    parser.add_argument(
        "--data", type=Path, help="folder of feedback and rounds ($ALIGNCHAT_HOME, else ./data)"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _talking(commands)
    _feedback(commands)
    _rounds(commands)
    _models(commands)
    asked = _command(commands, "evaluate", evaluate)
    asked.add_argument("--round", type=int, required=True, metavar="N")
    asked.add_argument("--measures", type=_measures, default=(), help="of " + ",".join(MEASURES))
    asked.add_argument("--limit", type=_positive, help="at most so many prompts a measure")
    _bare_command(commands, "serve", serve).add_argument("--model", help="a name, or the path of a GGUF file")
    return parser


def _talking(commands: Any) -> None:
    asked = _command(commands, "chat", chat)
    asked.add_argument("--round", type=int, metavar="N", help="0 is the base; the active round if not given")
    asked.add_argument("--prompt", help="reply to this and end; a conversation without it")
    asked.add_argument("--max-tokens", type=_positive)
    asked.add_argument("--temperature", type=float)
    asked.add_argument("--seed", type=int)
    asked = _command(commands, "compare", compare)
    asked.add_argument("--prompt", required=True)
    asked.add_argument("--left", type=int, metavar="N", help="round; the active one if not given")
    asked.add_argument("--right", type=int, metavar="N")
    asked = _command(commands, "rate", rate)
    asked.add_argument("completion_id")
    asked.add_argument("verdict", choices=("up", "down", "clear"))
    asked = _command(commands, "choose", choose)
    asked.add_argument("left_id")
    asked.add_argument("right_id")
    asked.add_argument("verdict", choices=VERDICTS)


def _feedback(commands: Any) -> None:
    group = _group(commands, "feedback", "what was said so far")
    _feedback_command(group, "stats", feedback_stats)
    asked = _feedback_command(group, "import", feedback_import)
    asked.add_argument("file", type=Path)
    asked.add_argument("--format", choices=IMPORT_FORMATS, default="trl")
    asked.add_argument("--dry-run", action="store_true", help="only report, each refusal with its line")
    asked = _feedback_command(group, "export", feedback_export)
    asked.add_argument("file", type=Path)
    asked.add_argument("--format", choices=EXPORT_FORMATS, required=True)
    _feedback_command(group, "verify", feedback_verify)
    _feedback_command(group, "backup", feedback_backup).add_argument("folder", type=Path)
    _feedback_command(group, "restore", feedback_restore).add_argument("folder", type=Path)
    _feedback_command(group, "compact", feedback_compact)
    group = _group(commands, "dataset", "what a round trains on")
    asked = _command(group, "preview", dataset_preview)
    asked.add_argument("--method", choices=get_args(Method), required=True)


def _rounds(commands: Any) -> None:
    group = _group(commands, "round", "train, list, use and export rounds")
    asked = _command(group, "start", round_start)
    asked.add_argument("--method", choices=get_args(Method), required=True)
    asked.add_argument("--steps", type=_positive)
    asked.add_argument("--parent", type=int, metavar="N", help="go on from this round, not from the base")
    asked.add_argument("--wait", action="store_true", help="return when the round has ended")
    _command(group, "list", round_list)
    runs = {"show": round_show, "cancel": round_cancel, "resume": round_resume, "activate": round_activate}
    for name, run in runs.items():
        asked = _command(group, name, run)
        asked.add_argument("number", type=int, metavar="N")
        if run is round_resume:
            asked.add_argument("--wait", action="store_true", help="return when the round has ended")
    asked = _command(group, "export", round_export)
    asked.add_argument("number", type=int, metavar="N")
    asked.add_argument("--format", choices=get_args(ExportFormat), required=True)
    asked.add_argument("--out", type=Path, required=True)


def _models(commands: Any) -> None:
    group = _group(commands, "models", "get, add, remove and choose models")
    _bare_command(group, "list", model_commands.show)
    asked = _bare_command(group, "get", model_commands.get)
    asked.add_argument("name", help=f"one of {', '.join(ENTRIES)}")
    asked.add_argument("--quant", choices=QUANTISATIONS)
    asked.add_argument("--accept-terms", action="store_true", help="say that you accept the model's terms")
    asked = _bare_command(group, "import", model_commands.add)
    asked.add_argument("source", metavar="PATH_OR_ID", help="GGUF file, Transformers folder or OWNER/NAME")
    asked.add_argument("--name", help="what to call it")
    asked.add_argument("--quant", choices=QUANTISATIONS)
    for name, run in {"remove": model_commands.remove, "default": model_commands.choose}.items():
        _bare_command(group, name, run).add_argument("name")


def _group(commands: Any, name: str, text: str) -> Any:
    return commands.add_parser(name, help=text).add_subparsers(required=True, metavar="COMMAND")


def _command(commands: Any, name: str, run: LoopCommand) -> argparse.ArgumentParser:
    parser = _bare_command(commands, name, _opening(Loop, run))
    parser.add_argument("--model", help="a model's name, or the path of a GGUF file")
    return parser


def _feedback_command(commands: Any, name: str, run: FeedbackCommand) -> argparse.ArgumentParser:
    return _bare_command(commands, name, _opening(Feedback, run))


def _opening(kind: type[Loop] | type[Feedback], run: Callable[..., Any]) -> Command:
    def opened(settings: config.Settings, options: argparse.Namespace) -> Any:
        with kind.open(settings) as part:
            return run(part, options)

    opened.__doc__ = run.__doc__
    return opened


def _bare_command(commands: Any, name: str, run: Command) -> argparse.ArgumentParser:
    text = (run.__doc__ or "").rstrip(".")
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=run, model=None)
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def _measures(text: str) -> tuple[str, ...]:
    measures = tuple(text.split(","))
    if unknown := set(measures) - set(MEASURES):
        raise argparse.ArgumentTypeError(
            f"unknown: {', '.join(sorted(unknown))}; choose of {','.join(MEASURES)}"
        )
    return measures
