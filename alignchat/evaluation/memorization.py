"""What generated texts copy from given ones, word for word. Knows no model and no round.

The share of generated n-grams that occur in the given texts is one minus the novelty of McCoy, Smolensky,
Linzen, Gao, Celikyilmaz: How Much Do Language Models Copy From Their Training Data? TACL 2023. Long exact
runs are what Carlini et al., Quantifying Memorization Across Neural Language Models, ICLR 2023, count.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from alignchat.errors import DataError

# Five words in a row are rarely the same by chance, and a continuation of 20 tokens still has some.
NGRAM = 5

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What one text has in common with the given ones: n-grams found of those it has, and its longest run.

    `run` are the words (and marks) of the longest run, of which there are `longest`, and `source` is the
    place of a given text that has it; none if not a word is found.
    """

    found: int
    ngrams: int
    longest: int
    run: str
    source: int | None

    @property
    def share(self) -> float:
        """Return the share of n-grams that are found; 0 for a text too short to have one."""
        return self.found / self.ngrams if self.ngrams else 0.0


def copied(generated: Sequence[str], given: Sequence[str], *, n: int = NGRAM) -> list[Copied]:
    """Compare each generated text with all given ones, words and punctuation marks as written.

    White space does not matter, case does. An n-gram is n words or marks in a row. Takes time and memory in
    proportion to the texts' length: a second or two for a million words.
    Raises DataError for a bare string, without given texts, and for n below 1.
    """
    if isinstance(generated, str) or isinstance(given, str):
        raise DataError("Texts must come in a list; a bare text was given.")
    if not given or n < 1:
        raise DataError("Give at least one text to look in, and n-grams of at least one word.")
    known: dict[str, int] = {}
    rows = [_words(text) for text in (*given, *generated)]
    ids = [[known.setdefault(word, len(known)) for word in row] for row in rows]
    matches, places = _longest_matches(ids, len(given))
    starts = np.cumsum([0, *(len(row) + 1 for row in rows)])
    results = []
    for index in range(len(given), len(rows)):
        begin, end = int(starts[index]), int(starts[index + 1]) - 1
        lengths = matches[begin:end]
        longest = int(lengths.max(initial=0))
        at = int(lengths.argmax()) if longest else 0
        source = int(np.searchsorted(starts, places[begin + at], side="right")) - 1 if longest else None
        results.append(
            Copied(
                found=int((lengths >= n).sum()),
                ngrams=max(0, end - begin - n + 1),
                longest=longest,
                run=" ".join(rows[index][at : at + longest]),
                source=source,
            )
        )
    return results


def memorization_summary(
    generated: Sequence[str], given: Sequence[str], *, n: int = NGRAM
) -> dict[str, float]:
    """Summarise what generated texts copy.

        ngram_share = sum_i found_i / sum_i ngrams_i          (0 if no text has an n-gram)
        longest_run = max_i longest_i      mean_longest_run = mean_i longest_i

    Raises DataError as `copied` does, and without generated texts.
    """
    found = copied(generated, given, n=n)
    if not found:
        raise DataError("There are no generated texts to look at: generate at least one.")
    return {
        "ngram_share": sum(text.found for text in found) / max(1, sum(text.ngrams for text in found)),
        "longest_run": float(max(text.longest for text in found)),
        "mean_longest_run": fmean(text.longest for text in found),
    }


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", unicodedata.normalize("NFC", text))


def _longest_matches(rows: Sequence[Sequence[int]], given: int) -> tuple[Integers, Integers]:
    """Return, for each place of all rows in one line, how far it runs like a given row, and from where.

    All suffixes are sorted; a suffix's longest match is with the nearest given suffix before or after it.
    Rows are ended by numbers of their own, so that no run goes from one into the next.
    """
    line = np.array([x for i, row in enumerate(rows) for x in (*row, -1 - i)], dtype=np.int64)
    levels = _ranks(line, max(len(row) for row in rows))
    order = np.argsort(levels[-1], kind="stable")
    is_given = order < sum(len(row) + 1 for row in rows[:given])
    steps = np.arange(len(line))
    before = np.maximum.accumulate(np.where(is_given, steps, -1))
    after = np.minimum.accumulate(np.where(is_given, steps, len(line))[::-1])[::-1]
    lengths = np.zeros(len(line), dtype=np.int64)
    places = np.full(len(line), -1, dtype=np.int64)
    for neighbour in (before, after):
        there = (neighbour >= 0) & (neighbour < len(line))
        here, other = order[there], order[neighbour[there]]
        common = _common(levels, here, other)
        longer = common > lengths[here]
        lengths[here[longer]], places[here[longer]] = common[longer], other[longer]
    return lengths, places


def _ranks(line: Integers, longest: int) -> list[Integers]:
    """Return the order of all runs of 1, 2, 4, ... numbers by their start, equal runs ranked alike.

    Prefix doubling: Karp, Miller, Rosenberg, STOC 1972; Manber, Myers, SIAM J. Computing 22, 1993.
    """
    ranks = np.unique(line, return_inverse=True)[1].astype(np.int64)
    levels = [ranks]
    length = 1
    while length <= longest:
        following = np.zeros_like(ranks)
        following[:-length] = ranks[length:] + 1
        ranks = np.unique(ranks * (len(line) + 1) + following, return_inverse=True)[1].astype(np.int64)
        levels.append(ranks)
        length *= 2
    return levels


def _common(levels: Sequence[Integers], here: Integers, other: Integers) -> Integers:
    """Return how many numbers in a row are the same from each of two places on."""
    total = np.zeros(len(here), dtype=np.int64)
    last = len(levels[0]) - 1
    for level in range(len(levels) - 1, -1, -1):
        a, b = here + total, other + total
        inside = (a <= last) & (b <= last)
        same = inside.copy()
        same[inside] = levels[level][a[inside]] == levels[level][b[inside]]
        total += same * 2**level
    return total
