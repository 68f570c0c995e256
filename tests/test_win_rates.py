"""Win rates: what they count, their mirror, and Bradley-Terry against its published formulas."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alignchat.judging.win_rates import ENOUGH, Outcome, Vote, against, duel, strengths

Floats = NDArray[np.float64]
SWAPPED: dict[Outcome, Outcome] = {"first": "second", "second": "first", "tie": "tie", "both_bad": "both_bad"}
OUTCOMES = st.lists(st.sampled_from(sorted(SWAPPED)), min_size=1, max_size=80)

# Agresti: Categorical Data Analysis, 2nd edition, 2002, table 10.10: baseball games of 1987, and the fit
# in section 10.6.1, with Baltimore's log strength at 0.
BASEBALL = np.array(
    [
        [0, 7, 9, 7, 7, 9, 11],
        [6, 0, 7, 5, 11, 9, 9],
        [4, 6, 0, 7, 7, 8, 12],
        [6, 8, 6, 0, 6, 7, 10],
        [6, 2, 6, 7, 0, 7, 12],
        [4, 4, 5, 6, 6, 0, 6],
        [2, 4, 1, 3, 1, 7, 0],
    ],
    dtype=float,
)
PUBLISHED = [1.581, 1.436, 1.294, 1.248, 1.108, 0.684, 0.0]


def votes(outcomes: Sequence[Outcome], first: str = "a", second: str = "b") -> list[Vote[str]]:
    return [Vote(first, second, outcome) for outcome in outcomes]


def times(wins: int, losses: int, ties: int = 0) -> list[Vote[str]]:
    return votes(["first"] * wins + ["second"] * losses + ["tie"] * ties)


def maximum_likelihood(wins: Floats) -> Floats:
    """Maximise sum of w_ij (t_i - log(e^t_i + e^t_j)) by Newton's method, the last t at 0."""
    theta, games = np.zeros(len(wins)), wins + wins.T
    for _ in range(100):
        share = 1 / (1 + np.exp(theta[None, :] - theta[:, None]))
        gradient = (wins - games * share).sum(axis=1)
        information = np.diag((games * share * (1 - share)).sum(axis=1)) - games * share * (1 - share)
        theta[:-1] += np.linalg.solve(information[:-1, :-1], gradient[:-1])
    return theta


@given(OUTCOMES)
def test_swapping_the_two_mirrors_the_rate_and_its_interval_exactly(outcomes: list[Outcome]) -> None:
    one, other = (duel(*pair, votes(outcomes)) for pair in (("a", "b"), ("b", "a")))
    relabelled = duel("a", "b", votes(outcomes, first="b", second="a"))
    assert (one.wins, one.ties, one.losses) == (other.losses, other.ties, other.wins)
    if one.rate and other.rate:
        assert other.rate == one.rate.mirrored() == relabelled.rate
        assert one.rate == other.rate.mirrored()
        assert one.rate.value + other.rate.value == 1


@given(OUTCOMES)
def test_swapping_the_sides_changes_nothing(outcomes: list[Outcome]) -> None:
    sides = votes([SWAPPED[outcome] for outcome in outcomes], first="b", second="a")
    assert duel("a", "b", sides) == duel("a", "b", votes(outcomes))


@given(OUTCOMES)
def test_the_rate_counts_ties_half_and_lies_in_its_interval(outcomes: list[Outcome]) -> None:
    found = duel("a", "b", votes(outcomes))
    assert found.n + found.both_bad == len(outcomes)
    if found.rate is None:
        assert found.n == 0
        return
    assert found.rate.value == pytest.approx((found.wins + found.ties / 2) / found.n, abs=1e-12)
    assert 0 <= found.rate.low <= found.rate.value <= found.rate.high <= 1


def test_votes_about_others_are_left_out() -> None:
    assert duel("a", "b", [*times(3, 1), Vote("a", "c", "second")]).n == 4


@pytest.mark.parametrize("outcome", ["first", "second", "tie"])
def test_votes_that_are_all_alike_are_no_certainty(outcome: Outcome) -> None:
    rate = duel("a", "b", votes([outcome] * 5)).rate
    assert rate is not None
    assert rate.high - rate.low == pytest.approx(1 - 0.05 ** (1 / 5), abs=1e-9)


def test_a_handful_of_votes_decides_nothing_and_says_how_many_would() -> None:
    few = duel("a", "b", times(8, 0))
    assert (few.decided, few.needed) == (False, ENOUGH - 8)
    assert duel("a", "b", []).needed == 97
    assert duel("a", "b", times(30, 10)).decided
    assert duel("a", "b", times(30, 10)).needed == 0
    assert duel("a", "b", times(22, 18)).needed == 345
    assert duel("a", "b", times(20, 20)).needed is None


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(1)
    for truth in (0.5, 0.7):
        held = 0
        for trial in range(200):
            drawn = random.random(60) < truth
            rate = duel("a", "b", times(int(drawn.sum()), int((~drawn).sum())), seed=trial).rate
            assert rate is not None
            held += rate.low <= truth <= rate.high
        assert held >= 180


def test_bradley_terry_agrees_with_a_published_fit() -> None:
    fitted = strengths(BASEBALL)
    assert fitted is not None
    assert np.log(fitted / fitted[-1]) == pytest.approx(PUBLISHED, abs=5e-4)


@given(st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_bradley_terry_maximises_the_likelihood(players: int, seed: int) -> None:
    wins = np.random.default_rng(seed).integers(1, 30, (players, players)) / 2
    np.fill_diagonal(wins, 0)
    fitted = strengths(wins)
    assert fitted is not None
    assert np.log(fitted / fitted[-1]) == pytest.approx(maximum_likelihood(wins), abs=1e-6)


def test_without_a_way_of_wins_from_each_to_each_there_are_no_strengths() -> None:
    assert strengths(np.array([[0.0, 5], [0, 0]])) is None
    apart = np.zeros((4, 4))
    apart[0, 1] = apart[1, 0] = apart[2, 3] = apart[3, 2] = 3
    assert strengths(apart) is None
    assert strengths(np.array([[0.0, 5, 0], [0, 0, 5], [5, 0, 0]])) is not None


def test_what_a_player_would_win_uses_votes_among_others_too() -> None:
    chain = [*times(30, 10), *votes(["first"] * 30 + ["second"] * 10, "b", "c")]
    shares = against(["a", "b", "c"], "c", chain)
    assert shares is not None
    # Odds of 3 to 1 twice are 9 to 1, though a and c never met.
    assert shares["a"].value == pytest.approx(0.9, abs=1e-6)
    assert shares["a"].low < shares["a"].value < shares["a"].high < 1
    assert shares["b"].value == pytest.approx(0.75, abs=1e-6)
    assert against(["a", "b", "c"], "c", times(3, 1)) is None


def test_of_two_players_bradley_terry_gives_the_share_of_wins() -> None:
    shares = against(["a", "b"], "b", times(7, 2, ties=1))
    assert shares is not None
    assert shares["a"].value == pytest.approx(0.75, abs=1e-9)
