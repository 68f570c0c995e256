"""The same prompts continued by several rounds, text beside text. Knows no model, no file and no screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from alignchat.evaluation.scorecard import Sample

Order = Literal["worst", "best", "prompts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A prompt with one text a round, each with its score, and how far one score is from another's."""

    prompt: str
    samples: Mapping[int, Sample]
    change: float


def rows(samples: Mapping[int, Sequence[Sample]], *, base: int, other: int) -> list[Row]:
    """Return every prompt that both rounds continued for one measure, in the order of the prompts.

    Continuations are paired by their number, which is also their seed's. `change` is the score of `other`
    minus that of `base`: above zero, it got worse. Rounds without a text of a prompt are left out there.
    """
    by_place = {
        number: {(s.measure, s.number, s.continuation, s.prompt): s for s in found}
        for number, found in samples.items()
    }
    return [
        Row(
            prompt=sample.prompt,
            samples={number: found[place] for number, found in by_place.items() if place in found},
            change=by_place[other][place].score - sample.score,
        )
        for place, sample in by_place[base].items()
        if place in by_place[other]
    ]


def chosen(
    found: Sequence[Row],
    *,
    measure: str,
    order: Order = "worst",
    words: str = "",
) -> list[Row]:
    """Return the rows of a measure that have these words: in prompt, text, group or category.

    "worst" puts first what got worse most, "best" what got better most; what moved alike keeps its order.
    """
    wanted = words.casefold().split()

    def has_words(row: Row) -> bool:
        parts = [(s.text, s.group, s.word, s.category) for s in row.samples.values()]
        text = " ".join((row.prompt, *(part for found in parts for part in found))).casefold()
        return all(word in text for word in wanted)

    kept = [
        row
        for row in found
        if (sample := next(iter(row.samples.values()))) and sample.measure == measure and has_words(row)
    ]
    if order == "prompts":
        return kept
    return sorted(kept, key=lambda row: row.change, reverse=order == "worst")
