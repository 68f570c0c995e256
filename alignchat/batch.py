"""Many prompts at once through one llama.cpp context, with continuous batching.

A finished sequence's place is taken by the next prompt. Prompts are worked through in an order of
their own and each has a seed of its own, so the caller's order changes nothing.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from alignchat.draw import draw, random_for, seeds_for
from alignchat.engine import Adapter, Progress, Sampling
from alignchat.errors import Cancelled
from alignchat.llama import PREFILL, Context, Entry, Weights


@dataclass(slots=True, kw_only=True)
class _Job:
    """One prompt under way: what it has yet to read, where it stands, what it has said."""

    index: int
    pending: list[int]
    random: np.random.Generator
    position: int = 0
    said: list[int] = field(default_factory=list)


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
    jobs = _jobs(weights, prompts, sampling)
    sequences = min(sequences, len(jobs))
    # The longest come first, so no more than this is ever held at once.
    length = sum(len(job.pending) + sampling.max_tokens for job in jobs[:sequences])
    context = Context(weights, length=length, sequences=sequences, unified=True, threads=threads)
    texts: dict[int, str] = {}

    def on_done(job: _Job) -> None:
        texts[job.index] = _text(weights, job.said, sampling.stop)
        if on_progress:
            on_progress(len(texts), len(prompts))

    try:
        context.use(adapter)
        _run(context, deque(jobs), sampling, list(range(sequences)), on_done, should_stop)
    finally:
        context.close()
    return [texts[i] for i in range(len(prompts))]


def _jobs(weights: Weights, prompts: Sequence[str], sampling: Sampling) -> list[_Job]:
    """Make the jobs, longest first so that the last ones running are short, and equal texts apart."""
    ids = [weights.tokenize(p, add_special=True, parse_control=False) or weights.start() for p in prompts]
    seeds = seeds_for(prompts, sampling.seed)
    order = sorted(range(len(prompts)), key=lambda i: (-len(ids[i]), prompts[i], i))
    return [_Job(index=i, pending=ids[i], random=random_for(seeds[i])) for i in order]


def _text(weights: Weights, tokens: list[int], stop: tuple[str, ...]) -> str:
    text = b"".join(map(weights.piece, tokens)).decode("utf-8", "ignore")
    ends = [text.find(mark) for mark in stop if mark in text]
    return text[: min(ends)] if ends else text


def _run(
    context: Context,
    waiting: deque[_Job],
    sampling: Sampling,
    slots: list[int],
    on_done: Callable[[_Job], None],
    should_stop: Callable[[], bool] | None,
) -> None:
    running: dict[int, _Job] = {}
    while waiting or running:
        if should_stop and should_stop():
            raise Cancelled("Stopped as asked.")
        while slots and waiting:
            running[slots.pop()] = waiting.popleft()
        for slot, output in _decode(context, running):
            job = running[slot]
            token = draw(context.logits(output), sampling, job.random)
            ended = context.weights.is_end(token)
            if not ended:
                job.pending = [token]
                job.said.append(token)
            if ended or len(job.said) == sampling.max_tokens:
                context.forget(slot)
                slots.append(slot)
                on_done(running.pop(slot))


def _decode(context: Context, running: dict[int, _Job]) -> list[tuple[int, int]]:
    """Feed what fits; return (slot, batch index) of every job whose next token can be drawn."""
    entries: list[Entry] = []
    outputs: list[tuple[int, int]] = []
    for slot, job in sorted(running.items(), key=lambda item: len(item[1].pending)):
        part = job.pending[: PREFILL - len(entries)]
        job.pending = job.pending[len(part) :]
        for token in part:
            entries.append(Entry(token, job.position, slot, False))
            job.position += 1
        if part and not job.pending:
            entries[-1] = Entry(part[-1], job.position - 1, slot, True)
            outputs.append((slot, len(entries) - 1))
    context.decode(entries)
    return outputs
