"""Conversations made of completions: each one carries its whole prompt, so the last one tells all.

Knows the store's records and an engine's streams; knows neither model files nor training.
"""

import random
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from alignchat.config import ChatSettings, override
from alignchat.engine import Adapter, Engine, Sampling, Stream
from alignchat.errors import DataError
from alignchat.places import Places
from feedback_store import Completion, Conversation, FeedbackStore, Message, new_id

TITLE_LENGTH = 60
REPLIES_AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply as it stands; `finished` once the model has ended it and it is kept."""

    completion_id: str
    conversation_id: str
    text: str
    round: int
    tokens: int
    tokens_per_second: float
    finished: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of a conversation; a reply carries its completion's id and the thumb it got."""

    message: Message
    completion_id: str | None = None
    round: int | None = None
    finished: bool = True
    up: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Who replies: a model's name, its round, and that round's adapter."""

    model: str
    round: int
    adapter: Adapter | None


class Chat:
    """Makes replies and keeps them; `engine` is asked for at the first reply."""

    def __init__(self, store: FeedbackStore, settings: ChatSettings, engine: Callable[[], Engine]) -> None:
        self._store = store
        self._settings = settings
        self._engine = engine
        self._places = Places(REPLIES_AT_ONCE)

    def reply(
        self,
        voice: Voice,
        conversation_id: str | None,
        text: str,
        annotator: str,
        sampling: Mapping[str, Any],
    ) -> Generator[Reply, None, None]:
        """Reply to `text` in a conversation, a new one if None."""
        _require_text(text)
        how = self._sampling(sampling)
        conversation_id = conversation_id or self._new_conversation(text)
        earlier = self._store.completions(conversation_id=conversation_id)
        prompt = (*(history(earlier) or self._opening()), Message(role="user", content=text))
        return self._one(_draft(voice, conversation_id, prompt, annotator), voice, how)

    def again(
        self, voice: Voice, completion_id: str, annotator: str, sampling: Mapping[str, Any]
    ) -> Generator[Reply, None, None]:
        """Reply once more to what a completion replied to."""
        earlier = self._store.completion(completion_id)
        draft = _draft(voice, earlier.conversation_id, earlier.prompt, annotator)
        return self._one(draft, voice, self._sampling(sampling))

    def compare(
        self, voices: Sequence[Voice], text: str, annotator: str, sampling: Mapping[str, Any]
    ) -> Iterator[list[Reply | None]]:
        """Reply to one prompt with several voices, side by side; no conversation is opened for it."""
        _require_text(text)
        conversation_id = new_id()
        prompt = (*self._opening(), Message(role="user", content=text))
        drafts = [_draft(voice, conversation_id, prompt, annotator) for voice in voices]
        return self._generate(drafts, voices, self._sampling(sampling))

    def turns(self, conversation_id: str) -> list[Turn]:
        """Return a conversation's messages, each reply with its completion and its thumb."""
        completions = self._store.completions(conversation_id=conversation_id)
        thumbs = {c.id: t.up for c in completions for t in self._store.thumbs(completion_id=c.id)}
        made = {(c.prompt, c.text): c for c in completions}
        messages = history(completions)
        return [
            _turn(message, made.get((messages[:i], message.content)), thumbs)
            for i, message in enumerate(messages)
        ]

    def _one(self, draft: Completion, voice: Voice, how: Sampling) -> Generator[Reply, None, None]:
        replies = self._generate([draft], [voice], how)
        try:
            for (reply,) in replies:
                if reply:
                    yield reply
        finally:
            replies.close()

    def _generate(
        self, drafts: Sequence[Completion], voices: Sequence[Voice], how: Sampling
    ) -> Generator[list[Reply | None], None, None]:
        with self._places.take(len(drafts)):
            replies = []
            for i, (draft, voice) in enumerate(zip(drafts, voices, strict=True)):
                drawn = replace(how, seed=how.seed + i)
                stream = self._engine().stream(draft.prompt, drawn, adapter=voice.adapter)
                replies.append(record_reply(self._store, stream, drawn, draft))
            yield from in_turns(replies)

    def _sampling(self, given: Mapping[str, Any]) -> Sampling:
        """Fill in the settings; the seed is always fixed, so that every reply can be made again."""
        limited = ("temperature", "top_p", "top_k", "max_tokens")
        settings = override(self._settings, "chat", {key: given.get(key) for key in limited})
        defaults = Sampling(
            temperature=settings.temperature,
            top_p=settings.top_p,
            top_k=settings.top_k,
            max_tokens=settings.max_tokens,
            seed=random.getrandbits(31),
        )
        return replace(defaults, **{key: value for key, value in given.items() if value is not None})

    def _new_conversation(self, text: str) -> str:
        return self._store.add(Conversation(title=" ".join(text.split())[:TITLE_LENGTH]))

    def _opening(self) -> tuple[Message, ...]:
        system = self._settings.system_prompt
        return (Message(role="system", content=system),) if system else ()


def record_reply(
    store: FeedbackStore, stream: Stream, sampling: Sampling, draft: Completion
) -> Generator[Reply, None, None]:
    """Yield the reply as it grows, and keep it at its end, also when it was stopped before."""
    text = ""
    try:
        for piece in stream:
            if piece:
                text += piece
                yield _reply(draft, stream, text, finished=False)
    finally:
        stream.close()
        facts = {
            **asdict(sampling),
            "stop": list(sampling.stop),
            "tokens": stream.tokens,
            "tokens_per_second": round(stream.tokens_per_second, 1),
            "stop_reason": stream.stop_reason,
        }
        ended = stream.stop_reason != "stopped"
        store.add(replace(draft, text=text, sampling=facts, finished=ended))
    yield _reply(draft, stream, text, finished=True)


def in_turns(replies: Sequence[Generator[Reply, None, None]]) -> Generator[list[Reply | None], None, None]:
    """Let several replies grow side by side; closing this closes them all."""
    latest: list[Reply | None] = [None] * len(replies)
    going = list(range(len(replies)))
    try:
        while going:
            for i in tuple(going):
                latest[i] = now = next(replies[i])
                if now.finished:
                    going.remove(i)
            yield list(latest)
    finally:
        for reply in replies:
            reply.close()


def history(completions: Sequence[Completion]) -> tuple[Message, ...]:
    """Return a conversation's messages so far: the last completion's prompt and its text."""
    if not completions:
        return ()
    last = completions[-1]
    return (*last.prompt, Message(role="assistant", content=last.text))


def _require_text(text: str) -> None:
    if not text.strip():
        raise DataError("There is nothing to reply to: write a message first.")


def _draft(voice: Voice, conversation_id: str, prompt: tuple[Message, ...], annotator: str) -> Completion:
    return Completion(
        conversation_id=conversation_id,
        prompt=prompt,
        text="",
        model=voice.model,
        round=voice.round,
        finished=False,
        annotator=annotator,
    )


def _turn(message: Message, completion: Completion | None, thumbs: Mapping[str, bool]) -> Turn:
    if message.role != "assistant" or completion is None:
        return Turn(message=message)
    return Turn(
        message=message,
        completion_id=completion.id,
        round=completion.round,
        finished=completion.finished,
        up=thumbs.get(completion.id),
    )


def _reply(draft: Completion, stream: Stream, text: str, *, finished: bool) -> Reply:
    return Reply(
        completion_id=draft.id,
        conversation_id=draft.conversation_id,
        text=text,
        round=draft.round or 0,
        tokens=stream.tokens,
        tokens_per_second=stream.tokens_per_second,
        finished=finished,
    )
