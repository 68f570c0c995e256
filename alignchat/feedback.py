"""What people said, without any model: counts, files in and out, and the care of the journal."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, get_args

from alignchat.config import Settings
from alignchat.errors import SettingsError
from feedback_store import FeedbackStore, exchange, native, openwebui

ImportFormat = Literal["trl", "native", "open-webui"]
ExportFormat = Literal["kto", "dpo", "native", "csv"]
IMPORT_FORMATS: tuple[ImportFormat, ...] = get_args(ImportFormat)
EXPORT_FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)

_IMPORTS: Mapping[ImportFormat, Callable[..., exchange.ImportReport]] = {
    "trl": exchange.import_rows,
    "native": native.import_native,
    "open-webui": openwebui.import_open_webui,
}


class Feedback:
    """One folder of feedback, as plain values for people and scripts."""

    def __init__(self, store: FeedbackStore) -> None:
        self._store = store

    @classmethod
    def open(cls, settings: Settings) -> "Feedback":
        """Open the feedback of a data folder; raise one of `errors.EXPECTED` if it cannot be used."""
        return cls(open_store(settings))

    def __enter__(self) -> "Feedback":
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def stats(self) -> dict[str, int]:
        """Count what was said so far."""
        thumbs, choices = self._store.thumbs(), self._store.choices()
        return {
            "conversations": len(self._store.conversations()),
            "completions": len(self._store.completions()),
            "up": sum(thumb.up for thumb in thumbs),
            "down": sum(not thumb.up for thumb in thumbs),
            "choices": len(choices),
            "pairs": sum(choice.chosen_id is not None for choice in choices),
            "both_bad": sum(choice.verdict == "both_bad" for choice in choices),
            "edits": len(self._store.edits()),
        }

    def import_file(
        self, path: Path, *, format: ImportFormat = "trl", dry_run: bool = False
    ) -> dict[str, Any]:
        """Import all of a file or nothing of it; `dry_run` only reports, each refusal with its line."""
        return asdict(_IMPORTS[format](self._store, path, dry_run=dry_run))

    def export_file(self, path: Path, format: ExportFormat) -> dict[str, Any]:
        """Export as TRL's rows for a method (JSONL or Parquet), with all history, or for a spreadsheet."""
        if format == "native":
            return asdict(native.export_native(self._store, path))
        if format == "csv":
            return asdict(native.export_csv(self._store, path))
        return asdict(exchange.export_rows(self._store, path, format=format))

    def verify(self) -> dict[str, Any]:
        """Read the whole journal anew and say what was found."""
        return asdict(self._store.verify())

    def backup(self, folder: Path) -> dict[str, Any]:
        """Copy the journal at one point in time, while others go on writing."""
        return asdict(self._store.backup(folder))

    def restore(self, folder: Path) -> dict[str, Any]:
        """Put a backup in place; what was there before is kept beside it."""
        return asdict(self._store.restore(folder))

    def compact(self) -> dict[str, Any]:
        """Drop from the journal what no longer counts."""
        return asdict(self._store.compact())


def open_store(settings: Settings) -> FeedbackStore:
    """Open the store of a data folder; raise SettingsError if the folder cannot be written."""
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.data):
            pass
    except OSError as error:
        raise SettingsError(
            f"The data folder {settings.data} cannot be written ({error.strerror}); "
            "choose another with --data."
        ) from error
    return FeedbackStore.open(settings.data / "feedback")
