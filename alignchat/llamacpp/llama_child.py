"""What llama.cpp does in a process of its own: quantise a file, try a model.

Its quantiser cannot be stopped, and both it and its loader abort the whole process on some files; a child
can be ended, and its end can be told in a sentence. The child is `llama_work`.
"""

import math
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, get_args

from alignchat.config import PACKAGES, child_environment
from alignchat.errors import Cancelled, ModelError
from alignchat.jobs import trial_seconds

Quantisation = Literal["F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0"]
# In the data folder: an empty file named by its checksum for each model that was tried and runs.
TRIED = "cache/tried"
QUANTISATIONS: tuple[Quantisation, ...] = get_args(Quantisation)


def quantise(
    source: Path, target: Path, type: Quantisation, should_stop: Callable[[], bool] = lambda: False
) -> None:
    """Write `source` (F16, BF16 or F32) to `target` as `type`; raise ModelError or Cancelled."""
    fault = f"llama.cpp broke off while quantising {source.name}; choose another --quant."
    _run(["quantise", str(source.resolve()), str(target.resolve()), type], fault, should_stop)


def try_model(
    path: Path, tokenizer: Path | None = None, should_stop: Callable[[], bool] = lambda: False
) -> None:
    """Load a model and decode a token; raise ModelError if it fails.

    If the file `tokenizer` exists, a `tokenizer.json`, both must turn some texts into the same ids.
    """
    fault = f"llama.cpp cannot run {path.name}: the file is damaged, or of a kind it does not know."
    also = [str(tokenizer.resolve())] if tokenizer and tokenizer.exists() else []
    _run(["try", str(path.resolve()), *also], fault, should_stop, trial_seconds(path))


def try_once(path: Path, sha256: str, tried: Path, should_stop: Callable[[], bool] = lambda: False) -> None:
    """Try a model as `try_model` does, unless the folder `tried` remembers this checksum."""
    mark = tried / sha256
    if mark.exists():
        return
    try_model(path, should_stop=should_stop)
    with suppress(OSError):  # Without room it is tried again the next time.
        tried.mkdir(parents=True, exist_ok=True)
        mark.touch()


def _run(
    arguments: Sequence[str], fault: str, should_stop: Callable[[], bool], seconds: float = math.inf
) -> None:
    end = time.monotonic() + seconds
    child = subprocess.Popen(
        [sys.executable, "-m", "alignchat.llamacpp.llama_work", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=PACKAGES,
        env=child_environment(),
    )
    try:
        while True:
            try:
                _, told = child.communicate(timeout=0.1)
                break
            except subprocess.TimeoutExpired:
                if should_stop():
                    raise Cancelled("Stopped; nothing was changed.") from None
                if time.monotonic() > end:
                    raise ModelError(
                        f"llama.cpp was still trying {Path(arguments[1]).name} after {seconds:.0f} s, "
                        "so it was ended; try again when the machine has less to do, or choose another model."
                    ) from None
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
    if child.returncode == 1:
        raise ModelError(told.decode("utf-8", "replace").strip().splitlines()[-1])
    if child.returncode:
        raise ModelError(fault)
