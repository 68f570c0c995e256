"""A model or a set on its way to this machine: one at a time, in a thread of the process. Knows no page.

Every page that looks sees the same one, also after a reload, and what went wrong stays to be read.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from alignchat.errors import EXPECTED, ModelError
from alignchat.shelf.transfer import Progress

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer(Generic[T]):
    """How the way of what was asked for stands; at its end there is either a report or an error."""

    name: str
    running: bool
    stopping: bool
    progress: Progress | None
    report: T | None
    error: BaseException | None


class UnderWay(Generic[T]):
    """Brings one thing at a time; safe to call from several threads."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._lock = threading.Lock()
        self._name = ""
        self._progress: Progress | None = None
        self._stop = threading.Event()
        self._done: Future[T] | None = None

    def begin(self, name: str, bring: Callable[..., T]) -> None:
        """Begin to bring it; raise ModelError if another one is on its way.

        `bring` is called in the thread, with `on_progress` and `should_stop`.
        """
        with self._lock:
            if self._done and not self._done.done():
                raise ModelError(f"{self._name} is still on its way; wait for it, or cancel it first.")
            self._name, self._progress = name, None
            self._stop.clear()
            self._done = self._thread.submit(bring, on_progress=self._tell, should_stop=self._stop.is_set)
            self._done.add_done_callback(_log)

    def stop(self) -> None:
        """Ask what is on its way to stop; what has come is kept. Nothing happens if nothing is."""
        self._stop.set()

    def now(self) -> Transfer[T] | None:
        """Return how it stands, or how the last one ended; None if there was none."""
        with self._lock:
            if self._done is None:
                return None
            ended = self._done.done()
            error = self._done.exception() if ended else None
            return Transfer(
                name=self._name,
                running=not ended,
                stopping=not ended and self._stop.is_set(),
                progress=self._progress,
                report=self._done.result() if ended and error is None else None,
                error=error,
            )

    def wait(self, seconds: float | None = None) -> None:
        """Return when nothing is on its way, or after so many seconds."""
        if self._done:
            wait([self._done], seconds)

    def close(self) -> None:
        """Stop, and wait until nothing is written any more: some seconds if the hub is silent."""
        self.stop()
        self._thread.shutdown()

    def _tell(self, progress: Progress) -> None:
        self._progress = progress


def _log(done: Future[Any]) -> None:
    error = done.exception()
    if error and not isinstance(error, EXPECTED):
        log.error("Bringing it failed.", exc_info=error)
