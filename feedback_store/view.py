"""What the events amount to now: TinyDB tables in memory, with indexes. Knows no file.

The view is a fold: events go in one by one, in the journal's order, and each one twice does no harm.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tinydb import TinyDB
from tinydb.storages import MemoryStorage
from tinydb.table import Table

from feedback_store.lines import Event

Row = Mapping[str, Any]
Ids = dict[str, None]  # an ordered set
INDEXES: dict[str, tuple[str, ...]] = {
    "conversation": (),
    "completion": ("conversation_id", "round", "model", "annotator"),
    "thumb": ("completion_id", "tags", "annotator", "up"),
    "choice": ("left_id", "right_id", "annotator", "verdict"),
    "edit": ("completion_id", "annotator"),
}


class LiveTable(Table):
    """A TinyDB table keyed by record id that changes in place; stock TinyDB rebuilds it at every insert."""

    document_id_class = str  # type: ignore[assignment]  # TinyDB allows other ids, its hints do not
    default_query_cache_capacity = 0

    def __init__(self, storage: Any, name: str, cache_size: int = 0, persist_empty: bool = False) -> None:
        self._rows: dict[str, Row] = {}
        self._index: dict[str, defaultdict[Any, Ids]] = {key: defaultdict(dict) for key in INDEXES[name]}
        super().__init__(storage, name, cache_size, persist_empty)

    def _read_table(self) -> dict[str, Row]:
        return self._rows

    def _update_table(self, updater: Callable[[dict[Any, Any]], None]) -> None:
        updater(self._rows)

    def put(self, id: str, row: Row) -> None:
        """Insert a row, or replace it in its place."""
        if id in self._rows:
            self._forget(id)
        self._rows[id] = row
        for name, index in self._index.items():
            value = row[name]
            if type(value) is not list:
                index[value][id] = None
            else:
                for single in value:
                    index[single][id] = None

    def drop(self, id: str) -> None:
        """Remove a row, if it is there."""
        if id in self._rows:
            self._forget(id)
            del self._rows[id]

    def holds(self, id: str) -> bool:
        """Tell whether there is a row with this id."""
        return id in self._rows

    def lookup(self, name: str, value: object) -> list[str]:
        """List the ids whose field has this value (or holds it, for a list)."""
        return list(self._index[name].get(value, ()))

    def number_of(self, name: str, value: object) -> int:
        """Count the rows whose field has this value."""
        return len(self._index[name].get(value, ()))

    def values(self, name: str) -> list[Any]:
        """List the values that some row has."""
        return list(self._index[name])

    def has(self, name: str, value: object) -> bool:
        """Tell whether any row has this value."""
        return value in self._index[name]

    def rows(self, ids: list[str] | None = None) -> list[Row]:
        """Return all rows, or those of these ids, in order."""
        return list(self._rows.values()) if ids is None else [self._rows[id] for id in ids]

    def _forget(self, id: str) -> None:
        for name, index in self._index.items():
            value = self._rows[id][name]
            for single in value if type(value) is list else (value,):
                index[single].pop(id, None)
                if not index[single]:
                    del index[single]


class LiveDB(TinyDB):
    """TinyDB over memory whose tables change in place."""

    table_class = LiveTable


@dataclass(slots=True)
class Entry:
    """All that is known of one record."""

    kind: str
    row: Row
    seq: int
    places: list[int]
    retracted: bool = False


@dataclass(slots=True)
class View:
    """The fold of a journal."""

    db: LiveDB = field(default_factory=lambda: LiveDB(storage=MemoryStorage))
    tables: dict[str, LiveTable] = field(init=False)
    entries: dict[str, Entry] = field(default_factory=dict)
    _latest: dict[tuple[str, ...], str] = field(default_factory=dict)
    _about: dict[str, list[str]] = field(default_factory=dict)
    unrated: defaultdict[int | None, Ids] = field(default_factory=lambda: defaultdict(dict))
    in_deleted: Ids = field(default_factory=dict)  # what the tables have of deleted conversations' judgements

    def __post_init__(self) -> None:
        self.tables = {kind: self.db.table(kind) for kind in INDEXES}  # type: ignore[misc]  # of table_class

    def apply(self, event: Event, place: int) -> None:
        """Take in one event; what is already so, or about an unknown record, changes nothing."""
        entry = self.entries.get(event.id)
        if event.op == "add" and entry is None and event.data is not None:
            self._add(event, event.data, place)
        elif entry is not None and event.op != "add":
            entry.places.append(place)
            if event.op == "revise" and event.data is not None:
                self.unrated[entry.row.get("round")].pop(event.id, None)
                entry.row = event.data
            else:
                entry.retracted = event.op == "retract"
            self._settle(event.id)
            if event.op != "revise":
                for reply in self._replies(entry.kind, event.id):
                    for id in self._about.get(reply, ()):
                        self._settle(id)

    def _add(self, event: Event, row: Row, place: int) -> None:
        self.entries[event.id] = Entry(event.kind, row, event.seq, [place])
        key = judgement(event.kind, row)
        if key is None:
            self.tables[event.kind].put(event.id, row)
            if event.kind == "completion" and not self.tables["thumb"].has("completion_id", event.id):
                self.unrated[row["round"]][event.id] = None
        else:
            superseded = self._latest.pop(key, None)
            self._latest[key] = event.id  # at the end: the order is that of the latest judgements
            for subject in subjects(event.kind, row):
                self._about.setdefault(subject, []).append(event.id)
            if superseded:
                self._settle(superseded)
            self._settle(event.id)

    def _replies(self, kind: str, id: str) -> list[str]:
        if kind == "conversation":
            return self.tables["completion"].lookup("conversation_id", id)
        return [id] if kind == "completion" else []

    def _settle(self, id: str) -> None:
        entry = self.entries[id]
        self.in_deleted.pop(id, None)
        if self.is_current(id):
            self.tables[entry.kind].put(id, entry.row)
            if any(self._is_in_deleted(reply) for reply in subjects(entry.kind, entry.row)):
                self.in_deleted[id] = None
        else:
            self.tables[entry.kind].drop(id)
        if entry.kind == "completion":
            self._settle_rating(id)
        elif entry.kind == "thumb":
            self._settle_rating(entry.row["completion_id"])

    def _settle_rating(self, id: str) -> None:
        row = self.tables["completion"]._rows.get(id)
        entry = self.entries.get(id)
        if entry is None or entry.kind != "completion":
            return
        waiting = self.unrated[entry.row["round"]]
        if row is None or self.tables["thumb"].has("completion_id", id):
            waiting.pop(id, None)
        else:
            waiting[id] = None

    def judgements(self, completion_id: str) -> list[str]:
        """List the ids of all judgements about a completion, those that no longer count too."""
        return self._about.get(completion_id, [])

    def latest_judgements(self) -> list[str]:
        """List each annotator's latest judgement on each subject, taken back or not, the newest first."""
        return list(self._latest.values())[::-1]

    def is_latest(self, id: str) -> bool:
        """Tell whether a record is a judgement that no later one has replaced."""
        entry = self.entries.get(id)
        key = None if entry is None else judgement(entry.kind, entry.row)
        return key is not None and self._latest[key] == id

    def is_current(self, id: str) -> bool:
        """Tell whether a record counts: it and its subjects not retracted, no later judgement over it."""
        entry = self.entries[id]
        if entry.retracted:
            return False
        key = judgement(entry.kind, entry.row)
        if key is None:
            return True
        return self._latest[key] == id and not any(
            self.is_retracted(subject) for subject in subjects(entry.kind, entry.row)
        )

    def _is_in_deleted(self, reply: str) -> bool:
        entry = self.entries.get(reply)
        if entry is None or entry.kind != "completion":
            return False
        return self.is_retracted(entry.row["conversation_id"])

    def is_retracted(self, id: str) -> bool:
        """Tell whether a record is known and taken back."""
        entry = self.entries.get(id)
        return entry is not None and entry.retracted


def subjects(kind: str, row: Row) -> tuple[str, ...]:
    """List the completions a judgement is about."""
    if kind in ("thumb", "edit"):
        return (row["completion_id"],)
    if kind == "choice":
        return (row["left_id"], row["right_id"])
    return ()


def judgement(kind: str, row: Row) -> tuple[str, ...] | None:
    """Name what a judgement replaces: the same annotator's earlier one about the same completions."""
    if kind in ("completion", "conversation"):
        return None
    return (kind, row["annotator"], *sorted(subjects(kind, row)))
