"""What a method learns from: rows, paired or unpaired, and the sets they come from. Knows no rules."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from feedback_store import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedRow:
    """A prompt with the completion a person chose and the one they rejected."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    source: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpairedRow:
    """A prompt and a completion that is desirable (label) or undesirable."""

    prompt: tuple[Message, ...]
    completion: str
    label: bool
    source: str
    weight: float = 1.0


Row = PairedRow | UnpairedRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The rows taken from one preference set, and how they were taken.

    `read` is how many rows of the set were looked at, of `total` where that is known; `removed` says why some
    of them gave none.
    """

    name: str
    kind: Literal["hub", "file"]
    revision: str
    asked: str
    weight: float
    rows: Sequence[Row]
    read: int
    total: int | None = None
    note: str = ""
    removed: Mapping[str, int] = field(default_factory=dict)


def replies(row: Row) -> tuple[str, ...]:
    """Return a row's completion, or the chosen and the rejected one."""
    return (row.completion,) if isinstance(row, UnpairedRow) else (row.chosen, row.rejected)


def encode(row: Row) -> str:
    """Return a row as one line of JSON, the same for equal rows."""
    value: dict[str, Any] = {"prompt": [{"role": m.role, "content": m.content} for m in row.prompt]}
    if isinstance(row, UnpairedRow):
        value |= {"completion": row.completion, "label": row.label}
    else:
        value |= {"chosen": row.chosen, "rejected": row.rejected}
    value["source"] = row.source
    if row.weight != 1:  # Rows of earlier versions have no weight, and their checksums must hold.
        value["weight"] = row.weight
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def decode(value: dict[str, Any]) -> Row:
    """Rebuild the row that `encode` took apart."""
    prompt = tuple(Message(**message) for message in value.pop("prompt"))
    return PairedRow(prompt=prompt, **value) if "chosen" in value else UnpairedRow(prompt=prompt, **value)


def row_key(row: Row) -> str:
    """Return a checksum of a row, to sort by: an order that has nothing to do with what rows say."""
    return hashlib.sha256(encode(row).encode("utf-8", "surrogatepass")).hexdigest()
