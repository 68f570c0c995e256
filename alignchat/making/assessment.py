"""What speaks for and against using a round: its guard, its held-out rows, its bias. Changes nothing.

A round is compared with its parent on the same rows and the same prompts. Worse is what lies beyond the
95 % interval of the paired difference; what cannot be seen is said to be so. Deciding is a person's.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from alignchat.errors import DataError, RoundError
from alignchat.evaluation.compare import Comparison, compare
from alignchat.evaluation.stats import Interval, difference_sentence
from alignchat.making.guard import Finding, sentence
from alignchat.making.reports import report, samples, scorecard
from alignchat.rounds import SAMPLES_FILE, SCORECARD_FILE, Rounds

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
    """Compare a round with its parent, as far as both were measured; raise RoundError if it is damaged."""
    now = report(rounds, number)
    if now.status == "damaged":
        raise RoundError(now.error)
    parent = now.parent or 0
    gain = now.report and now.report["gain"]
    facts = [_held_out(Interval(**gain), parent)] if gain else []
    return Assessment(
        number=number,
        parent=parent,
        facts=(*facts, *(_bias(rounds, parent, number) if number else ())),
        findings=tuple(now.guard),
    )


def compared(before: Path, after: Path) -> Comparison | None:
    """Compare two rounds by their folders, `after` minus `before`; None if one is not scored.

    A page asks at each refresh, and hundreds of prompts take a tenth of a second and more, so the answer is
    kept until one of them is scored again. Raise DataError as `compare` does.
    """
    return _compared(before, after, _scored(before), _scored(after))


@lru_cache(maxsize=64)
def _compared(before: Path, after: Path, *_: object) -> Comparison | None:
    cards = scorecard(before), scorecard(after)
    if cards[0] is None or cards[1] is None:
        return None
    return compare(cards[0], samples(before), cards[1], samples(after))


def _scored(folder: Path) -> tuple[tuple[int, ...], ...]:
    """Return what tells a round's scores from earlier ones: its files are replaced, never changed."""
    found = [path.stat() for name in (SCORECARD_FILE, SAMPLES_FILE) if (path := folder / name).exists()]
    return tuple((file.st_ino, file.st_size, file.st_mtime_ns) for file in found)


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
    try:
        found = compared(rounds.folder(parent), rounds.folder(number))
    except DataError:  # not the same prompts: nothing can be said, and the Scores tab says why
        return []
    if found is None:
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
