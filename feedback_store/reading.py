"""What has been read of one journal file so far: the view, the place reached, and what could not be read.

Takes bytes in the file's order; knows no file. A damaged line costs itself and nothing else.
"""

import threading
from dataclasses import dataclass, field

from feedback_store.lines import DamagedLineError, Event, NewerLineError, decode, salvage
from feedback_store.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Bytes in the journal that are no event any more."""

    place: int
    length: int
    reason: str


@dataclass(slots=True)
class Reading:
    """A journal file read up to `offset`, the end of a whole act; lines up to `ahead` were looked at."""

    view: View = field(default_factory=View)
    lock: threading.RLock = field(default_factory=threading.RLock)
    offset: int = 0
    ahead: int = 0
    next_seq: int = 1
    lines: int = 0
    damage: dict[int, Damage] = field(default_factory=dict)
    kept: int = 0
    missing: list[range] = field(default_factory=list)
    newer: int = 0
    store: str = ""
    generation: int = 0
    _act: list[tuple[Event, int]] = field(default_factory=list)

    def rewind(self) -> None:
        """Go back to `offset`: an unfinished act may have been cut off since it was read."""
        self.ahead = self.offset
        self._act.clear()

    def take(self, content: bytes) -> bytes:
        """Take in the bytes that follow `ahead`; return the unfinished last line, which is not taken."""
        with self.lock:
            start = 0
            while (end := content.find(b"\n", start)) >= 0:
                events = self._read_line(content[start:end], self.ahead + start)
                start = end + 1
                self._act += events
                if not (events and events[-1][0].more):
                    self._apply(self._act)
                    self._act.clear()
                    self.offset = self.ahead + start
            self.ahead += start
            return content[start:]

    def _apply(self, act: list[tuple[Event, int]]) -> None:
        for event, place in act:
            self.lines += 1
            if event.seq > self.next_seq:
                self.missing.append(range(self.next_seq, event.seq))
            self.next_seq = event.seq + 1
            if event.op == "begin":
                self.store = event.id
                self.generation = event.data["generation"] if event.data else 0
            else:
                self.view.apply(event, place)

    def _read_line(self, line: bytes, place: int) -> list[tuple[Event, int]]:
        try:
            return [(decode(line), place)]
        except NewerLineError:
            self.newer += 1
            return []
        except DamagedLineError as error:
            return self._read_damaged(line, place, str(error))

    def _read_damaged(self, line: bytes, place: int, reason: str) -> list[tuple[Event, int]]:
        found = []
        for position, whole in salvage(line):
            try:
                found.append((decode(whole), place + position))
            except NewerLineError:
                self.newer += 1
            except DamagedLineError:
                continue
        self.damage[place] = Damage(place=place, length=len(line), reason=reason)
        return found
