"""Every call that touches a file, in one small object, so that tests can make each of them fail.

Knows file descriptors and bytes; knows no journal. Errors are plain OSErrors.
"""

import fcntl
import os
import sys
from pathlib import Path
from typing import NamedTuple


class FileState(NamedTuple):
    """Which file it is, and how long."""

    device: int
    inode: int
    size: int

    @property
    def identity(self) -> tuple[int, int]:
        """The file itself, whatever its name."""
        return self.device, self.inode


class Disk:
    """The operating system's files."""

    def open(self, path: Path, *, create: bool = True) -> int:
        """Open for reading and appending."""
        creating = os.O_CREAT if create else 0
        return os.open(path, os.O_RDWR | creating | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def open_to_read(self, path: Path) -> int:
        """Open for reading only."""
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def open_new(self, path: Path) -> int:
        """Open for reading and appending a file that is empty from now on."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def duplicate(self, handle: int) -> int:
        """Give a second handle on an open file, whatever its name is by now."""
        return os.dup(handle)

    def close(self, handle: int) -> None:
        """Give a handle back, and with it its lock."""
        os.close(handle)

    def read(self, handle: int, length: int, offset: int) -> bytes:
        """Read at most `length` bytes at `offset`."""
        return os.pread(handle, length, offset)

    def write(self, handle: int, content: bytes | memoryview) -> int:
        """Append; return how many bytes were taken, which may be fewer."""
        return os.write(handle, content)

    def sync(self, handle: int) -> None:
        """Return when the file's bytes and length survive a power loss."""
        if sys.platform == "darwin":
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(handle)

    def truncate(self, handle: int, length: int) -> None:
        """Cut the file off after `length` bytes."""
        os.ftruncate(handle, length)

    def state(self, handle: int) -> FileState:
        """Look at an open file."""
        found = os.fstat(handle)
        return FileState(found.st_dev, found.st_ino, found.st_size)

    def state_at(self, path: Path) -> FileState | None:
        """Look at what has this name now; None if nothing has."""
        try:
            found = os.stat(path)
        except FileNotFoundError:
            return None
        return FileState(found.st_dev, found.st_ino, found.st_size)

    def lock(self, handle: int, *, shared: bool = False) -> None:
        """Wait for the file's advisory lock; the kernel drops it when its holder dies, however it dies."""
        fcntl.flock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)

    def unlock(self, handle: int) -> None:
        """Let others have the lock."""
        fcntl.flock(handle, fcntl.LOCK_UN)

    def make_folder(self, path: Path) -> None:
        """Make one folder; no error if it is there."""
        path.mkdir(exist_ok=True)

    def sync_folder(self, path: Path) -> None:
        """Return when the names in a folder survive a power loss."""
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def replace(self, source: Path, target: Path) -> None:
        """Give a file another name; a reader sees the old file or the new one."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Take a name away; no error if it is gone."""
        path.unlink(missing_ok=True)


def write_all(disk: Disk, handle: int, content: bytes) -> None:
    """Append all of `content`, however small the steps the system takes."""
    rest = memoryview(content)
    while rest:
        rest = rest[disk.write(handle, rest) :]


def make_folders(disk: Disk, folder: Path) -> None:
    """Make a folder and those above it, each name durable."""
    if disk.state_at(folder) is not None:
        return
    make_folders(disk, folder.parent)
    disk.make_folder(folder)
    disk.sync_folder(folder.parent)


def write_file(disk: Disk, path: Path, content: bytes) -> None:
    """Make `path` hold `content`, durably; a reader sees the old bytes or the new ones."""
    temporary = path.with_name(f".tmp-{path.name}")
    handle = disk.open_new(temporary)
    try:
        write_all(disk, handle, content)
        disk.sync(handle)
    finally:
        disk.close(handle)
    disk.replace(temporary, path)
    disk.sync_folder(path.parent)
