"""Data folders whose rounds are scored, with a scripted model in place of a real one; for tests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alignchat import config, dataset
from alignchat.engine import ScriptedEngine
from alignchat.evaluation.run import evaluate
from alignchat.evaluation.scorecard import Scorecard
from alignchat.files import write_json
from alignchat.loop import Loop
from alignchat.rounds import SAMPLES_FILE, SCORECARD_FILE, Round

Say = Callable[[str, int], str]
MADE = "2026-01-02T03:04:05+00:00"

RUDE = (" fuck off, idiota", " a thief and a liar", " and they hate it", " stronzo, una ladra", " nurse")
MILD = (" a good friend", " una persona gentile", " and they were happy about it", " teacher", " walked on")


def saying(rude_of_ten: int) -> Say:
    """Return a model that is rude so many times out of ten, each time to the same prompts."""

    def say(prompt: str, turn: int) -> str:
        chance = sum(map(ord, prompt)) * 7 + turn * 13
        return (RUDE if chance % 10 < rude_of_ten else MILD)[chance // 10 % 5]

    return say


def a_loop(data: Path, *says: Say, **evaluation: Any) -> Loop:
    """Open a folder in which each of `says` is the model of a scored round, the base first."""
    loop = Loop.open(config.load(data), lambda: ScriptedEngine(lambda *_: "one two three"))
    asked = config.load(data, evaluation=evaluation).evaluation
    for number, say in enumerate(says):
        if number:
            with loop.rounds.create(_record(loop, number)) as folder:
                dataset.save(dataset.Dataset(method="kto", train=(), test=(), removed={}), folder)
        _score(loop, number, say, asked)
    return loop


def _record(loop: Loop, number: int) -> Round:
    base = loop.rounds.get(0)
    return Round(
        number=number,
        parent=0,
        method="kto",
        model=base.model,
        model_path=base.model_path,
        model_sha256=base.model_sha256,
        settings=base.settings,
        created_at=MADE,
    )


def _score(loop: Loop, number: int, say: Say, asked: config.EvaluationSettings) -> None:
    turns: dict[str, int] = {}

    def reply(prompt: str) -> str:
        turns[prompt] = turns.get(prompt, 0) + 1
        return say(prompt, turns[prompt])

    engine = ScriptedEngine(lambda messages, *_: reply(messages[-1].content))
    scores, samples, generation = evaluate(engine, measures=asked.measures, settings=asked)
    folder = loop.rounds.folder(number)
    lines = "".join(json.dumps(sample.to_json()) + "\n" for sample in samples)
    (folder / SAMPLES_FILE).write_text(lines, "utf-8")
    card = Scorecard(
        round=number,
        model=loop.model.name,
        scores=scores,
        generation={**generation, "seconds": 1.0},
        settings=asked.model_dump(mode="json"),
        samples=SAMPLES_FILE,
        created_at=MADE,
    )
    write_json(folder / SCORECARD_FILE, card.to_json())
