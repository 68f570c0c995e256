"""TRL's two experimental trainers that need no reference, fed with rows that are tokenised already.

ORPO (https://arxiv.org/abs/2403.07691) and CPO (https://arxiv.org/abs/2401.08417). Overridden is only how
rows are prepared and that nothing is reported to anybody.
"""

from collections.abc import Callable
from typing import Any

from datasets import Dataset
from trl.experimental.cpo import CPOConfig, CPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from alignchat.training.rows import Columns

_IGNORED = -100
__all__ = ["CPOConfig", "ORPOConfig", "PreparedCPO", "PreparedORPO"]


class _Prepared:
    """What both trainers share, put before TRL's class."""

    def __init__(self, *, should_stop: Callable[[], bool], **options: Any) -> None:
        del should_stop  # there is no reference pass, and the loop asks at each step by itself
        super().__init__(**options)

    def tokenize_row(self, row: Columns, *_: Any) -> Columns:
        prompt: list[int] = row["prompt_ids"]
        columns: Columns = {"prompt_input_ids": prompt, "prompt_attention_mask": [1] * len(prompt)}
        for side in ("chosen", "rejected"):
            reply: list[int] = row[f"{side}_ids"]
            columns |= {
                f"{side}_input_ids": prompt + reply,
                f"{side}_attention_mask": [1] * (len(prompt) + len(reply)),
                f"{side}_labels": [_IGNORED] * len(prompt) + reply,
            }
        return columns

    def evaluate(self, rows: Dataset) -> dict[str, float]:
        metrics: dict[str, float] = super().evaluate(rows.map(self.tokenize_row))  # type: ignore[misc]  # TRL's
        return metrics

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write none into checkpoints; TRL's asks the hub."""

    def _send_telemetry(self) -> None:
        """Tell nobody."""


class PreparedORPO(_Prepared, ORPOTrainer):  # type: ignore[misc]  # TRL is untyped
    """ORPOTrainer over the columns of `RowTokenizer.columns`."""


class PreparedCPO(_Prepared, CPOTrainer):  # type: ignore[misc]  # TRL is untyped
    """CPOTrainer over the columns of `RowTokenizer.columns`."""
