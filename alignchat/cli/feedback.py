"""The `feedback` group: counts, files in and out, and the care of the journal. Opens no model."""

import argparse
from pathlib import Path
from typing import Any

from alignchat.cli.parsing import add_group, feedback_command
from alignchat.feedback import EXPORT_FORMATS, IMPORT_FORMATS, Feedback


def add_to(commands: Any) -> None:
    """Add the group."""
    group = add_group(commands, "feedback", "what was said so far")
    feedback_command(group, "stats", _stats)
    asked = feedback_command(group, "import", _import)
    asked.add_argument("file", type=Path)
    asked.add_argument("--format", choices=IMPORT_FORMATS, default="trl")
    asked.add_argument("--dry-run", action="store_true", help="only report, each refusal with its line")
    asked = feedback_command(group, "export", _export)
    asked.add_argument("file", type=Path)
    asked.add_argument("--format", choices=EXPORT_FORMATS, required=True)
    feedback_command(group, "verify", _verify)
    feedback_command(group, "backup", _backup).add_argument("folder", type=Path)
    feedback_command(group, "restore", _restore).add_argument("folder", type=Path)
    feedback_command(group, "compact", _compact)


def _stats(feedback: Feedback, _: argparse.Namespace) -> Any:
    """Count what was said so far."""
    return feedback.stats()


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
    """Put a backup in place; what was there is kept beside it."""
    return feedback.restore(options.folder)


def _compact(feedback: Feedback, _: argparse.Namespace) -> Any:
    """Erase for good what no longer counts."""
    return feedback.compact()
