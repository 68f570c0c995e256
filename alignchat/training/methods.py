"""TRL's two trainers, fed with rows that are tokenised already. Knows no files and no settings.

Overridden is only how rows are prepared, that a stop is obeyed during the reference pass too, and that
nothing is reported to anybody.
"""

from collections.abc import Callable
from typing import Any

from datasets import Dataset
from trl import DPOTrainer, KTOTrainer

from alignchat.errors import Cancelled


class _Prepared:
    """What both trainers share, put before TRL's class."""

    should_stop: Callable[[], bool]
    held_to_base: bool

    def __init__(self, *, should_stop: Callable[[], bool], held_to_base: bool, **options: Any) -> None:
        self.should_stop, self.held_to_base = should_stop, held_to_base
        super().__init__(**options)

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, *arguments: Any) -> Dataset:
        network: Any = self.model  # type: ignore[attr-defined]  # TRL's
        if self.held_to_base and "ref" in network.peft_config:
            # TRL's copy of the parent's adapter; without it TRL switches the adapters off, which is the base.
            network.delete_adapter("ref")
        return super()._precompute_ref_logps(*arguments)  # type: ignore[misc]  # TRL's

    def _send_telemetry(self) -> None:
        """Tell nobody."""

    def compute_ref_log_probs(self, model: Any, inputs: Any) -> Any:
        if self.should_stop():
            raise Cancelled("Stopped as asked while the reference was computed; resume goes on there.")
        return super().compute_ref_log_probs(model, inputs)  # type: ignore[misc]  # TRL's method


class PreparedDPO(_Prepared, DPOTrainer):  # type: ignore[misc]  # TRL is untyped
    """DPOTrainer over the columns of `RowTokenizer.columns`."""


class PreparedKTO(_Prepared, KTOTrainer):  # type: ignore[misc]  # TRL is untyped
    """KTOTrainer over the columns of `RowTokenizer.columns` and `with_mismatched`."""
