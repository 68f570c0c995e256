"""Two rounds' scores side by side, paired prompt by prompt. Knows no model, no file and no screen.

Only what was made alike is compared: the same scorer, prompts, number of continuations and sampling. With
other seeds it is the same prompts with other samples, which chance has moved too, as the intervals allow
for: it is compared, and said. What is shown together is corrected together, after Holm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from alignchat.errors import DataError
from alignchat.evaluation import stats, summaries
from alignchat.evaluation.scorecard import Sample, Scorecard
from alignchat.evaluation.stats import Interval
from alignchat.evaluation.summaries import Quantity, Texts

# What sampling and the model's weights decide; scorers and prompt sets are told apart score by score.
SAMPLING = ("max_tokens", "temperature", "top_p", "batch_size", "weights")

_WORDS = {
    "perplexity": ("lower logarithm of perplexity", "higher logarithm of perplexity"),
    "reply_length": ("shorter replies", "longer replies"),
    "repetition": ("less repetitive", "more repetitive"),
    "kept_language": ("less often in the prompt's language", "more often in the prompt's language"),
    "known_text": ("less known by heart", "more known by heart"),
    "training": ("less of its training rows by heart", "more of its training rows by heart"),
    "hurtful_words": ("fewer hurtful words", "more hurtful words"),
    "regard_": ("less {0} regard", "more {0} regard"),
    "regard": ("less negative regard", "more negative regard"),
    "honest": ("less hurtful", "more hurtful"),
    "": ("less toxic", "more toxic"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a score changed from one round to another: the later minus the earlier, with its sentence.

    `p` is that of no difference, `p_holm` the same corrected for all differences shown together.
    """

    interval: Interval
    p_holm: float
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Return the difference as JSON values."""
        return {**asdict(self.interval), "p_holm": self.p_holm, "sentence": self.sentence}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The differences between two rounds by score, and for what cannot be compared the reason."""

    rounds: tuple[int, int]
    differences: Mapping[str, Difference]
    not_compared: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        return {
            "rounds": list(self.rounds),
            "differences": {name: found.to_json() for name, found in self.differences.items()},
            "not_compared": dict(self.not_compared),
        }


def compare(
    before: Scorecard, earlier: Texts, after: Scorecard, later: Texts, *, seed: int = 0
) -> Comparison:
    """Compare two rounds of one model by their cards and samples; "better" is below zero where less is."""
    refused: dict[str, str] = {}
    intervals: dict[str, Interval] = {}
    for name in dict.fromkeys((*before.scores, *after.scores)):
        # One text's score is no average, and what a round learned is known to its own card only.
        if name.startswith(("max_", "training_")):
            continue
        if reason := _reason(name, before, after):
            refused[name] = reason
    for task in dict.fromkeys(sample.measure for sample in later):
        ours, theirs = ([s for s in samples if s.measure == task] for samples in (earlier, later))
        known = [name for name in after.scores if name in before.scores and name not in refused]
        intervals |= paired(task, ours, theirs, names=known, seed=seed)
    learned, without = ([s for s in later if s.measure == f"training{end}"] for end in ("", "_base"))
    if before.round == 0:
        intervals |= paired("training", without, learned, seed=seed)
    corrected = stats.holm([found.p or 0.0 for found in intervals.values()])
    other = "base" if before.round == 0 else f"round {before.round}"
    seeds = [card.settings.get("seed") for card in (before, after)]
    samples = "; other samples (seeds {} and {})".format(*seeds) if seeds[0] != seeds[1] else ""
    differences = {
        name: Difference(interval=found, p_holm=p, sentence=sentence(name, found, p, other) + samples)
        for (name, found), p in zip(intervals.items(), corrected, strict=True)
    }
    return Comparison(rounds=(before.round, after.round), differences=differences, not_compared=refused)


def paired(
    task: str, before: Texts, after: Texts, *, names: Sequence[str] | None = None, seed: int = 0
) -> dict[str, Interval]:
    """Return the paired difference of each score of a task's samples, the later minus the earlier.

    Raises DataError if the samples are not of the same prompts, with the same number of continuations.
    """
    if not before or not after:
        return {}
    rows, others = summaries.by_prompt(before), summaries.by_prompt(after)
    wanted = [
        quantity
        for quantity in summaries.quantities(task, len(rows[0]), list(before[0].labels))
        if names is None or quantity.name in names
    ]
    if wanted and [_asked(row) for row in rows] != [_asked(row) for row in others]:
        raise DataError("The two rounds did not continue the same prompts: score one of them again.")
    strata = summaries.strata_of(rows)
    return {quantity.name: _paired(quantity, rows, others, strata, seed) for quantity in wanted}


def _paired(
    quantity: Quantity, rows: Sequence[Texts], others: Sequence[Texts], strata: Sequence[str], seed: int
) -> Interval:
    return stats.paired_difference(
        [quantity.of_prompt(row) for row in rows],
        [quantity.of_prompt(row) for row in others],
        groups=strata if quantity.even else None,
        seed=seed,
    )


def _asked(row: Sequence[Sample]) -> tuple[str, str, int]:
    return row[0].language, row[0].prompt, len(row)


def _reason(name: str, before: Scorecard, after: Scorecard) -> str | None:
    """Say why two rounds' scores cannot be compared, if so."""
    for card in (before, after):
        if name not in card.scores:
            return f"Round {card.round} was not scored for it."
    one, two = before.scores[name], after.scores[name]
    if one.made_by != two.made_by:
        return f"Made differently: {one.title}; and {two.title}."
    for key in SAMPLING:
        if before.settings.get(key) != after.settings.get(key):
            return f"Made differently: {key} {before.settings.get(key)} and {after.settings.get(key)}."
    return None


def sentence(name: str, found: Interval, p_holm: float, other: str) -> str:
    """Say a difference in words, and so if Holm's correction leaves it to chance."""
    start = next(start for start in _WORDS if name.startswith(start))
    less, more = (words.format(name.removeprefix("regard_")) for words in _WORDS[start])
    said = stats.difference_sentence(found, less=less, more=more, other=other)
    if (found.low > 0 or found.high < 0) and p_holm > 1 - stats.LEVEL:
        said += f"; chance may have made it among so many scores (p = {p_holm:.2f} after Holm)"
    return said
