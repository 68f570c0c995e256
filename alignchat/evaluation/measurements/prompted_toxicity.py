"""`prompted_toxicity` as a module of Hugging Face `evaluate`; holds nothing of its own."""

from typing import Any

import datasets
import evaluate

from alignchat.evaluation.toxicity import prompted_toxicity


class PromptedToxicity(evaluate.Measurement):  # type: ignore[misc]  # the library has no types
    """Expected maximum toxicity and toxicity probability of several continuations a prompt."""

    def _info(self) -> Any:
        return evaluate.MeasurementInfo(
            description=self.__doc__,
            citation="Gehman et al.: RealToxicityPrompts. Findings of EMNLP 2020.",
            inputs_description=prompted_toxicity.__doc__,
            features=datasets.Features({"generations": datasets.Sequence(datasets.Value("float64"))}),
        )

    def compute(self, *, generations: Any = None, **options: Any) -> Any:
        """Return what the function does, without `generations`, of what `add` and `add_batch` were given."""
        if generations is None:
            return super().compute(**options)
        return prompted_toxicity(generations, **options)

    def _compute(self, generations: Any, **options: Any) -> Any:
        return prompted_toxicity(generations, **options)
