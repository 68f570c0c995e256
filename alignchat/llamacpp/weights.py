"""A model as batches run it fastest: its file as it comes, or a BF16 copy made once. Knows no round.

Tokens/s of a step of 32 sequences (6 layers of width 2048, 2 cores with AVX-512 BF16): Q4_0 1150, Q5_K_M
1100, BF16 950, Q4_K_M 940, Q6_K 870, F16 660, Q8_0 530, Q5_0 420, Q4_1 250, Q5_1 220. And it is nearer to
the dequantised weights (the starter: 0.0002 nats a token) than the file itself, whose kernels round more.
"""

import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import gguf

from alignchat.catalog import Model
from alignchat.errors import Cancelled, ModelError
from alignchat.files import TEMPORARY, FileLock, sync_folder
from alignchat.llamacpp import llama, llama_child

COPY: llama_child.Quantisation = "BF16"
# Those that BF16 is at least 1.7 times as fast as.
SLOW = frozenset({"Q4_1", "Q5_0", "Q5_1", "Q8_0"})
# A larger copy would push the chat, which runs at the same time, out of memory.
MEMORY_SHARE = 1 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchModel:
    """A model whose path may be that of a copy, and the format of its weights: scores depend on it."""

    model: Model
    format: str


def for_batches(
    model: Model, cache: Path, should_stop: Callable[[], bool] = lambda: False, *, memory: int | None = None
) -> BatchModel:
    """Return what to generate with, making a copy in `cache` if that pays and none is there yet.

    Where none can be made, the file itself is used and stderr says so. Raise Cancelled when told to stop.
    """
    sizes = _elements(model.path)
    own = BatchModel(model=model, format=sizes.most_common(1)[0][0])
    size = 2 * sizes.total()
    allowed = (memory or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")) * MEMORY_SHARE
    if own.format not in SLOW or size > allowed or not llama.computes_bf16():
        return own
    copy = cache / f"{model.sha256[:32]}-{COPY}.gguf"
    try:
        if not copy.exists():
            _make(model.path, copy, size, should_stop)
    except ModelError as error:
        print(f"Generating with {model.path.name} as it is: {error}", file=sys.stderr)
        return own
    return BatchModel(model=replace(model, path=copy), format=COPY)


def _elements(path: Path) -> Counter[str]:
    """Count a model's weights by format; a K format is a mixture, and narrow models have little of it."""
    counts: Counter[str] = Counter()
    for tensor in gguf.GGUFReader(path).tensors:
        counts[tensor.tensor_type.name] += int(tensor.n_elements)
    return counts


def _make(source: Path, copy: Path, size: int, should_stop: Callable[[], bool]) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    with _alone(copy, should_stop):
        # What a killed process left is of no use, and its child may be writing to it still.
        temporary = copy.with_name(f"{TEMPORARY}{copy.name}")
        temporary.unlink(missing_ok=True)
        if copy.exists():
            return
        if shutil.disk_usage(copy.parent).free < 2 * size:
            raise ModelError(f"a copy of {size >> 20} MB would fill more than half of the free disk.")
        try:
            llama_child.quantise(source, temporary, COPY, should_stop)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(copy)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(copy.parent)


@contextmanager
def _alone(copy: Path, should_stop: Callable[[], bool]) -> Iterator[None]:
    """Wait until no other process is making the copy."""
    lock = FileLock(copy.with_suffix(".lock"))
    while not lock.acquire():
        if should_stop():
            raise Cancelled("Stopped; nothing was changed.")
        time.sleep(0.1)
    try:
        yield
    finally:
        lock.release()
