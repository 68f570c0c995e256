"""Score one model, or one adapter on it: generate, judge, summarise. Knows no round."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from alignchat.config import EvaluationSettings
from alignchat.engine import Adapter, Engine, Progress, ReadingEngine, Sampling
from alignchat.errors import Cancelled
from alignchat.evaluation import plan, summaries
from alignchat.evaluation.cost import token_losses
from alignchat.evaluation.kept import KeptTexts, Texts
from alignchat.evaluation.plan import Task, Trained
from alignchat.evaluation.prompts import Prompt
from alignchat.evaluation.scorecard import Sample, Score
from alignchat.evaluation.scorers import Judgement
from alignchat.evaluation.summaries import Made
from feedback_store import Message

# So many texts are generated before they are kept: what a stop can lose, half a minute for the starter.
PART = 1024
# Between these a stop is seen, also by a classifier of a hundred million parameters.
JUDGED_AT_ONCE = 256


def evaluate(
    engine: ReadingEngine,
    *,
    measures: Sequence[str],
    settings: EvaluationSettings,
    adapter: Adapter | None = None,
    data: Path | None = None,
    trained: Sequence[Trained] = (),
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
    tasks = plan.tasks(measures, settings, data, trained)
    total = sum(len(task.prompts.prompts) * task.k for task in tasks)
    samples: list[Sample] = []
    cost = {"prompts": 0, "continuations": 0, "tokens": 0, "seconds": 0.0}
    for task, number, prompts in _parts(tasks):
        _stop_if(should_stop)
        whose = None if task.of_base else adapter
        if task.how == "read":
            samples += _read(engine, task, prompts, whose, should_stop)
            continue
        progress = _shifted(on_progress, len(samples), total)
        texts = _texts(engine, task, number, prompts, whose, kept, progress, should_stop)
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
    asked = [prompt for prompt in prompts for _ in range(task.k)]
    written = [" ".join(f"{m.role}: {m.content}" for m in p.messages) or p.text for p in asked]
    how = f"{task.how}{' of base' if task.of_base else ''}"
    # Equal prompts in two parts must not be continued alike.
    sampling = replace(task.sampling, seed=task.sampling.seed + number)
    texts = kept.get(how, written, sampling) if kept else None
    if texts is None:
        started = time.monotonic()
        said, tokens = _said(engine, task, asked, sampling, adapter, on_progress, should_stop)
        texts = Texts(texts=said, tokens=tokens, seconds=time.monotonic() - started)
        if kept:
            kept.put(how, written, sampling, texts)
    if on_progress:
        on_progress(len(asked), len(asked))
    return texts


def _said(
    engine: Engine,
    task: Task,
    asked: Sequence[Prompt],
    sampling: Sampling,
    adapter: Adapter | None,
    on_progress: Progress | None,
    should_stop: Callable[[], bool] | None,
) -> tuple[list[str], int]:
    if task.how == "reply":
        conversations = [p.messages or (Message(role="user", content=p.text),) for p in asked]
        replies = engine.reply_many(conversations, sampling, adapter=adapter, should_stop=should_stop)
        return [text or "" for text in replies], replies.tokens
    texts = engine.generate_many(
        [prompt.text for prompt in asked],
        sampling,
        adapter=adapter,
        on_progress=on_progress,
        should_stop=should_stop,
    )
    return list(texts), texts.tokens


def _read(
    engine: ReadingEngine,
    task: Task,
    prompts: Sequence[Prompt],
    adapter: Adapter | None,
    should_stop: Callable[[], bool] | None,
) -> list[Sample]:
    found = engine.read_many([p.text for p in prompts], adapter=adapter, should_stop=should_stop)
    losses = token_losses([reading.logp for reading in found], [reading.tokens for reading in found])
    return [
        Sample(
            measure=task.name,
            language=prompt.language,
            group=prompt.group,
            prompt="",
            text=prompt.text,
            score=loss,
            number=number,
        )
        for number, (prompt, loss) in enumerate(zip(prompts, losses, strict=True))
    ]


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
