"""The header of a safetensors file: whatever it says, its tensors lie in the file, or it is one sentence."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from alignchat.errors import ModelError
from alignchat.formats.safetensors_files import SINGLE_FILE, read_tensors

NUMBERS = st.one_of(
    st.integers(-2, 40), st.integers(), st.floats(), st.booleans(), st.none(), st.text(max_size=3)
)
TENSORS = st.dictionaries(
    st.sampled_from(["dtype", "shape", "data_offsets", "more"]),
    st.one_of(st.sampled_from(["F32", "BF16", "I8"]), st.lists(NUMBERS, max_size=3), NUMBERS),
)
HEADERS = st.one_of(
    st.dictionaries(st.text(max_size=4), st.one_of(TENSORS, NUMBERS), max_size=3),
    st.lists(NUMBERS, max_size=2),
    NUMBERS,
)
SOUND = {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}


def write(folder: Path, header: bytes, length: int | None = None) -> None:
    start = struct.pack("<Q", len(header) if length is None else length)
    (folder / SINGLE_FILE).write_bytes(start + header + bytes(32))


def read_or_refuse(folder: Path) -> None:
    try:
        tensors = read_tensors(folder)
    except ModelError as error:
        assert str(error).endswith("download it again.")  # noqa: PT017 - either may be right
        return
    for tensor in tensors.values():
        assert tensor.values().shape == (tensor.shape or (1,))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HEADERS)
@example(SOUND)
@example({"a": {"dtype": "F32", "shape": [float("inf")], "data_offsets": [0, 4]}})
@example({"a": {"dtype": "F32", "shape": [1.0], "data_offsets": [0.0, 4.0]}})
@example({"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}})
def test_whatever_a_safetensors_header_says_it_is_read_or_refused(tmp_path: Path, header: Any) -> None:
    write(tmp_path, json.dumps(header).encode())
    read_or_refuse(tmp_path)


@pytest.mark.parametrize("length", [0, 3, 10**6, 2**63, 2**64 - 1])
def test_a_length_that_is_not_the_headers_is_refused(tmp_path: Path, length: int) -> None:
    write(tmp_path, json.dumps(SOUND).encode(), length)
    with pytest.raises(ModelError, match="not a sound safetensors file"):
        read_tensors(tmp_path)


def test_a_header_nested_without_end_is_refused(tmp_path: Path) -> None:
    write(tmp_path, b"[" * 100_000)
    with pytest.raises(ModelError, match="not a sound safetensors file"):
        read_tensors(tmp_path)
