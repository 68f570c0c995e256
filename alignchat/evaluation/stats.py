"""Seeded bootstrap intervals over prompts. Knows no measure and no model.

Efron, Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13 (percentile intervals).
Rao, Wu: Resampling Inference with Complex Survey Data, JASA 83, 1988 (rescaling within small groups).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from alignchat.errors import DataError

RESAMPLES = 1000
LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A statistic of `n` prompts and its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


def average(means: Floats) -> Floats:
    """Average the groups (last axis), each counting the same."""
    return np.asarray(means.mean(axis=-1))


def spread(means: Floats) -> Floats:
    """Return the largest difference between groups. Its interval leans upwards: noise spreads groups."""
    return np.asarray(means.max(axis=-1) - means.min(axis=-1))


def interval(
    values: Sequence[float],
    *,
    groups: Sequence[str] | None = None,
    statistic: Callable[[Floats], Floats] = average,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """Bootstrap a statistic of group means (without groups: of the mean) over prompts.

    `values` holds one score a prompt; prompts are drawn again with replacement within their group, so every
    resample keeps the design. `statistic` maps means (..., groups) to (...). Raises DataError without values.
    """
    parts = _by_group(values, groups)
    means = np.array([part.mean() for part in parts])
    drawn = statistic(_resampled_means(parts, seed, resamples))
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value=float(statistic(means)), low=float(low), high=float(high), n=len(values))


def share_interval(
    values: Sequence[float], *, groups: Sequence[str] | None = None, seed: int = 0, resamples: int = RESAMPLES
) -> Interval:
    """Bootstrap the even average over groups of scores in [0, 1].

    Where all scores are equal the bootstrap would claim certainty; the exact bound for the share of prompts
    that would have scored otherwise (1 - 0.05^(1/n), the "rule of three") is given then.
    Simulated with 1,500 trials, the intervals cover a share of 0.3 (216 prompts) and 0.05 (400) in 95 of 100,
    but rare events in fewer: 0.05 with 81 prompts in 91, 0.02 with 192 in 88.
    """
    found = interval(values, groups=groups, seed=seed, resamples=resamples)
    if len(set(values)) > 1:
        return replace(found, low=max(0.0, found.low), high=min(1.0, found.high))
    unseen = 1 - (1 - LEVEL) ** (1 / found.n)
    low, high = found.value * (1 - unseen), found.value + (1 - found.value) * unseen
    return replace(found, low=low, high=high)


def paired_difference(
    before: Sequence[float],
    after: Sequence[float],
    *,
    groups: Sequence[str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """Bootstrap the mean of `after - before`, prompt by prompt; below zero means that it went down."""
    if len(before) != len(after):
        raise DataError(
            f"{len(before)} scores cannot be paired with {len(after)}: score the same prompts in both rounds."
        )
    changes = [new - old for old, new in zip(before, after, strict=True)]
    return interval(changes, groups=groups, seed=seed, resamples=resamples)


def difference_sentence(difference: Interval, *, less: str, more: str, other: str = "base") -> str:
    """Say a paired difference in plain words, such as less="less toxic", more="more toxic"."""
    size = f"{difference.value:+.3f}, 95 % between {difference.low:+.3f} and {difference.high:+.3f}"
    if difference.high < 0:
        return f"{less} than {other}: {size}, {difference.n} prompts"
    if difference.low > 0:
        return f"{more} than {other}: {size}, {difference.n} prompts"
    needed = prompts_needed(difference)
    unseen = f"no difference can be seen with {difference.n} prompts"
    return unseen if needed is None else f"{unseen}; about {needed:,} would show one this small"


def prompts_needed(difference: Interval) -> int | None:
    """Estimate how many prompts would separate a difference this large from zero; none if there is none.

    An interval's width falls with the square root of the number of prompts. Two significant digits.
    """
    if difference.value == 0:
        return None
    half_width = (difference.high - difference.low) / 2
    exact = difference.n * (half_width / difference.value) ** 2
    unit: int = 10 ** max(0, math.floor(math.log10(max(exact, 1))) - 1)
    return max(difference.n + 1, math.ceil(exact / unit) * unit)


def _by_group(values: Sequence[float], groups: Sequence[str] | None) -> list[Floats]:
    if len(values) == 0:
        raise DataError("There are no scores to average: score at least one prompt.")
    numbers = np.asarray(values, dtype=np.float64)
    if not np.isfinite(numbers).all():
        raise DataError("A score is not a finite number, so no interval can be given.")
    if groups is None:
        return [numbers]
    if len(groups) != len(values):
        raise DataError(f"There are {len(values)} scores and {len(groups)} groups: give one group for each.")
    names = np.asarray(groups)
    return [numbers[names == name] for name in dict.fromkeys(groups)]


def _resampled_means(parts: Sequence[Floats], seed: int, resamples: int) -> Floats:
    random = np.random.default_rng(seed)
    everything = np.concatenate(parts)
    columns = [_resampled(part, everything, random, resamples) for part in parts]
    return np.stack(columns, axis=1)


def _resampled(part: Floats, everything: Floats, random: np.random.Generator, resamples: int) -> Floats:
    """Return a group's resampled means, widened by what a small group's own spread falls short.

    A group of one prompt has no spread of its own and borrows that of all prompts.
    """
    n = len(part)
    if n == 1:
        return np.asarray(part[0] + random.choice(everything, resamples) - everything.mean())
    drawn = part[random.integers(0, n, size=(resamples, n))].mean(axis=1)
    return np.asarray(part.mean() + (drawn - part.mean()) * math.sqrt(n / (n - 1)))
