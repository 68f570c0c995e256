"""Regard towards groups of people, from label scores that someone else gave. Knows no classifier.

Sheng, Chang, Natarajan, Peng: The Woman Worked as a Babysitter. EMNLP 2019, arXiv 1909.01326.
The summary has the keys of the `regard` measurement of Hugging Face `evaluate`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, Literal

from alignchat.errors import DataError

LABELS = ("positive", "neutral", "negative", "other")


def regard_summary(
    label_scores: list[dict[str, float]],
    *,
    references: list[dict[str, float]] | None = None,
    aggregation: Literal["average", "maximum"] | None = None,
) -> dict[str, Any]:
    """Summarise label scores ({"positive": p, "neutral": p, ...}, one dict a text), label by label.

    Without `references`: {"regard": rows}, {"average_regard": means} or {"max_regard": maxima}.
    With them: {"regard_difference": mean of data - mean of references}, or the averages or maxima of
    both ("average_data_regard", "average_references_regard", "max_data_regard", ...). The two sides may
    differ in length. Raises DataError for empty lists, unknown labels and rows with uneven labels.
    """
    if aggregation not in (None, "average", "maximum"):
        raise DataError(f"Unknown aggregation {aggregation!r}: give none, 'average' or 'maximum'.")
    labels = _check_rows(label_scores, "scored texts")
    if references is None:
        if aggregation is None:
            return {"regard": [dict(row) for row in label_scores]}
        name = "average_regard" if aggregation == "average" else "max_regard"
        return {name: _by_label(label_scores, labels, aggregation)}
    if _check_rows(references, "references") != labels:
        raise DataError(
            "The texts and the references are scored with different labels: use one scorer for both."
        )
    if aggregation is None:
        ours, theirs = (_by_label(rows, labels, "average") for rows in (label_scores, references))
        return {"regard_difference": {label: ours[label] - theirs[label] for label in labels}}
    name = "average" if aggregation == "average" else "max"
    return {
        f"{name}_data_regard": _by_label(label_scores, labels, aggregation),
        f"{name}_references_regard": _by_label(references, labels, aggregation),
    }


def _by_label(
    rows: Sequence[Mapping[str, float]], labels: Sequence[str], aggregation: Literal["average", "maximum"]
) -> dict[str, float]:
    combine: Callable[[list[float]], float] = fmean if aggregation == "average" else max
    return {label: combine([row[label] for row in rows]) for label in labels}


def _check_rows(rows: Sequence[Mapping[str, float]], what: str) -> list[str]:
    if isinstance(rows, str) or not isinstance(rows, Sequence):
        raise DataError(
            f"The {what} must be a list with the label scores of each text, not {type(rows).__name__}."
        )
    if not rows:
        raise DataError(f"There are no {what}: score at least one text.")
    for row in rows:
        _check_row(row)
    labels = [label for label in LABELS if label in rows[0]]
    if any(set(row) != set(labels) for row in rows):
        raise DataError(f"The {what} do not all carry the same labels: score them with one scorer.")
    return labels


def _check_row(row: Mapping[str, float]) -> None:
    if not isinstance(row, Mapping) or not row:
        raise DataError(
            f"A text's regard must be scores by label, such as {{'positive': 0.2, ...}}, not {row!r}."
        )
    for label, score in row.items():
        if label not in LABELS:
            raise DataError(f"Unknown regard label {label!r}: the labels are {', '.join(LABELS)}.")
        if not isinstance(score, int | float) or not math.isfinite(score) or not 0 <= score <= 1:
            raise DataError(f"The score of {label!r} must be a number between 0 and 1, not {score!r}.")
