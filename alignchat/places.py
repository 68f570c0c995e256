"""A fair queue for an engine that can hold a few replies at a time. Knows no engine.

A comparison takes both its places at once: were it to hold one and wait for the other, two
comparisons could wait for each other for ever.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Places:
    """So many places, given out in the order of asking."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def take(self, count: int) -> Iterator[None]:
        """Wait for one's turn, and hold `count` places for the length of the block."""
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: self._waiting[0] is ticket and self._free >= count)
                self._free -= count
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += count
                self._changed.notify_all()
