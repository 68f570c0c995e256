"""The `feedback` group: what was said, changed and taken back, files in and out, the care of the journal.

Opens no model.
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alignchat.cli.parsing import add_group, feedback_command, positive
from alignchat.judging import coach
from alignchat.judging.feedback import EXPORT_FORMATS, IMPORT_FORMATS, Feedback
from alignchat.judging.review import SIDES, THUMBS, VERDICTS, Filters, to_json


def add_to(commands: Any) -> None:
    """Add the group."""
    group = add_group(commands, "feedback", "what was said so far")
    feedback_command(group, "stats", _stats)
    feedback_command(group, "coach", _coach)
    _add_list(feedback_command(group, "list", _list))
    asked = feedback_command(group, "change", _change)
    asked.add_argument("id")
    asked.add_argument("--verdict", choices=(*THUMBS, *SIDES), help="up or down for a thumb, else a side")
    asked.add_argument("--tags", type=_tags, help="reasons of a thumb, with commas; empty for none")
    asked.add_argument("--comment", help="of a thumb")
    asked.add_argument("--text", help="of a rewritten reply")
    feedback_command(group, "retract", _retract).add_argument("id")
    asked = feedback_command(group, "import", _import)
    asked.add_argument("file", type=Path)
    asked.add_argument("--format", choices=IMPORT_FORMATS, default="trl")
    asked.add_argument("--dry-run", action="store_true", help="only report, each refusal with its line")
    asked = feedback_command(group, "export", _export)
    asked.add_argument("file", type=Path)
    asked.add_argument("--format", choices=EXPORT_FORMATS, required=True)
    feedback_command(group, "verify", _verify)
    feedback_command(group, "backup", _backup).add_argument("folder", type=Path)
    asked = feedback_command(group, "restore", _restore)
    asked.add_argument("what", metavar="ID_OR_FOLDER", help="a judgement taken back, or a backup's folder")
    feedback_command(group, "compact", _compact)


def _stats(feedback: Feedback, _: argparse.Namespace) -> Any:
    """Count what was said so far."""
    return feedback.stats()


def _coach(feedback: Feedback, _: argparse.Namespace) -> Any:
    """Say what is missing for a good round, and why."""
    signals = feedback.review.signals()
    return {
        "signals": asdict(signals),
        **{outlook.method: outlook.to_json() for outlook in coach.outlooks(signals)},
    }


def _add_list(asked: argparse.ArgumentParser) -> None:
    asked.add_argument("--text", default="", help="in prompt, reply, comment or rewrite")
    asked.add_argument("--round", type=int, metavar="N")
    asked.add_argument("--verdict", choices=VERDICTS)
    asked.add_argument("--tag")
    asked.add_argument("--annotator")
    asked.add_argument("--since", metavar="DAY", help="from this day on, as in 2026-11-23")
    asked.add_argument("--until", metavar="DAY", help="up to the end of this day")
    state = asked.add_mutually_exclusive_group()
    state.add_argument("--counting", dest="counts", action="store_const", const=True, help="only what counts")
    state.add_argument(
        "--retracted", dest="counts", action="store_const", const=False, help="only what does not count"
    )
    asked.add_argument("--limit", type=positive, default=50)
    asked.add_argument("--offset", type=int, default=0)


def _list(feedback: Feedback, options: argparse.Namespace) -> Any:
    """List what was said, the newest first."""
    filters = Filters(**{name: getattr(options, name) for name in Filters.__dataclass_fields__})
    found, total = feedback.review.find(filters, offset=max(options.offset, 0), limit=options.limit)
    return {"total": total, "judgements": [to_json(judgement) for judgement in found]}


def _change(feedback: Feedback, options: argparse.Namespace) -> Any:
    """Change what a judgement says; its history keeps what it said before."""
    parts = {name: getattr(options, name) for name in ("verdict", "tags", "comment", "text")}
    return to_json(feedback.review.change(options.id, **parts))


def _retract(feedback: Feedback, options: argparse.Namespace) -> Any:
    """Take a judgement back; `restore` undoes it."""
    return to_json(feedback.review.retract(options.id))


def _tags(text: str) -> list[str]:
    return [tag.strip() for tag in text.split(",") if tag.strip()]


def _import(feedback: Feedback, options: argparse.Namespace) -> Any:
    """Import all of a file, or nothing of it."""
    return feedback.import_file(options.file, format=options.format, dry_run=options.dry_run)


def _export(feedback: Feedback, options: argparse.Namespace) -> Any:
    """Export the feedback; a name ending in .parquet gives Parquet."""
    return feedback.export_file(options.file, options.format)


def _verify(feedback: Feedback, _: argparse.Namespace) -> Any:
    """Read the whole journal anew and say what was found."""
    return feedback.verify()


def _backup(feedback: Feedback, options: argparse.Namespace) -> Any:
    """Copy the journal into a new folder, while the app runs."""
    return feedback.backup(options.folder)


def _restore(feedback: Feedback, options: argparse.Namespace) -> Any:
    """Let a judgement count again, or put a whole backup in place; what was there is kept beside it."""
    if feedback.review.knows(options.what):
        return to_json(feedback.review.restore(options.what))
    return feedback.restore(Path(options.what))


def _compact(feedback: Feedback, _: argparse.Namespace) -> Any:
    """Erase for good what no longer counts."""
    return feedback.compact()
