"""What the manifest of a round's rows says of them: sources, weights, lengths, languages. Knows no files."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from alignchat.rows.balance import explained_kto_weights
from alignchat.rows.preferences import PairedRow, Row, Source, replies

HISTOGRAM_BINS = 16
LOOKED_AT = 5_000


def counts(row: Row, label: bool) -> int:
    """Return how many desirable (True) or undesirable replies a row holds; a pair holds one of each."""
    return 1 if isinstance(row, PairedRow) else int(row.label is label)


def sources(taken: Sequence[Source], train: Sequence[Row], test: Sequence[Row]) -> dict[str, Any]:
    """Return for each source its rows on both sides; for a set also its revision and what was asked of it."""
    sides = {"train": Counter(row.source for row in train), "test": Counter(row.source for row in test)}
    sets = {source.name: source for source in taken}
    described = {}
    for name in [*sorted({*sides["train"], *sides["test"]} - set(sets)), *sets]:
        facts: dict[str, Any] = {"kind": "own"}
        if source := sets.get(name):
            facts = {
                "kind": source.kind,
                "revision": source.revision,
                "asked": source.asked,
                "read": source.read,
                "weight": source.weight,
                **({"total": source.total} if source.total is not None else {}),
                **({"note": source.note} if source.note else {}),
            }
        described[name] = {**facts, **{side: found[name] for side, found in sides.items()}}
    return described


def kto_weights(rows: Sequence[Row]) -> dict[str, Any] | None:
    """Return KTO's weights for one pass over these rows, and the reason; None where one side has no row."""
    up = sum(counts(row, True) for row in rows)
    weights = explained_kto_weights(up, len(rows) - up)
    return weights.to_json() if weights else None


def tokens(rows: Sequence[Row], lengths: Sequence[Sequence[int]], limit: int) -> dict[str, Any]:
    """Return how long prompts, replies and whole rows are in tokens; a length is prompt, then replies.

    `histogram` counts replies with their prompts in steps of limit / 16 tokens, the better ones (desirable
    or chosen) and the worse ones apart.
    """
    longest = [length[0] + max(length[1:]) for length in lengths]
    better: list[int] = []
    worse: list[int] = []
    for row, (prompt, *answers) in zip(rows, lengths, strict=True):
        labels = (True, False) if isinstance(row, PairedRow) else (row.label,)
        for label, reply in zip(labels, answers, strict=True):
            (better if label else worse).append(prompt + reply)
    edges = np.linspace(0, limit, HISTOGRAM_BINS + 1)
    return {
        "limit": limit,
        "all": sum(sum(length[1:]) + length[0] * len(length[1:]) for length in lengths),
        "prompt": _spread([length[0] for length in lengths]),
        "reply": _spread([reply for length in lengths for reply in length[1:]]),
        "row": _spread(longest),
        "histogram": {
            "edges": [round(float(edge), 1) for edge in edges],
            "better": np.histogram(better, edges)[0].tolist(),
            "worse": np.histogram(worse, edges)[0].tolist(),
        },
    }


def languages(rows: Sequence[Row], name: Callable[[Sequence[str]], Sequence[str]]) -> dict[str, Any]:
    """Return how many rows are in which language, the most frequent first, by their better reply.

    Of more than 5,000 rows that many are looked at, evenly spread; `of` is how many were.
    """
    step = max(1, math.ceil(len(rows) / LOOKED_AT))
    codes = name([replies(row)[0] for row in rows[::step]])
    counted = sorted(Counter(codes).items(), key=lambda item: (-item[1], item[0]))
    return {"of": len(codes), "rows": dict(counted)}


def _spread(values: Sequence[int]) -> dict[str, float] | None:
    if not values:
        return None
    p50, p95 = np.percentile(values, [50, 95])
    return {
        "mean": round(float(np.mean(values)), 1),
        "median": float(p50),
        "p95": round(float(p95), 1),
        "max": max(values),
    }
