"""The groups `dataset` and `round`: what a round trains on; train, list, use and export rounds."""

import argparse
import sys
from pathlib import Path
from typing import Any, get_args

from alignchat.cli.parsing import add_group, loop_command, positive
from alignchat.config import Method
from alignchat.errors import Cancelled, RoundError
from alignchat.llamacpp.llama_child import QUANTISATIONS
from alignchat.loop import Loop
from alignchat.making.exporting import ExportFormat
from alignchat.making.presets import PRESETS
from alignchat.making.reports import RoundReport
from alignchat.shelf.transfer import Progress


def add_to(commands: Any) -> None:
    """Add the groups."""
    group = add_group(commands, "dataset", "what a round trains on")
    asked = loop_command(group, "preview", _preview)
    asked.add_argument("--method", choices=get_args(Method), required=True)
    _add_hub(asked)
    group = add_group(commands, "round", "train, list, use and export rounds")
    asked = loop_command(group, "start", _start)
    asked.add_argument("--method", choices=get_args(Method), required=True)
    _add_hub(asked)
    asked.add_argument("--steps", type=positive)
    asked.add_argument("--preset", choices=PRESETS, help="how far the round may move")
    asked.add_argument("--loss", metavar="NAME", help="the method's loss, by TRL's name")
    asked.add_argument("--reference", choices=("parent", "base"), help="what it is held to, with --parent")
    asked.add_argument("--dry-run", action="store_true", help="say what it would take, and start nothing")
    asked.add_argument("--memory", type=float, metavar="GB", help="of --dry-run: what would fit into this")
    asked.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="KEY=VALUE",
        help="any setting of section training, such as recompute=true; may be given several times",
    )
    asked.add_argument("--parent", type=int, metavar="N", help="go on from this round, not from the base")
    asked.add_argument("--wait", action="store_true", help="return when the round has ended")
    loop_command(group, "list", _list)
    runs = {"show": _show, "cancel": _cancel, "resume": _resume, "activate": _activate}
    for name, run in runs.items():
        asked = loop_command(group, name, run)
        asked.add_argument("number", type=int, metavar="N")
        if run is _resume:
            asked.add_argument("--wait", action="store_true", help="return when the round has ended")
    asked = loop_command(group, "export", _export)
    asked.add_argument("number", type=int, metavar="N")
    asked.add_argument("--format", choices=get_args(ExportFormat), required=True)
    asked.add_argument("--out", type=Path, required=True)
    asked.add_argument("--quant", choices=QUANTISATIONS, default="F16", help="of the merged model (gguf)")


def _add_hub(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--hub",
        action="append",
        default=[],
        metavar="NAME[:ROWS]",
        help="mix in a preference set, got first if it is not here: a known name, OWNER/NAME or a file, "
        "then :ROWS or :SHARE%%, then *WEIGHT of its rows against one's own; may be given several times",
    )


def _got(loop: Loop, sets: list[str]) -> list[str]:
    """Bring the sets that are asked for to this machine."""
    for text in sets:
        loop.data.get(text, on_progress=_tell_rows)
    return sets


def _tell_rows(now: Progress) -> None:
    of = f" of {now.total}" if now.total else ""
    print(f"{now.what}: {now.done}{of} rows", file=sys.stderr)


def _preview(loop: Loop, options: argparse.Namespace) -> Any:
    """What a round would train on now."""
    manifest = loop.preview(options.method, sets=_got(loop, options.hub))
    if options.json:
        return manifest
    lengths = {key: value for key, value in manifest["tokens"].items() if key != "histogram"}
    return {**manifest, "tokens": lengths}


def _start(loop: Loop, options: argparse.Namespace) -> Any:
    """Start a round, or with --dry-run say what it would take."""
    sets = _got(loop, options.hub)
    training = dict(options.set)
    training |= {key: getattr(options, key) for key in ("steps", "preset", "reference")}
    if options.loss:
        training[f"{options.method}_loss"] = options.loss
    if options.dry_run:
        memory = options.memory and int(options.memory * 1e9)
        return loop.estimate_round(
            options.method, sets=sets, memory_bytes=memory, calibrate=True, **training
        ).to_json()
    number = loop.start_round(options.method, sets=sets, parent=options.parent, **training)
    return _trained(loop, number) if options.wait else loop.round(number).to_json()


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text} is not of the form KEY=VALUE")
    return key, value


def _list(loop: Loop, _: argparse.Namespace) -> Any:
    """List all rounds."""
    return [report.to_json() for report in loop.list_rounds()]


def _show(loop: Loop, options: argparse.Namespace) -> Any:
    """Show one round, with what speaks for and against using it."""
    shown = loop.round(options.number).to_json()
    return {**shown, "assessment": loop.assess(options.number).to_json()} if options.number else shown


def _cancel(loop: Loop, options: argparse.Namespace) -> Any:
    """Stop a running round; it keeps a checkpoint."""
    loop.cancel_round(options.number)
    return loop.wait(options.number).to_json()


def _resume(loop: Loop, options: argparse.Namespace) -> Any:
    """Go on with a round that did not end."""
    loop.resume_round(options.number)
    return _trained(loop, options.number) if options.wait else loop.round(options.number).to_json()


def _activate(loop: Loop, options: argparse.Namespace) -> Any:
    """Let the chat use a round."""
    loop.activate(options.number)
    return loop.round(options.number).to_json()


def _export(loop: Loop, options: argparse.Namespace) -> Any:
    """Write a round's adapter out."""
    return loop.export_round(options.number, options.format, options.out, options.quant)


def _trained(loop: Loop, number: int) -> dict[str, Any]:
    try:
        return waited(loop, number)
    except KeyboardInterrupt:
        raise Cancelled(f"Round {number} goes on by itself; stop it with: round cancel {number}") from None


def waited(loop: Loop, number: int) -> dict[str, Any]:
    """Wait for a round, telling how it goes; raise RoundError if it did not come to its end."""
    report = loop.wait(number, _tell)
    if report.error:
        raise RoundError(f"Round {number} failed: {report.error}")
    if report.status == "interrupted":
        raise RoundError(
            f"The process of round {number} ended early, perhaps for want of memory; go on with: "
            f"round resume {number}; if that happens again, begin one with --set recompute=true"
        )
    return report.to_json()


def _tell(report: RoundReport) -> None:
    if now := report.progress:
        loss = "" if now.loss is None else f", loss {now.loss:.4f}"
        left = "" if now.seconds_left is None else f", {now.seconds_left:.0f} s left"
        print(f"Round {report.number}: {now.phase} {now.done}/{now.total}{loss}{left}", file=sys.stderr)
