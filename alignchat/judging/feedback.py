"""What people said, without any model: counts, files in and out, and the care of the journal."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from alignchat.config import Settings
from alignchat.errors import SettingsError
from alignchat.judging.review import Review
from feedback_store import DuplicateError, FeedbackStore, Thumb, exchange, native, new_id, openwebui

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
        self.review = Review(store)

    @classmethod
    def open(cls, settings: Settings) -> "Feedback":
        """Open the feedback of a data folder; raise one of `errors.EXPECTED` if it cannot be used."""
        return cls(open_store(settings, to_read=True))

    def __enter__(self) -> "Feedback":
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def stats(self, annotator: str | None = None) -> dict[str, int]:
        """Count what was said so far, by everybody or by one annotator."""
        count = partial(self._store.count, annotator=annotator)
        return {
            "conversations": self._store.count("conversation"),
            "completions": count("completion"),
            "up": count("thumb", "up", True),
            "down": count("thumb", "up", False),
            "choices": count("choice"),
            "pairs": count("choice", "verdict", "left") + count("choice", "verdict", "right"),
            "both_bad": count("choice", "verdict", "both_bad"),
            "edits": count("edit"),
        }

    def rate(
        self,
        completion_id: str,
        up: bool | None,
        *,
        tags: Sequence[str] = (),
        comment: str = "",
        annotator: str = "local",
        id: str | None = None,
    ) -> None:
        """Set an annotator's thumb on a completion; None takes back the one there is.

        `id` names this act: what may not have arrived can be said again under it, and counts once.
        """
        self._store.completion(completion_id)
        said = Thumb(
            id=id or new_id(),
            completion_id=completion_id,
            up=bool(up),
            tags=tuple(tags),
            comment=comment,
            annotator=annotator,
        )
        save: Callable[[Thumb], object] = self._store.add
        if up is None:
            before = self._store.thumbs(completion_id=completion_id, annotator=annotator)
            if not before:
                return
            said = replace(before[0], id=said.id, created_at=said.created_at)
            save = self._store.add_retracted
        try:
            save(said)
        except DuplicateError:
            if not self._was_said(said, taken_back=up is None):
                raise
            self._store.add_many([])  # returns when all that was read is durable

    def _was_said(self, thumb: Thumb, *, taken_back: bool) -> bool:
        """Tell whether this act was saved before: under its id, at another moment."""
        first, *later = self._store.history(thumb.id)
        known = first.record
        if not isinstance(known, Thumb):
            return False
        if taken_back:
            about = (known.completion_id, known.annotator) == (thumb.completion_id, thumb.annotator)
            return about and bool(later) and later[0].op == "retract" and later[0].seq == first.seq + 1
        return replace(known, created_at=thumb.created_at) == thumb

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


def open_store(settings: Settings, *, to_read: bool = False) -> FeedbackStore:
    """Open the store of a data folder; raise SettingsError if the folder cannot be written.

    With `to_read` a folder that cannot be written does if it holds a store, which then refuses to save.
    """
    folder = settings.data / "feedback"
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.data):
            pass
    except OSError as error:
        if not (to_read and folder.is_dir()):
            raise SettingsError(
                f"The data folder {settings.data} cannot be written ({error.strerror}); "
                "choose another with --data."
            ) from error
    return FeedbackStore.open(folder)
