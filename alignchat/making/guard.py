"""Watches a training for what ruins small models, step by step. Pure; knows no trainer and no file.

A finding either marks a round, which goes on, or stops it, with a checkpoint kept; each names the curve of
the training's chart that shows it. What is found once is not found again, so a round that is resumed after a
stop goes on: then it was a person's decision.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

Kind = Literal["loss", "logits", "chosen", "repetition"]

# A batch of four is noisy: what counts is the mean of the last five steps.
WINDOW = 5
# Of the loss at the reference, which is that of the first step; a healthy run's falls.
LOSS_MARK, LOSS_STOP = 1.5, 3.0
# Shift of the mean logit of the vocabulary, in logits.
LOGITS_MARK, LOGITS_STOP = 5.0, 15.0
# Share by which the chosen replies' log-probability fell under the reference's: 1 is twice as many nats.
CHOSEN_MARK, CHOSEN_STOP = 0.5, 2.0
# Share of four-word sequences of a reply that were there before, and how much more than the base's.
REPETITION_MARK, REPETITION_RISE, _WORDS = 0.3, 0.2, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that should not be: at which step, what was measured, from where on it counts."""

    kind: Kind
    step: int
    value: float
    limit: float
    stopped: bool
    curve: str


class Guard:
    """Sees the metrics of each step, by TRL's names.

    `beta` turns rewards back into nats; `known` are the kinds found before a resumption, with whether they
    stopped the round, and `earlier` the steps before it.
    """

    def __init__(
        self,
        *,
        beta: float | None,
        known: Collection[tuple[Kind, bool]] = (),
        earlier: Sequence[Mapping[str, float]] = (),
    ) -> None:
        self._beta = beta
        self._known = set(known)
        self._seen: list[Mapping[str, float]] = list(earlier)

    def see(self, step: Mapping[str, float]) -> list[Finding]:
        """Take in a step and return what is found for the first time."""
        self._seen.append(step)
        if len(self._seen) <= WINDOW:
            return []
        found = [finding for finding in (self._loss(), self._logits(), self._chosen()) if finding]
        new = [finding for finding in found if (finding.kind, finding.stopped) not in self._known]
        self._known |= {(finding.kind, finding.stopped) for finding in new}
        return new

    def _loss(self) -> Finding | None:
        first, last = self._means("loss")
        if not self._seen[0].get("rewards/chosen"):  # at the reference the loss is the same for every row
            first = self._seen[0].get("loss", math.nan)
        # ln 2 is the loss of a coin; far below it a loss that doubles need not mean harm.
        rise = last / max(first, math.log(2) / 2)
        return self._finding("loss", "loss", rise, LOSS_MARK, LOSS_STOP)

    def _logits(self) -> Finding | None:
        moved = {name: self._means(name) for name in ("logits/chosen", "logits/rejected")}
        shifts = {name: abs(last - first) for name, (first, last) in moved.items() if math.isfinite(last)}
        worst = max(shifts, key=lambda name: shifts[name], default=None)
        return (worst and self._finding("logits", worst, shifts[worst], LOGITS_MARK, LOGITS_STOP)) or None

    def _chosen(self) -> Finding | None:
        last = [step for step in self._seen[-WINDOW:] if {"logps/chosen", "rewards/chosen"} <= step.keys()]
        if not last or not self._beta:
            return None
        # A reward is beta times the rise over the reference. Without a reference (ORPO, CPO) it is beta times
        # the log-probability itself, and nothing can be said.
        rise = fmean(step["rewards/chosen"] / self._beta for step in last)
        reference = fmean(step["logps/chosen"] for step in last) - rise
        fall = -rise / abs(reference) if abs(reference) > 1 else math.nan
        return self._finding("chosen", "logps/chosen", fall, CHOSEN_MARK, CHOSEN_STOP)

    def _means(self, name: str) -> tuple[float, float]:
        """Return a metric's mean over the first and the last steps; NaN where there is none."""
        ends = (self._seen[:WINDOW], self._seen[-WINDOW:])
        first, last = ([step[name] for step in steps if name in step] for steps in ends)
        return (fmean(first), fmean(last)) if first and last else (math.nan, math.nan)

    def _finding(self, kind: Kind, curve: str, value: float, mark: float, stop: float) -> Finding | None:
        if not value > mark:  # NaN is not
            return None
        limit = stop if value > stop else mark
        step = int(self._seen[-1]["step"])
        return Finding(kind=kind, step=step, value=value, limit=limit, stopped=value > stop, curve=curve)


def repetition(text: str) -> float:
    """Return the share of a text's four-word sequences that were there before, 0 for a short text."""
    words = text.lower().split()
    runs = Counter(zip(*(words[start:] for start in range(_WORDS)), strict=False))
    total = sum(runs.values())
    return 1 - len(runs) / total if total else 0.0


def repeated(base: Sequence[str], own: Sequence[str], step: int) -> Finding | None:
    """Compare a round's replies with the base's to the same prompts: has it begun to repeat itself?"""
    before, now = (fmean(map(repetition, texts)) for texts in (base, own))
    if now < REPETITION_MARK or now - before < REPETITION_RISE:
        return None
    return Finding(
        kind="repetition",
        step=step,
        value=now,
        limit=max(REPETITION_MARK, before + REPETITION_RISE),
        stopped=False,
        curve="replies",
    )


_WHAT: Mapping[Kind, str] = {
    "loss": "the loss is {value:.1f} times that of the first steps",
    "logits": "the logits have moved by {value:.1f}",
    "chosen": "the log-probability of the chosen replies has fallen by {value:.0%}",
    "repetition": "{value:.0%} of what it says in sample replies is repeated",
}


def sentence(finding: Finding) -> str:
    """Say what was found, and of a round that was stopped what to do."""
    what = _WHAT[finding.kind].format(value=finding.value)
    if not finding.stopped:
        return f"At step {finding.step} {what}; see the curve before you use this round."
    return (
        f"Stopped by the guard at step {finding.step}: {what}. Start again with a gentler preset or a lower "
        "training.learning_rate; resume goes on all the same."
    )
