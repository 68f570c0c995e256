"""The folders of models in the data folder: a model's file, and a record that is written last.

A name is letters, digits, dots and dashes, and is checked before it becomes a folder's. Knows no hub.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from alignchat.catalog import RECORD_FILE
from alignchat.errors import ModelError
from alignchat.files import FileLock, is_locked, read_json, sync_folder, write_json

State = Literal["ready", "fetching", "partial", "available", "missing", "damaged"]
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """`model.json`: what is known of a model's file; `file` is a name in the folder, or a path elsewhere."""

    file: str
    quantisation: str
    bytes: int
    sha256: str
    changed: int
    source: str
    licence: str = ""
    template: str = ""
    stop: tuple[str, ...] = ()
    terms: str = ""
    created_at: str = ""


class ModelRecords:
    """The models whose folders are in `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """Return the names of all models that are whole."""
        return sorted(path.parent.name for path in self.root.glob(f"*/{RECORD_FILE}"))

    def file(self, name: str) -> Path:
        """Return where a model's record is."""
        return self.root / name / RECORD_FILE

    def read(self, name: str) -> Record | None:
        """Return a model's record; raise ModelError if it is damaged."""
        file = self.file(name)
        if not is_name(name) or not file.exists():
            return None
        try:
            facts = read_json(file)
            return Record(**{**facts, "stop": tuple(facts["stop"])})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ModelError(
                f"{file} is damaged; run: python -m alignchat models remove {name}, then get it again."
            ) from error

    def path(self, name: str, record: Record) -> Path:
        """Return where a model's file is."""
        path = Path(record.file)
        return path if path.is_absolute() else self.root / name / path.name

    def state(self, name: str, record: Record | None) -> State:
        """Say how a model's file stands, by its size and time alone."""
        if record is None:
            if not (self.root / name).exists():
                return "available"
            return "fetching" if is_locked(self._lock(name)) else "partial"
        try:
            facts = self.path(name, record).stat()
        except OSError:
            return "missing"
        same = (facts.st_size, facts.st_mtime_ns) == (record.bytes, record.changed)
        return "ready" if same else "damaged"

    def write(self, name: str, record: Record) -> None:
        """Write a model's record, and throw away the files it had before."""
        folder = self.root / name
        write_json(self.file(name), asdict(record))
        for other in folder.iterdir():
            if other.suffix in (".gguf", ".part") and other.name != record.file:
                other.unlink()
        sync_folder(folder)

    def remove(self, name: str) -> None:
        """Remove a model's folder; raise ModelError if there is none."""
        folder = self.root / checked(name)
        if not folder.exists():
            raise ModelError(f"{name} is not on this machine, so there is nothing to remove.")
        with self.folder(name):
            shutil.rmtree(folder)

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """Give a model's folder to work in, alone; an empty one does not stay."""
        folder = self.root / checked(name)
        self.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._lock(name))
        if not lock.acquire():
            raise ModelError(f"{name} is being worked on already; wait for it.")
        try:
            folder.mkdir(exist_ok=True)
            yield folder
        finally:
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()
            lock.release()

    def _lock(self, name: str) -> Path:
        return self.root / f".{name}.lock"


def is_name(name: str) -> bool:
    """Tell whether a text can be a model's name, and so its folder's."""
    return _NAME.fullmatch(name) is not None and ".." not in name


def checked(name: str) -> str:
    """Return the name; raise ModelError if it cannot be one."""
    if not is_name(name):
        raise ModelError(
            f"{name[:80]!r} cannot be a model's name; use small letters, digits, dots and dashes, at most 64."
        )
    return name
