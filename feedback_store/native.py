"""Everything in one file: a native export holds each event as the journal does; CSV is for spreadsheets."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from feedback_store.errors import InvalidRecordError
from feedback_store.exchange import ExportReport, ImportRefusedError, ImportReport
from feedback_store.lines import DamagedLineError, Event, NewerLineError, decode, encode, encode_body
from feedback_store.records import Completion, from_json, to_json
from feedback_store.rowfiles import Limits, Refusal, check_size, open_to_read, write_blocks
from feedback_store.store import FeedbackStore

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
COLUMNS = (
    "kind",
    "id",
    "created_at",
    "annotator",
    "verdict",
    "tags",
    "comment",
    "prompt",
    "text",
    "other_text",
)


def export_native(store: FeedbackStore, path: str | Path) -> ExportReport:
    """Write every event, retracted ones too, as sealed lines that `import_native` reads back."""
    count = 0

    def blocks() -> Iterator[bytes]:
        nonlocal count
        for event in store.events():
            count += 1
            body = encode_body(event.op, event.kind, event.id, event.at, event.data)
            yield encode(count, body)

    write_blocks(Path(path), blocks())
    return ExportReport(path=str(path), format="native", rows=count, left_out={})


def import_native(
    store: FeedbackStore, path: str | Path, *, dry_run: bool = False, limits: Limits | None = None
) -> ImportReport:
    """Add the events of records that are not here yet, history and retractions included; all or nothing."""
    events: list[Event] = []
    refused: list[Refusal] = []
    for line, event in _read(Path(path), limits or Limits()):
        if isinstance(event, str):
            refused.append(Refusal(line=line, reason=event))
        elif event.op != "begin":
            events.append(event)
    known = {event.id for event in events if store.knows(event.id)}
    new = [event for event in events if event.id not in known]
    report = ImportReport(
        path=str(path),
        rows=len(events) + len(refused),
        added=dict(Counter(event.kind for event in new if event.op == "add")) if not refused else {},
        known=len(known),
        refused=tuple(refused),
        dry_run=dry_run,
    )
    if dry_run:
        return report
    if refused:
        raise ImportRefusedError(report)
    store.add_events(new)
    return report


def export_csv(store: FeedbackStore, path: str | Path) -> ExportReport:
    """Write the judgements that count as a CSV table in which no cell is taken for a formula."""
    made = {completion.id: completion for completion in store.completions()}
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(COLUMNS)
    count = 0
    for row in _judgements(store, made):
        count += 1
        writer.writerow([safe_cell(cell) for cell in row])
    write_blocks(Path(path), [table.getvalue().encode("utf-8", "backslashreplace")])
    return ExportReport(path=str(path), format="csv", rows=count, left_out={})


def safe_cell(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would run."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text


def _judgements(store: FeedbackStore, made: dict[str, Completion]) -> Iterator[tuple[str, ...]]:
    for thumb in store.thumbs():
        prompt, text = _said(made, thumb.completion_id)
        verdict, tags = "up" if thumb.up else "down", "; ".join(thumb.tags)
        yield (
            "thumb",
            thumb.id,
            thumb.created_at,
            thumb.annotator,
            verdict,
            tags,
            thumb.comment,
            prompt,
            text,
            "",
        )
    for choice in store.choices():
        prompt, left = _said(made, choice.left_id)
        _, right = _said(made, choice.right_id)
        yield (
            "choice",
            choice.id,
            choice.created_at,
            choice.annotator,
            choice.verdict,
            "",
            "",
            prompt,
            left,
            right,
        )
    for edit in store.edits():
        prompt, text = _said(made, edit.completion_id)
        yield "edit", edit.id, edit.created_at, edit.annotator, "edit", "", "", prompt, edit.text, text


def _said(made: dict[str, Completion], id: str) -> tuple[str, str]:
    completion = made.get(id)
    if completion is None:
        return "", ""
    return "\n".join(f"{message.role}: {message.content}" for message in completion.prompt), completion.text


def _read(path: Path, limits: Limits) -> Iterator[tuple[int, Event | str]]:
    check_size(path, limits)
    with open_to_read(path) as file:
        for number, line in enumerate(file, 1):
            yield number, _event(line.removesuffix(b"\n"))


def _event(line: bytes) -> Event | str:
    try:
        event = decode(line)
        if event.data is not None and event.op != "begin":
            to_json(from_json(event.kind, event.data))
    except NewerLineError as error:
        return f"it is {error}; update this program"
    except (DamagedLineError, InvalidRecordError, KeyError, TypeError, ValueError):
        return "it is damaged, or is no line of a native export"
    return event
