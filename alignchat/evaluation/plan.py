"""What an evaluation asks a model, and who scores it: settings and data to tasks. Knows no model.

A task is a part of a measure in one language. Its digest covers all that its scores depend on besides the
model, so that what is unchanged is not scored again.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from alignchat.config import EvaluationSettings
from alignchat.engine import Sampling
from alignchat.errors import DataError
from alignchat.evaluation import bias_data, cost, prompts, scorers
from alignchat.evaluation.kept import KeptScores
from alignchat.evaluation.prompts import Prompt, PromptSet
from alignchat.evaluation.side_effects import Copying, ReplyFacts, Unjudged
from alignchat.talk.starters import STARTERS
from feedback_store import Message

MEASURES = ("toxicity", "regard", "honest", "memorization", "cost")
# Prompts of toxicity and regard where no limit is set: the public sets have tens of thousands.
USUAL_LIMIT = 400
# Prompts of memorization, and of each language of cost, at most; and the tokens their replies may have.
SIDE_LIMIT, RECALLED_TOKENS, REPLY_TOKENS = 100, 40, 64
# What a setting says for the stand-in that comes with the app.
EMBEDDED = "embedded"
# In the data folder.
BIAS_FOLDER, CLASSIFIERS_FOLDER, SCORES_FILE = "bias", "classifiers", Path("cache/scores.sqlite")
# The first word fills a HONEST template's slot; tokens after it would be thrown away.
SLOT_TOKENS = 8


How = Literal["continue", "reply", "read"]
Trained: TypeAlias = tuple[tuple[Message, ...], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is continued, how often and how far, and what scores it; `name` goes with its samples.

    A prompt is continued as a text, replied to as a message, or only read, to see how likely it is. With
    `of_base` that is done by the base, to set it beside the round.
    """

    name: str
    measure: str
    prompts: PromptSet
    k: int
    sampling: Sampling
    scorer: scorers.Scorer
    with_prompt: bool = False
    how: How = "continue"
    of_base: bool = False

    @property
    def digest(self) -> str:
        """Return a digest of prompts, scorer and sampling."""
        made = [self.prompts.name, self.prompts.sha256, self.k, repr(self.sampling), self.scorer.name]
        return digest([self.name, self.how, *made])


def tasks(
    measures: Sequence[str],
    settings: EvaluationSettings,
    data: Path | None = None,
    trained: Sequence[Trained] = (),
) -> list[Task]:
    """Return the tasks of some measures, with what was fetched into the data folder `data`.

    `trained` are the conversations a round was trained on, with the replies it learned. Public sets come
    from `settings.bias_data` or were fetched; what neither has, the embedded probes stand in for. Raises
    DataError for an unknown measure, for data that cannot be used, and for a classifier that is not here.
    """
    if isinstance(measures, str) or not measures or not set(measures) <= set(MEASURES):
        raise DataError(f"Unknown measures {measures!r}: choose from {', '.join(MEASURES)}.")
    makers = {
        "toxicity": _toxicity,
        "regard": _regard,
        "honest": _honest,
        "memorization": _memorization,
        "cost": _cost,
    }
    sources = _sources(settings, data, trained)
    return [task for name in MEASURES if name in measures for task in makers[name](settings, sources)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sources:
    """Where public sets and classifiers are, what classifiers said before, and what a round learned."""

    public: Path | None
    classifiers: Path | None
    kept: KeptScores | None
    trained: Sequence[Trained]


def _sources(settings: EvaluationSettings, data: Path | None, trained: Sequence[Trained]) -> _Sources:
    if settings.bias_data:
        bias_data.require_any(settings.bias_data)
    fetched = data / BIAS_FOLDER if data and (data / BIAS_FOLDER).is_dir() else None
    return _Sources(
        public=settings.bias_data or fetched,
        classifiers=data and data / CLASSIFIERS_FOLDER,
        kept=KeptScores(data / SCORES_FILE) if data else None,
        trained=trained,
    )


def classifier_folder(source: str, classifiers: Path | None) -> Path:
    """Return where a classifier is, given by folder or hub name; raise DataError if it is not here."""
    if (folder := Path(source)).is_dir():
        return folder
    fetched = classifiers / source.replace("/", "--") if classifiers else None
    if fetched and (fetched / "config.json").exists():
        return fetched
    raise DataError(f"The classifier {source} is not on this machine; get it: bias-data get {source}")


def _classifier(source: str, labels: Sequence[str], sources: _Sources) -> scorers.Classifier:
    folder = classifier_folder(source, sources.classifiers)
    name = folder.name if Path(source).is_dir() else source
    return scorers.Classifier(folder, name, labels, sources.kept)


def digest(facts: Sequence[object]) -> str:
    """Return a digest of values that JSON can hold."""
    return hashlib.sha256(json.dumps(list(facts)).encode()).hexdigest()


def _toxicity(settings: EvaluationSettings, sources: _Sources) -> list[Task]:
    public = sources.public and bias_data.toxicity(sources.public)
    english = public or prompts.embedded("toxicity", "en")
    italian = prompts.embedded("toxicity", "it")
    scored_by: list[tuple[str, PromptSet, scorers.Scorer]] = []
    if settings.toxicity_scorer == EMBEDDED:
        scored_by.append(("toxicity", english, scorers.EnglishProfanity()))
    else:
        scorer = _classifier(settings.toxicity_scorer, settings.toxicity_labels, sources)
        scored_by.append(("toxicity", english, scorer))
    if settings.italian_scorer == EMBEDDED:
        scored_by.append(("hurtful_words_it", italian, scorers.HurtfulWords("it")))
    else:
        scorer = _classifier(settings.italian_scorer, settings.italian_labels, sources)
        scored_by.append(("toxicity_it", italian, scorer))
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


def _regard(settings: EvaluationSettings, sources: _Sources) -> list[Task]:
    public = sources.public and bias_data.regard(sources.public)
    scorer: scorers.Scorer = scorers.EnglishSentiment()
    if settings.regard_scorer != EMBEDDED:
        scorers.regard_labels(classifier_folder(settings.regard_scorer, sources.classifiers))
        scorer = _classifier(settings.regard_scorer, ("negative",), sources)
    return [
        Task(
            name="regard",
            measure="regard",
            prompts=(public or prompts.embedded("regard", "en")).thinned(settings.limit or USUAL_LIMIT),
            k=1,
            sampling=_sampling(settings, settings.max_tokens),
            scorer=scorer,
            with_prompt=True,
        )
    ]


def _honest(settings: EvaluationSettings, sources: _Sources) -> list[Task]:
    public = sources.public and bias_data.honest(sources.public)
    both = (public or prompts.embedded("honest", "en", "it")).thinned(settings.limit)
    return [
        Task(
            name="honest",
            measure="honest",
            prompts=part,
            k=settings.honest_k,
            sampling=_sampling(settings, min(SLOT_TOKENS, settings.max_tokens)),
            scorer=scorers.HurtfulCompletion(
                language,
                sources.public and bias_data.lexicon(sources.public, language),
                published=settings.published_honest,
            ),
        )
        for language, part in _by_language(both)
    ]


def _memorization(settings: EvaluationSettings, sources: _Sources) -> list[Task]:
    greedy = Sampling(temperature=0, top_p=1, top_k=0, max_tokens=RECALLED_TOKENS, seed=settings.seed)
    found = []
    if passages := bias_data.known_texts(sources.public) if sources.public else ():
        given = PromptSet(
            name="texts that may be known by heart",
            prompts=tuple(Prompt(language="", group="all", text=start) for start, _ in passages),
        )
        scorer = Copying([following for _, following in passages])
        known = _few(given, settings)
        found.append(_task("known_text", "memorization", known, greedy, scorer))
    if sources.trained:
        rows = tuple(
            Prompt(language="", group="all", text=messages[-1].content, messages=messages)
            for messages, _ in sources.trained
        )
        learned = _few(PromptSet(name="the round's training rows", prompts=rows), settings)
        scorer = Copying([reply for _, reply in sources.trained])
        ours = _task("training", "memorization", learned, greedy, scorer, how="reply")
        found += [ours, replace(ours, name="training_base", of_base=True)]
    return found


def _cost(settings: EvaluationSettings, _: _Sources) -> list[Task]:
    sampling = _sampling(settings, REPLY_TOKENS)
    asked = tuple(
        Prompt(language=language, group="all", text=text)
        for language in cost.LANGUAGES
        for text in STARTERS[language]
    )
    both = _few(PromptSet(name="questions that come with the app", prompts=asked), settings)
    found = [
        _task("replies", "cost", part, sampling, ReplyFacts(language), how="reply")
        for language, part in _by_language(both)
    ]
    for language in cost.LANGUAGES:
        held_out = tuple(
            Prompt(language=language, group="all", text=text) for text in cost.neutral_texts(language)
        )
        neutral = _few(PromptSet(name="neutral texts that come with the app", prompts=held_out), settings)
        found.append(_task(f"perplexity_{language}", "cost", neutral, sampling, Unjudged(), how="read"))
    return found


def _task(
    name: str,
    measure: str,
    chosen: PromptSet,
    sampling: Sampling,
    scorer: scorers.Scorer,
    how: How = "continue",
) -> Task:
    return Task(name=name, measure=measure, prompts=chosen, k=1, sampling=sampling, scorer=scorer, how=how)


def _by_language(both: PromptSet) -> Iterator[tuple[str, PromptSet]]:
    for language in dict.fromkeys(prompt.language for prompt in both.prompts):
        part = tuple(prompt for prompt in both.prompts if prompt.language == language)
        yield language, PromptSet(name=both.name, prompts=part)


def _few(chosen: PromptSet, settings: EvaluationSettings) -> PromptSet:
    return chosen.thinned(min(settings.limit or SIDE_LIMIT, SIDE_LIMIT))


def _sampling(settings: EvaluationSettings, max_tokens: int) -> Sampling:
    return Sampling(
        temperature=settings.temperature,
        top_p=settings.top_p,
        top_k=0,
        max_tokens=max_tokens,
        seed=settings.seed,
    )
