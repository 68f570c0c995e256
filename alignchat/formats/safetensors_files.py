"""Reads the safetensors of a model folder, one tensor at a time, straight from the mapped file.

Knows the container (https://huggingface.co/docs/safetensors), not what a tensor is for. Of its own because
the library's numpy side has no bfloat16; the shards' names are checked, so that none leaves the folder.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from alignchat.errors import ModelError

SINGLE_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
MAX_HEADER = 100 * 1024 * 1024
_WIDTHS = {"F32": 4, "F16": 2, "BF16": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """Where a tensor lies; `format` is F32, F16 or BF16."""

    path: Path
    offset: int
    format: str
    shape: tuple[int, ...]

    def bits(self) -> npt.NDArray[Any]:
        """Return its numbers as they lie: float32, float16, or bfloat16's bits as uint16."""
        kind = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}[self.format]
        return np.memmap(self.path, dtype=kind, mode="r", offset=self.offset, shape=self.shape or (1,))

    def values(self) -> npt.NDArray[np.float32]:
        """Return its numbers in fp32."""
        bits = self.bits()
        if self.format != "BF16":
            return np.asarray(bits, np.float32)
        return (bits.astype(np.uint32) << 16).view(np.float32)


def file_names(folder: Path) -> list[str]:
    """Return the names of a folder's weight files; raise ModelError if the index is not to be trusted."""
    index = folder / INDEX_FILE
    if not index.exists():
        return [SINGLE_FILE]
    try:
        names = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(f"{index} cannot be read; download it again.") from error
    for name in names:
        if not isinstance(name, str) or not is_plain_name(name) or not name.endswith(".safetensors"):
            raise ModelError(f"{index} names a file {str(name)[:80]!r} that is not beside it; do not use it.")
    return sorted(names)


def is_plain_name(name: str) -> bool:
    """Tell whether a name stays in its folder."""
    return bool(name) and name == Path(name).name and "\\" not in name and "\0" not in name and name != ".."


def read_tensors(folder: Path) -> Mapping[str, Tensor]:
    """Return the tensors of all weight files by name; raise ModelError if one is missing or damaged."""
    tensors: dict[str, Tensor] = {}
    for name in file_names(folder):
        tensors |= _tensors_of(folder / name)
    return tensors


def _tensors_of(path: Path) -> dict[str, Tensor]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(MAX_HEADER, size):
                raise ValueError("the header is too long")
            header = json.loads(file.read(length))
        found = {
            name: _tensor(path, 8 + length, size, facts)
            for name, facts in header.items()
            if name != "__metadata__"
        }
    except FileNotFoundError:
        raise ModelError(f"{path} is missing; only weights in safetensors are read.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise ModelError(f"{path} is not a sound safetensors file ({error}); download it again.") from error
    return found


def _tensor(path: Path, start: int, size: int, facts: Mapping[str, Any]) -> Tensor:
    kind, shape = facts["dtype"], tuple(facts["shape"])
    begin, end = facts["data_offsets"]
    if not all(type(number) is int for number in (*shape, begin, end)):
        raise ValueError("a tensor's place is not told in whole numbers")
    if kind not in _WIDTHS:
        raise ValueError(f"numbers of the kind {kind} are not supported")
    count = int(np.prod(shape, dtype=object))
    if min(shape, default=1) < 0 or begin < 0 or end - begin != count * _WIDTHS[kind] or start + end > size:
        raise ValueError("a tensor lies outside of it")
    return Tensor(path=path, offset=start + begin, format=kind, shape=shape)
