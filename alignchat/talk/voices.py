"""Who can talk: models, each with its rounds and an engine made at its first use. Knows no conversation."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from alignchat.catalog import Model
from alignchat.engine import Adapter, Engine
from alignchat.rounds import Rounds

# One model for the chat and one beside it, to be compared with.
MODELS_AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Who replies: a model's name, its round, that round's adapter, and the engine that speaks."""

    model: str
    round: int
    adapter: Adapter | None
    engine: Callable[[], Engine] = field(repr=False, compare=False)


class Talker:
    """A model with its rounds; its weights are loaded when it first speaks."""

    def __init__(self, model: Model, rounds: Rounds, make_engine: Callable[[Model], Engine]) -> None:
        self.model = model
        self.rounds = rounds
        self._make_engine = make_engine
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    def engine(self) -> Engine:
        """Return the engine, made at its first use; raise ModelError if the file cannot be loaded."""
        with self._lock:
            if self._engine is None:
                self._engine = self._make_engine(self.model)
            return self._engine

    def voice(self, round: int | None) -> Voice:
        """Return the voice of a round, None for the active one; raise RoundError if it has no adapter."""
        number = self.rounds.active() if round is None else round
        adapter = self.rounds.adapter(number)
        return Voice(model=self.model.name, round=number, adapter=adapter, engine=self.engine)

    def close(self) -> None:
        """Give the memory back; a later reply loads the model again."""
        with self._lock:
            if self._engine:
                self._engine.close()
                self._engine = None


class Talkers:
    """The models that are open: the one whose rounds are trained, and the one asked for beside it last."""

    def __init__(self, home: Talker, open_model: Callable[[str], Talker]) -> None:
        self.home = home
        self._open_model = open_model
        self._beside: dict[str, Talker] = {}
        self._lock = threading.Lock()

    def get(self, name: str | None) -> Talker:
        """Return the talker of a model, None for the home; raise ModelError if it is not on this machine."""
        with self._lock:
            if name is None or name == self.home.model.name:
                return self.home
            talker = self._beside.pop(name, None) or self._open_model(name)
            self._beside[talker.model.name] = talker
            while len(self._beside) >= MODELS_AT_ONCE:
                self._beside.pop(next(iter(self._beside))).close()
            return talker

    def move(self, name: str) -> None:
        """Make a model the home; the one that was stays beside it."""
        talker = self.get(name)
        with self._lock:
            if talker is not self.home:
                del self._beside[talker.model.name]
                self._beside[self.home.model.name] = self.home
                self.home = talker

    def close(self) -> None:
        """Close all engines."""
        for talker in (self.home, *self._beside.values()):
            talker.close()
