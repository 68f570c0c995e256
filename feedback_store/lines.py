"""One event as one line of bytes, and back. Pure; knows no file.

A line is a JSON object on its own, readable with any text tool:

    {"v":2,"seq":7,"op":"add","kind":"thumb","id":"…","at":"…","data":{…},"crc":"0a1b2c3d"}

`crc` is the CRC-32 of every byte before `,"crc"`. JSON escapes line breaks, so a newline byte ends a line and
does nothing else; text is UTF-8 with lone surrogates let through: what a browser sent comes back as it was.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple
from zlib import crc32

from feedback_store.errors import InvalidRecordError
from feedback_store.migrations import SCHEMA, upgrade

Op = Literal["begin", "add", "revise", "retract", "restore"]
_SEAL = re.compile(rb',"crc":"[0-9a-f]{8}"\}')
_SEAL_LENGTH = len(',"crc":"00000000"}')
_START = b'{"v":'
_scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # missing in typeshed


class DamagedLineError(ValueError):
    """Bytes that are not a whole line as it was written."""


class NewerLineError(ValueError):
    """A whole line of a schema this version does not know."""


class Event(NamedTuple):
    """One thing that happened to one record; `data` is the record's content for add and revise.

    `more` says that the next line belongs to the same act; neither counts without the other.
    """

    seq: int
    op: Op
    kind: str
    id: str
    at: str
    data: Mapping[str, Any] | None = None
    more: bool = False


def encode_body(op: Op, kind: str, id: str, at: str, data: Mapping[str, Any] | None = None) -> bytes:
    """Write the part of a line that does not depend on its place; raise InvalidRecordError if JSON cannot."""
    fields: dict[str, Any] = {"op": op, "kind": kind, "id": id, "at": at}
    if data is not None:
        fields["data"] = {name: value for name, value in data.items() if name != "id"}
    try:
        text = json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        raise InvalidRecordError(f"The {kind} cannot be written as JSON ({error}); not saved.") from error
    return text[1:-1].encode("utf-8", "surrogatepass")


def encode(seq: int, body: bytes, *, more: bool = False) -> bytes:
    """Seal a body into a line with its newline."""
    sealed = b'{"v":%d,"seq":%d,%s%s' % (SCHEMA, seq, b'"more":true,' if more else b"", body)
    return sealed + seal_of(sealed) + b"\n"


def decode(line: bytes) -> Event:
    """Read one line without its newline; raise DamagedLineError or NewerLineError."""
    content = line[:-_SEAL_LENGTH]
    if line[-_SEAL_LENGTH:] != seal_of(content):
        raise DamagedLineError("its checksum does not match")
    try:
        fields, _ = _scan(line.decode("utf-8", "surrogatepass"), 0)
        if fields["v"] > SCHEMA:
            raise NewerLineError(f"written by schema {fields['v']}")
        fields = upgrade(fields)
        data = fields.get("data")
        if data is not None:
            data["id"] = fields["id"]
        told = fields["seq"], fields["op"], fields["kind"], fields["id"], fields["at"]
        return Event(*told, data, "more" in fields)
    except NewerLineError:
        raise
    except (StopIteration, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedLineError("it is sealed but is not an event") from error


def salvage(damaged: bytes) -> Iterator[tuple[int, bytes]]:
    """Find the whole lines inside bytes that are not one, as (position, line).

    A flipped newline joins two good lines. Inside JSON text a quote has a backslash before it, so the opening
    of a line cannot occur in a person's text; and what is found must carry its own valid seal.
    """
    position = damaged.find(_START)
    while position >= 0:
        end = _end_of_valid(damaged, position)
        if end:
            yield position, damaged[position:end]
        position = damaged.find(_START, end or position + 1)


def seal_of(content: bytes) -> bytes:
    """Return the ending that makes these bytes a whole line."""
    return b',"crc":"%08x"}' % crc32(content)


def _end_of_valid(damaged: bytes, start: int) -> int | None:
    for seal in _SEAL.finditer(damaged, start):
        if seal[0] == seal_of(damaged[start : seal.start()]):
            return seal.end()
    return None
