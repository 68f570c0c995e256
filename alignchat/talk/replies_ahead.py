"""Replies made ahead for the label queue: two a prompt, in batches, in a thread of the process.

What waits to be made is in a file, so that it can go on after a restart; a pair is in the store before its
prompt leaves that file, and has a name from the start, so that none is made twice. Knows no page.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from alignchat.engine import Sampling
from alignchat.errors import EXPECTED, Cancelled, DataError
from alignchat.files import FileLock, read_json, write_json
from alignchat.talk.chat import comparison
from alignchat.talk.voices import Voice
from feedback_store import Completion, FeedbackStore, Message, new_id

WAITING_FILE = "waiting.json"
LOCK_FILE = "making.lock"
SIZES = (2, 4, 8)  # prompts in the first batches, so that one can begin to label soon
WIDEST = 16  # and in all later ones
Prompt = tuple[Message, ...]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How the making stands: pairs made since it began, prompts left, pairs that were of no use."""

    running: bool
    made: int
    waiting: int
    useless: int
    error: Exception | None


class RepliesAhead:
    """Makes pairs of replies, one batch after another; safe to call from several threads."""

    def __init__(
        self,
        store: FeedbackStore,
        folder: Path,
        sampling: Callable[[], Sampling],
    ) -> None:
        self._store = store
        self._file = folder / WAITING_FILE
        self._making = FileLock(folder / LOCK_FILE)
        self._sampling = sampling
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="label")
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._done: Future[None] | None = None
        self._made = self._useless = 0

    def begin(self, voices: tuple[Voice, Voice], prompts: Sequence[Prompt] = (), *, overlap: int = 1) -> None:
        """Begin to make a pair for each prompt, after those that wait; `overlap` people may label each.

        Raise DataError if it is going on already, here or in another program.
        """
        with self._lock:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._take_lock()
            try:
                more = [[new_id(), overlap, [[m.role, m.content] for m in prompt]] for prompt in prompts]
                self._write([*self._read(), *more])
                self._stop.clear()
                self._made = self._useless = 0
                self._done = self._thread.submit(self._work, voices)
            except BaseException:
                self._making.release()
                raise

    def stop(self) -> None:
        """Ask for an end; what waits goes on waiting."""
        self._stop.set()

    def forget(self) -> None:
        """Drop the prompts that wait."""
        with self._lock:
            if not self._file.exists():
                return
            self._take_lock()
            try:
                self._write([])
            finally:
                self._making.release()

    def now(self) -> Making:
        """Return how it stands."""
        with self._lock:
            done = self._done
            ended = done is None or done.done()
            error = done.exception() if done and ended else None
            return Making(
                running=not ended,
                made=self._made,
                waiting=len(self._read()),
                useless=self._useless,
                error=error if isinstance(error, Exception) else None,
            )

    def wait(self, seconds: float | None = None) -> None:
        """Return when nothing is being made, or after so many seconds."""
        if self._done:
            wait([self._done], seconds)

    def close(self) -> None:
        """Stop, and wait for the end of what the model is at."""
        self.stop()
        self._thread.shutdown()

    def _work(self, voices: tuple[Voice, Voice]) -> None:
        try:
            sizes = list(SIZES)
            while (waiting := self._read()) and not self._stop.is_set():
                size = sizes.pop(0) if sizes else WIDEST
                self._make(voices, waiting[:size])
                self._write(waiting[size:])
        except Cancelled:
            pass
        except EXPECTED:
            raise
        except Exception:
            log.exception("Making replies for the label queue failed.")
            raise
        finally:
            self._making.release()

    def _make(self, voices: tuple[Voice, Voice], waiting: Sequence[list[Any]]) -> None:
        new = [entry for entry in waiting if not self._store.completions(conversation_id=entry[0])]
        prompts = [tuple(Message(role=role, content=text) for role, text in entry[2]) for entry in new]
        how = replace(self._sampling(), seed=random.getrandbits(31))
        texts = self._texts(voices, prompts, how)
        facts = {**asdict(how), "stop": list(how.stop), "blind": True, "queue": True}
        pairs: list[Completion] = []
        for (id, overlap, _), prompt, one, other in zip(new, prompts, *texts, strict=True):
            if not (one and one.strip()) or not (other and other.strip()) or one == other:
                self._useless += 1
                continue
            said = random.sample([(voices[0], one), (voices[1], other)], 2)
            facts["overlap"] = overlap
            drafts = comparison([voice for voice, _ in said], prompt, "local", dict(facts))
            pairs += [
                replace(draft, conversation_id=id, text=text, finished=True)
                for draft, (_, text) in zip(drafts, said, strict=True)
            ]
        self._store.add_many(pairs)
        self._made += len(pairs) // 2

    def _texts(
        self, voices: tuple[Voice, Voice], prompts: Sequence[Prompt], how: Sampling
    ) -> tuple[list[str | None], list[str | None]]:
        one, other = voices
        if one == other:
            texts = one.engine().reply_many(
                [*prompts, *prompts], how, adapter=one.adapter, should_stop=self._stop.is_set
            )
            return texts[: len(prompts)], texts[len(prompts) :]
        first, second = (
            voice.engine().reply_many(prompts, how, adapter=voice.adapter, should_stop=self._stop.is_set)
            for voice in voices
        )
        return first, second

    def _take_lock(self) -> None:
        if not self._making.acquire():
            raise DataError("Replies are being made for the queue already; wait for them, or stop them.")

    def _read(self) -> list[list[Any]]:
        waiting: list[list[Any]] = read_json(self._file) if self._file.exists() else []
        return waiting

    def _write(self, waiting: Sequence[list[Any]]) -> None:
        write_json(self._file, list(waiting))
