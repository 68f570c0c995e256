"""Finds texts that are nearly the same, among many: MinHash signatures, banding, then an exact check.

Nearly the same means that the Jaccard similarity of their 8-byte shingles, without regard to case and
spacing, reaches a threshold. What is found is so exactly; what is missed is a matter of chance, and rare.
Knows no rows and no prompts.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# One permutation in 128 bins, empty ones filled from the next (Shrivastava and Li 2014,
# https://arxiv.org/abs/1406.4784): a shingle is hashed once, not 128 times.
BINS = 128
# Two texts meet if 4 neighbouring bins agree: at similarity 0.8 that fails once in 10 million in 32 bands.
BAND = 4
SHINGLE = 8
_EDGES = np.arange(BINS, dtype=np.uint64) << np.uint64(57)
_BATCH = 4096
# Below the threshold by this much a signature's estimate is left unchecked: over four standard errors.
_SLACK = 0.15

Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int64]


def normalised(text: str) -> str:
    """Return a text without its case and spacing."""
    return " ".join(text.lower().split())


class Texts:
    """Texts with their signatures, to be compared with each other."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Compute the signatures; 128 numbers of 8 bytes for each text."""
        self._texts = texts
        self.signatures = np.empty((len(texts), BINS), dtype=np.uint64)
        for start in range(0, len(texts), _BATCH):
            batch = texts[start : start + _BATCH]
            self.signatures[start : start + len(batch)] = _signatures(batch)

    def similarity(self, left: int, right: int) -> float:
        """Return the Jaccard similarity of two texts' shingles."""
        a, b = (np.unique(_shingles(self._texts[i])) for i in (left, right))
        both = len(np.intersect1d(a, b, assume_unique=True))
        return both / (len(a) + len(b) - both)


def clusters(parts: Sequence[Texts], threshold: float, scope: Numbers | None = None) -> list[int]:
    """Return for each item the first item it is nearly the same as, over any number of steps.

    Item i is made of the i-th text of each part, and all of them must be similar; items of a different
    `scope` are never compared.
    """
    signatures = np.concatenate([part.signatures for part in parts], axis=1)
    first = _Sets(len(signatures))
    scopes = np.zeros(len(signatures), np.uint64) if scope is None else scope.astype(np.uint64)
    for start in range(0, signatures.shape[1], BAND):
        left, right = _meeting(_mixed(signatures[:, start : start + BAND], scopes))
        for part in parts:
            agree = (part.signatures[left] == part.signatures[right]).mean(axis=1)
            left, right = left[agree >= threshold - _SLACK], right[agree >= threshold - _SLACK]
        for a, b in zip(left.tolist(), right.tolist(), strict=True):
            if first.of(a) != first.of(b) and all(part.similarity(a, b) >= threshold for part in parts):
                first.join(a, b)
    return [first.of(i) for i in range(len(signatures))]


class _Sets:
    """Disjoint sets, each named by its smallest member."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def of(self, item: int) -> int:
        while self._parent[item] != item:
            self._parent[item] = item = self._parent[self._parent[item]]
        return item

    def join(self, a: int, b: int) -> None:
        low, high = sorted((self.of(a), self.of(b)))
        self._parent[high] = low


def _shingles(text: str) -> Hashes:
    content = normalised(text).encode("utf-8", "surrogatepass").ljust(SHINGLE)
    # Every eight bytes in a row, read as one number.
    return np.ndarray((len(content) - SHINGLE + 1,), np.dtype("<u8"), content, strides=(1,)).astype(np.uint64)


def _signatures(texts: Sequence[str]) -> Hashes:
    found = np.empty((len(texts), BINS), np.int64)
    values = np.empty((len(texts), BINS), np.uint64)
    for row, text in enumerate(texts):
        hashes = np.sort(_mix(_shingles(text)))
        place = np.searchsorted(hashes, _EDGES)
        values[row] = hashes[np.minimum(place, len(hashes) - 1)]
        found[row, :-1] = place[1:] > place[:-1]
        found[row, -1] = place[-1] < len(hashes)
    # The next filled bin, going round; its distance tells it from that bin's own value.
    twice = np.where(np.concatenate([found, found], axis=1) > 0, np.arange(2 * BINS), 2 * BINS)
    bins = np.minimum.accumulate(twice[:, ::-1], axis=1)[:, ::-1][:, :BINS]
    taken = np.take_along_axis(values, bins % BINS, axis=1)
    away = (bins - np.arange(BINS)).astype(np.uint64)
    filled: Hashes = _mix(taken + away)
    return filled


def _mix(values: Hashes) -> Hashes:
    """Scramble each number (the finaliser of MurmurHash3)."""
    with np.errstate(over="ignore"):
        mixed = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
        mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    out: Hashes = mixed ^ (mixed >> np.uint64(33))
    return out


def _mixed(columns: Hashes, scope: Hashes) -> Hashes:
    key = _mix(scope)
    for column in columns.T:
        key = _mix(key ^ column)
    return key


def _meeting(keys: Hashes) -> tuple[Numbers, Numbers]:
    """Pair each item with the one before it and with the first one of those with the same key."""
    order = np.argsort(keys, kind="stable")
    new = np.concatenate([[True], keys[order][1:] != keys[order][:-1]]) if len(keys) else np.array([], bool)
    head = np.maximum.accumulate(np.where(new, np.arange(len(keys)), 0))
    inside = np.flatnonzero(~new)
    further = inside[inside - head[inside] > 1]
    left = np.concatenate([order[inside - 1], order[head[further]]])
    return left, np.concatenate([order[inside], order[further]])
