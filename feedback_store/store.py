"""FeedbackStore: add human facts durably, take them back, ask what holds. Knows no model and no screen."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, cast

from feedback_store import upkeep
from feedback_store.disk import Disk
from feedback_store.errors import DuplicateError, InvalidRecordError, UnknownRecordError
from feedback_store.journal import Journal
from feedback_store.judgements import Judgement, Prompt, Said, Wanted, find, judgement_of, tally
from feedback_store.lines import Event, Op, decode, encode_body
from feedback_store.reading import Damage
from feedback_store.records import (
    Choice,
    Completion,
    Conversation,
    Edit,
    Record,
    Thumb,
    from_json,
    kind_of,
    now,
    to_json,
)
from feedback_store.upkeep import BackupReport, CompactReport, RestoreReport, VerifyReport
from feedback_store.view import Entry, Row, View, judgement

T = TypeVar("T", bound=Record)
ANY: Literal["any"] = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEvent:
    """One event of a record's life; `record` is its content after an add or a revise."""

    seq: int
    op: Op
    at: str
    record: Record | None


class FeedbackStore:
    """A folder of human feedback; use it from any number of threads and processes at once.

    A method that changes something returns when the change is on the disk and raises NotSavedError when not.
    """

    def __init__(self, folder: Path, disk: Disk) -> None:
        self.folder = folder
        self._disk = disk
        self._journal = Journal(folder, disk)

    @classmethod
    def open(cls, folder: str | Path, *, disk: Disk | None = None) -> Self:
        """Open the store in a folder; make it if there is none."""
        return cls(Path(folder), disk or Disk())

    def close(self) -> None:
        """Give the files back; everything is saved already."""
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, record: Record) -> str:
        """Save a record and return its id; adding the very same record again does nothing."""
        self.add_many([record])
        return record.id

    def add_many(self, records: Sequence[Record]) -> int:
        """Save records in one act, all or none; return how many were not there yet."""
        return self._add(_rows(records), _added)

    def add_retracted(self, record: Record) -> None:
        """Save, in one act, a judgement that takes back the one before it and says nothing itself.

        Doing so again with the very same record does nothing, whatever was said since.
        """
        self._add(_rows([record]), _added_and_retracted)

    def revise(self, record: Record) -> None:
        """Replace a record's content, keeping its id and its history."""
        kind, row = kind_of(record), to_json(record)
        entry = self._entry(record.id)
        if entry.kind != kind or judgement(kind, entry.row) != judgement(kind, row):
            raise InvalidRecordError(
                f"{record.id} is a {entry.kind} about something else; not saved. Retract it, add a new one."
            )
        self._journal.append([_body("revise", kind, row, now())])

    def retract(self, id: str) -> None:
        """Take a record back: it no longer counts, and neither do judgements about it. History keeps it."""
        self._change("retract", id)

    def unretract(self, id: str) -> None:
        """Undo a retraction."""
        self._change("restore", id)

    def get(self, id: str) -> Record | None:
        """Return a record's present content; None if it is unknown or was retracted."""
        with self._view() as view:
            entry = view.entries.get(id)
        return None if entry is None or entry.retracted else from_json(entry.kind, entry.row)

    def knows(self, id: str) -> bool:
        """Tell whether there ever was a record with this id, retracted or not."""
        with self._view() as view:
            return id in view.entries

    def completion(self, id: str) -> Completion:
        """Return a completion; raise UnknownRecordError if there is none with this id."""
        return self._typed(Completion, id)

    def conversation(self, id: str) -> Conversation:
        """Return a conversation; raise UnknownRecordError if there is none with this id."""
        return self._typed(Conversation, id)

    def conversations(self, *, annotators: Collection[str] | None = None) -> list[Conversation]:
        """List the conversations, oldest first; given annotators, those with a completion of theirs."""
        if annotators is None:
            return self._find(Conversation, {})
        with self._view() as view:
            table = view.tables["completion"]
            made = [table.rows(table.lookup("annotator", name)) for name in annotators]
            theirs = {row["conversation_id"] for rows in made for row in rows}
        return self._find(Conversation, {}, lambda _, row: row["id"] in theirs)

    def completions(
        self,
        *,
        conversation_id: str | None = None,
        round: int | Literal["any"] | None = ANY,
        model: str | None = None,
        visible_only: bool = False,
    ) -> list[Completion]:
        """List completions, oldest first; `round=None` means those this application did not make.

        With `visible_only`, those of retracted conversations are left out.
        """
        wanted = {"conversation_id": conversation_id, "model": model}
        where: dict[str, object] = {name: value for name, value in wanted.items() if value is not None}
        if round != ANY:
            where["round"] = round
        keep = (lambda view, row: not view.is_retracted(row["conversation_id"])) if visible_only else None
        return self._find(Completion, where, keep)

    def unrated(
        self, *, round: int | None, annotator: str | None = None, limit: int | None = None
    ) -> list[Completion]:
        """List a round's completions without a thumb (of this annotator, or of anybody), oldest first."""
        with self._view() as view:
            if annotator is None:
                ids = list(view.unrated.get(round, ()))[:limit]
            else:
                ids = _unrated_by(view, round, annotator)[:limit]
            rows = view.tables["completion"].rows(ids)
        return _decoded(Completion, rows)

    def thumbs(
        self, *, completion_id: str | None = None, tag: str | None = None, annotator: str | None = None
    ) -> list[Thumb]:
        """List the thumbs that count: the latest of each annotator on each completion, unless retracted."""
        return self._find(Thumb, _given(completion_id=completion_id, tags=tag, annotator=annotator))

    def choices(self, *, annotator: str | None = None) -> list[Choice]:
        """List the choices that count: the latest of each annotator on each pair, unless retracted."""
        return self._find(Choice, _given(annotator=annotator))

    def choices_ever(self, completion_id: str, annotator: str) -> list[str]:
        """List the ids of all choices an annotator made about a completion, retracted ones too."""
        with self._view() as view:
            return [
                id
                for id in view.judgements(completion_id)
                if view.entries[id].kind == "choice" and view.entries[id].row["annotator"] == annotator
            ]

    def edits(self, *, completion_id: str | None = None, annotator: str | None = None) -> list[Edit]:
        """List the edits that count: the latest of each annotator on each completion, unless retracted."""
        return self._find(Edit, _given(completion_id=completion_id, annotator=annotator))

    def count(
        self, kind: str, field: str | None = None, value: object = None, *, annotator: str | None = None
    ) -> int:
        """Count the records of a kind that count now, or those with a value in an indexed field.

        Given an annotator, count only theirs; conversations have none. What was said of a deleted
        conversation's replies is not counted.
        """

        def fits(row: Row) -> bool:
            return field is None or row[field] == value

        with self._view() as view:
            table = view.tables[kind]
            gone = [view.entries[id].row for id in view.in_deleted if table.holds(id)]
            if annotator is None:
                found = len(table) if field is None else table.number_of(field, value)
                return found - sum(map(fits, gone))
            rows = table.rows(table.lookup("annotator", annotator))
            theirs = [row for row in gone if row["annotator"] == annotator]
            return sum(map(fits, rows)) - sum(map(fits, theirs))

    def values(self, kind: str, field: str) -> list[Any]:
        """List the values of an indexed field among the records that count now."""
        with self._view() as view:
            return view.tables[kind].values(field)

    def judgements(
        self, wanted: Wanted, *, offset: int = 0, limit: int | None = None
    ) -> tuple[list[Judgement], int]:
        """Return a page of what was said, the newest first, and how many there are in all."""
        with self._view() as view:
            ids = view.latest_judgements()
        # Not under the lock, for which votes would wait: entries are replaced, never changed.
        return find(view, ids, wanted, offset=offset, limit=limit)

    def judgement(self, id: str) -> Judgement | None:
        """Return one judgement, also if it was taken back; None if it is none, or a later one replaced it."""
        with self._view() as view:
            return judgement_of(view, id) if view.is_latest(id) else None

    def tally(self) -> dict[Said, list[Prompt]]:
        """Return for each thing that was said, and counts, the prompts of the replies it was said of."""
        with self._view() as view:
            ids = view.latest_judgements()
        return tally(view, ids)

    @property
    def version(self) -> tuple[str, int, int]:
        """A value that is another one after every act of anybody's."""
        with self._view():
            reading = self._journal.reading
            return reading.store, reading.generation, reading.next_seq

    def said_in_order(self) -> list[Thumb | Choice | Edit]:
        """List the thumbs, choices and edits that count, in the order they were first said."""
        with self._view() as view:
            tables = {kind: view.tables[kind] for kind in ("thumb", "choice", "edit")}
            rows = [
                (view.entries[row["id"]].seq, kind, row) for kind in tables for row in tables[kind].rows()
            ]
        rows.sort(key=lambda entry: entry[0])
        return [cast(Thumb | Choice | Edit, from_json(kind, row)) for _, kind, row in rows]

    def history(self, id: str) -> list[HistoryEvent]:
        """List every event of a record, as the journal has it; raise UnknownRecordError for an unknown id."""
        self._entry(id)
        return [_history_event(decode(line)) for line in self._journal.lines_about(id)]

    @property
    def damage(self) -> tuple[Damage, ...]:
        """The lines that could not be read when the journal was; copies are in the quarantine folder."""
        return tuple(self._journal.reading.damage.values())

    def verify(self) -> VerifyReport:
        """Read the whole journal anew and report damage, gaps and counts."""
        return upkeep.verify(self._journal, self._disk)

    def backup(self, folder: str | Path) -> BackupReport:
        """Copy the store as it is at this moment into a new folder; writers go on meanwhile."""
        return upkeep.backup(self._journal, self._disk, Path(folder))

    def restore(self, folder: str | Path) -> RestoreReport:
        """Put a backup in place of what is here, which is kept as a backup beside it."""
        return upkeep.restore(self._journal, self._disk, Path(folder))

    def events(self) -> Iterator[Event]:
        """Yield every event ever saved, retracted and superseded ones too, as of one moment."""
        return (event for event in upkeep.all_events(self._journal, self._disk) if event.op != "begin")

    def add_events(self, events: Sequence[Event]) -> None:
        """Save events of another store in one act, for records that are not here yet."""
        bodies = [encode_body(event.op, event.kind, event.id, event.at, event.data) for event in events]
        self._journal.append(bodies)

    def compact(self) -> CompactReport:
        """Erase for good what no longer counts; the present state stays, undo and history go."""
        return upkeep.compact(self._journal)

    def _add(self, rows: Sequence[tuple[str, Row]], bodies: Callable[[str, Row], list[bytes]]) -> int:
        # What others wrote is seen after the write: to look before it would be to wait for a running sync,
        # and writers that wait there cannot share the next one.
        with self._view(fresh=False) as view:
            new = [(kind, row) for kind, row in rows if not _is_known(view, kind, row)]
        written = [bodies(kind, row) for kind, row in new]
        seq = self._journal.append([body for each in written for body in each])
        with self._view(fresh=False) as view:
            for (kind, row), each in zip(new, written, strict=True):
                entry = view.entries.get(row["id"])
                if entry and entry.seq != seq:
                    _is_known(view, kind, row)  # another writer was faster; harmless if it said the same
                seq += len(each)
        return len(new)

    def _change(self, op: Op, id: str) -> None:
        entry = self._entry(id)
        bodies = [] if entry.retracted == (op == "retract") else [encode_body(op, entry.kind, id, now())]
        self._journal.append(bodies)

    def _entry(self, id: str) -> Entry:
        with self._view() as view:
            entry = view.entries.get(id)
        if entry is None:
            raise UnknownRecordError(f"There is no record {id}; nothing was changed.")
        return entry

    def _typed(self, cls: type[T], id: str) -> T:
        record = self.get(id)
        if not isinstance(record, cls):
            raise UnknownRecordError(f"There is no {cls.__name__.lower()} {id}.")
        return record

    def _find(
        self, cls: type[T], where: dict[str, object], keep: Callable[[View, Row], bool] | None = None
    ) -> list[T]:
        with self._view() as view:
            table = view.tables[cls.__name__.lower()]
            ids = sorted((table.lookup(name, value) for name, value in where.items()), key=len)
            rows = table.rows(ids[0]) if ids else table.rows()
            rows = [row for row in rows if all(_matches(row[name], value) for name, value in where.items())]
            if keep:
                rows = [row for row in rows if keep(view, row)]
        return _decoded(cls, rows)

    @contextmanager
    def _view(self, *, fresh: bool = True) -> Iterator[View]:
        if fresh:
            self._journal.refresh()
        reading = self._journal.reading
        with reading.lock:
            yield reading.view


def _history_event(event: Event) -> HistoryEvent:
    record = None if event.data is None else from_json(event.kind, event.data)
    return HistoryEvent(seq=event.seq, op=event.op, at=event.at, record=record)


def _body(op: Op, kind: str, row: Row, at: str) -> bytes:
    return encode_body(op, kind, row["id"], at, row)


def _added(kind: str, row: Row) -> list[bytes]:
    return [_body("add", kind, row, row["created_at"])]


def _added_and_retracted(kind: str, row: Row) -> list[bytes]:
    return [*_added(kind, row), encode_body("retract", kind, row["id"], row["created_at"])]


def _rows(records: Sequence[Record]) -> list[tuple[str, Row]]:
    """Take the records apart, each id once."""
    rows: dict[str, tuple[str, Row]] = {}
    for record in records:
        made = kind_of(record), to_json(record)
        if rows.setdefault(record.id, made) != made:
            raise DuplicateError(f"Two different records have the id {record.id}; not saved.")
    return list(rows.values())


def _is_known(view: View, kind: str, row: Row) -> bool:
    entry = view.entries.get(row["id"])
    if entry is None:
        return False
    if entry.kind != kind or entry.row != row:
        raise DuplicateError(f"Another record has the id {row['id']}; not saved. Use revise to change it.")
    return True


def _unrated_by(view: View, round: int | None, annotator: str) -> list[str]:
    thumbs = view.tables["thumb"]
    rated = {row["completion_id"] for row in thumbs.rows(thumbs.lookup("annotator", annotator))}
    return [id for id in view.tables["completion"].lookup("round", round) if id not in rated]


def _given(**fields: str | None) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


def _matches(found: object, wanted: object) -> bool:
    return wanted in found if isinstance(found, list) else found == wanted


def _decoded(cls: type[T], rows: list[Row]) -> list[T]:
    kind = cls.__name__.lower()
    return [cast(T, from_json(kind, row)) for row in rows]
