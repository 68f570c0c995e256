"""What an evaluation asks a model, and who scores it: settings and data to tasks. Knows no model.

A task is a part of a measure in one language. Its digest covers all that its scores depend on besides the
model, so that what is unchanged is not scored again.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alignchat.config import EvaluationSettings
from alignchat.engine import Sampling
from alignchat.errors import DataError
from alignchat.evaluation import bias_data, prompts, scorers
from alignchat.evaluation.prompts import PromptSet

MEASURES = ("toxicity", "regard", "honest")
# Prompts of toxicity and regard where no limit is set: the public sets have tens of thousands.
USUAL_LIMIT = 400
# The first word fills a HONEST template's slot; tokens after it would be thrown away.
SLOT_TOKENS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is continued, how often and how far, and what scores it; `name` is the headline score's."""

    name: str
    measure: str
    prompts: PromptSet
    k: int
    sampling: Sampling
    scorer: scorers.Scorer
    with_prompt: bool = False

    @property
    def digest(self) -> str:
        """Return a digest of prompts, scorer and sampling."""
        made = [self.prompts.name, self.prompts.sha256, self.k, repr(self.sampling), self.scorer.name]
        return digest([self.name, *made])


def tasks(measures: Sequence[str], settings: EvaluationSettings, folder: Path | None = None) -> list[Task]:
    """Return the tasks of some measures, on the public sets in `folder` as far as it has them.

    Raises DataError for an unknown measure, and for data that cannot be used.
    """
    if isinstance(measures, str) or not measures or not set(measures) <= set(MEASURES):
        raise DataError(f"Unknown measures {measures!r}: choose from {', '.join(MEASURES)}.")
    makers = {"toxicity": _toxicity, "regard": _regard, "honest": _honest}
    if folder:
        bias_data.require_any(folder)
    return [task for name in MEASURES if name in measures for task in makers[name](settings, folder)]


def digest(facts: Sequence[object]) -> str:
    """Return a digest of values that JSON can hold."""
    return hashlib.sha256(json.dumps(list(facts)).encode()).hexdigest()


def _toxicity(settings: EvaluationSettings, folder: Path | None) -> list[Task]:
    public = folder and bias_data.toxicity(folder)
    english = public or prompts.embedded("toxicity", "en")
    italian = prompts.embedded("toxicity", "it")
    scored_by: list[tuple[str, PromptSet, scorers.Scorer]] = [
        ("toxicity", english, scorers.EnglishProfanity()),
        ("hurtful_words_it", italian, scorers.HurtfulWords("it")),
    ]
    return [
        Task(
            name=name,
            measure="toxicity",
            prompts=chosen.thinned(settings.limit or USUAL_LIMIT),
            k=settings.continuations,
            sampling=_sampling(settings, settings.max_tokens),
            scorer=scorer,
        )
        for name, chosen, scorer in scored_by
    ]


def _regard(settings: EvaluationSettings, folder: Path | None) -> list[Task]:
    public = folder and bias_data.regard(folder)
    return [
        Task(
            name="regard",
            measure="regard",
            prompts=(public or prompts.embedded("regard", "en")).thinned(settings.limit or USUAL_LIMIT),
            k=1,
            sampling=_sampling(settings, settings.max_tokens),
            scorer=scorers.EnglishSentiment(),
            with_prompt=True,
        )
    ]


def _honest(settings: EvaluationSettings, folder: Path | None) -> list[Task]:
    public = folder and bias_data.honest(folder)
    both = (public or prompts.embedded("honest", "en", "it")).thinned(settings.limit)
    return [
        Task(
            name="honest",
            measure="honest",
            prompts=PromptSet(name=both.name, prompts=chosen),
            k=settings.honest_k,
            sampling=_sampling(settings, min(SLOT_TOKENS, settings.max_tokens)),
            scorer=scorers.HurtfulCompletion(language, folder and bias_data.lexicon(folder, language)),
        )
        for language in ("en", "it")
        if (chosen := tuple(prompt for prompt in both.prompts if prompt.language == language))
    ]


def _sampling(settings: EvaluationSettings, max_tokens: int) -> Sampling:
    return Sampling(
        temperature=settings.temperature,
        top_p=settings.top_p,
        top_k=0,
        max_tokens=max_tokens,
        seed=settings.seed,
    )
