"""Quantises a GGUF file in a process of its own: `python -m alignchat.quantise SOURCE TARGET TYPE`.

llama.cpp's quantiser cannot be stopped and aborts the whole process on some models; a child can be ended.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from alignchat.config import child_environment
from alignchat.errors import EXPECTED, Cancelled, ModelError

Quantisation = Literal["F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0"]
QUANTISATIONS: tuple[Quantisation, ...] = get_args(Quantisation)


def quantise(
    source: Path, target: Path, type: Quantisation, should_stop: Callable[[], bool] = lambda: False
) -> None:
    """Write `source` (F16, BF16 or F32) to `target` as `type`; raise ModelError or Cancelled."""
    command = [sys.executable, "-m", "alignchat.quantise", str(source), str(target), type]
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parent.parent,
        env=child_environment(),
    )
    try:
        while True:
            try:
                _, told = child.communicate(timeout=0.2)
                break
            except subprocess.TimeoutExpired:
                if should_stop():
                    raise Cancelled("Stopped; the model was not quantised.") from None
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
    if child.returncode:
        reason = told.decode("utf-8", "replace").strip().splitlines()
        raise ModelError(
            reason[-1] if reason else f"llama.cpp broke off at {source.name}; choose another --quant."
        )


def main(source: str, target: str, type: str) -> int:
    """Return 0 if the file was written."""
    from alignchat import llama

    try:
        llama.quantise(Path(source), Path(target), type)
    except EXPECTED as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
