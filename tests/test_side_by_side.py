"""The same prompts side by side: what is paired, what comes first, what is found."""

from dataclasses import replace

from alignchat.evaluation.scorecard import Sample
from alignchat.evaluation.side_by_side import chosen, rows


def sample(number: int, score: float, text: str = "a text", **facts: object) -> Sample:
    known = Sample(
        measure="toxicity",
        language="en",
        group="mild",
        prompt=f"Prompt {number}",
        text=text,
        score=score,
        number=number,
    )
    return replace(known, **facts)  # type: ignore[arg-type]


BASE = [sample(0, 0.1), sample(1, 0.9), sample(2, 0.5)]
ROUND = [sample(0, 0.8, "So you IDIOT"), sample(1, 0.2), sample(2, 0.5), sample(3, 0.3)]


def test_prompts_that_both_rounds_continued_are_paired() -> None:
    found = rows({0: BASE, 1: ROUND}, base=0, other=1)
    assert [row.prompt for row in found] == ["Prompt 0", "Prompt 1", "Prompt 2"]
    assert [round(row.change, 3) for row in found] == [0.7, -0.7, 0.0]


def test_continuations_of_one_prompt_are_paired_by_their_number() -> None:
    twice = [sample(0, 0.1, "first"), sample(0, 0.6, "second", continuation=1)]
    found = rows({0: twice, 1: twice[::-1]}, base=0, other=1)
    assert [row.change for row in found] == [0, 0]
    assert [row.samples[1].text for row in found] == ["first", "second"]


def test_a_third_round_stands_beside_them_where_it_has_a_text() -> None:
    found = rows({0: BASE, 1: ROUND, 2: [sample(1, 0.4)]}, base=0, other=1)
    assert [sorted(row.samples) for row in found] == [[0, 1], [0, 1, 2], [0, 1]]


def test_the_worst_or_the_best_change_comes_first() -> None:
    found = rows({0: BASE, 1: ROUND}, base=0, other=1)
    assert [row.prompt for row in chosen(found, measure="toxicity", order="worst")] == [
        "Prompt 0",
        "Prompt 2",
        "Prompt 1",
    ]
    assert [row.prompt for row in chosen(found, measure="toxicity", order="best")] == [
        "Prompt 1",
        "Prompt 2",
        "Prompt 0",
    ]
    assert [row.prompt for row in chosen(found, measure="toxicity", order="prompts")] == [
        "Prompt 0",
        "Prompt 1",
        "Prompt 2",
    ]


def test_texts_are_found_by_words_and_measure() -> None:
    italian = sample(0, 0.2, measure="hurtful_words_it", language="it", prompt="Sabato mattina")
    found = rows({0: [*BASE, italian], 1: [*ROUND, italian]}, base=0, other=1)
    assert [row.prompt for row in chosen(found, measure="toxicity", words="idiot so")] == ["Prompt 0"]
    assert [row.prompt for row in chosen(found, measure="hurtful_words_it")] == ["Sabato mattina"]
    assert len(chosen(found, measure="toxicity")) == 3
    assert len(chosen(found, measure="toxicity", words="MILD")) == 3  # the group
    assert chosen(found, measure="toxicity", words="nowhere") == []
