"""The application: chat, say what is good, retrain, measure, talk to the result.

The browser, the command line and scripts all call this one object. It holds no state of a user's;
what it knows is in the data folder. It knows no screen, and starts training without importing it.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from alignchat import catalog, engines
from alignchat.arena import VERDICTS, Arena
from alignchat.config import Settings
from alignchat.engine import Engine
from alignchat.errors import DataError, ModelError
from alignchat.hub_sets import HubSets
from alignchat.judging.feedback import Feedback, open_store
from alignchat.judging.labelling import Labelling
from alignchat.shelf.bias_sets import BiasSetReport, BiasSets
from alignchat.shelf.models import ModelReport, Models
from alignchat.shelf.under_way import UnderWay
from alignchat.talk.chat import Chat, Reply
from alignchat.talk.conversations import Conversations
from alignchat.talk.replies_ahead import RepliesAhead
from alignchat.talk.voices import Voice
from alignchat.workshop import SETS_FOLDER, Workshop
from feedback_store import Choice, FeedbackStore, Message, Verdict

__all__ = ["VERDICTS", "Loop"]


class Loop(Workshop):
    """One data folder and one model; safe to call from several threads."""

    def __init__(
        self,
        settings: Settings,
        store: FeedbackStore,
        model: catalog.Model,
        make_engine: Callable[[catalog.Model], Engine],
    ) -> None:
        """Use `Loop.open`; this takes parts that are open already."""
        super().__init__(settings, store, model, make_engine)
        self.feedback = Feedback(store)
        self.conversations = Conversations(store)
        self.arena = Arena(store)
        self.under_way: UnderWay[ModelReport] = UnderWay()
        self.sets_under_way: UnderWay[str] = UnderWay()
        self.bias_sets = BiasSets(settings.data)
        self.bias_sets_under_way: UnderWay[BiasSetReport] = UnderWay()
        self._chat = Chat(store, settings.chat)
        self.labelling = self._labelling()

    @classmethod
    def open(cls, settings: Settings, make_engine: Callable[[], Engine] | None = None) -> "Loop":
        """Open a data folder; raise one of `errors.EXPECTED` if it or the model cannot be used."""
        model = Models(settings.data).open(settings.model)
        store = open_store(settings)
        if make_engine is None:
            return cls(settings, store, model, lambda model: engines.make_engine(model, settings))
        return cls(settings, store, model, lambda _: make_engine())

    def __enter__(self) -> "Loop":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back files and memory; a running round goes on by itself."""
        self._chat.end()
        self.under_way.close()
        self.sets_under_way.close()
        self.bias_sets_under_way.close()
        self.close_data()
        self.labelling.ahead.close()
        self._talkers.close()
        self._chat.close()
        self._store.close()

    @property
    def engine(self) -> Engine:
        """The engine of that model, made at its first use."""
        return self._talkers.home.engine()

    def warm_up(self) -> None:
        """Load the model now, so that the first reply need not wait; raise ModelError if it cannot be."""
        _ = self.engine

    # Chat

    def reply(
        self,
        conversation_id: str | None,
        text: str,
        *,
        after: str | None = None,
        system: str | None = None,
        round: int | None = None,
        model: str | None = None,
        annotator: str = "local",
        **sampling: Any,
    ) -> Generator[Reply, None, None]:
        """Reply to `text` in a conversation (a new one if None), yielding the reply as it grows.

        `after` is the completion to go on from, None the newest; `system` replaces the system prompt;
        `model` None means the open one and `round` None its active one; `sampling` are fields of
        `engine.Sampling`. Closing the iterator stops the model; what has come is kept.
        """
        voice = self._voice(model, round)
        return self._telling(
            self._chat.reply(voice, conversation_id, text, annotator, sampling, after=after, system=system)
        )

    def again(
        self,
        completion_id: str,
        text: str | None = None,
        *,
        system: str | None = None,
        round: int | None = None,
        model: str | None = None,
        annotator: str = "local",
        **sampling: Any,
    ) -> Generator[Reply, None, None]:
        """Reply once more to what a completion replied to, or to `text` put in its place.

        The earlier reply stays, unjudged by this.
        """
        voice = self._voice(model, round)
        return self._telling(
            self._chat.again(voice, completion_id, annotator, sampling, text=text, system=system)
        )

    def answer(
        self,
        conversation_id: str | None,
        messages: Sequence[tuple[str, str]],
        *,
        round: int | None = None,
        model: str | None = None,
        annotator: str = "local",
        **sampling: Any,
    ) -> Generator[Reply, None, None]:
        """Reply to a conversation that the caller keeps, whole, as (role, text), the last one the user's.

        It is kept in a conversation here (a new one if None) that need not hold the same messages.
        """
        voice = self._voice(model, round)
        turns = [Message(role=role, content=text) for role, text in messages]
        return self._telling(self._chat.answer(voice, conversation_id, turns, annotator, sampling))

    def edit(self, completion_id: str, text: str, *, annotator: str = "local") -> str:
        """Keep one's own version of a reply beside it and return its id; neither is judged by this."""
        return self._chat.edit(completion_id, text, annotator).id

    def prefer(self, edited_id: str, *, annotator: str = "local") -> None:
        """Say that one's own version is better than the reply it was made of."""
        self._chat.prefer(edited_id, annotator)

    def compare(
        self,
        text: str,
        *,
        left: int | None = None,
        right: int | None = None,
        left_model: str | None = None,
        right_model: str | None = None,
        blind: bool = False,
        annotator: str = "local",
        **sampling: Any,
    ) -> Iterator[list[Reply | None]]:
        """Reply twice to one prompt, side by side.

        A side's model None means the open one, its round None the active one. `blind` shuffles the sides.
        The comparison's id is the replies' `conversation_id`.
        """
        voices = [self._voice(left_model, left), self._voice(right_model, right)]
        return self._telling(self._chat.compare(voices, text, annotator, sampling, blind=blind))

    # Feedback

    def rate(self, completion_id: str, up: bool | None, *, annotator: str = "local") -> None:
        """Set one's thumb on a completion, up or down; None takes it back."""
        self.feedback.rate(completion_id, up, annotator=annotator)

    def choose(self, left_id: str, right_id: str, verdict: Verdict, *, annotator: str = "local") -> Choice:
        """Say which of two replies to one prompt is better: left, right, tie or both_bad."""
        left, right = self._store.completion(left_id), self._store.completion(right_id)
        if left.id == right.id or left.prompt != right.prompt:
            raise DataError("A choice is between two replies to the same prompt; compare them first.")
        choice = Choice(left_id=left_id, right_id=right_id, verdict=verdict, annotator=annotator)
        self._store.add(choice)
        return choice

    def unchoose(self, left_id: str, right_id: str, *, annotator: str = "local") -> None:
        """Take back what one said of two replies, if anything."""
        for id in self._store.choices_ever(left_id, annotator):
            said = self._store.get(id)
            if isinstance(said, Choice) and right_id in (said.left_id, said.right_id):
                self._store.retract(id)

    # Models

    def use_model(self, name: str) -> None:
        """Open another model in place of this one, for everybody who talks here; its rounds are its own.

        Raise ModelError if it is not on this machine.
        """
        self._talkers.move(name)

    def remove_model(self, name: str) -> None:
        """Take a model off this machine, unless it is the one that is open."""
        if any(
            report.name == name and report.path == str(self.model.path) for report in self.models.reports()
        ):
            raise ModelError(f"{name} is the model you are talking to; open another one, then remove it.")
        self.models.remove(name)

    def _voice(self, model: str | None, round: int | None) -> Voice:
        return self._talkers.get(model).voice(round)

    def _labelling(self) -> Labelling:
        ahead = RepliesAhead(self._store, self.settings.data / "labelling", self._chat.sampling)
        return Labelling(
            self._store,
            ahead,
            lambda: (self._voice(None, 0), self._voice(None, None)),
            self.settings.chat.system_prompt,
            HubSets(self.settings.data / SETS_FOLDER),
        )
