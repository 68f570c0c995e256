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
        self._waiting: deque[Turn] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def take(self, count: int) -> Iterator[None]:
        """Wait for one's turn, and hold `count` places for the length of the block."""
        with self.queue(count) as turn:
            turn.come(None)
            yield

    @contextmanager
    def queue(self, count: int) -> "Iterator[Turn]":
        """Stand in the queue for the length of the block; from the turn's coming on, hold `count` places."""
        turn = Turn(self, count)
        with self._changed:
            self._waiting.append(turn)
        try:
            yield turn
        finally:
            with self._changed:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                else:
                    self._free += count
                self._changed.notify_all()


class Turn:
    """One that stands in the queue."""

    def __init__(self, places: Places, count: int) -> None:
        self._places = places
        self._count = count

    def come(self, seconds: float | None) -> bool:
        """Wait so long, None without end, and tell whether the turn has come and the places are held."""
        places = self._places
        with places._changed:
            if places._changed.wait_for(self._is_next, seconds):
                places._waiting.popleft()
                places._free -= self._count
                places._changed.notify_all()
                return True
            return False

    def before(self) -> int:
        """Return how many are still to come before this one."""
        with self._places._changed:
            return self._places._waiting.index(self)

    def _is_next(self) -> bool:
        return self._places._waiting[0] is self and self._places._free >= self._count
