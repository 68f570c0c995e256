"""Feedback as TRL's rows: unpaired (prompt, completion, label), paired (prompt, chosen, rejected).

Import is all or nothing. Ids are made from content, so that importing a file twice adds nothing; a row that
occurs twice in one file counts twice. Knows rows and records; the files themselves are rowfiles' matter.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from feedback_store.errors import DuplicateError, ExchangeError
from feedback_store.records import LOCAL, Choice, Completion, Message, Record, Thumb
from feedback_store.rowfiles import (
    Limits,
    Refusal,
    Row,
    RowError,
    read_rows,
    write_jsonl,
    write_parquet,
)
from feedback_store.store import FeedbackStore

Format = Literal["kto", "dpo"]
IMPORTED = "imported"
SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did, or would do: rows read, records added and already there, by kind."""

    path: str
    rows: int
    added: dict[str, int]
    known: int
    left_out: dict[str, int] = field(default_factory=dict)
    refused: tuple[Refusal, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What an export wrote, and how much it left out for which reason."""

    path: str
    format: str
    rows: int
    left_out: dict[str, int]


class ImportRefusedError(ExchangeError):
    """Some lines cannot be imported, so nothing was; `report` lists them all."""

    def __init__(self, report: ImportReport) -> None:
        first = "; ".join(f"line {refusal.line}: {refusal.reason}" for refusal in report.refused[:SHOWN])
        more = f"; and {len(report.refused) - SHOWN} more" if len(report.refused) > SHOWN else ""
        super().__init__(f"Nothing was imported from {report.path}, because of {first}{more}.")
        self.report = report


def import_rows(
    store: FeedbackStore,
    path: str | Path,
    *,
    annotator: str = LOCAL,
    dry_run: bool = False,
    limits: Limits | None = None,
) -> ImportReport:
    """Import TRL rows from a .jsonl, .json or .parquet file as Completions with Thumbs and Choices.

    Raise ImportRefusedError, with nothing imported, if any row cannot be; `dry_run` only reports.
    """
    rows = read_rows(Path(path), limits or Limits())
    return import_each(store, path, rows, _RowReader(annotator).records, dry_run=dry_run)


def import_each(
    store: FeedbackStore,
    path: str | Path,
    rows: Iterable[tuple[int, Row | RowError]],
    read: Callable[[Row], list[Record]],
    *,
    dry_run: bool,
    left_out: Mapping[str, int] | None = None,
) -> ImportReport:
    """Turn each row into records with `read` and add them all, or none; report the refused lines."""
    records: dict[str, Record] = {}
    refused: list[Refusal] = []
    count = 0
    for line, row in rows:
        count += 1
        try:
            if isinstance(row, RowError):
                raise row
            records |= {record.id: record for record in read(row)}
        except RowError as error:
            refused.append(Refusal(line=line, reason=str(error)))
    new = _unknown(store, records)
    report = ImportReport(
        path=str(path),
        rows=count,
        added=dict(Counter(type(record).__name__.lower() for record in new)) if not refused else {},
        known=len(records) - len(new),
        left_out=dict(left_out or {}),
        refused=tuple(refused),
        dry_run=dry_run,
    )
    if dry_run:
        return report
    if refused:
        raise ImportRefusedError(report)
    _add(store, records)
    return report


def _add(store: FeedbackStore, records: Mapping[str, Record]) -> None:
    while new := _unknown(store, records):
        try:
            store.add_many(new)
            return
        except DuplicateError:
            continue  # Another import of the same rows was faster; what it left out remains.


def _unknown(store: FeedbackStore, records: Mapping[str, Record]) -> list[Record]:
    return [record for id, record in records.items() if not store.knows(id)]


def export_rows(
    store: FeedbackStore, path: str | Path, *, format: Format, conversational: bool = True
) -> ExportReport:
    """Write a .jsonl or .parquet file of TRL rows: current thumbs ("kto"), or winners and edits ("dpo").

    Without `conversational` every text is a string, which only a prompt of one user message can be.
    """
    path = Path(path)
    left_out: Counter[str] = Counter()
    rows = unpaired(store, left_out) if format == "kto" else paired(store, left_out)
    if not conversational:
        rows = map(_plain, rows)
    written = write_parquet(path, rows) if path.suffix == ".parquet" else write_jsonl(path, rows)
    return ExportReport(path=str(path), format=format, rows=written, left_out=dict(left_out))


def unpaired(store: FeedbackStore, left_out: Counter[str]) -> Iterator[Row]:
    """Yield a row for each current thumb; count in `left_out` those whose completion cannot be trained on."""
    made = _finished(store)
    for thumb in store.thumbs():
        completion = made.get(thumb.completion_id)
        if completion is None:
            left_out["the completion is missing or was stopped"] += 1
            continue
        prompt = _messages(completion.prompt)
        yield {"prompt": prompt, "completion": _reply(completion.text), "label": thumb.up}


def paired(store: FeedbackStore, left_out: Counter[str]) -> Iterator[Row]:
    """Yield a row for each choice with a winner and each edit over its original; count the others."""
    made = _finished(store)
    for choice in store.choices():
        if choice.chosen_id is None or choice.rejected_id is None:
            left_out["the choice has no winner"] += 1
            continue
        chosen, rejected = made.get(choice.chosen_id), made.get(choice.rejected_id)
        if chosen is None or rejected is None:
            left_out["a completion is missing or was stopped"] += 1
        elif chosen.prompt != rejected.prompt:
            left_out["the two prompts differ"] += 1
        elif chosen.text == rejected.text:
            left_out["the two texts are the same"] += 1
        else:
            yield _pair(chosen.prompt, chosen.text, rejected.text)
    for edit in store.edits():
        original = made.get(edit.completion_id)
        if original is None:
            left_out["a completion is missing or was stopped"] += 1
        elif original.text == edit.text:
            left_out["the two texts are the same"] += 1
        else:
            yield _pair(original.prompt, edit.text, original.text)


@dataclass(slots=True)
class _RowReader:
    """Reads the rows of one file, counting repeated ones so that each keeps an id of its own."""

    annotator: str
    seen: Counter[str] = field(default_factory=Counter)

    def records(self, row: Row) -> list[Record]:
        if "chosen" in row or "rejected" in row:
            return self._pair(row)
        if "completion" in row or "label" in row:
            return self._unpaired(row)
        raise RowError('it has neither "completion" and "label" nor "chosen" and "rejected"')

    def _unpaired(self, row: Row) -> list[Record]:
        prompt, text = read_prompt(row), _read_reply(row, "completion")
        label = row.get("label")
        if not isinstance(label, bool | int | float) or label not in (0, 1):
            raise RowError('"label" must be true or false, or 1 or 0')
        label = bool(label)
        nth = self._nth(prompt, text)
        completion = _completion(prompt, text, nth, self.annotator)
        thumb_id = derived_id("thumb", completion.id, label, self.annotator)
        return [
            completion,
            Thumb(id=thumb_id, completion_id=completion.id, up=label, annotator=self.annotator),
        ]

    def _pair(self, row: Row) -> list[Record]:
        row = _with_prompt(row) if row.get("prompt") is None else row
        prompt = read_prompt(row)
        chosen, rejected = _read_reply(row, "chosen"), _read_reply(row, "rejected")
        if chosen == rejected:
            raise RowError('"chosen" and "rejected" are the same text')
        nth = self._nth(prompt, *sorted((chosen, rejected)))
        left = _completion(prompt, chosen, nth, self.annotator)
        right = _completion(prompt, rejected, nth, self.annotator)
        choice_id = derived_id("choice", left.id, right.id, self.annotator)
        choice = Choice(
            id=choice_id, left_id=left.id, right_id=right.id, verdict="left", annotator=self.annotator
        )
        return [left, right, choice]

    def _nth(self, prompt: tuple[Message, ...], *texts: str) -> int:
        key = derived_id(_messages(prompt), *texts)
        self.seen[key] += 1
        return self.seen[key] - 1


def derived_id(*parts: Any) -> str:
    """Make an id from content, the same whenever the content is."""
    content = json.dumps(parts, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def read_prompt(row: Row) -> tuple[Message, ...]:
    """Read a plain or conversational prompt; raise RowError."""
    value = row.get("prompt")
    if isinstance(value, str):
        return (Message(role="user", content=value),)
    messages = _read_messages(value, "prompt")
    if not messages:
        raise RowError('"prompt" is empty')
    return messages


def _with_prompt(row: Row) -> Row:
    """Take the prompt out of two whole conversations: TRL's implicit prompt."""
    chosen, rejected = row.get("chosen"), row.get("rejected")
    if not isinstance(chosen, list) or not isinstance(rejected, list):
        raise RowError('it has no "prompt", which only a pair of whole conversations may lack')
    if not chosen or chosen[:-1] != rejected[:-1]:
        raise RowError('it has no "prompt", and "chosen" and "rejected" differ before their last message')
    return {**row, "prompt": chosen[:-1], "chosen": chosen[-1:], "rejected": rejected[-1:]}


def _read_reply(row: Row, name: str) -> str:
    value = row.get(name)
    if isinstance(value, str):
        return value
    messages = _read_messages(value, name)
    if len(messages) != 1 or messages[0].role != "assistant":
        raise RowError(f'"{name}" must be text or a list of one assistant message')
    return messages[0].content


def _read_messages(value: Any, name: str) -> tuple[Message, ...]:
    if not isinstance(value, list):
        raise RowError(f'"{name}" must be text or a list of messages')
    return tuple([_read_message(item, name) for item in value])


def _read_message(value: Any, name: str) -> Message:
    if not isinstance(value, dict) or not all(isinstance(value.get(k), str) for k in ("role", "content")):
        raise RowError(f'"{name}" must hold messages with a "role" and a "content" of text')
    extra = [key for key, inner in value.items() if key not in ("role", "content") and inner is not None]
    if extra:
        raise RowError(f'a message of "{name}" has "{extra[0]}", which would be lost')
    return Message(role=value["role"], content=value["content"])


def _completion(prompt: tuple[Message, ...], text: str, nth: int, annotator: str) -> Completion:
    return Completion(
        id=derived_id("completion", _messages(prompt), text, nth),
        conversation_id=derived_id("conversation", _messages(prompt)),
        prompt=prompt,
        text=text,
        model=IMPORTED,
        round=None,
        annotator=annotator,
    )


def _finished(store: FeedbackStore) -> dict[str, Completion]:
    return {completion.id: completion for completion in store.completions() if completion.finished}


def _messages(prompt: tuple[Message, ...]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in prompt]


def _reply(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def _pair(prompt: tuple[Message, ...], chosen: str, rejected: str) -> Row:
    return {"prompt": _messages(prompt), "chosen": _reply(chosen), "rejected": _reply(rejected)}


def _plain(row: Row) -> Row:
    prompt = row["prompt"]
    if len(prompt) != 1 or prompt[0]["role"] != "user":
        raise ExchangeError("A prompt of several turns cannot be one text; export the conversational form.")
    return {name: value if name == "label" else value[0]["content"] for name, value in row.items()}
