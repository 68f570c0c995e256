"""Many prompts at once through one llama.cpp context, with continuous batching.

A finished sequence's place is taken by the next prompt. Prompts are worked through in an order of
their own and each has a seed of its own, so the caller's order changes nothing.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alignchat.engine import Progress, Sampling
from alignchat.errors import Cancelled
from alignchat.llama import PREFILL, Context, Entry, Sampler, Weights


@dataclass(slots=True, kw_only=True)
class _Job:
    """One prompt under way: what it has yet to read, where it stands, what it has said."""

    index: int
    pending: list[int]
    sampler: Sampler
    position: int = 0
    said: list[int] = field(default_factory=list)


def generate(
    weights: Weights,
    prompts: Sequence[str],
    sampling: Sampling,
    *,
    sequences: int,
    adapter: Path | None = None,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[str]:
    """Return a continuation of each prompt, in the prompts' order; raise Cancelled when told to stop."""
    if not prompts:
        return []
    jobs = _jobs(weights, prompts, sampling)
    sequences = min(sequences, len(jobs))
    longest = max(len(job.pending) for job in jobs) + sampling.max_tokens
    context = Context(weights, length=sequences * longest, sequences=sequences, unified=True)
    texts: dict[int, str] = {}

    def on_done(job: _Job) -> None:
        texts[job.index] = _text(weights, job.said, sampling.stop)
        if on_progress:
            on_progress(len(texts), len(prompts))

    try:
        context.use(adapter)
        _run(context, deque(jobs), sampling.max_tokens, list(range(sequences)), on_done, should_stop)
    finally:
        context.close()
        for job in jobs:
            job.sampler.close()
    return [texts[i] for i in range(len(prompts))]


def _jobs(weights: Weights, prompts: Sequence[str], sampling: Sampling) -> list[_Job]:
    """Make the jobs, longest first so that the last ones running are short, and equal texts apart."""
    seen: Counter[str] = Counter()
    jobs = []
    for index in sorted(range(len(prompts)), key=lambda i: (-len(prompts[i]), prompts[i], i)):
        prompt = prompts[index]
        seen[prompt] += 1
        key = f"{sampling.seed}/{seen[prompt]}/{prompt}".encode("utf-8", "surrogatepass")
        sampler = Sampler(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            seed=int.from_bytes(hashlib.sha256(key).digest()[:4]),
        )
        ids = weights.tokenize(prompt, add_special=True, parse_control=False)
        jobs.append(_Job(index=index, pending=ids, sampler=sampler))
    return jobs


def _text(weights: Weights, tokens: list[int], stop: tuple[str, ...]) -> str:
    text = b"".join(map(weights.piece, tokens)).decode("utf-8", "ignore")
    ends = [text.find(mark) for mark in stop if mark in text]
    return text[: min(ends)] if ends else text


def _run(
    context: Context,
    waiting: deque[_Job],
    max_tokens: int,
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
            token = job.sampler.sample(context, output)
            job.pending = [token]
            job.said.append(token)
            if context.weights.is_end(token) or len(job.said) == max_tokens:
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
