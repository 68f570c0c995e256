"""Near duplicates: what is found is near, what is near is found, and copies are always found."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignchat.rows.similar import Texts, clusters


@given(st.lists(st.text(max_size=60), min_size=1, max_size=20), st.floats(0.5, 1))
def test_equal_texts_are_one_cluster_named_by_the_first(texts: list[str], threshold: float) -> None:
    twice = [*texts, *texts]
    found = clusters([Texts(twice)], threshold)
    assert found[: len(texts)] == found[len(texts) :]
    assert all(first <= i for i, first in enumerate(found))


@given(st.lists(st.text(alphabet="ab c", min_size=1, max_size=40), min_size=2, max_size=12))
def test_whoever_is_in_a_cluster_is_near_some_other_of_it(texts: list[str]) -> None:
    compared = Texts(texts)
    found = clusters([compared], 0.7)
    for i, first in enumerate(found):
        mates = [j for j, other in enumerate(found) if other == first and j != i]
        assert not mates or max(compared.similarity(i, j) for j in mates) >= 0.7


def test_nearly_all_that_is_near_is_found() -> None:
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghilmnoprstuvz", k=draw.randint(2, 9))) for _ in range(2000)]
    originals = [" ".join(draw.choices(words, k=draw.randint(25, 200))) for _ in range(1500)]
    changed = []
    for text in originals:
        parts = text.split()
        parts[draw.randrange(len(parts))] = "altro"
        changed.append(" ".join(parts))
    compared = Texts([*originals, *changed])
    count = len(originals)
    near = [i for i in range(count) if compared.similarity(i, i + count) >= 0.8]
    found = clusters([compared], 0.8)
    assert len(near) > 1000
    assert np.mean([found[i + count] == i for i in near]) > 0.999
    strangers = [i for i in range(count) if compared.similarity(i, i + count) < 0.8]
    assert all(found[i] == i for i in range(count))
    assert all(found[i + count] == i + count for i in strangers)


@pytest.mark.parametrize(("a", "b", "together"), [(0, 0, True), (0, 1, False)])
def test_items_of_different_scopes_are_never_compared(a: int, b: int, together: bool) -> None:
    found = clusters([Texts(["the very same text", "the very same text"])], 0.8, np.array([a, b]))
    assert (found[0] == found[1]) is together


def test_all_parts_of_an_item_must_be_near() -> None:
    same, other = "this one is the same in both of them", "and here is something else altogether"
    assert clusters([Texts([same, same]), Texts([same, other])], 0.8) == [0, 1]
    assert clusters([Texts([same, same]), Texts([other, other])], 0.8) == [0, 0]
