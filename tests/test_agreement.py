"""Krippendorff's alpha: the worked examples of its author, and his coincidence matrix."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignchat.judging.agreement import nominal_alpha

# Krippendorff: Computing Krippendorff's Alpha-Reliability, 2011, sections A, B and C.
BINARY = ["0100000010", "1110010000"]
NOMINAL = ["aabbdcccedda", "babbbccceddd"]
MISSING = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]


def units(observers: list[str]) -> list[list[str]]:
    return [[label for label in unit if label != "."] for unit in zip(*observers, strict=True)]


def by_coincidences(items: list[list[str]]) -> float:
    """Return 1 - D_o / D_e of the coincidence matrix o_ck = sum over units of pairs (c, k) / (m_u - 1)."""
    labels = sorted({label for item in items for label in item})
    matrix = np.zeros((len(labels), len(labels)))
    for item in items:
        for one, other in permutations(item, 2):
            matrix[labels.index(one), labels.index(other)] += 1 / (len(item) - 1)
    totals, n = matrix.sum(axis=0), matrix.sum()
    observed = n - np.trace(matrix)
    expected = (n**2 - (totals**2).sum()) / (n - 1)
    return float(1 - observed / expected)


@pytest.mark.parametrize(("observers", "alpha"), [(BINARY, 0.095), (NOMINAL, 0.692), (MISSING, 0.743)])
def test_alpha_is_that_of_the_published_examples(observers: list[str], alpha: float) -> None:
    assert nominal_alpha(units(observers)).alpha == pytest.approx(alpha, abs=5e-4)


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=5), max_size=20))
def test_alpha_is_that_of_the_coincidence_matrix(items: list[list[str]]) -> None:
    paired = [item for item in items if len(item) > 1]
    found = nominal_alpha(items)
    assert (found.items, found.labels) == (len(paired), sum(map(len, paired)))
    if len({label for item in paired for label in item}) < 2:
        assert found.alpha is None
    else:
        assert found.alpha == pytest.approx(by_coincidences(paired), abs=1e-6)


def test_full_agreement_is_one_and_labels_that_never_vary_say_nothing() -> None:
    assert nominal_alpha([["a", "a"], ["b", "b"]]).alpha == 1
    assert nominal_alpha([["a", "a"], ["a", "a"]]).alpha is None
    assert nominal_alpha([]).alpha is None
