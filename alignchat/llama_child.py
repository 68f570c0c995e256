"""What llama.cpp does in a process of its own: quantise a file, try a model.

Its quantiser cannot be stopped, and both it and its loader abort the whole process on some files; a child
can be ended, and its end can be told in a sentence. `python -m alignchat.llama_child quantise|try ...`
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, get_args

from alignchat.config import child_environment
from alignchat.errors import EXPECTED, Cancelled, ModelError

Quantisation = Literal["F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0"]
QUANTISATIONS: tuple[Quantisation, ...] = get_args(Quantisation)

# Read by both tokenizers after a conversion; nothing here is what llama.cpp is known to read differently,
# such as a space in front.
SAMPLES = (
    "Perché l'università è così lontana? Un po' d'acqua, per favore: c'è già «lunedì»…",
    "It's 1234,50 € (or 56%), isn't it? user@example.org\n\n\tdef f(x):\n        return x ** 2\n",
    "Che bello 😀👍🏽 — l’apostrofo, 日本語, русский e </s> o <|im_end|> scritti a mano.",
)


def quantise(
    source: Path, target: Path, type: Quantisation, should_stop: Callable[[], bool] = lambda: False
) -> None:
    """Write `source` (F16, BF16 or F32) to `target` as `type`; raise ModelError or Cancelled."""
    fault = f"llama.cpp broke off while quantising {source.name}; choose another --quant."
    _run(["quantise", str(source), str(target), type], fault, should_stop)


def try_model(
    path: Path, tokenizer: Path | None = None, should_stop: Callable[[], bool] = lambda: False
) -> None:
    """Load a model and decode a token; raise ModelError if it fails.

    If the file `tokenizer` exists, a `tokenizer.json`, both must turn some texts into the same ids.
    """
    fault = f"llama.cpp cannot run {path.name}: the file is damaged, or of a kind it does not know."
    also = [str(tokenizer)] if tokenizer and tokenizer.exists() else []
    _run(["try", str(path), *also], fault, should_stop)


def _run(arguments: Sequence[str], fault: str, should_stop: Callable[[], bool]) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "alignchat.llama_child", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
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
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
    if child.returncode == 1:
        raise ModelError(told.decode("utf-8", "replace").strip().splitlines()[-1])
    if child.returncode:
        raise ModelError(fault)


def main(command: str, *arguments: str) -> int:
    """Return 0 if it could be done, 1 with a sentence on stderr if not."""
    from alignchat import llama

    try:
        if command == "quantise":
            source, target, type = arguments
            llama.quantise(Path(source), Path(target), type)
        else:
            _try(*map(Path, arguments))
    except EXPECTED as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _try(path: Path, tokenizer: Path | None = None) -> None:
    from alignchat.llama import Context, Entry, Weights

    weights = Weights(path)
    if tokenizer:
        _compare_ids(weights.tokenize, tokenizer)
    context = Context(weights, length=32, sequences=1, unified=True)
    context.decode([Entry(0, 0, 0, True)])
    context.close()
    weights.close()


def _compare_ids(tokenize: Callable[..., list[int]], path: Path) -> None:
    from tokenizers import Tokenizer

    own = Tokenizer.from_file(str(path))
    own.encode_special_tokens = True
    for text in SAMPLES:
        ids = own.encode(text, add_special_tokens=False).ids
        if tokenize(text, add_special=False, parse_control=False) != ids:
            raise ModelError(
                "llama.cpp would read texts into other tokens than this model's own tokenizer does, "
                "so it was not converted; look for a GGUF of this model."
            )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
