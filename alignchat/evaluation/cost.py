"""What alignment may cost: fluency on neutral text, length, repetition, language. Knows no model.

Fluency is the perplexity of texts that no round is trained on: `neutral_texts`, written for this project.
Repetition is seq-rep-n of Welleck, Kulikov, Roller, Dinan, Cho, Weston: Neural Text Generation with
Unlikelihood Training. ICLR 2020.
"""

import json
import math
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from alignchat.errors import DataError

LANGUAGES = ("en", "it")
NGRAM = 4


@cache
def neutral_texts(language: str) -> tuple[str, ...]:
    """Return held-out neutral texts, 40 in each language; raise DataError for one that there is not."""
    if language not in LANGUAGES:
        raise DataError(f"There are no neutral texts in {language!r}: choose from {', '.join(LANGUAGES)}.")
    lines = (Path(__file__).parent / "probes" / f"neutral_{language}.jsonl").read_text("utf-8").splitlines()
    return tuple(json.loads(line)["text"] for line in lines)


def perplexity(logps: Sequence[float], tokens: Sequence[int]) -> float:
    """Return exp(- sum_i logp_i / sum_i tokens_i): logps are natural and summed over each text's tokens.

    Comparable only between models with the same tokens, so between rounds of one model.
    Raises DataError for uneven or empty lists and for what no log-probability or number of tokens can be.
    """
    losses = token_losses(logps, tokens)
    return math.exp(sum(losses) / len(losses))


def token_losses(logps: Sequence[float], tokens: Sequence[int]) -> list[float]:
    """Return a number for each text whose mean is the logarithm of the perplexity.

    Their interval is that of the perplexity's logarithm, and paired differences of two rounds are those of
    two logarithms: a difference d says that the perplexity is exp(d) times as high.
    """
    if not logps or len(logps) != len(tokens):
        raise DataError(f"There are {len(logps)} log-probabilities and {len(tokens)} numbers of tokens.")
    if any(not math.isfinite(logp) or logp > 0 for logp in logps) or any(count < 1 for count in tokens):
        raise DataError("A text's log-probability must be finite and at most 0, and it must have a token.")
    mean = sum(tokens) / len(tokens)
    return [-logp / mean for logp in logps]


def length(text: str) -> int:
    """Return the number of words of a text."""
    return len(_words(text))


def repetition(text: str, *, n: int = NGRAM) -> float:
    """Return seq-rep-n, 1 - distinct n-grams / n-grams of words; 0 for a text too short to have one."""
    if n < 1:
        raise DataError("Repetition is counted over n-grams of at least one word.")
    words = _words(text)
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def kept_language(replies: Sequence[str], prompts: Sequence[str]) -> list[float]:
    """Return 1 for each reply whose language is its prompt's, else 0, from the codes of their languages.

    Leave out before what has no language that can be told, such as "Ok".
    """
    if len(replies) != len(prompts):
        raise DataError(f"There are {len(replies)} replies' languages and {len(prompts)} of prompts.")
    return [float(reply == prompt) for reply, prompt in zip(replies, prompts, strict=True)]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+(?:['’-]\w+)*", text.lower())
