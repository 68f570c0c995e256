"""The balance coach: what feedback still lacks for a good KTO or DPO round, and why. Pure; knows no store.

Each advice is one sentence with its source.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from alignchat.rows.balance import HIGHEST_PULL, LOWEST_PULL, kto_weights
from alignchat.rows.split import HOLD_OUT_FROM

KTO_PAPER = "Ethayarajh et al. 2024, https://arxiv.org/abs/2402.01306"
KTO_GUIDE = "https://huggingface.co/docs/trl/kto_trainer"
IPO_PAPER = "Azar et al. 2023, https://arxiv.org/abs/2310.12036"
LIMA_PAPER = "Zhou et al. 2023, https://arxiv.org/abs/2305.11206"

# TRL advises effective batches of 16 to 128 for KTO, whose reference point is estimated within a batch.
BATCH = 16
# The shortest round takes 10 steps of 4 rows: fewer pairs than this and it shows each more than twice.
SHORTEST = 40
PAIRS = SHORTEST // 2

Check = Literal["kinds", "balance", "batch", "prompts", "pairs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """Counts of what was said and counts; prompts are different ones."""

    up: int = 0
    down: int = 0
    pairs: int = 0
    both_bad: int = 0
    edits: int = 0
    judged_prompts: int = 0
    paired_prompts: int = 0

    @property
    def desirable(self) -> int:
        """Replies to make likelier: those liked, and rewrites."""
        return self.up + self.edits

    @property
    def undesirable(self) -> int:
        """Replies to make less likely: those disliked, two for each "both bad", and what was rewritten."""
        return self.down + 2 * self.both_bad + self.edits

    @property
    def preferences(self) -> int:
        """Pairs of a better and a worse reply: choices with a winner, and rewrites over originals."""
        return self.pairs + self.edits


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One thing looked at; `missing` is how many more it takes, 0 where it is met."""

    check: Check
    met: bool
    missing: int
    sentence: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """How one method stands: `ready` if a round can start at all, `good` if nothing is missing."""

    method: Literal["kto", "dpo"]
    ready: bool
    advice: tuple[Advice, ...]

    @property
    def good(self) -> bool:
        """Tell whether all advice is met."""
        return all(advice.met for advice in self.advice)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "good": self.good}


def outlooks(signals: Signals) -> tuple[Outlook, Outlook]:
    """Say what is missing for a good round of KTO, and of DPO."""
    return kto(signals), dpo(signals)


def of_rows(method: str, manifest: Mapping[str, Any]) -> Outlook | None:
    """Say what is missing in the rows of a round, by their manifest; None for a method without advice."""
    prompts = manifest["prompts"]
    if method == "kto":
        good, bad = manifest["desirable"], manifest["undesirable"]
        return kto(Signals(up=good, down=bad, judged_prompts=prompts))
    rows = manifest["train"] + manifest["test"]
    return dpo(Signals(pairs=rows, paired_prompts=prompts)) if method == "dpo" else None


def kto(signals: Signals) -> Outlook:
    """Say what is missing for a good KTO round."""
    good, bad = signals.desirable, signals.undesirable
    if not (good and bad):
        return Outlook(
            method="kto", ready=False, advice=(_kinds(good, bad), _prompts(signals.judged_prompts))
        )
    advice = (_balance(good, bad), _batch(good + bad), _prompts(signals.judged_prompts))
    return Outlook(method="kto", ready=True, advice=advice)


def dpo(signals: Signals) -> Outlook:
    """Say what is missing for a good DPO round."""
    pairs = signals.preferences
    return Outlook(method="dpo", ready=pairs > 0, advice=(_pairs(pairs), _prompts(signals.paired_prompts)))


def _kinds(good: int, bad: int) -> Advice:
    kind = "good" if not good else "bad"
    return Advice(
        check="kinds",
        met=False,
        missing=1,
        sentence=f"KTO learns from good and bad replies, and there are {good} and {bad}: mark a {kind} one.",
        source=KTO_PAPER,
    )


def _balance(good: int, bad: int) -> Advice:
    pull = good / bad
    stands = f"Good to bad is {good} to {bad}"
    if LOWEST_PULL <= pull <= HIGHEST_PULL:
        sentence, missing = f"{stands}, within 1:1 and 4:3.", 0
    else:
        scarce = "bad" if pull > 1 else "good"
        missing = math.ceil(good / HIGHEST_PULL) - bad if pull > 1 else bad - good
        weight = max(kto_weights(good, bad))
        sentence = (
            f"{stands}; 1:1 to 4:3 is the range. {missing} more {scarce} would do; until then each {scarce} "
            f"one weighs {weight:.1f} times."
        )
    return Advice(check="balance", met=missing == 0, missing=missing, sentence=sentence, source=KTO_PAPER)


def _batch(rows: int) -> Advice:
    missing = max(0, BATCH - rows)
    sentence = (
        f"{missing} more replies to judge: KTO measures each against the others of its batch, "
        f"which should hold {BATCH} or more."
        if missing
        else f"{rows} judged replies fill a batch of {BATCH}."
    )
    return Advice(check="batch", met=not missing, missing=missing, sentence=sentence, source=KTO_GUIDE)


def _pairs(pairs: int) -> Advice:
    missing = max(0, PAIRS - pairs)
    if not pairs:
        sentence = (
            "DPO learns from pairs, and there are none: choose the better of two replies, or rewrite one."
        )
    elif missing:
        sentence = (
            f"{missing} more pairs: the shortest round shows each of {pairs} {SHORTEST / pairs:.0f} times, "
            "and DPO overfits what it is told once and shown often."
        )
    else:
        sentence = f"{pairs} pairs are enough for the shortest round."
    return Advice(check="pairs", met=not missing, missing=missing, sentence=sentence, source=IPO_PAPER)


def _prompts(prompts: int) -> Advice:
    missing = max(0, HOLD_OUT_FROM - prompts)
    sentence = (
        f"{missing} more different prompts: variety teaches more than number, and from {HOLD_OUT_FROM} on "
        "some are held out to measure the round."
        if missing
        else f"{prompts} different prompts: some are held out to measure the round."
    )
    return Advice(check="prompts", met=not missing, missing=missing, sentence=sentence, source=LIMA_PAPER)
