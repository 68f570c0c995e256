"""Files that are whole or absent: write to a temporary name, fsync, replace. Knows no format but JSON.

What cannot be written raises DiskError, with nothing changed.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from alignchat.errors import DiskError

TEMPORARY = ".tmp-"


class FolderThereError(Exception):
    """Another folder was published under this name first."""


def write_bytes(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Replace `path` with `content`; a reader sees the old bytes or the new ones, never a part.

    `mode` are the permissions of the file, less the process's umask.
    """
    temporary = _temporary_beside(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            with suppress(OSError):  # the first error is the one to tell
                temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


def write_json(path: Path, value: Any, *, mode: int = 0o666) -> None:
    """Write `value` as one JSON document, atomically; NaN is refused."""
    text = json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False)
    write_bytes(path, (text + "\n").encode("utf-8", "surrogatepass"), mode=mode)


def read_json(path: Path) -> Any:
    """Read one JSON document."""
    return json.loads(path.read_text("utf-8", "surrogatepass"))


@contextmanager
def publish_folder(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Give a temporary folder to fill; at the end of the block it becomes `path`, whole.

    Without `replace`, raise FolderThereError if another one has that name by then.
    """
    temporary = _temporary_beside(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        try:
            yield temporary
            _sync_files(temporary)
            if replace and path.exists():
                shutil.rmtree(path)
            _rename_folder(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        sync_folder(path.parent)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write at `path` into a sentence that names it."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "free some space" if full else "choose another place"
        raise DiskError(f"{path} cannot be written ({error.strerror}); {remedy} and try again.") from error


def require_space(folder: Path, size: int) -> None:
    """Raise DiskError, before anything is begun, if `size` bytes more do not fit at `folder`."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if (free := shutil.disk_usage(there).free) < size:
        raise DiskError(
            f"{folder} needs {size / 1e6:,.0f} MB and {free / 1e6:,.0f} MB are free; "
            "free some space and try again."
        )


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class FileLock:
    """An advisory lock that the kernel drops when its holder dies, however it dies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def acquire(self) -> bool:
        """Take the lock and keep it; False if another process or thread has it."""
        handle = _above_standard(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644))
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def share(self) -> None:
        """Hold the lock together with all who share it; wait while another has it to himself."""
        handle = _above_standard(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644))
        fcntl.flock(handle, fcntl.LOCK_SH)
        self._handle = handle

    @property
    def handle(self) -> int:
        """The open file, to hand to a child process; the lock lives while any copy is open."""
        if self._handle is None:
            raise ValueError("the lock is not held")
        return self._handle

    def release(self) -> None:
        """Give the lock back."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def is_locked(path: Path) -> bool:
    """Tell whether a living process holds the lock at `path`."""
    if not path.exists():
        return False
    probe = FileLock(path)
    taken = probe.acquire()
    probe.release()
    return not taken


def _above_standard(handle: int) -> int:
    """Move an open file off 0, 1 and 2: a child process it is handed to has its own streams there."""
    if handle > 2:
        return handle
    moved = fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(handle)
    return moved


def hold_standard_streams() -> None:
    """Open what was closed of 0, 1 and 2: a file opened there would get what libraries tell the terminal."""
    for handle in range(3):
        try:
            os.fstat(handle)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def _sync_files(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())


def _rename_folder(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise FolderThereError(str(target)) from error


def _temporary_beside(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY}{path.name}-{uuid.uuid4().hex[:8]}")
