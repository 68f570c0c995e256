"""Disks that fail: one whose nth call raises, and one in memory that can lose its power."""

import errno
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from feedback_store.disk import Disk, FileState

SECTOR = 512
CALLS = [name for name, member in vars(Disk).items() if callable(member) and not name.startswith("_")]


class FaultyDisk(Disk):
    """The real disk, whose call number `fail_at` fails with `error`; 0 counts only.

    With `error` None, a write takes one byte, and then all goes on. `lasting` makes every later call
    of the same name fail too, until `heal`.
    """

    def __init__(self, fail_at: int = 0, error: int | None = errno.EIO, *, lasting: bool = False) -> None:
        self.calls: list[str] = []
        self.failed: str | None = None
        self.fail_at, self.error, self.lasting = fail_at, error, lasting

    def heal(self) -> None:
        self.fail_at, self.lasting, self.failed = 0, False, None

    def step(self, name: str) -> bool:
        self.calls.append(name)
        if len(self.calls) == self.fail_at:
            self.failed = name
        elif not (self.lasting and name == self.failed):
            return False
        if self.error is not None:
            raise OSError(self.error, os.strerror(self.error))
        return True


def _faulty(name: str) -> Callable[..., Any]:
    original = getattr(Disk, name)

    def call(self: FaultyDisk, *args: Any, **named: Any) -> Any:
        if self.step(name) and name == "write":
            return original(self, args[0], bytes(args[1])[:1])
        return original(self, *args, **named)

    return call


for _name in CALLS:
    setattr(FaultyDisk, _name, _faulty(_name))


class PowerLoss(BaseException):
    """The machine went dark; not an error that code may catch."""


@dataclass
class Inode:
    """A file: what programs see, what is on the platter, and which sectors differ."""

    number: int
    cache: bytearray = field(default_factory=bytearray)
    platter: bytearray = field(default_factory=bytearray)
    dirty: set[int] = field(default_factory=set)
    lengths: list[int] = field(default_factory=lambda: [0])

    def touch(self, start: int, end: int) -> None:
        self.dirty.update(range(start // SECTOR, (max(start, end - 1)) // SECTOR + 1))
        self.lengths.append(len(self.cache))

    def after_loss(self, rng: random.Random) -> bytearray:
        """Each unsynced sector was written, was not, or was torn; so was the length."""
        length = rng.choice(self.lengths)
        image = self.platter[:length].ljust(length, b"\0")
        for sector in self.dirty:
            start = sector * SECTOR
            torn = rng.choice([0, SECTOR, rng.randrange(SECTOR)])
            new = self.cache[start : start + torn][: max(0, length - start)]
            image[start : start + len(new)] = new
        return image


class MemoryDisk(Disk):
    """Files in memory with a page cache; after `power_loss` only what was synced is sure to be there.

    A failed sync marks its pages clean, as Linux does: a retry succeeds and saves nothing.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.names: dict[Path, Inode | None] = {Path("/"): None}
        self.durable: dict[Path, Inode | None] = dict(self.names)
        self.pending: list[tuple[Path, Inode | None, bool]] = []
        self.handles: dict[int, Inode] = {}
        self.steps_left: int | None = None
        self.failing_sync = False
        self.made = 0

    def step(self) -> None:
        if self.steps_left is not None:
            self.steps_left -= 1
            if self.steps_left < 0:
                raise PowerLoss

    def power_loss(self) -> "MemoryDisk":
        """Return the disk as the machine finds it afterwards."""
        after = MemoryDisk(self.rng)
        kept = self.pending[: self.rng.randint(0, len(self.pending))]
        names = dict(self.durable)
        for path, inode, there in kept:
            _name(names, path, inode, there)
        for path, inode in names.items():
            if all(parent in names for parent in path.parents):
                if inode is not None:
                    image = inode.after_loss(self.rng)
                    inode = Inode(inode.number, bytearray(image), image, set(), [len(image)])
                after.names[path] = inode
        after.durable, after.made = dict(after.names), self.made
        return after

    def _give(self, inode: Inode) -> int:
        handle = len(self.handles) + 1000
        self.handles[handle] = inode
        return handle

    def _rename(self, path: Path, inode: Inode | None, there: bool) -> None:
        _name(self.names, path, inode, there)
        self.pending.append((path, inode, there))

    def _found(self, path: Path) -> Inode:
        inode = self.names.get(path)
        if inode is None:
            raise FileNotFoundError(errno.ENOENT, "No such file", str(path))
        return inode

    def open(self, path: Path, *, create: bool = True) -> int:
        self.step()
        if path not in self.names and create:
            self.made += 1
            self._rename(path, Inode(self.made), True)
        return self._give(self._found(path))

    def open_to_read(self, path: Path) -> int:
        self.step()
        return self._give(self._found(path))

    def open_new(self, path: Path) -> int:
        handle = self.open(path)
        self.truncate(handle, 0)
        return handle

    def duplicate(self, handle: int) -> int:
        return self._give(self.handles[handle])

    def close(self, handle: int) -> None:
        del self.handles[handle]
        self.handles[-handle] = Inode(0)

    def read(self, handle: int, length: int, offset: int) -> bytes:
        return bytes(self.handles[handle].cache[offset : offset + length])

    def write(self, handle: int, content: bytes | memoryview) -> int:
        self.step()
        inode = self.handles[handle]
        taken = bytes(content)[: self.rng.choice([len(content), max(1, len(content) // 2)])]
        start = len(inode.cache)
        inode.cache += taken
        inode.touch(start, len(inode.cache))
        return len(taken)

    def sync(self, handle: int) -> None:
        self.step()
        inode = self.handles[handle]
        if self.failing_sync:
            inode.platter = inode.after_loss(self.rng)
            inode.dirty.clear()
            inode.lengths = [len(inode.platter)]
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        inode.platter = inode.platter.ljust(len(inode.cache), b"\0")[: len(inode.cache)]
        for sector in inode.dirty:
            part = slice(sector * SECTOR, (sector + 1) * SECTOR)
            inode.platter[part] = inode.cache[part]
        inode.dirty.clear()
        inode.lengths = [len(inode.cache)]

    def truncate(self, handle: int, length: int) -> None:
        self.step()
        inode = self.handles[handle]
        del inode.cache[length:]
        inode.dirty = {sector for sector in inode.dirty if sector * SECTOR < length}
        inode.lengths.append(length)

    def state(self, handle: int) -> FileState:
        inode = self.handles[handle]
        return FileState(1, inode.number, len(inode.cache))

    def state_at(self, path: Path) -> FileState | None:
        if path not in self.names:
            return None
        inode = self.names[path]
        return FileState(1, 0, 0) if inode is None else FileState(1, inode.number, len(inode.cache))

    def lock(self, handle: int, *, shared: bool = False) -> None:  # noqa: ARG002 - the disk's signature
        self.step()

    def unlock(self, handle: int) -> None:
        pass

    def make_folder(self, path: Path) -> None:
        self.step()
        if path not in self.names:
            self._rename(path, None, True)

    def sync_folder(self, path: Path) -> None:
        self.step()
        waiting = []
        for name, inode, there in self.pending:
            if name.parent == path:
                _name(self.durable, name, inode, there)
            else:
                waiting.append((name, inode, there))
        self.pending = waiting

    def replace(self, source: Path, target: Path) -> None:
        self.step()
        inode = self._found(source)
        # One entry changes hands at once: the old name goes only when the new one is there.
        self._rename(target, inode, True)
        self._rename(source, inode, False)

    def remove(self, path: Path) -> None:
        self.step()
        if path in self.names:
            self._rename(path, None, False)


def _name(names: dict[Path, Inode | None], path: Path, inode: Inode | None, there: bool) -> None:
    if there:
        names[path] = inode
    else:
        names.pop(path, None)
