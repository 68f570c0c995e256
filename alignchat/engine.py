"""What the app asks of anything that generates text, and an engine that reads from a script.

Knows no model library: `llama_engine.py` is the real one. An adapter is an argument of every call
rather than a state, since two people may be talking to two rounds at once.
"""

import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from alignchat.errors import Cancelled
from feedback_store import Message

Progress = Callable[[int, int], None]
StopReason = Literal["end", "length", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are drawn. `temperature=0` is greedy; `top_k=0` and `top_p=1` switch those off."""

    temperature: float = 0.7
    top_p: float = 0.95
    top_k: int = 40
    max_tokens: int = 512
    seed: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A LoRA adapter in llama.cpp's format, with the SHA-256 recorded when it was written."""

    path: Path
    sha256: str


class Stream:
    """The text of one reply as it comes, and afterwards its facts. Close it to stop."""

    def __init__(self, pieces: Callable[["Stream"], Generator[str, None, None]]) -> None:
        self.prompt_tokens = 0
        self.tokens = 0
        self.stop_reason: StopReason = "stopped"
        self._started = self._latest = time.monotonic()
        self._pieces = pieces(self)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        piece = next(self._pieces)
        self._latest = time.monotonic()
        return piece

    def close(self) -> None:
        """Stop generating; what has come so far stays."""
        self._pieces.close()

    @property
    def tokens_per_second(self) -> float:
        """Tokens generated a second from the call to the latest piece, prompt reading included."""
        return self.tokens / max(self._latest - self._started, 1e-9)


@dataclass(frozen=True, slots=True)
class Reading:
    """A text's summed natural-log probability, and its tokens."""

    logp: float
    tokens: int


Text = TypeVar("Text", bound=str | None)


class Continuations(list[Text]):
    """Generated texts, and how many tokens were generated for all of them, those that end a text included."""

    def __init__(self, texts: Iterable[Text], tokens: int) -> None:
        super().__init__(texts)
        self.tokens = tokens


class Engine(Protocol):
    """Anything that can reply to a conversation and continue texts, with and without an adapter."""

    def stream(
        self, messages: Sequence[Message], sampling: Sampling, *, adapter: Adapter | None = None
    ) -> Stream:
        """Reply to a conversation, piece by piece."""
        ...

    def generate_many(
        self,
        prompts: Sequence[str],
        sampling: Sampling,
        *,
        adapter: Adapter | None = None,
        on_progress: Progress | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Continuations[str]:
        """Continue raw texts; the result depends neither on their order nor on earlier calls."""
        ...

    def reply_many(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        *,
        adapter: Adapter | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Continuations[str | None]:
        """Reply to many conversations at once, None where one is too long; raise Cancelled if stopped."""
        ...

    def close(self) -> None:
        """Give back what is held."""
        ...


class ReadingEngine(Engine, Protocol):
    """An engine that also says how likely it finds texts."""

    def read_many(
        self,
        texts: Sequence[str],
        *,
        adapter: Adapter | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> list[Reading]:
        """Return how likely raw texts are, each from its first token on; raise Cancelled if stopped."""
        ...


class ScriptedEngine:
    """Says what a function tells it to; for tests of everything around a model, never shown as one."""

    def __init__(self, reply: Callable[[Sequence[Message], Sampling, Adapter | None], str]) -> None:
        self._reply = reply

    def stream(
        self, messages: Sequence[Message], sampling: Sampling, *, adapter: Adapter | None = None
    ) -> Stream:
        """Reply word by word."""
        text = self._reply(messages, sampling, adapter)

        def pieces(stream: Stream) -> Generator[str, None, None]:
            stream.prompt_tokens = sum(len(message.content.split()) for message in messages)
            for word in text.split(" ")[: sampling.max_tokens]:
                stream.tokens += 1
                yield word if stream.tokens == 1 else " " + word
            stream.stop_reason = "end" if stream.tokens == len(text.split(" ")) else "length"

        return Stream(pieces)

    def generate_many(
        self,
        prompts: Sequence[str],
        sampling: Sampling,
        *,
        adapter: Adapter | None = None,
        on_progress: Progress | None = None,
        should_stop: Callable[[], bool] | None = None,  # noqa: ARG002 - a script is never long
    ) -> Continuations[str]:
        """Continue each prompt as if it were a user's message."""
        texts = [self._reply([Message(role="user", content=p)], sampling, adapter) for p in prompts]
        if on_progress:
            on_progress(len(texts), len(texts))
        return Continuations(texts, sum(len(text.split(" ")) for text in texts))

    def reply_many(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        *,
        adapter: Adapter | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Continuations[str | None]:
        """Reply to each conversation, unless told to stop."""
        texts: list[str | None] = []
        for messages in conversations:
            if should_stop and should_stop():
                raise Cancelled("Stopped as asked.")
            texts.append(self._reply(messages, sampling, adapter))
        return Continuations(texts, sum(len(text.split(" ")) for text in texts if text))

    def read_many(
        self,
        texts: Sequence[str],
        *,
        adapter: Adapter | None = None,  # noqa: ARG002 - a script finds every word as likely
        should_stop: Callable[[], bool] | None = None,  # noqa: ARG002
    ) -> list[Reading]:
        """Find every word one of two that could be."""
        return [Reading(-math.log(2) * len(text.split()), len(text.split())) for text in texts]

    def close(self) -> None:
        """Hold nothing."""
