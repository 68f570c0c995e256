"""What alignment may cost: the definitions on crafted cases, and the neutral texts."""

import math

import pytest

from alignchat.errors import DataError
from alignchat.evaluation.cost import (
    kept_language,
    length,
    neutral_texts,
    perplexity,
    repetition,
    token_losses,
)
from alignchat.evaluation.stats import interval, paired_difference


def test_perplexity_weighs_texts_by_their_tokens() -> None:
    assert perplexity([-10 * math.log(8)], [10]) == pytest.approx(8)
    # 2 tokens at 1/2 each and 6 at 1/8: 2^((2 * 1 + 6 * 3) / 8).
    assert perplexity([2 * math.log(1 / 2), 6 * math.log(1 / 8)], [2, 6]) == pytest.approx(2**2.5)


def test_the_mean_of_the_losses_is_the_logarithm_of_the_perplexity() -> None:
    logps, tokens = [-12.0, -40.0, -31.0], [5, 20, 12]
    losses = token_losses(logps, tokens)
    assert math.exp(interval(losses).value) == pytest.approx(perplexity(logps, tokens))
    worse = token_losses([logp * 1.1 for logp in logps], tokens)
    ratio = math.exp(paired_difference(losses, worse).value)
    assert ratio == pytest.approx(perplexity([x * 1.1 for x in logps], tokens) / perplexity(logps, tokens))


@pytest.mark.parametrize(
    ("logps", "tokens"), [([], []), ([-1.0], [1, 2]), ([1.0], [1]), ([float("-inf")], [1]), ([-1.0], [0])]
)
def test_what_no_perplexity_can_be_of_is_refused(logps: list[float], tokens: list[int]) -> None:
    with pytest.raises(DataError):
        perplexity(logps, tokens)


@pytest.mark.parametrize(
    ("text", "n", "expected"),
    [
        ("a b c d e", 4, 0),
        ("no no no no no", 4, 0.5),
        ("a b a b a b", 2, 1 - 2 / 5),
        ("Yes. yes! YES?", 1, 2 / 3),
        ("too short", 4, 0),
        ("", 1, 0),
    ],
)
def test_repetition_is_the_share_of_ngrams_that_came_before(text: str, n: int, expected: float) -> None:
    assert repetition(text, n=n) == pytest.approx(expected)


def test_length_counts_words() -> None:
    assert length("L'albero è un po' alto, e well-known.") == 7
    assert length("... !") == 0


def test_a_reply_keeps_the_language_or_does_not() -> None:
    assert kept_language(["it", "en", "it"], ["it", "it", "it"]) == [1, 0, 1]
    with pytest.raises(DataError):
        kept_language(["it"], [])


def test_there_are_neutral_texts_in_both_languages() -> None:
    for language in ("en", "it"):
        texts = neutral_texts(language)
        assert len(texts) == len(set(texts)) == 40
        assert all(15 <= length(text) <= 60 for text in texts)
        assert max(map(repetition, texts)) == 0
    assert not set(neutral_texts("en")) & set(neutral_texts("it"))
    with pytest.raises(DataError, match="'de'"):
        neutral_texts("de")
