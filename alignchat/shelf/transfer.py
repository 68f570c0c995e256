"""What a long transfer tells of itself, and whether the disk has room for it. Knows no network."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alignchat.errors import ModelError

SPARE_ROOM = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a fetch or a conversion is, in bytes; `rate` in bytes a second."""

    what: str
    done: int
    total: int
    rate: float
    seconds_left: float | None


OnProgress = Callable[[Progress], None]
ShouldStop = Callable[[], bool]


class Meter:
    """Counts bytes of one piece of work and tells of them at most ten times a second."""

    def __init__(self, what: str, total: int, tell: OnProgress | None) -> None:
        self._what, self._total, self._tell = what, total, tell
        self._done = self._fresh = 0
        self._begun = self._told = time.monotonic()
        self._first = True

    def advance(self, count: int) -> None:
        """Count bytes; the first call may bring what was there before, which is no measure of the rate."""
        self._done += count
        if not self._first and count > 0:
            self._fresh += count
        self._first = False
        now = time.monotonic()
        if self._tell and (now - self._told > 0.1 or self._done >= self._total):
            self._told = now
            self._tell(self._progress(now - self._begun))

    def reach(self, done: int, total: int) -> None:
        """Say how far it is in all."""
        self._total = total
        self.advance(done - self._done)

    def _progress(self, seconds: float) -> Progress:
        rate = self._fresh / max(seconds, 1e-6)
        left = (self._total - self._done) / rate if rate > 0 else None
        return Progress(what=self._what, done=self._done, total=self._total, rate=rate, seconds_left=left)


def require_room(folder: Path, needed: int) -> None:
    """Raise ModelError unless the disk has room for so many bytes more."""
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE_ROOM:
        raise ModelError(
            f"There is not enough room in {folder}: {human(needed + SPARE_ROOM)} are needed and "
            f"{human(free)} are free; make room, or choose a smaller --quant."
        )


def human(count: float) -> str:
    """Write a number of bytes as people do."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
