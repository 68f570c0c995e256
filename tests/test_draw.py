"""Drawing tokens: against brute force, and against the frequencies it promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alignchat.draw import draw, largest, random_for
from alignchat.engine import Sampling
from alignchat.errors import ModelError

Logits = np.ndarray
some_logits = arrays(np.float32, st.integers(1, 300), elements=st.floats(-20, 20, width=32))


def frequencies(logits: Logits, sampling: Sampling) -> Logits:
    """Say how often each token should come, by ordering them all."""
    order = np.argsort(-logits, kind="stable")[: sampling.top_k or len(logits)]
    odds = np.exp(logits[order].astype(float) - logits.max())
    before = odds.cumsum() - odds
    kept = order[before < sampling.top_p * odds.sum() * (1 + 1e-5)]
    weights = np.zeros(len(logits))
    weights[kept] = np.exp((logits[kept].astype(float) - logits.max()) / sampling.temperature)
    return weights / weights.sum()


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=1.0, top_p=1.0, top_k=0),
        Sampling(temperature=1.0, top_p=0.9, top_k=0),
        Sampling(temperature=1.7, top_p=0.6, top_k=0),
        Sampling(temperature=0.5, top_p=0.95, top_k=40),
        Sampling(temperature=1.0, top_p=1.0, top_k=7),
    ],
)
def test_tokens_come_as_often_as_their_probabilities_say(sampling: Sampling) -> None:
    logits = np.random.default_rng(3).normal(0, 2, 1000).astype(np.float32)
    expected = frequencies(logits, sampling)
    random, draws = random_for(0), 20_000
    counts = np.bincount([draw(logits, sampling, random) for _ in range(draws)], minlength=1000)
    assert counts[expected == 0].sum() == 0
    common = expected * draws >= 5
    squares = (counts[common] - expected[common] * draws) ** 2 / (expected[common] * draws)
    assert squares.sum() < common.sum() + 5 * (2 * common.sum()) ** 0.5


@given(some_logits, st.integers(0, 50), st.floats(0.05, 1), st.floats(0.1, 2), st.integers())
def test_nothing_outside_the_nucleus_is_drawn(
    logits: Logits, top_k: int, top_p: float, temperature: float, seed: int
) -> None:
    sampling = Sampling(temperature=temperature, top_p=top_p, top_k=top_k)
    token = draw(logits, sampling, random_for(seed))
    # A token that ties with the last one inside is as good as that one.
    assert logits[token] >= logits[frequencies(logits, sampling) > 0].min()


@given(some_logits, st.integers(1, 300))
def test_the_largest_are_those_that_ordering_all_finds(logits: Logits, count: int) -> None:
    assert list(largest(logits, count)) == list(np.argsort(-logits, kind="stable")[:count])


@given(some_logits)
def test_temperature_zero_takes_the_likeliest(logits: Logits) -> None:
    assert draw(logits, Sampling(temperature=0), random_for(0)) == logits.argmax()


@pytest.mark.parametrize("seed", [-1, 0, 2**32 - 1, 2**64 + 5])
def test_any_whole_number_is_a_seed_and_gives_the_same_draws_again(seed: int) -> None:
    logits = np.zeros(500, np.float32)
    first, second = ([draw(logits, Sampling(top_k=0), random_for(seed)) for _ in range(2)] for _ in "ab")
    assert first == second


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_model_whose_output_is_no_number_is_reported(value: float) -> None:
    with pytest.raises(ModelError, match="damaged"):
        draw(np.full(100, value, np.float32), Sampling(), random_for(0))
