"""Look after a journal: verify it, copy it while it is in use, put a copy back, drop what no longer counts.

Works on whole files and events; the store's methods of the same names are the way to call it.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from feedback_store.disk import Disk, make_folders, write_all, write_file
from feedback_store.errors import BackupError, StoreError
from feedback_store.journal import CHUNK, NAME, QUARANTINE, Journal
from feedback_store.lines import DamagedLineError, Event, NewerLineError, decode, salvage
from feedback_store.reading import Damage, Reading
from feedback_store.records import now
from feedback_store.view import View

SEAL = "backup.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What reading the whole journal anew found; `missing` are sequence numbers that no line carries."""

    path: str
    bytes: int
    events: int
    records: dict[str, int]
    damaged: tuple[Damage, ...]
    missing: int
    newer: int
    unfinished_bytes: int
    quarantined: tuple[str, ...]
    ok: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """A finished backup."""

    path: str
    bytes: int
    lines: int
    sha256: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """What was put back, and where what was there before is kept (None: there was nothing)."""

    path: str
    events: int
    previous: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactReport:
    """How much a compaction saved."""

    bytes_before: int
    bytes_after: int
    records_before: int
    records_after: int


def verify(journal: Journal, disk: Disk) -> VerifyReport:
    """Read the file from its first byte, apart from what is in memory."""
    reading, rest = Reading(), b""
    with journal.snapshot() as (handle, length):
        for block in blocks(disk, handle, length):
            rest = reading.take(rest + block)
    quarantine = journal.path.parent / QUARANTINE
    return VerifyReport(
        path=str(journal.path),
        bytes=length,
        events=reading.lines,
        records={kind: len(table) for kind, table in reading.view.tables.items()},
        damaged=tuple(reading.damage.values()),
        missing=sum(len(gap) for gap in reading.missing),
        newer=reading.newer,
        unfinished_bytes=length - reading.offset,
        quarantined=tuple(sorted(file.name for file in quarantine.glob("*.bin"))),
        ok=not (reading.damage or reading.missing or length > reading.offset),
    )


def backup(journal: Journal, disk: Disk, folder: Path) -> BackupReport:
    """Copy the journal as it is at one moment; writers go on meanwhile. The seal is written last."""
    try:
        make_folders(disk, folder)
        if disk.state_at(folder / SEAL) is not None:
            raise BackupError(f"{folder} already holds a backup; choose another folder.")
        with journal.snapshot() as (handle, length):
            report = _copy(disk, handle, length, folder)
        seal = {name: value for name, value in asdict(report).items() if name != "path"}
        write_file(disk, folder / SEAL, json.dumps(seal, indent=1).encode() + b"\n")
    except OSError as error:
        raise BackupError(
            f"The backup in {folder} was not made ({error.strerror}); try elsewhere."
        ) from error
    return report


def restore(journal: Journal, disk: Disk, folder: Path) -> RestoreReport:
    """Replace the journal by a backup's events, all bytes checked, and keep what was there."""
    file = checked_backup(folder)
    count = 0

    def restored(_: Reading) -> Iterator[Event]:
        nonlocal count
        for event in events(file):
            if event.op != "begin":
                count += 1
                yield event

    previous = None
    if journal.reading.view.entries:
        previous = journal.path.parent / f"before-restore-{now().replace(':', '-')}"
        backup(journal, disk, previous)
    journal.rewrite(restored)
    return RestoreReport(path=str(folder), events=count, previous=str(previous) if previous else None)


def compact(journal: Journal) -> CompactReport:
    """Rewrite the journal with only what counts: superseded, revised and retracted content is gone for good.

    Retracted conversations stay, retracted, so that their completions keep being told apart.
    """
    journal.refresh()
    before, records = journal.reading.offset, len(journal.reading.view.entries)
    journal.rewrite(lambda reading: surviving(reading.view))
    return CompactReport(
        bytes_before=before,
        bytes_after=journal.reading.offset,
        records_before=records,
        records_after=len(journal.reading.view.entries),
    )


def surviving(view: View) -> Iterator[Event]:
    """Yield the fewest events that amount to the same view."""
    for id, entry in view.entries.items():
        if entry.kind == "conversation" or view.is_current(id):
            at = entry.row["created_at"]
            yield Event(0, "add", entry.kind, id, at, entry.row)
            if entry.retracted:
                yield Event(0, "retract", entry.kind, id, at)


def checked_backup(folder: Path) -> Path:
    """Return a backup's journal if every byte is as it was sealed; raise BackupError otherwise."""
    try:
        seal: dict[str, Any] = json.loads((folder / SEAL).read_bytes())
        with (folder / NAME).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise BackupError(f"{folder} holds no finished backup ({error.filename} is missing).") from error
    except (OSError, ValueError) as error:
        raise BackupError(f"{folder} cannot be read ({error}); use another backup.") from error
    if found != seal.get("sha256"):
        raise BackupError(f"{folder} is damaged: its SHA-256 is not the sealed one; use another backup.")
    return folder / NAME


def events(file: Path) -> Iterator[Event]:
    """Yield a journal file's readable events; raise StoreError for those of a newer version."""
    with file.open("rb") as lines:
        for line in lines:
            try:
                yield from _events(line.removesuffix(b"\n"))
            except NewerLineError as error:
                raise StoreError(
                    f"{file} was written by a newer version of this program; update it."
                ) from error


def all_events(journal: Journal, disk: Disk) -> Iterator[Event]:
    """Yield every readable event of a consistent moment, oldest first."""
    rest = b""
    with journal.snapshot() as (handle, length):
        for block in blocks(disk, handle, length):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                yield from _events(line)


def blocks(disk: Disk, handle: int, length: int) -> Iterator[bytes]:
    """Yield a file's first `length` bytes, a block at a time."""
    place = 0
    while place < length:
        try:
            block = disk.read(handle, min(CHUNK, length - place), place)
        except OSError as error:
            raise StoreError(f"The journal cannot be read ({error.strerror}); check the disk.") from error
        if not block:
            raise StoreError(
                f"The journal ends at {place} bytes, not {length}: it was shortened. Restore a backup."
            )
        place += len(block)
        yield block


def _copy(disk: Disk, handle: int, length: int, folder: Path) -> BackupReport:
    digest, lines = hashlib.sha256(), 0
    copy = disk.open_new(folder / NAME)
    try:
        for block in blocks(disk, handle, length):
            write_all(disk, copy, block)
            disk.sync(copy)  # a little at a time, so that the journal's own syncs never wait for much
            digest.update(block)
            lines += block.count(b"\n")
    finally:
        disk.close(copy)
    return BackupReport(path=str(folder), bytes=length, lines=lines, sha256=digest.hexdigest(), at=now())


def _events(line: bytes) -> list[Event]:
    try:
        return [decode(line)]
    except DamagedLineError:
        return [decode(whole) for _, whole in salvage(line)]
