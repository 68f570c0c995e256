"""Reads SentencePiece's `tokenizer.model`, a protocol buffer. Knows the few fields that a GGUF file needs.

https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignchat.errors import ModelError

_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_MODEL_TYPE, _BPE = 3, 2
_SPECIALS = {"unk": (40, 0), "bos": (41, 1), "eos": (42, 2), "pad": (43, -1)}
_ADD_DUMMY_PREFIX = 3
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SentencePieceModel:
    """Pieces by id as (text, score, kind), kinds being numbered as GGUF does; and the special ids."""

    pieces: tuple[tuple[str, float, int], ...]
    special: Mapping[str, int]
    space_prefix: bool


def read(path: Path) -> SentencePieceModel:
    """Read the file; raise ModelError if it is damaged or not a BPE model."""
    try:
        fields = list(_fields(path.read_bytes()))
        pieces = tuple(_piece(value) for number, value in fields if number == _PIECES)
        trainer = _message(fields, _TRAINER)
        normalizer = _message(fields, _NORMALIZER)
    except (OSError, ValueError, IndexError, TypeError, struct.error) as error:
        raise ModelError(f"{path} is not a sound SentencePiece model; download it again.") from error
    if trainer.get(_MODEL_TYPE, 1) != _BPE or not pieces:
        raise ModelError(
            f"{path} is not a SentencePiece model of the BPE kind, which is the only one that works."
        )
    ids = {role: _signed(trainer.get(field, default)) for role, (field, default) in _SPECIALS.items()}
    return SentencePieceModel(
        pieces=pieces,
        special={role: i for role, i in ids.items() if 0 <= i < len(pieces)},
        space_prefix=bool(normalizer.get(_ADD_DUMMY_PREFIX, 1)),
    )


def _piece(content: bytes) -> tuple[str, float, int]:
    fields = dict(_fields(content))
    (score,) = struct.unpack("<f", fields.get(2, b"\0\0\0\0"))
    return fields[1].decode("utf-8"), score, int(fields.get(3, 1))


def _message(fields: list[tuple[int, Any]], wanted: int) -> dict[int, Any]:
    return dict(_fields(b"".join(value for number, value in fields if number == wanted)))


def _fields(content: bytes) -> Iterator[tuple[int, Any]]:
    """Yield (field number, value): an int for varints, bytes for everything else."""
    place = 0
    while place < len(content):
        key, place = _varint(content, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _varint(content, place)
            yield number, value
            continue
        if kind == _BYTES:
            size, place = _varint(content, place)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}[kind] if kind in (_FIXED64, _FIXED32) else -1
        if size < 0 or place + size > len(content):
            raise ValueError("cut off")
        yield number, content[place : place + size]
        place += size


def _varint(content: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
