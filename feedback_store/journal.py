"""The append-only file that is the truth. Knows bytes, locks and syncs; what events mean is the view's part.

A write is acknowledged only after fdatasync. Writers of one process share a sync (whoever gets the commit
lock writes for all who wait); writers of several processes take turns under the file's own lock, and each
reads what the others appended before it appends.
"""

import errno
import gc
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from feedback_store.disk import Disk, make_folders, write_all, write_file
from feedback_store.errors import (
    DiskFullError,
    JournalChangedError,
    NotSavedError,
    ReadOnlyError,
    StoreError,
)
from feedback_store.lines import Event, encode, encode_body, salvage
from feedback_store.reading import Reading
from feedback_store.records import new_id, now

NAME = "journal.jsonl"
QUARANTINE = "quarantine"
CHUNK = 1 << 20
LARGE = 16 << 20


@dataclass(slots=True)
class _Ticket:
    """Events that one caller waits for; `seq` is the first one's number once they are durable."""

    bodies: Sequence[bytes]
    seq: int | None = None
    error: StoreError | None = None


class Journal:
    """One open journal; thread-safe, and safe beside other processes."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self.path = folder / NAME
        self.reading = Reading()
        self.read_only: str | None = None
        self._disk = disk
        self._waiting: deque[_Ticket] = deque()
        self._commit = threading.Lock()
        self._process = os.getpid()
        self._settled = False
        self._handle: int | None = self._open()
        try:
            self._start()
        except StoreError:
            self.close()
            raise

    def append(self, bodies: Sequence[bytes]) -> int:
        """Write events, whole or not at all, and return the first one's number once they are durable.

        Without events, return once everything read so far is durable.
        """
        ticket = _Ticket(bodies)
        self._waiting.append(ticket)
        with self._commit:
            if ticket.seq is None and ticket.error is None:
                self._commit_waiting()
        if ticket.error:
            raise ticket.error
        if ticket.seq is None:
            raise NotSavedError("Writing was interrupted; not saved. Try again.")
        return ticket.seq

    def refresh(self) -> None:
        """Read what other processes appended; with the file gone or unreadable, what was read stays."""
        with suppress(OSError, JournalChangedError):
            if not self._is_behind():
                return
            with self._commit, self._locked(shared=True):
                pass

    def lines_about(self, id: str) -> list[bytes]:
        """Return the lines of a record's events as the file has them, without their newlines."""
        self.refresh()
        with self._commit, self._reading_errors():
            entry = self.reading.view.entries.get(id)
            return [self._line_at(place) for place in entry.places] if entry else []

    @contextmanager
    def snapshot(self) -> Iterator[tuple[int, int]]:
        """Lend a handle of one's own on the file, and a length at which it is consistent."""
        self.refresh()
        with self._commit, self._reading_errors():
            handle, length = self._disk.duplicate(self._open_handle()), self.reading.offset
        try:
            yield handle, length
        finally:
            with suppress(OSError):  # it was only read
                self._disk.close(handle)

    def close(self) -> None:
        """Give the file back."""
        with self._commit:
            if self._handle is not None:
                with suppress(OSError):  # all that was acknowledged is synced
                    self._disk.close(self._handle)
                self._handle = None

    def rewrite(self, events: Callable[[Reading], Iterable[Event]]) -> None:
        """Replace the file, in one step, by one that holds the events made from what was read."""
        temporary = self.path.with_name(f".tmp-{NAME}")
        try:
            with self._commit, self._locked():
                self._refuse_read_only()
                self._make_ready()
                self._keep_damaged()
                self._fill(temporary, events(self.reading))
                self._disk.replace(temporary, self.path)
                self._switch()
        except OSError as error:
            raise self._not_saved(error) from error

    # Everything below runs under the commit lock.

    def _open(self) -> int:
        folder = self.path.parent
        try:
            make_folders(self._disk, folder)
            return self._disk.open(self.path)
        except OSError as error:
            self.read_only = f"{folder} cannot be written to ({error.strerror})"
        try:
            return self._disk.open_to_read(self.path)
        except OSError as error:
            raise ReadOnlyError(
                f"{self.read_only}, so feedback is not saved; choose another folder or mend its permissions."
            ) from error

    def _start(self) -> None:
        shared = self.read_only is not None
        with self._reading_errors(), self._commit, _collector_paused(), self._locked(shared=shared):
            if not self.read_only and not self.reading.newer:
                # What fails here fails again at the first write, which says so; reading works meanwhile.
                with suppress(OSError, NotSavedError):
                    self._make_ready()
            if self.reading.offset > LARGE:
                # Records make no cycles; one walk over 100,000 of them would hold everybody up for 130 ms.
                gc.freeze()

    def _commit_waiting(self) -> None:
        tickets = []
        while self._waiting:
            tickets.append(self._waiting.popleft())
        try:
            self._write(tickets)
        except StoreError as error:
            for ticket in tickets:
                ticket.error = error
        except OSError as error:
            for ticket in tickets:
                ticket.error = self._not_saved(error)

    def _write(self, tickets: list[_Ticket]) -> None:
        with self._locked():
            self._refuse_read_only()
            self._make_ready()
            seq, lines = self.reading.next_seq, []
            first = []
            for ticket in tickets:
                first.append(seq)
                for left, body in zip(range(len(ticket.bodies) - 1, -1, -1), ticket.bodies, strict=True):
                    lines.append(encode(seq, body, more=left > 0))
                    seq += 1
            self._put(b"".join(lines))
        for ticket, number in zip(tickets, first, strict=True):
            ticket.seq = number

    def _put(self, content: bytes) -> None:
        start = self.reading.offset
        try:
            write_all(self._disk, self._open_handle(), content)
        except OSError as error:
            self._cut(start)
            raise self._not_saved(error) from error
        try:
            self._sync()
        except OSError:
            with suppress(OSError):
                self._cut(start)
            raise
        if not self._find_place():
            raise JournalChangedError(f"{self.path} was replaced while saving; not saved. Try again.")
        self.reading.rewind()
        self.reading.take(content)

    def _sync(self) -> None:
        try:
            self._disk.sync(self._open_handle())
        except OSError as error:
            # The kernel reports a failed write-back once and then forgets it: a retry would falsely succeed.
            self.read_only = f"the disk failed while saving ({error.strerror})"
            raise

    def _sync_name(self) -> None:
        try:
            self._disk.sync_folder(self.path.parent)
        except OSError as error:
            self.read_only = f"the disk failed while saving the journal's name ({error.strerror})"
            raise

    def _cut(self, length: int) -> None:
        try:
            self._disk.truncate(self._open_handle(), length)
        except OSError as error:
            self.read_only = f"the disk failed while taking back a write ({error.strerror})"
            raise

    @contextmanager
    def _locked(self, *, shared: bool = False) -> Iterator[None]:
        """Hold the lock of the file that has the journal's name, with everything in it read."""
        if os.getpid() != self._process:
            raise StoreError("The store was opened in another process; open it again after a fork.")
        self._disk.lock(self._open_handle(), shared=shared)
        try:
            while not self._find_place():
                self._switch()
                self._disk.lock(self._open_handle(), shared=shared)
            self._catch_up(self._open_handle(), self.reading)
            yield
        finally:
            if self._handle is not None:
                self._disk.unlock(self._handle)

    def _find_place(self) -> bool:
        """Tell whether the open file still has the journal's name; raise if it is gone or was shortened."""
        named, own = self._disk.state_at(self.path), self._disk.state(self._open_handle())
        if named is None:
            raise JournalChangedError(
                f"{self.path} was moved or deleted while open, so this is not saved; "
                "put it back, or make a backup now: it still holds everything."
            )
        if named.identity == own.identity and own.size < self.reading.offset:
            raise JournalChangedError(
                f"{self.path} was shortened from {self.reading.offset} to {own.size} bytes by another "
                "program, so this is not saved; export now what is still in memory, then restore a backup."
            )
        return named.identity == own.identity

    def _switch(self) -> None:
        """Take up the file that now has the journal's name, if it continues this one."""
        old_handle, old = self._open_handle(), self.reading
        handle, new = self._disk.open(self.path, create=False), Reading()
        try:
            self._disk.lock(handle, shared=True)
            self._catch_up(handle, new)
            is_next = new.store == old.store and new.generation > old.generation
            if is_next or self._same(handle, old_handle, old.offset):
                self._sync_name()
                self._handle, self.reading = handle, new
                handle = old_handle
                return
        finally:
            self._disk.close(handle)
        raise JournalChangedError(
            f"{self.path} was replaced by another file, so this is not saved; "
            "put the old one back, or restart to go on with the new one."
        )

    def _same(self, handle: int, old_handle: int, length: int) -> bool:
        for place in range(0, length, CHUNK):
            size = min(CHUNK, length - place)
            if self._disk.read(old_handle, size, place) != self._disk.read(handle, size, place):
                return False
        return True

    def _is_behind(self) -> bool:
        own, named = self._disk.state(self._open_handle()), self._disk.state_at(self.path)
        return own.size != self.reading.offset or named is None or named.identity != own.identity

    def _catch_up(self, handle: int, reading: Reading) -> None:
        reading.rewind()
        rest, place = b"", reading.offset
        while chunk := self._disk.read(handle, CHUNK, place):
            place += len(chunk)
            rest = reading.take(rest + chunk)

    def _line_at(self, place: int) -> bytes:
        content = b""
        while b"\n" not in content:
            more = self._disk.read(self._open_handle(), 1 << 16, place + len(content))
            if not more:
                break
            content += more
        return content.partition(b"\n")[0]

    def _make_ready(self) -> None:
        """See that what is there is durable and that the next line starts on its own."""
        if not self._settled:
            # A killed writer may have left whole lines, or the file's very name, unsynced; now they count.
            self._sync()
            self._sync_name()
            self._settled = True
        with suppress(OSError):  # the bytes stay where they are; the quarantine is a second copy
            self._keep_damaged()
        size = self._disk.state(self._open_handle()).size
        if size > self.reading.offset:
            self._mend_end(self._disk.read(self._open_handle(), size, self.reading.offset))
        if not self.reading.offset:
            self._put(encode(0, _header(self.reading)))

    def _mend_end(self, end: bytes) -> None:
        if any(salvage(end.rpartition(b"\n")[2])):
            # Only the newline is missing or damaged; the record may have been acknowledged.
            write_all(self._disk, self._open_handle(), b"\n")
            self._catch_up(self._open_handle(), self.reading)
        if self._disk.state(self._open_handle()).size > self.reading.offset:
            self._quarantine(self.reading.offset, end)
            self._cut(self.reading.offset)

    def _keep_damaged(self) -> None:
        reading = self.reading
        for damage in list(reading.damage.values())[reading.kept :]:
            content = self._disk.read(self._open_handle(), damage.length, damage.place)
            self._quarantine(damage.place, content)
            reading.kept += 1

    def _quarantine(self, place: int, content: bytes) -> None:
        folder = self.path.parent / QUARANTINE
        make_folders(self._disk, folder)
        file = folder / f"{place:012d}-{crc32(content):08x}.bin"
        if self._disk.state_at(file) is None:
            write_file(self._disk, file, content)

    def _fill(self, path: Path, events: Iterable[Event]) -> None:
        handle = self._disk.open_new(path)
        try:
            write_all(
                self._disk, handle, encode(0, _header(self.reading, generation=self.reading.generation + 1))
            )
            for seq, event in enumerate(events, 1):
                body = encode_body(event.op, event.kind, event.id, event.at, event.data)
                write_all(self._disk, handle, encode(seq, body))
            self._disk.sync(handle)
        finally:
            self._disk.close(handle)

    def _refuse_read_only(self) -> None:
        if self.reading.newer:
            raise ReadOnlyError(
                f"Not saved: {self.path} was written by a newer version of this program; update it. "
                "Reading still works."
            )
        if self.read_only:
            raise ReadOnlyError(f"Not saved: {self.read_only}. Mend that and restart; reading still works.")

    @contextmanager
    def _reading_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"{self.path} cannot be read ({error.strerror}); check the disk.") from error

    def _not_saved(self, error: OSError) -> NotSavedError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return DiskFullError(
                f"Not saved: the disk of {self.path.parent} is full; free some space and try again."
            )
        return NotSavedError(
            f"Not saved: {self.path.parent} cannot be written to ({error.strerror}); check the disk."
        )

    def _open_handle(self) -> int:
        if self._handle is None:
            raise StoreError("The store is closed; open it again.")
        return self._handle


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the cycle collector from walking, again and again, the records being loaded: half of the time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _header(reading: Reading, generation: int = 0) -> bytes:
    return encode_body("begin", "store", reading.store or new_id(), now(), {"generation": generation})
