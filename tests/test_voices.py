"""Several models in one app: each with its rounds, two loaded at most, and any of them the home."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alignchat import config
from alignchat.engine import ScriptedEngine
from alignchat.errors import ModelError
from alignchat.loop import Loop
from tests.tiny_models import write_llama


class Closing(ScriptedEngine):
    """A scripted engine that says its model's name and remembers that it was closed."""

    def __init__(self, name: str) -> None:
        super().__init__(lambda *_: f"I am {name}")
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def made() -> dict[str, Closing]:
    return {}


@pytest.fixture
def loop(tmp_path: Path, made: dict[str, Closing]) -> Iterator[Loop]:
    """An application on `one`, with the models `two` and `three` beside it."""
    settings = config.load(tmp_path / "data")
    models = Loop.open(settings).models
    for number, name in enumerate(("one", "two", "three")):
        path = write_llama(tmp_path / f"{name}.gguf", tied=False, seed=number)
        models.add(str(path), name=name)

    def make(model: Any) -> Closing:
        made[model.name] = Closing(model.name)
        return made[model.name]

    opened = Loop.open(config.load(tmp_path / "data", model="one"))
    with Loop(settings, opened._store, opened.model, make) as loop:
        yield loop


def texts(loop: Loop, **sides: Any) -> list[str]:
    *_, replies = loop.compare("Who are you?", **sides)
    return [reply.text for reply in replies if reply]


def test_two_models_are_compared_and_the_choice_names_both(loop: Loop) -> None:
    *_, (left, right) = loop.compare("Who are you?", left=0, right=0, right_model="two")
    assert left
    assert right
    assert [left.text, right.text] == ["I am one", "I am two"]
    assert loop.choose(left.completion_id, right.completion_id, "right").chosen_id == right.completion_id


def test_a_third_model_takes_the_place_of_the_second(loop: Loop, made: dict[str, Closing]) -> None:
    assert texts(loop, right_model="two") == ["I am one", "I am two"]
    assert texts(loop, right_model="three") == ["I am one", "I am three"]
    assert [made[name].closed for name in ("one", "two", "three")] == [False, True, False]


def test_another_model_becomes_the_home_with_rounds_of_its_own(loop: Loop, made: dict[str, Closing]) -> None:
    assert [*loop.reply(None, "Who are you?")][-1].text == "I am one"
    loop.use_model("two")
    assert loop.model.name == "two"
    assert loop.rounds.root.name == "two"
    assert [*loop.reply(None, "Who are you?")][-1].text == "I am two"
    assert [*loop.reply(None, "Who are you?", model="one")][-1].text == "I am one"
    assert not made["one"].closed


def test_a_model_that_is_not_here_is_refused_and_nothing_changes(loop: Loop) -> None:
    with pytest.raises(ModelError, match="nonsense"):
        loop.use_model("nonsense")
    assert loop.model.name == "one"


def test_closing_the_application_closes_every_engine(loop: Loop, made: dict[str, Closing]) -> None:
    texts(loop, right_model="two")
    loop.close()
    assert all(engine.closed for engine in made.values())
