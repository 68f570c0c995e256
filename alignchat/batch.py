"""Many texts at once through one llama.cpp context, continued or scored, with continuous batching.

A finished sequence's place is taken by the next text. Texts are worked through in an order of
their own and each has a seed of its own, so the caller's order changes nothing.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import numpy as np

from alignchat.draw import Logits, draw, random_for, seeds_for
from alignchat.engine import Adapter, Progress, Sampling
from alignchat.errors import Cancelled
from alignchat.llama import PREFILL, Context, Entry, Weights

Pair: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(slots=True, kw_only=True)
class _Job:
    """One text under way: what it has yet to read, where it stands, and from where logits are wanted."""

    pending: list[int]
    wanted: int
    position: int = 0


@dataclass(slots=True, kw_only=True)
class _Continuation(_Job):
    index: int
    random: np.random.Generator
    said: list[int] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Scoring(_Job):
    pair: Pair
    following: Iterator[int]


AnyJob = TypeVar("AnyJob", bound=_Job)


def generate(
    weights: Weights,
    prompts: Sequence[str],
    sampling: Sampling,
    *,
    sequences: int,
    threads: int | None = None,
    adapter: Adapter | None = None,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[str]:
    """Return a continuation of each prompt, in the prompts' order; raise Cancelled when told to stop."""
    if not prompts or sampling.max_tokens < 1:
        return [""] * len(prompts)
    texts: dict[int, str] = {}

    def on_logits(job: _Continuation, logits: Logits) -> None:
        token = draw(logits, sampling, job.random)
        ended = weights.is_end(token)
        if not ended:
            job.said.append(token)
        if not ended and len(job.said) < sampling.max_tokens:
            job.pending = [token]
            return
        texts[job.index] = _text(weights, job.said, sampling.stop)
        if on_progress:
            on_progress(len(texts), len(prompts))

    jobs = _continuations(weights, prompts, sampling)
    with _context(weights, jobs, sequences, sampling.max_tokens, threads, adapter) as context:
        _run(context, jobs, sequences, on_logits, should_stop)
    return [texts[i] for i in range(len(prompts))]


def log_probabilities(
    weights: Weights,
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    *,
    sequences: int,
    threads: int | None = None,
    adapter: Adapter | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[float]:
    """Return the summed natural-log probability of each completion's tokens after its prompt's.

    Raise ValueError for an empty prompt and Cancelled when told to stop.
    """
    if any(not prompt for prompt, _ in pairs):
        raise ValueError("a completion needs a prompt of at least one token to come after")
    asked = [(tuple(prompt), tuple(completion)) for prompt, completion in pairs]
    jobs = _scorings(asked)
    totals = dict.fromkeys(asked, 0.0)

    def on_logits(job: _Scoring, logits: Logits) -> None:
        totals[job.pair] += _log_probability(logits, next(job.following))

    if jobs:
        with _context(weights, jobs, sequences, 0, threads, adapter) as context:
            _run(context, jobs, sequences, on_logits, should_stop)
    return [totals[pair] for pair in asked]


def _log_probability(logits: Logits, token: int) -> float:
    shifted = logits - logits.max()
    return float(shifted[token]) - math.log(np.exp(shifted).sum(dtype=np.float64))


def _continuations(weights: Weights, prompts: Sequence[str], sampling: Sampling) -> list[_Continuation]:
    """Make the jobs, longest first so that the last ones running are short, and equal texts apart."""
    ids = [weights.tokenize(p, add_special=True, parse_control=False) or weights.start() for p in prompts]
    seeds = seeds_for(prompts, sampling.seed)
    order = sorted(range(len(prompts)), key=lambda i: (-len(ids[i]), prompts[i], i))
    return [
        _Continuation(index=i, pending=ids[i], wanted=len(ids[i]) - 1, random=random_for(seeds[i]))
        for i in order
    ]


def _scorings(pairs: Sequence[Pair]) -> list[_Scoring]:
    """Make the jobs, equal ones once, longest first; nothing comes after a last token, so it is not read."""
    jobs = [
        _Scoring(
            pair=(prompt, completion),
            pending=[*prompt, *completion][:-1],
            wanted=len(prompt) - 1,
            following=iter(completion),
        )
        for prompt, completion in set(pairs)
        if completion
    ]
    return sorted(jobs, key=lambda job: (-len(job.pending), job.pair))


def _text(weights: Weights, tokens: list[int], stop: tuple[str, ...]) -> str:
    text = b"".join(map(weights.piece, tokens)).decode("utf-8", "ignore")
    ends = [text.find(mark) for mark in stop if mark in text]
    return text[: min(ends)] if ends else text


@contextmanager
def _context(
    weights: Weights,
    jobs: Sequence[_Job],
    sequences: int,
    more: int,
    threads: int | None,
    adapter: Adapter | None,
) -> Iterator[Context]:
    """Give a context that holds as many jobs at once, each with so many more tokens than it has."""
    # The longest come first, so no more than this is ever held at once.
    length = sum(len(job.pending) + more for job in jobs[:sequences])
    context = Context(
        weights, length=length, sequences=min(sequences, len(jobs)), unified=True, threads=threads
    )
    try:
        context.use(adapter)
        yield context
    finally:
        context.close()


def _run(
    context: Context,
    jobs: Sequence[AnyJob],
    sequences: int,
    on_logits: Callable[[AnyJob, Logits], None],
    should_stop: Callable[[], bool] | None,
) -> None:
    """Work through the jobs; one is done when it has read all and `on_logits` gave it nothing more."""
    waiting = deque(jobs)
    slots = list(range(min(sequences, len(jobs))))
    running: dict[int, AnyJob] = {}
    while waiting or running:
        if should_stop and should_stop():
            raise Cancelled("Stopped as asked.")
        while slots and waiting:
            running[slots.pop()] = waiting.popleft()
        for slot, output in _decode(context, running):
            on_logits(running[slot], context.logits(output))
        for slot in [slot for slot, job in running.items() if not job.pending]:
            context.forget(slot)
            slots.append(slot)
            del running[slot]


def _decode(context: Context, running: Mapping[int, _Job]) -> list[tuple[int, int]]:
    """Feed what fits; return (slot, batch index) of every place whose logits are wanted."""
    entries: list[Entry] = []
    outputs: list[tuple[int, int]] = []
    for slot, job in sorted(running.items(), key=lambda item: len(item[1].pending)):
        part = job.pending[: PREFILL - len(entries)]
        job.pending = job.pending[len(part) :]
        for token in part:
            if job.position >= job.wanted:
                outputs.append((slot, len(entries)))
            entries.append(Entry(token, job.position, slot, job.position >= job.wanted))
            job.position += 1
    context.decode(entries)
    return outputs
