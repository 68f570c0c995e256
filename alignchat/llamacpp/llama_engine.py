"""The engine on llama.cpp: one copy of the weights for the base model and for every round.

Each slot keeps the tokens it has read and the adapter it read them with, so that going on with a
conversation, or back to one, reads only what is new; memory made with one adapter never serves another.
"""

import codecs
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice

from alignchat import batch
from alignchat.catalog import Model
from alignchat.draw import draw, random_for
from alignchat.engine import Adapter, Continuations, Progress, Reading, Sampling, Stream
from alignchat.errors import AdapterError, ModelError, TooLongError
from alignchat.files import sha256
from alignchat.formats.template import segments
from alignchat.llamacpp.llama import PREFILL, Context, Entry, Weights
from alignchat.llamacpp.places import Places
from feedback_store import Message

SLOTS = 4


class _ClosedError(ModelError):
    def __init__(self) -> None:
        super().__init__("The model has been closed; start the app again.")


@dataclass(slots=True, kw_only=True)
class _Slot:
    """One sequence of the context: which tokens its memory holds, and whose they are.

    The memory may hold more than `tokens`, after a failure, but never less or others.
    """

    number: int
    adapter: Adapter | None = None
    tokens: list[int] = field(default_factory=list)
    busy: bool = False
    used_at: int = 0

    def shared(self, tokens: Sequence[int], adapter: Adapter | None) -> int:
        """Return how many of `tokens` need not be read again."""
        if adapter != self.adapter:
            return 0
        pairs = zip(self.tokens, tokens, strict=False)
        return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(self.tokens), len(tokens)))

    def continued(self, tokens: Sequence[int], adapter: Adapter | None) -> int:
        """Return the same if `tokens` go on with this slot's conversation; 0 if they only begin alike."""
        shared = self.shared(tokens, adapter)
        return shared if 2 * shared >= len(self.tokens) else 0


class LlamaEngine:
    """Replies and continuations from a GGUF model; safe to call from several threads."""

    def __init__(
        self, model: Model, *, context: int, sequences: int = 64, threads: int | None = None
    ) -> None:
        """Load `model`; `context` is the longest conversation in tokens, `sequences` the batch width."""
        self.model = model
        self._length = context
        self._sequences = sequences
        self._threads = threads
        self._weights = Weights(model.path)
        self._context = Context(
            self._weights, length=context, sequences=SLOTS, unified=False, threads=threads
        )
        self._slots = [_Slot(number=i) for i in range(SLOTS)]
        self._slot_free = threading.Condition()
        # In the order of asking, which a plain lock does not promise.
        self._turns = Places(1)
        self._batches = threading.Lock()
        self._closing = threading.Event()
        self._clock = 0
        self._verified: set[Adapter] = set()

    def stream(
        self, messages: Sequence[Message], sampling: Sampling, *, adapter: Adapter | None = None
    ) -> Stream:
        """Reply to a conversation; raise TooLongError if it is longer than the context."""
        self._verify(adapter)
        tokens = self.prompt_tokens(messages)
        room = self._length - len(tokens)
        if room < 1:
            raise TooLongError(
                f"The conversation has {len(tokens)} tokens and the context holds {self._length}; "
                "start a new conversation or set chat.context higher."
            )
        limit = min(sampling.max_tokens, room)
        return Stream(lambda stream: self._reply(stream, tokens, sampling, limit, adapter))

    def prompt_tokens(self, messages: Sequence[Message]) -> list[int]:
        """Return the token ids of a conversation as the model reads it before replying."""
        model = self.model
        stretches = segments(
            model.template,
            messages,
            bos=model.bos,
            eos=model.eos,
            control_tokens=model.control_tokens,
            add_generation_prompt=True,
        )
        with self._turn():
            return [
                token
                for text, parse_control in stretches
                for token in self._weights.tokenize(text, add_special=False, parse_control=parse_control)
            ]

    def generate_many(
        self,
        prompts: Sequence[str],
        sampling: Sampling,
        *,
        adapter: Adapter | None = None,
        on_progress: Progress | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Continuations[str]:
        """Continue raw texts through a context of their own; raise Cancelled when told to stop."""
        return self._generate(prompts, sampling, adapter, on_progress, should_stop)

    def reply_many(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        *,
        adapter: Adapter | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Continuations[str | None]:
        """Reply to many conversations at once, None where one is too long; raise Cancelled if stopped."""
        room = min(sampling.max_tokens, self._length // 2)
        prompts = {i: self.prompt_tokens(messages) for i, messages in enumerate(conversations)}
        fitting = {i: tokens for i, tokens in prompts.items() if len(tokens) + room <= self._length}
        asked = replace(sampling, max_tokens=room, stop=self.model.stop + sampling.stop)
        texts = self._generate(list(fitting.values()), asked, adapter, None, should_stop)
        said = dict(zip(fitting, texts, strict=True))
        return Continuations((said.get(i) for i in prompts), texts.tokens)

    def _generate(
        self,
        prompts: Sequence[str | Sequence[int]],
        sampling: Sampling,
        adapter: Adapter | None,
        on_progress: Progress | None,
        should_stop: Callable[[], bool] | None,
    ) -> Continuations[str]:
        self._verify(adapter)
        with self._batches:
            if self._closing.is_set():
                raise _ClosedError
            return batch.generate(
                self._weights,
                prompts,
                sampling,
                sequences=self._sequences,
                threads=self._threads,
                adapter=adapter,
                on_progress=on_progress,
                should_stop=lambda: self._closing.is_set() or bool(should_stop and should_stop()),
            )

    def logps(
        self,
        pairs: Sequence[tuple[Sequence[Message], str]],
        *,
        adapter: Adapter | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> list[float]:
        """Return the summed log-probability of each reply's own tokens, without one that ends it.

        The result does not depend on the pairs' order; raise Cancelled when told to stop.
        """
        prompts = [self.prompt_tokens(messages) for messages, _ in pairs]
        replies = [self._tokens(text) for _, text in pairs]
        return self._logps(list(zip(prompts, replies, strict=True)), adapter, should_stop)

    def read_many(
        self,
        texts: Sequence[str],
        *,
        adapter: Adapter | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> list[Reading]:
        """Return how likely raw texts are, each from its first token on; raise Cancelled if stopped."""
        tokens = [self._tokens(text) for text in texts]
        start = self._weights.start()
        found = self._logps([(start, own) for own in tokens], adapter, should_stop)
        return [Reading(logp, len(own)) for logp, own in zip(found, tokens, strict=True)]

    def _tokens(self, text: str) -> list[int]:
        return self._weights.tokenize(text, add_special=False, parse_control=False)

    def _logps(
        self,
        pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
        adapter: Adapter | None,
        should_stop: Callable[[], bool] | None,
    ) -> list[float]:
        self._verify(adapter)
        with self._batches:
            if self._closing.is_set():
                raise _ClosedError
            return batch.log_probabilities(
                self._weights,
                pairs,
                sequences=self._sequences,
                threads=self._threads,
                adapter=adapter,
                should_stop=lambda: self._closing.is_set() or bool(should_stop and should_stop()),
            )

    def close(self) -> None:
        """Free weights and memory; replies under way end, batches under way raise Cancelled."""
        self._closing.set()
        with self._slot_free:
            self._slot_free.notify_all()
        with self._batches, self._turns.take(1):
            self._context.close()
            self._weights.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Have the model to oneself for the length of the block."""
        with self._turns.take(1):
            if self._closing.is_set():
                raise _ClosedError
            yield

    def _verify(self, adapter: Adapter | None) -> None:
        if adapter is None or adapter in self._verified:
            return
        if not adapter.path.exists():
            raise AdapterError(f"The adapter {adapter.path} is missing; resume its round to make it again.")
        if sha256(adapter.path) != adapter.sha256:
            raise AdapterError(f"The adapter {adapter.path} is damaged; resume its round to make it again.")
        self._verified.add(adapter)

    def _reply(
        self, stream: Stream, tokens: list[int], sampling: Sampling, limit: int, adapter: Adapter | None
    ) -> Generator[str, None, None]:
        text = _Text(self.model.stop + sampling.stop)
        stream.prompt_tokens = len(tokens)
        try:
            with self._slot(tokens, adapter) as slot:
                yield from self._read(slot, tokens[:-1])
                for piece in islice(self._pieces(slot, tokens[-1], sampling), limit):
                    stream.tokens += 1
                    shown = text.rest() if piece is None else text.add(piece)
                    if piece is None or text.stopped:
                        stream.stop_reason = "end"
                        yield shown
                        return
                    yield shown
        except _ClosedError:
            return
        stream.stop_reason = "length"
        yield text.rest()

    @contextmanager
    def _slot(self, tokens: Sequence[int], adapter: Adapter | None) -> Iterator[_Slot]:
        """Take the free slot where this conversation goes on, else the one unused longest."""
        with self._slot_free:
            self._slot_free.wait_for(
                lambda: self._closing.is_set() or not all(slot.busy for slot in self._slots)
            )
            if self._closing.is_set():
                raise _ClosedError
            free = [slot for slot in self._slots if not slot.busy]
            slot = max(free, key=lambda s: (s.continued(tokens, adapter), -s.used_at))
            slot.busy = True
            self._clock += 1
            slot.used_at = self._clock
        try:
            slot.tokens = slot.tokens[: min(slot.shared(tokens, adapter), len(tokens) - 1)]
            slot.adapter = adapter
            with self._turn():
                self._context.forget(slot.number, len(slot.tokens))
            yield slot
        finally:
            with self._slot_free:
                slot.busy = False
                self._slot_free.notify()

    def _read(self, slot: _Slot, tokens: Sequence[int]) -> Iterator[str]:
        """Read the prompt in parts, giving way to other replies and to a stop between them."""
        while len(slot.tokens) < len(tokens):
            part = tokens[len(slot.tokens) : len(slot.tokens) + PREFILL]
            with self._turn():
                self._decode(slot, part, logits=False)
            yield ""

    def _pieces(self, slot: _Slot, token: int, sampling: Sampling) -> Iterator[bytes | None]:
        """Generate from `token` on, each token's bytes; None at the token that ends the reply."""
        random = random_for(sampling.seed)
        while True:
            with self._turn():
                self._decode(slot, [token], logits=True)
                token = draw(self._context.logits(0), sampling, random)
                piece = None if self._weights.is_end(token) else self._weights.piece(token)
            yield piece

    def _decode(self, slot: _Slot, tokens: Sequence[int], *, logits: bool) -> None:
        start = len(slot.tokens)
        self._context.use(slot.adapter)
        self._context.decode([Entry(t, start + i, slot.number, logits) for i, t in enumerate(tokens)])
        slot.tokens.extend(tokens)


class _Text:
    """Bytes to text: whole characters only, and nothing that may turn out to be a stop string."""

    def __init__(self, stop: tuple[str, ...]) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stop = stop
        self._held = ""
        self.stopped = False

    def add(self, piece: bytes) -> str:
        """Take a piece; return what can be shown now."""
        self._held += self._decoder.decode(piece)
        ends = [self._held.find(mark) for mark in self._stop if mark in self._held]
        if ends:
            self.stopped = True
            self._held = self._held[: min(ends)]
            return self.rest()
        keep = max((self._tail(mark) for mark in self._stop), default=0)
        shown, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return shown

    def rest(self) -> str:
        """Return what was held back."""
        shown, self._held = self._held, ""
        return shown

    def _tail(self, mark: str) -> int:
        return next((n for n in range(len(mark) - 1, 0, -1) if self._held.endswith(mark[:n])), 0)
