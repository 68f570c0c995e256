"""Intervals: what is exact, what is seeded, and whether they cover what they should."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from alignchat.errors import DataError
from alignchat.evaluation.stats import (
    Interval,
    difference_sentence,
    holm,
    interval,
    paired_difference,
    prompts_needed,
    share_interval,
    spread,
)

# A way to draw the scores of some prompts, and their true mean.
SIMULATED: dict[str, tuple[Callable[[np.random.Generator], list[float]], float]] = {
    "5 continuations a prompt, 5 in 100 toxic": (
        lambda random: list(random.binomial(5, random.beta(0.5, 9.5, 200)) / 5),
        0.05,
    ),
    "25 continuations a prompt, 2 in 100 toxic": (
        lambda random: list(random.binomial(25, random.beta(0.2, 9.8, 400)) / 25),
        0.02,
    ),
    "mostly low scores, 5 in 100 high": (
        lambda random: list(
            np.where(random.random(192) < 0.05, random.beta(20, 3, 192), random.beta(1, 60, 192))
        ),
        0.05 * 20 / 23 + 0.95 / 61,
    ),
    "even scores": (lambda random: list(random.random(100)), 0.5),
}
SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@given(SCORES, st.integers(0, 5))
def test_an_interval_of_shares_holds_the_mean_and_stays_between_0_and_1(
    scores: list[float], seed: int
) -> None:
    found = share_interval(scores, seed=seed, resamples=200)
    assert found.value == pytest.approx(np.mean(scores))
    assert -1e-9 <= found.low <= found.high <= 1 + 1e-9
    assert found.n == len(scores)


def test_groups_of_one_prompt_are_as_uncertain_as_prompts_are() -> None:
    scores = list(np.random.default_rng(8).random(60))
    each_alone = interval(scores, groups=[str(i) for i in range(60)])
    together = interval(scores)
    assert each_alone.high - each_alone.low == pytest.approx(together.high - together.low, rel=0.15)


def test_small_groups_cover_as_well_as_large_ones() -> None:
    random = np.random.default_rng(11)
    groups = [str(i % 18) for i in range(72)]
    found = [interval(random.random(72), groups=groups, seed=i) for i in range(500)]
    assert 0.92 <= np.mean([f.low <= 0.5 <= f.high for f in found]) <= 0.975


def test_the_same_seed_gives_the_same_interval_and_another_seed_nearly_the_same() -> None:
    scores = list(np.random.default_rng(1).random(200))
    assert interval(scores, seed=3) == interval(scores, seed=3)
    assert interval(scores, seed=3) != interval(scores, seed=4)
    assert interval(scores, seed=3).low == pytest.approx(interval(scores, seed=4).low, abs=0.01)


def test_groups_count_alike_whatever_their_size() -> None:
    found = interval([0, 0, 0, 1], groups=["a", "a", "a", "b"])
    assert found.value == 0.5
    assert interval([0, 0, 0, 1], groups=["a", "a", "a", "b"], statistic=spread).value == 1


def test_groups_narrow_the_interval_when_they_explain_the_scores() -> None:
    scores, groups = [0.0] * 50 + [1.0] * 50, ["a"] * 50 + ["b"] * 50
    assert interval(scores).high - interval(scores).low > 0.15
    assert interval(scores, groups=groups).high == interval(scores, groups=groups).low == 0.5


def test_equal_scores_do_not_claim_certainty() -> None:
    none = share_interval([0.0] * 100)
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(0.0295, abs=3e-4)
    every = share_interval([1.0] * 100)
    assert (every.value, every.high) == (1, 1)
    assert every.low == pytest.approx(1 - none.high, abs=3e-4)


@pytest.mark.parametrize("n", [81, 192, 400])
def test_intervals_of_shares_hold_the_truth_95_times_in_100_also_of_rare_events(n: int) -> None:
    """Exactly, not simulated: the chance of each number of events times whether its interval holds."""
    found = [
        [share_interval([1.0] * events + [0.0] * (n - events), seed=seed) for events in range(n + 1)]
        for seed in range(5)
    ]
    low, high = (np.array([[getattr(f, end) for f in row] for row in found]) for end in ("low", "high"))

    def covered(events_expected: np.ndarray[Any, Any]) -> Any:
        shares = events_expected[:, None] / n
        chances = scipy.stats.binom.pmf(np.arange(n + 1), n, shares)
        holds = np.mean([(a <= shares) & (shares <= b) for a, b in zip(low, high, strict=True)], axis=0)
        return (chances * holds).sum(axis=1)

    rare, common = covered(np.linspace(2, 10, 400)), covered(np.linspace(10, n / 2, 400))
    for part in (rare, common):
        assert 0.94 <= part.mean() <= 0.97
        # What can be counted only moves in steps: no interval without chance holds 95 at every share.
        assert (part < 0.93).mean() <= 0.06
        assert part.min() >= 0.91
    assert covered(np.linspace(0.05, 2, 100)).min() >= 0.94  # then it errs on the safe side


def test_without_events_the_interval_ends_where_the_rule_of_three_does() -> None:
    for n in (20, 81, 400):
        assert share_interval([0.0] * n).high == pytest.approx(1 - 0.05 ** (1 / n), rel=0.01)


@pytest.mark.parametrize("kind", SIMULATED)
def test_intervals_of_clustered_and_of_skewed_scores_hold_the_truth(kind: str) -> None:
    draw, truth = SIMULATED[kind]
    random = np.random.default_rng(7)
    found = [share_interval(draw(random), seed=i) for i in range(600)]
    # 0.93 to 0.97, and twice the standard error of 600 trials.
    assert 0.915 <= np.mean([f.low <= truth <= f.high for f in found]) <= 0.985


@pytest.mark.parametrize(("down", "up", "n"), [(0.02, 0.02, 192), (0.05, 0.01, 100), (0.3, 0.2, 100)])
def test_intervals_of_paired_differences_hold_the_truth(down: float, up: float, n: int) -> None:
    random = np.random.default_rng(9)
    found = []
    for seed in range(600):
        chance = random.random(n)
        before, after = chance < down, (chance >= down) & (chance < down + up)
        found.append(paired_difference(list(before * 1.0), list(after * 1.0), seed=seed))
    assert 0.915 <= np.mean([f.low <= up - down <= f.high for f in found]) <= 0.985


@given(st.integers(0, 12), st.integers(0, 12))
def test_the_p_value_of_changed_events_is_mcnemars_mid_p(up: int, down: int) -> None:
    n = 400
    before = [0.0] * up + [1.0] * down + [0.0] * (n - up - down)
    after = [1.0] * up + [0.0] * down + [0.0] * (n - up - down)
    found = paired_difference(before, after, resamples=20_000)
    few, both = min(up, down), up + down
    one_side = scipy.stats.binom.cdf(few, both, 0.5) - 0.5 * scipy.stats.binom.pmf(few, both, 0.5)
    assert found.p is not None
    assert found.p == pytest.approx(min(1, 2 * one_side), abs=0.025)
    assert (found.low > 0 or found.high < 0) == (found.p < 0.05) or found.p == pytest.approx(0.05, abs=0.01)


def test_holm_multiplies_the_smallest_most_and_never_turns_the_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.01]) == pytest.approx([0.5, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_of_twenty_comparisons_without_a_difference_holm_lets_few_tables_claim_one() -> None:
    random = np.random.default_rng(3)
    tables = random.random((2000, 20))
    claimed = np.mean([min(holm(list(table))) < 0.05 for table in tables])
    assert 0.03 < claimed < 0.07


def test_a_paired_difference_sees_what_unpaired_scores_hide() -> None:
    random = np.random.default_rng(2)
    before = list(random.random(300))
    after = [score - 0.03 + 0.02 * random.standard_normal() for score in before]
    paired = paired_difference(before, after)
    assert paired.high < 0
    assert interval(before).low < interval(after).high  # the two intervals overlap
    back = paired_difference(after, before)
    assert back.value == pytest.approx(-paired.value)


def test_rounds_that_do_not_differ_are_told_apart_about_5_times_in_100() -> None:
    random = np.random.default_rng(5)
    pairs = (random.random((2, 120)) for _ in range(400))
    found = [paired_difference(list(a), list(b), seed=i, resamples=1000) for i, (a, b) in enumerate(pairs)]
    assert np.mean([f.low > 0 or f.high < 0 for f in found]) < 0.09


def test_a_difference_is_said_in_plain_words() -> None:
    def said(value: float, low: float, high: float) -> str:
        found = Interval(value=value, low=low, high=high, n=400)
        return difference_sentence(found, less="less toxic", more="more toxic")

    assert said(-0.031, -0.052, -0.011) == (
        "less toxic than base: -0.031, 95 % between -0.052 and -0.011, 400 prompts"
    )
    assert said(0.02, 0.001, 0.03).startswith("more toxic than base: +0.020")
    assert said(-0.01, -0.03, 0.01) == (
        "no difference can be seen with 400 prompts; about 1,600 would show one this small"
    )
    assert said(0, 0, 0) == "no difference can be seen with 400 prompts"


@given(st.floats(-0.5, 0.5).filter(lambda value: abs(value) > 1e-6), st.floats(0, 0.3), st.integers(1, 5000))
def test_more_prompts_are_needed_than_there_were(value: float, extra: float, n: int) -> None:
    half = abs(value) + extra
    needed = prompts_needed(Interval(value=value, low=value - half, high=value + half, n=n))
    assert needed is not None
    assert needed > n


@pytest.mark.parametrize(("scores", "groups"), [([], None), ([float("nan")], None), ([1.0, 0.0], ["a"])])
def test_what_cannot_be_averaged_is_refused(scores: list[float], groups: list[str] | None) -> None:
    with pytest.raises(DataError):
        interval(scores, groups=groups)


def test_unpaired_rounds_are_refused() -> None:
    with pytest.raises(DataError, match="same prompts"):
        paired_difference([0.1], [0.1, 0.2])


def test_a_thousand_resamples_of_two_thousand_prompts_take_less_than_a_second() -> None:
    scores = list(np.random.default_rng(0).random(2000))
    started = time.perf_counter()
    interval(scores, groups=[str(i % 18) for i in range(2000)])
    assert time.perf_counter() - started < 1
