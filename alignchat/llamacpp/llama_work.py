"""Quantises or tries a model: `-m alignchat.llamacpp.llama_work quantise SOURCE TARGET TYPE`, or `try MODEL`.

Run by `llama_child` in a process of its own, which llama.cpp may abort.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from alignchat.errors import EXPECTED, ModelError
from alignchat.llamacpp import llama
from alignchat.llamacpp.llama import Context, Entry, Weights

# Read by both tokenizers after a conversion; nothing here is what llama.cpp is known to read differently,
# such as a space in front.
SAMPLES = (
    "Perché l'università è così lontana? Un po' d'acqua, per favore: c'è già «lunedì»…",
    "It's 1234,50 € (or 56%), isn't it? user@example.org\n\n\tdef f(x):\n        return x ** 2\n",
    "Che bello 😀👍🏽 — l’apostrofo, 日本語, русский e </s> o <|im_end|> scritti a mano.",
)


def main(command: str, *arguments: str) -> int:
    """Return 0 if it could be done, 1 with a sentence on stderr if not."""
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
