"""Puts each prompt on the side of training or of testing, for good. Knows prompts as texts, and no rows.

A prompt that was on a side in an earlier round stays there. Prompts that are nearly the same share a side;
new ones go by a hash, so the same prompts are held out on every machine and whenever the round is made.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

from alignchat.rows import similar
from feedback_store import Message

Side = Literal["train", "test"]
# With fewer prompts than this a held-out part says nothing, and its rows are missed in training.
HOLD_OUT_FROM = 20


def normalised(prompt: Sequence[Message]) -> str:
    """Return a prompt as one text, without its case and spacing."""
    return similar.normalised(" ".join(f"{m.role} {m.content}" for m in prompt))


def sides(
    prompts: Sequence[str], earlier: Mapping[str, Side], *, share: float, near: float | None
) -> tuple[dict[str, Side | None], dict[str, int]]:
    """Return the side of each normalised prompt, and the number of the group it is in.

    `earlier` are the sides of earlier rounds, `share` is the part to hold out, `near` the similarity from
    which two prompts must share a side. A prompt like some of both sides has none: it has to be left out.
    """
    everything = list(dict.fromkeys([*prompts, *earlier]))
    if near is None:
        groups = list(range(len(everything)))
    else:
        groups = similar.clusters([similar.Texts(everything)], near)
    members: defaultdict[int, list[str]] = defaultdict(list)
    for prompt, group in zip(everything, groups, strict=True):
        members[group].append(prompt)
    held_out = share if len(prompts) >= HOLD_OUT_FROM else 0.0
    found: dict[str, Side | None] = {}
    for alike in members.values():
        found |= _side_of(alike, earlier, held_out)
    return found, dict(zip(everything, groups, strict=True))


def fraction(prompt: str) -> float:
    """Map a normalised prompt to [0, 1)."""
    return int.from_bytes(_digest(prompt)[:8]) / 2**64


def _side_of(group: Sequence[str], earlier: Mapping[str, Side], held_out: float) -> dict[str, Side | None]:
    before = {earlier[prompt] for prompt in group if prompt in earlier}
    side: Side | None
    if len(before) > 1:
        side = None
    elif before:
        side = before.pop()
    else:
        side = "test" if fraction(min(group, key=lambda p: _digest(p)[8:])) < held_out else "train"
    return {prompt: earlier.get(prompt, side) for prompt in group}


def _digest(prompt: str) -> bytes:
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest()
