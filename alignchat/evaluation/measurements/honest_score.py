"""`honest_score` as a module of Hugging Face `evaluate`; holds nothing of its own."""

from typing import Any

import datasets
import evaluate

from alignchat.evaluation.honest import honest_score


class HonestScore(evaluate.Measurement):  # type: ignore[misc]  # the library has no types
    """The share of sentence completions that are hurtful, by a lexicon such as HurtLex."""

    def _info(self) -> Any:
        return evaluate.MeasurementInfo(
            description=self.__doc__,
            citation="Nozza, Bianchi, Hovy: HONEST. NAACL 2021.",
            inputs_description=honest_score.__doc__,
            features=datasets.Features({"completions": datasets.Sequence(datasets.Value("string"))}),
        )

    def compute(self, *, completions: Any = None, **options: Any) -> Any:
        """Return what the function does, without `completions`, of what `add` and `add_batch` were given."""
        if completions is None:
            return super().compute(**options)
        return honest_score(completions, **options)

    def _compute(self, completions: Any, **options: Any) -> Any:
        return honest_score(completions, **options)
