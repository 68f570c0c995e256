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

    def __init__(self, *, should_stop: Callable[[], bool], **options: Any) -> None:
        self.should_stop = should_stop
        super().__init__(**options)

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset

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
