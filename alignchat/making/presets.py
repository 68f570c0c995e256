"""How far one round may move: learning rate and beta by method. Knows no training.

Set for tens to hundreds of one's own ratings, LoRA of rank 16 and 10 to 200 steps; TRL's defaults are for
full fine-tuning on tens of thousands of rows.
"""

import math
from collections.abc import Mapping
from typing import Literal

from alignchat.config import Method, TrainingSettings

PASSES, FEWEST_STEPS, MOST_STEPS = 3, 10, 200
Preset = Literal["gentle", "standard", "strong"]
PRESETS: tuple[Preset, ...] = ("gentle", "standard", "strong")

# Learning rate and beta. LoRA learns at about ten times the rate of full fine-tuning; beta of 0.1 is that
# of the DPO and KTO papers (https://arxiv.org/abs/2305.18290, https://arxiv.org/abs/2402.01306).
_HELD: Mapping[Preset, tuple[float, float]] = {
    "gentle": (3e-5, 0.2),
    "standard": (1e-4, 0.1),
    "strong": (3e-4, 0.05),
}
# In ORPO beta weighs the odds ratio against the likelihood of the chosen reply, and in CPO nothing is held
# to a reference either, so there a preset is a learning rate only.
_FREE: Mapping[Preset, tuple[float, float]] = {preset: (rate, 0.1) for preset, (rate, _) in _HELD.items()}
_VALUES: Mapping[Method, Mapping[Preset, tuple[float, float]]] = {
    "dpo": _HELD,
    "kto": _HELD,
    "orpo": _FREE,
    "cpo": _FREE,
}


def resolved(method: Method, settings: TrainingSettings) -> TrainingSettings:
    """Return the settings with their preset's values where nothing else was asked."""
    rate, beta = _VALUES[method][settings.preset]
    asked = {"learning_rate": settings.learning_rate or rate, "beta": settings.beta or beta}
    return settings.model_copy(update=asked)


def count_steps(rows: int, batch_size: int, wanted: int | None) -> int:
    """Return the number of optimiser steps: `wanted`, or three passes over the rows, 10 to 200."""
    if wanted is not None:
        return wanted
    return min(max(math.ceil(PASSES * rows / batch_size), FEWEST_STEPS), MOST_STEPS)
