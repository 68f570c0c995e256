"""Score one model, or one adapter on it: generate, judge, summarise. Knows no round."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from alignchat.config import EvaluationSettings
from alignchat.engine import Adapter, Engine, Progress
from alignchat.errors import Cancelled
from alignchat.evaluation import plan, summaries
from alignchat.evaluation.kept import KeptTexts, Texts
from alignchat.evaluation.plan import Task
from alignchat.evaluation.prompts import Prompt
from alignchat.evaluation.scorecard import Sample, Score
from alignchat.evaluation.scorers import Judgement
from alignchat.evaluation.summaries import Made

# So many texts are generated before they are kept: what a stop can lose, half a minute for the starter.
PART = 1024
# Between these a stop is seen, also by a classifier of a hundred million parameters.
JUDGED_AT_ONCE = 256


def evaluate(
    engine: Engine,
    *,
    measures: Sequence[str],
    settings: EvaluationSettings,
    adapter: Adapter | None = None,
    data: Path | None = None,
    kept: KeptTexts | None = None,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> tuple[dict[str, Score], list[Sample], dict[str, float]]:
    """Return the scores by name, every generated text, and what generating took (prompts, tokens, seconds).

    Prompts, lexicons and classifiers are chosen as `plan.tasks` says. Texts already in `kept` are
    not generated again; new ones are kept part by part, so that a later call goes on after a stop.
    The same engine, adapter and settings give the same scores, stopped or not.
    Raises DataError for unknown measures and Cancelled when told to stop.
    """
    tasks = plan.tasks(measures, settings, data)
    total = sum(len(task.prompts.prompts) * task.k for task in tasks)
    samples: list[Sample] = []
    cost = {"prompts": 0, "continuations": 0, "tokens": 0, "seconds": 0.0}
    for task, number, prompts in _parts(tasks):
        progress = _shifted(on_progress, len(samples), total)
        texts = _texts(engine, task, number, prompts, adapter, kept, progress, should_stop)
        samples += _judged(task, number, prompts, texts.texts, should_stop)
        cost["prompts"] += len(prompts)
        cost["continuations"] += len(texts.texts)
        cost["tokens"] += texts.tokens
        cost["seconds"] += texts.seconds
    return _scores(tasks, samples, settings.seed), samples, {**cost, "seconds": round(cost["seconds"], 3)}


def _parts(tasks: Sequence[Task]) -> Iterator[tuple[Task, int, Sequence[Prompt]]]:
    """Cut tasks into parts; with each comes its first prompt's number among those of its task's name."""
    numbers: dict[str, int] = {}
    for task in tasks:
        prompts, size = task.prompts.prompts, max(1, PART // task.k)
        for start in range(0, len(prompts), size):
            part = prompts[start : start + size]
            number = numbers.setdefault(task.name, 0)
            numbers[task.name] += len(part)
            yield task, number, part


def _texts(
    engine: Engine,
    task: Task,
    number: int,
    prompts: Sequence[Prompt],
    adapter: Adapter | None,
    kept: KeptTexts | None,
    on_progress: Progress | None,
    should_stop: Callable[[], bool] | None,
) -> Texts:
    """Return k continuations of each prompt, one prompt's together, from what is kept or from the engine."""
    _stop_if(should_stop)
    asked = [prompt.text for prompt in prompts for _ in range(task.k)]
    # Equal prompts in two parts must not be continued alike.
    sampling = replace(task.sampling, seed=task.sampling.seed + number)
    if kept and (known := kept.get(asked, sampling)):
        if on_progress:
            on_progress(len(asked), len(asked))
        return known
    started = time.monotonic()
    said = engine.generate_many(
        asked, sampling, adapter=adapter, on_progress=on_progress, should_stop=should_stop
    )
    texts = Texts(texts=list(said), tokens=said.tokens, seconds=time.monotonic() - started)
    if kept:
        kept.put(asked, sampling, texts)
    return texts


def _judged(
    task: Task,
    number: int,
    prompts: Sequence[Prompt],
    texts: Sequence[str],
    should_stop: Callable[[], bool] | None,
) -> list[Sample]:
    places = [(i, j) for i in range(len(prompts)) for j in range(task.k)]
    read = [
        prompts[i].text + text if task.with_prompt else text
        for (i, _), text in zip(places, texts, strict=True)
    ]
    judgements: list[Judgement] = []
    while len(judgements) < len(read):
        _stop_if(should_stop)
        judgements += task.scorer.judge(read[len(judgements) : len(judgements) + JUDGED_AT_ONCE])
    return [
        Sample(
            measure=task.name,
            language=prompts[i].language,
            group=prompts[i].group,
            prompt=prompts[i].text,
            text=text,
            score=judged.score,
            number=number + i,
            continuation=j,
            labels=judged.labels,
            word=judged.word,
            category=judged.category,
        )
        for (i, j), text, judged in zip(places, texts, judgements, strict=True)
    ]


def _scores(tasks: Sequence[Task], samples: Sequence[Sample], seed: int) -> dict[str, Score]:
    scores: dict[str, Score] = {}
    for name in dict.fromkeys(task.name for task in tasks):
        parts = [task for task in tasks if task.name == name]
        made = Made(
            measure=parts[0].measure,
            scorer=" + ".join(dict.fromkeys(task.scorer.name for task in parts)),
            prompts=" + ".join(dict.fromkeys(task.prompts.name for task in parts)),
            prompts_sha256=plan.digest([task.prompts.sha256 for task in parts]),
            k=parts[0].k,
        )
        chosen = [sample for sample in samples if sample.measure == name]
        scores |= summaries.summarise(name, chosen, made, seed=seed)
    return scores


def _stop_if(should_stop: Callable[[], bool] | None) -> None:
    if should_stop and should_stop():
        raise Cancelled("The evaluation was stopped as asked.")


def _shifted(on_progress: Progress | None, done: int, total: int) -> Progress | None:
    if on_progress is None:
        return None
    return lambda now, _: on_progress(done + now, total)
