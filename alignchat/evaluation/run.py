"""Score one model, or one adapter on it, with the embedded probes and scorers. Knows no round and no file."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from alignchat.config import EvaluationSettings
from alignchat.engine import Adapter, Engine, Progress, Sampling
from alignchat.errors import Cancelled, DataError
from alignchat.evaluation import prompts, scorers, stats
from alignchat.evaluation.prompts import Prompt
from alignchat.evaluation.scorecard import Sample, Score

MEASURES = ("toxicity", "regard", "honest")
# The first word fills a HONEST template's slot; tokens after it would be thrown away.
SLOT_TOKENS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A part of a measure in one language: what is continued, how far, and what scores it."""

    measure: str
    prompts: Sequence[Prompt]
    max_tokens: int
    scorer: scorers.Scorer
    with_prompt: bool = False


def evaluate(
    engine: Engine,
    *,
    measures: Sequence[str],
    settings: EvaluationSettings,
    adapter: Adapter | None = None,
    lexicons: Mapping[str, Path] | None = None,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> tuple[dict[str, Score], list[Sample], dict[str, float]]:
    """Return the scores by measure, every generated text, and what generating took (prompts, seconds).

    "toxicity" brings "hurtful_words_it" along: its Italian prompts have no toxicity scorer. `lexicons` puts
    HurtLex files, by language, in place of our own word lists in HONEST. The same engine, adapter and
    settings give the same scores. Raises DataError for unknown measures and Cancelled when told to stop.
    """
    tasks = _tasks(measures, settings, lexicons or {})
    total = sum(len(task.prompts) for task in tasks)
    samples: list[Sample] = []
    seconds = 0.0
    for task in tasks:
        if should_stop and should_stop():
            raise Cancelled("The evaluation was stopped as asked.")
        started = time.monotonic()
        texts = engine.generate_many(
            [prompt.text for prompt in task.prompts],
            _sampling(settings, task.max_tokens),
            adapter=adapter,
            on_progress=_shifted(on_progress, len(samples), total),
            should_stop=should_stop,
        )
        seconds += time.monotonic() - started
        samples += _scored(task, texts)
    names = {
        task.measure: " + ".join(t.scorer.name for t in tasks if t.measure == task.measure) for task in tasks
    }
    scores = {
        measure: summarise([s for s in samples if s.measure == measure], scorer=name, seed=settings.seed)
        for measure, name in names.items()
    }
    return scores, samples, {"prompts": total, "seconds": round(seconds, 3)}


def summarise(samples: Sequence[Sample], *, scorer: str, seed: int) -> Score:
    """Average one measure's samples evenly over their groups, with the interval and the parts by name.

    With several languages the groups are language by language, and each language's own average is a part.
    For groups named "axis: group" the largest difference within each axis is a part ("difference: axis").
    """
    strata = strata_of(samples)
    found = stats.share_interval([sample.score for sample in samples], groups=strata, seed=seed)
    parts = {
        stratum: fmean(s.score for s, other in zip(samples, strata, strict=True) if other == stratum)
        for stratum in dict.fromkeys(strata)
    }
    return Score(
        value=found.value,
        low=found.low,
        high=found.high,
        n=found.n,
        scorer=scorer,
        groups=_by_language(samples, parts) | parts | _differences(parts),
    )


def strata_of(samples: Sequence[Sample]) -> list[str]:
    """Name each sample's group, with its language where there are several."""
    several = len({sample.language for sample in samples}) > 1
    return [f"{sample.language} {sample.group}" if several else sample.group for sample in samples]


def _by_language(samples: Sequence[Sample], parts: Mapping[str, float]) -> dict[str, float]:
    languages = dict.fromkeys(sample.language for sample in samples)
    if len(languages) == 1:
        return {}
    return {
        language: fmean(value for name, value in parts.items() if name.startswith(f"{language} "))
        for language in languages
    }


def _differences(parts: Mapping[str, float]) -> dict[str, float]:
    axes: dict[str, list[float]] = {}
    for name, value in parts.items():
        axis, colon, _ = name.partition(": ")
        if colon:
            axes.setdefault(axis, []).append(value)
    return {f"difference: {axis}": max(values) - min(values) for axis, values in axes.items()}


def _tasks(
    measures: Sequence[str], settings: EvaluationSettings, lexicons: Mapping[str, Path]
) -> list[_Task]:
    if isinstance(measures, str) or not measures or not set(measures) <= set(MEASURES):
        raise DataError(f"Unknown measures {measures!r}: choose from {', '.join(MEASURES)}.")
    makers = {"toxicity": _toxicity_tasks, "regard": _regard_tasks, "honest": _honest_tasks}
    tasks = [task for name in MEASURES if name in measures for task in makers[name](settings, lexicons)]
    return [task for task in tasks if task.prompts]


def _toxicity_tasks(settings: EvaluationSettings, _: Mapping[str, Path]) -> list[_Task]:
    scored_by: dict[str, tuple[str, scorers.Scorer]] = {
        "en": ("toxicity", scorers.EnglishProfanity()),
        "it": ("hurtful_words_it", scorers.HurtfulWords("it")),
    }
    return [
        _Task(
            measure=measure,
            prompts=prompts.evenly(prompts.load("toxicity", language), settings.limit),
            max_tokens=settings.max_tokens,
            scorer=scorer,
        )
        for language, (measure, scorer) in scored_by.items()
    ]


def _regard_tasks(settings: EvaluationSettings, _: Mapping[str, Path]) -> list[_Task]:
    return [
        _Task(
            measure="regard",
            prompts=prompts.evenly(prompts.load("regard", "en"), settings.limit),
            max_tokens=settings.max_tokens,
            scorer=scorers.EnglishSentiment(),
            with_prompt=True,
        )
    ]


def _honest_tasks(settings: EvaluationSettings, lexicons: Mapping[str, Path]) -> list[_Task]:
    both = [prompt for language in ("en", "it") for prompt in prompts.load("honest", language)]
    chosen = prompts.evenly(both, settings.limit)
    return [
        _Task(
            measure="honest",
            prompts=[prompt for prompt in chosen if prompt.language == language],
            max_tokens=min(SLOT_TOKENS, settings.max_tokens),
            scorer=scorers.HurtfulCompletion(language, lexicons.get(language)),
        )
        for language in ("en", "it")
    ]


def _sampling(settings: EvaluationSettings, max_tokens: int) -> Sampling:
    return Sampling(
        temperature=settings.temperature,
        top_p=settings.top_p,
        top_k=0,
        max_tokens=max_tokens,
        seed=settings.seed,
    )


def _scored(task: _Task, texts: Sequence[str]) -> list[Sample]:
    judged = [
        prompt.text + text if task.with_prompt else text
        for prompt, text in zip(task.prompts, texts, strict=True)
    ]
    return [
        Sample(
            measure=task.measure,
            language=prompt.language,
            group=prompt.group,
            prompt=prompt.text,
            text=text,
            score=score,
        )
        for prompt, text, score in zip(task.prompts, texts, task.scorer(judged), strict=True)
    ]


def _shifted(on_progress: Progress | None, done: int, total: int) -> Progress | None:
    if on_progress is None:
        return None
    return lambda now, _: on_progress(done + now, total)
