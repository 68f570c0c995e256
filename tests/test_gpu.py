"""How many layers go to a graphics card."""

import os

import llama_cpp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignchat import catalog
from alignchat.llamacpp import gpu

GB = 1024**3


@pytest.mark.parametrize(
    ("free", "size", "expected"),
    [(8 * GB, 4 * GB, 33), (0, 4 * GB, 0), (2 * GB, 4 * GB, 10), (8 * GB, 20 * GB, 10)],
)
def test_as_many_layers_as_fit_are_taken(free: int, size: int, expected: int) -> None:
    assert gpu.fitting(free, size, 32) == expected


@given(st.integers(0, 2**40), st.integers(1, 2**40), st.integers(0, 200))
def test_what_is_taken_fits_and_is_never_more_than_there_is(free: int, size: int, layers: int) -> None:
    taken = gpu.fitting(free, size, layers)
    assert 0 <= taken <= layers + 1
    assert taken * gpu.HEADROOM * size / (layers + 1) <= max(free - gpu.RESERVE, 0) + 1


def test_a_device_tells_its_free_memory() -> None:
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < gpu.free_memory() <= total


def test_without_a_gpu_in_llama_cpp_all_stays_on_the_cpu(starter: catalog.Model) -> None:
    if llama_cpp.llama_supports_gpu_offload():
        assert gpu.layers_on_gpu(starter.path) >= 0
    else:
        assert gpu.layers_on_gpu(starter.path) == 0
