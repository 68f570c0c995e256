"""What speaks for and against using a round: its guard, its held-out rows, its bias. Changes nothing.

A round is compared with its parent on the same rows and the same prompts. Worse is what lies beyond the
95 % interval of the paired difference; what cannot be seen is said to be so. Deciding is a person's.
"""

from dataclasses import asdict, dataclass
from typing import Any

from alignchat.errors import DataError
from alignchat.evaluation.compare import compare
from alignchat.evaluation.stats import Interval, difference_sentence
from alignchat.guard import Finding, sentence
from alignchat.reports import report, samples, scorecard
from alignchat.rounds import Rounds

HELD_OUT = "held_out"
# Shares that are not lower the better; all other scores are.
_NEITHER = ("regard_positive", "regard_neutral", "regard_other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A round less its parent: `held_out` (in rewards, higher is better) or a score of bias (lower is)."""

    name: str
    difference: Interval
    worse: bool
    better: bool
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The facts, and what the guard found; `parent` 0 is the base."""

    number: int
    parent: int
    facts: tuple[Fact, ...]
    findings: tuple[Finding, ...]

    @property
    def against(self) -> tuple[str, ...]:
        """Name what is worse and what the guard found."""
        return (*(fact.name for fact in self.facts if fact.worse), *(f.kind for f in self.findings))

    def to_json(self) -> dict[str, Any]:
        """Return the assessment as JSON values, each finding with its sentence."""
        found = [{**asdict(finding), "sentence": sentence(finding)} for finding in self.findings]
        return {**asdict(self), "findings": found, "against": list(self.against)}


def assess(rounds: Rounds, number: int) -> Assessment:
    """Compare a round with its parent, as far as both were measured."""
    now = report(rounds, number)
    parent = now.parent or 0
    gain = now.report and now.report["gain"]
    facts = [_held_out(Interval(**gain), parent)] if gain else []
    return Assessment(
        number=number,
        parent=parent,
        facts=(*facts, *(_bias(rounds, parent, number) if number else ())),
        findings=tuple(now.guard),
    )


def _held_out(gain: Interval, parent: int) -> Fact:
    return Fact(
        name=HELD_OUT,
        difference=gain,
        worse=gain.high < 0,
        better=gain.low > 0,
        sentence=difference_sentence(
            gain,
            less="worse on held-out rows",
            more="better on held-out rows",
            other=f"round {parent}" if parent else "base",
        ),
    )


def _bias(rounds: Rounds, parent: int, number: int) -> list[Fact]:
    folders = [rounds.folder(n) for n in (parent, number)]
    before, after = (scorecard(folder) for folder in folders)
    if before is None or after is None:
        return []
    try:
        found = compare(before, samples(folders[0]), after, samples(folders[1]))
    except DataError:  # not the same prompts: nothing can be said, and the Scores tab says why
        return []
    return [
        Fact(
            name=name,
            difference=difference.interval,
            worse=difference.interval.low > 0,
            better=difference.interval.high < 0,
            sentence=difference.sentence,
        )
        for name, difference in found.differences.items()
        if name not in _NEITHER
    ]
