"""How far annotators agree beyond chance. Knows neither records nor what the labels mean.

Krippendorff: Computing Krippendorff's Alpha-Reliability, 2011, section C (nominal data, any number of
observers, missing data).
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Alpha is 1 for full agreement, 0 for what chance gives, None if nothing varies or overlaps."""

    alpha: float | None
    items: int
    labels: int


def nominal_alpha(items: Sequence[Sequence[Hashable]]) -> Agreement:
    """Return alpha over the labels that each item got; an item with fewer than two cannot be paired.

    alpha = 1 - (n - 1) * sum over items of disagreeing pairs / (m - 1) / sum over labels c of n_c (n - n_c).
    """
    paired = [Counter(item) for item in items if len(item) > 1]
    totals = sum(paired, Counter[Hashable]())
    n = totals.total()
    expected = sum(count * (n - count) for count in totals.values())
    observed = sum(_disagreeing(item) / (item.total() - 1) for item in paired)
    alpha = 1 - (n - 1) * observed / expected if expected else None
    return Agreement(alpha=alpha, items=len(paired), labels=n)


def _disagreeing(item: Mapping[Hashable, int]) -> int:
    total = sum(item.values())
    return sum(count * (total - count) for count in item.values())
