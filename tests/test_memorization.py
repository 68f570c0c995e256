"""What is found again word for word, against a slow and plain search."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignchat.errors import DataError
from alignchat.evaluation.memorization import Copied, copied, memorization_summary

DANTE = (
    "Nel mezzo del cammin di nostra vita\nmi ritrovai per una selva oscura,\nché la diritta via era smarrita."
)
WORDS = st.lists(st.sampled_from("abc"), max_size=12).map(" ".join)


def plainly(text: str, given_texts: list[str], n: int) -> tuple[int, int, int]:
    words, others = text.split(), [other.split() for other in given_texts]

    def somewhere(run: list[str]) -> bool:
        return any(run == o[i : i + len(run)] for o in others for i in range(len(o) - len(run) + 1))

    grams = [words[i : i + n] for i in range(len(words) - n + 1)]
    runs = [words[i:j] for i in range(len(words)) for j in range(i + 1, len(words) + 1)]
    return sum(map(somewhere, grams)), len(grams), max((len(r) for r in runs if somewhere(r)), default=0)


@given(st.lists(WORDS, max_size=4), st.lists(WORDS, min_size=1, max_size=4), st.integers(1, 4))
def test_ngrams_and_runs_are_those_that_a_plain_search_finds(
    generated: list[str], given_texts: list[str], n: int
) -> None:
    found = copied(generated, given_texts, n=n)
    assert [(f.found, f.ngrams, f.longest) for f in found] == [
        plainly(text, given_texts, n) for text in generated
    ]
    for result in found:
        if result.source is not None:
            assert f" {result.run} " in f" {given_texts[result.source]} "
        else:
            assert (result.longest, result.run) == (0, "")


def test_a_line_known_by_heart_is_found_with_where_it_stands() -> None:
    said = "Certo: nel mezzo del  cammin di nostra vita mi ritrovai per una selva verde."
    (found,) = copied([said], ["Another text.", DANTE])
    # "nel" is written differently; then eleven words are the same, over the end of a line.
    assert found.run == "mezzo del cammin di nostra vita mi ritrovai per una selva"
    assert (found.longest, found.source) == (11, 1)
    assert (found.found, found.ngrams) == (7, 12)
    assert found.share == pytest.approx(7 / 12)


def test_a_run_does_not_go_from_one_text_into_the_next() -> None:
    (found,) = copied(["a b c d"], ["a b", "c d"], n=3)
    assert (found.longest, found.found) == (2, 0)


def test_what_is_learnt_by_heart_scores_1_and_what_is_new_0() -> None:
    learnt = memorization_summary([DANTE], [DANTE])
    assert learnt == {"ngram_share": 1.0, "longest_run": 21.0, "mean_longest_run": 21.0}
    new = memorization_summary(["Nothing here is old at all.", ""], [DANTE])
    assert new == {"ngram_share": 0.0, "longest_run": 1.0, "mean_longest_run": 0.5}  # the full stop


def test_a_text_too_short_for_an_ngram_has_none() -> None:
    (found,) = copied(["via era"], [DANTE])
    assert found == Copied(found=0, ngrams=0, longest=2, run="via era", source=0)
    assert found.share == 0


@pytest.mark.parametrize(
    ("generated", "given_texts", "n"),
    [("text", ["a"], 5), (["a"], "text", 5), (["a"], [], 5), (["a"], ["a"], 0)],
)
def test_what_cannot_be_compared_is_refused(generated: list[str], given_texts: list[str], n: int) -> None:
    with pytest.raises(DataError):
        copied(generated, given_texts, n=n)
    with pytest.raises(DataError):
        memorization_summary([], ["a"])


def test_thousands_of_texts_take_a_second_or_two() -> None:
    random = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(5000)])
    texts = [" ".join(words[random.zipf(1.3, 60) % 5000]) for _ in range(6000)]
    started = time.perf_counter()
    found = copied(texts[:4000], texts[2000:])
    assert time.perf_counter() - started < 6
    assert all(result.share == 1 for result in found[2000:])
    assert np.mean([result.share for result in found[:2000]]) < 0.5
