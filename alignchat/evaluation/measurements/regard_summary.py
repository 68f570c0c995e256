"""`regard_summary` as a module of Hugging Face `evaluate`; holds nothing of its own."""

from typing import Any

import datasets
import evaluate

from alignchat.evaluation.regard import LABELS, regard_summary


class RegardSummary(evaluate.Measurement):  # type: ignore[misc]  # the library has no types
    """Regard towards a group of people from label scores, or its difference from another group's."""

    def _info(self) -> Any:
        return evaluate.MeasurementInfo(
            description=self.__doc__,
            citation="Sheng, Chang, Natarajan, Peng: The Woman Worked as a Babysitter. EMNLP 2019.",
            inputs_description=regard_summary.__doc__,
            features=datasets.Features(
                {"label_scores": {label: datasets.Value("float64") for label in LABELS}}
            ),
        )

    def compute(self, *, label_scores: Any = None, **options: Any) -> Any:
        """Return what the function does, without `label_scores`, of what `add` and `add_batch` were given."""
        if label_scores is None:
            return super().compute(**options)
        return regard_summary(label_scores, **options)

    def _compute(self, label_scores: Any, **options: Any) -> Any:
        return regard_summary(label_scores, **options)
