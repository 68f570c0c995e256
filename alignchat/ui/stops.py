"""Ends a reply when its page asks for it, and passes on no more of it than an eye can follow.

The generator sees the wish between two pieces and closes the reply itself, so that what came is kept
by the time the page shows the end; cancelling the handler from outside would show it before.
"""

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TypeVar

T = TypeVar("T")
INTERVAL = 0.06  # seconds between two pictures of a growing reply


class Stops:
    """The pages, by their session, that have pressed Stop."""

    def __init__(self) -> None:
        self._asked: set[str] = set()

    def stop(self, session: str | None) -> None:
        """Ask that what a session is waiting for ends."""
        self._asked.add(session or "")

    def until(self, session: str | None, replies: Iterator[T]) -> Generator[T, None, None]:
        """Yield from `replies`, always the last, until they end or the session asks to stop; close them."""
        key, shown, unseen = session or "", -INTERVAL, None
        self._asked.discard(key)
        with closing(replies):  # type: ignore[type-var]  # Loop's iterators are generators
            for unseen in replies:
                if key in self._asked:
                    break
                if time.monotonic() - shown >= INTERVAL:
                    yield unseen
                    shown, unseen = time.monotonic(), None
        self._asked.discard(key)
        if unseen is not None:
            yield unseen
