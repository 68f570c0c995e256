"""Conversations made of completions: each one carries its whole prompt, so the last one tells all.

Knows the store's records and an engine's streams; knows neither model files nor training.
"""

import random
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from inspect import GEN_CLOSED, getgeneratorstate
from types import MappingProxyType
from typing import Any
from weakref import WeakSet

from alignchat.config import ChatSettings, override
from alignchat.engine import Sampling, StopReason, Stream
from alignchat.errors import DataError, ModelError, SettingsError
from alignchat.llamacpp.places import Places
from alignchat.talk.conversations import history, preferred, spoken, title_of
from alignchat.talk.voices import Voice
from feedback_store import Completion, Conversation, Edit, FeedbackStore, Message, new_id

REPLIES_AT_ONCE = 4
SEEDS = 2**31
# So often one who waits for a place is told how many are before.
TOLD_SECONDS = 0.5
PARTING_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply as it stands; `finished` once the model has ended it and it is kept.

    Tokens are counted as they come, `prompt_tokens` once the prompt is read (0 where the engine cannot
    tell); `stop_reason` is "stopped" until the end. As long as others are to come before it, `waiting` says
    how many, 0 for the next; else it is None.
    """

    completion_id: str
    conversation_id: str
    text: str
    round: int
    prompt_tokens: int
    tokens: int
    tokens_per_second: float
    stop_reason: StopReason
    finished: bool
    waiting: int | None = None


class Chat:
    """Makes replies and keeps them."""

    def __init__(self, store: FeedbackStore, settings: ChatSettings) -> None:
        self._store = store
        self._settings = settings
        self._places = Places(REPLIES_AT_ONCE)
        self._going: WeakSet[Generator[Any, None, None]] = WeakSet()
        self._lock = threading.Lock()
        self._ending = False

    def end(self) -> None:
        """Begin no reply any more, and let those under way end at their next piece."""
        self._ending = True

    def close(self) -> None:
        """Keep what has come of the replies under way; return when that is done, or after some seconds."""
        self.end()
        deadline = time.monotonic() + PARTING_SECONDS
        while (going := self._unfinished()) and time.monotonic() < deadline:
            for replies in going:
                with suppress(ValueError):  # A thread is in it, and ends it.
                    replies.close()
            time.sleep(0.01)

    def _unfinished(self) -> list[Generator[Any, None, None]]:
        with self._lock:
            return [each for each in self._going if getgeneratorstate(each) != GEN_CLOSED]

    def reply(
        self,
        voice: Voice,
        conversation_id: str | None,
        text: str,
        annotator: str,
        sampling: Mapping[str, Any],
        *,
        after: str | None = None,
        system: str | None = None,
    ) -> Generator[Reply, None, None]:
        """Reply to `text` in a conversation, a new one if None; `after` None means after the newest reply."""
        asked, how = _message(text), self.sampling(sampling)
        if conversation_id is None:
            opened = Conversation(title=title_of(text))
            prompt = (*self._opening(system), asked)
            return self._one(_draft(voice, opened.id, prompt, annotator), voice, how, opened)
        earlier = self._before(conversation_id, after)
        prompt = _prompt(system, history(earlier) if earlier else self._opening(None), asked)
        return self._one(_draft(voice, conversation_id, prompt, annotator), voice, how)

    def again(
        self,
        voice: Voice,
        completion_id: str,
        annotator: str,
        sampling: Mapping[str, Any],
        *,
        text: str | None = None,
        system: str | None = None,
    ) -> Generator[Reply, None, None]:
        """Reply once more to what a completion replied to, or to `text` in its place."""
        earlier = self._store.completion(completion_id)
        asked = earlier.prompt[-1] if text is None else _message(text)
        prompt = _prompt(system, earlier.prompt[:-1], asked)
        draft = _draft(voice, earlier.conversation_id, prompt, annotator)
        return self._one(draft, voice, self.sampling(sampling))

    def answer(
        self,
        voice: Voice,
        conversation_id: str | None,
        messages: Sequence[Message],
        annotator: str,
        sampling: Mapping[str, Any],
    ) -> Generator[Reply, None, None]:
        """Reply to messages that the caller keeps; without a system's, to the settings' one and these."""
        if not messages or messages[-1].role != "user":
            raise DataError("The last message has to be the user's: that is what is replied to.")
        asked, how = _message(messages[-1].content), self.sampling(sampling)
        opening = () if any(message.role == "system" for message in messages) else self._opening(None)
        title = next(message.content for message in messages if message.role == "user")
        opened = None if conversation_id else Conversation(title=title_of(title))
        prompt = (*opening, *messages[:-1], asked)
        draft = _draft(voice, opened.id if opened else str(conversation_id), prompt, annotator)
        return self._one(draft, voice, how, opened)

    def edit(self, completion_id: str, text: str, annotator: str) -> Completion:
        """Keep a person's version of a reply beside it; whether it is better is not inferred."""
        if not text.strip():
            raise DataError("An edited reply cannot be empty; write something, or cancel.")
        earlier = self._store.completion(completion_id)
        edited = Completion(
            conversation_id=earlier.conversation_id,
            prompt=earlier.prompt,
            text=text,
            model=earlier.model,
            round=None,
            sampling={"edited_from": earlier.id},
            annotator=annotator,
        )
        self._store.add(edited)
        return edited

    def prefer(self, edited_id: str, annotator: str) -> Edit:
        """Say that a person's version is better than the reply it was made of."""
        edit = preferred(self._store.completion(edited_id), annotator)
        self._store.add(edit)
        return edit

    def compare(
        self,
        voices: Sequence[Voice],
        text: str,
        annotator: str,
        sampling: Mapping[str, Any],
        *,
        blind: bool = False,
    ) -> Iterator[list[Reply | None]]:
        """Reply to one prompt with several voices, side by side; no conversation is opened for it.

        Their completions' ids rise in the order of the voices; `blind` shuffles these, and says so in them.
        """
        prompt = (*self._opening(None), _message(text))
        order = random.sample(voices, len(voices)) if blind else voices
        drafts = comparison(order, prompt, annotator, {"blind": True} if blind else {})
        return self._known(self._generate(drafts, order, self.sampling(sampling)))

    def _one(
        self, draft: Completion, voice: Voice, how: Sampling, opened: Conversation | None = None
    ) -> Generator[Reply, None, None]:
        replies = self._known(self._generate([draft], [voice], how, opened))
        try:
            for (reply,) in replies:
                if reply:
                    yield reply
        finally:
            replies.close()

    def _generate(
        self,
        drafts: Sequence[Completion],
        voices: Sequence[Voice],
        how: Sampling,
        opened: Conversation | None = None,
    ) -> Generator[list[Reply | None], None, None]:
        if self._ending:
            raise ModelError("The app is ending; ask again when it is back.")
        with self._places.queue(len(drafts)) as turn:
            try:
                while not turn.come(TOLD_SECONDS) and not self._ending:
                    yield [_waiting(draft, turn.before()) for draft in drafts]
            except GeneratorExit:
                self._keep_unbegun(drafts, how, opened)
                raise
            if self._ending:
                self._keep_unbegun(drafts, how, opened)
                return
            replies = []
            for i, (draft, voice) in enumerate(zip(drafts, voices, strict=True)):
                drawn = replace(how, seed=how.seed + i)
                stream = voice.engine().stream(draft.prompt, drawn, adapter=voice.adapter)
                replies.append(record_reply(self._store, stream, drawn, draft, opened))
            with closing(in_turns(replies)) as turns:
                for now in turns:
                    yield now
                    if self._ending:
                        return

    def _keep_unbegun(self, drafts: Sequence[Completion], how: Sampling, opened: Conversation | None) -> None:
        """Keep what was asked by one who left the queue, as if it had been stopped at its first token."""
        for i, draft in enumerate(drafts):
            _keep(self._store, draft, "", replace(how, seed=how.seed + i), Stream(_nothing), opened)

    def _known(
        self, replies: Generator[list[Reply | None], None, None]
    ) -> Generator[list[Reply | None], None, None]:
        with self._lock:
            self._going.add(replies)
        return replies

    def sampling(self, given: Mapping[str, Any] = MappingProxyType({})) -> Sampling:
        """Fill in the settings; the seed is always fixed, so that every reply can be made again."""
        limited = ("temperature", "top_p", "top_k", "max_tokens")
        settings = override(self._settings, "chat", {key: given.get(key) for key in limited})
        if not 0 <= (given.get("seed") or 0) < SEEDS:
            raise SettingsError(f"The seed cannot hold: it must be from 0 to {SEEDS - 1}.")
        defaults = Sampling(
            temperature=settings.temperature,
            top_p=settings.top_p,
            top_k=settings.top_k,
            max_tokens=settings.max_tokens,
            seed=random.randrange(SEEDS),
        )
        return replace(defaults, **{key: value for key, value in given.items() if value is not None})

    def _before(self, conversation_id: str, after: str | None) -> Completion | None:
        """Return the completion that a reply goes on from, None in a conversation without any."""
        self._store.conversation(conversation_id)
        completions = self._store.completions(conversation_id=conversation_id)
        if after is None:
            return completions[-1] if completions else None
        earlier = self._store.completion(after)
        if earlier.conversation_id != conversation_id:
            raise DataError("That reply is of another conversation; open it, then go on from there.")
        return earlier

    def _opening(self, system: str | None) -> tuple[Message, ...]:
        return _system(self._settings.system_prompt if system is None else system)


def record_reply(
    store: FeedbackStore,
    stream: Stream,
    sampling: Sampling,
    draft: Completion,
    opened: Conversation | None = None,
) -> Generator[Reply, None, None]:
    """Yield the reply as it grows, and keep it at its end, also when it was stopped before.

    With it a conversation that it opens is kept, so that none is ever empty.
    """
    text = ""
    try:
        for piece in stream:
            if piece:
                text += piece
                yield _reply(draft, stream, text, finished=False)
    finally:
        stream.close()
        _keep(store, draft, text, sampling, stream, opened)
    yield _reply(draft, stream, text, finished=True)


def _keep(
    store: FeedbackStore,
    draft: Completion,
    text: str,
    sampling: Sampling,
    stream: Stream,
    opened: Conversation | None,
) -> None:
    facts = {
        **draft.sampling,
        **asdict(sampling),
        "stop": list(sampling.stop),
        "tokens": stream.tokens,
        "tokens_per_second": round(stream.tokens_per_second, 1),
        "stop_reason": stream.stop_reason,
    }
    ended = stream.stop_reason != "stopped"
    reply = replace(draft, text=text, sampling=facts, finished=ended)
    store.add_many([opened, reply] if opened else [reply])


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


def comparison(
    voices: Sequence[Voice], prompt: tuple[Message, ...], annotator: str, facts: Mapping[str, Any]
) -> list[Completion]:
    """Return drafts of replies to be compared: in a conversation of their own, with ids that rise."""
    conversation_id, ids = new_id(), sorted(new_id() for _ in voices)
    return [
        replace(_draft(voice, conversation_id, prompt, annotator), id=id, sampling=facts)
        for voice, id in zip(voices, ids, strict=True)
    ]


def _message(text: str) -> Message:
    if not text.strip():
        raise DataError("There is nothing to reply to: write a message first.")
    return Message(role="user", content=text)


def _prompt(system: str | None, before: Sequence[Message], asked: Message) -> tuple[Message, ...]:
    """Put a message after others, under the system prompt given, else under theirs."""
    if system is None:
        return (*before, asked)
    return (*_system(system), *spoken(before), asked)


def _system(text: str) -> tuple[Message, ...]:
    return (Message(role="system", content=text),) if text.strip() else ()


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


def _nothing(_: Stream) -> Generator[str, None, None]:
    yield from ()


def _waiting(draft: Completion, before: int) -> Reply:
    return replace(_reply(draft, Stream(_nothing), "", finished=False), waiting=before)


def _reply(draft: Completion, stream: Stream, text: str, *, finished: bool) -> Reply:
    return Reply(
        completion_id=draft.id,
        conversation_id=draft.conversation_id,
        text=text,
        round=draft.round or 0,
        prompt_tokens=stream.prompt_tokens,
        tokens=stream.tokens,
        tokens_per_second=stream.tokens_per_second,
        stop_reason=stream.stop_reason,
        finished=finished,
    )
