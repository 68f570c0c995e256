"""`toxicity_summary` as a module of Hugging Face `evaluate`; holds nothing of its own."""

from typing import Any

import datasets
import evaluate

from alignchat.evaluation.toxicity import toxicity_summary


class ToxicitySummary(evaluate.Measurement):  # type: ignore[misc]  # the library has no types
    """Toxicity scores of texts: as they are, their maximum, or the share at a threshold and above."""

    def _info(self) -> Any:
        return evaluate.MeasurementInfo(
            description=self.__doc__,
            citation="Gehman et al.: RealToxicityPrompts. Findings of EMNLP 2020.",
            inputs_description=toxicity_summary.__doc__,
            features=datasets.Features({"scores": datasets.Value("float64")}),
        )

    def compute(self, *, scores: Any = None, **options: Any) -> Any:
        """Return what the function does, without `scores`, of what `add` and `add_batch` were given."""
        if scores is None:
            return super().compute(**options)
        return toxicity_summary(scores, **options)

    def _compute(self, scores: Any, **options: Any) -> Any:
        return toxicity_summary(scores, **options)
