"""Packs the sequences of a batch into one row, each distinct prompt once. Knows token ids; knows no model.

A padded batch of pairs holds each prompt twice and is filled up to its longest sequence; packed, nothing
is computed twice or for padding. Each completion sees its prompt and itself, and in bf16 too its
log-probability is to the last bit what it is in any other company.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Positions `start` to `stop` of the packed row, which attend causally to `before` and to themselves."""

    start: int
    stop: int
    before: tuple[int, int]

    def keys(self, row: torch.Tensor) -> torch.Tensor:
        """Return the positions that the block may see, of a tensor (..., positions, size)."""
        first, last = self.before
        own = row[..., self.start : self.stop, :]
        return torch.cat([row[..., first:last, :], own], dim=-2) if first < last else own


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A batch as one row of ids, with what is needed to score its completions.

    `scored` are the positions whose hidden state predicts a completion's token and `targets` those tokens;
    `sequence` and `place` say where in the padded batch each of them goes.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    blocks: tuple[Block, ...]
    scored: torch.Tensor
    targets: torch.Tensor
    sequence: torch.Tensor
    place: torch.Tensor
    masks: dict[tuple[int, int, int, int | None], torch.Tensor] = field(default_factory=dict)


def pack(input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> Packed:
    """Pack a padded batch (sequences, positions) whose labels are -100 before each completion."""
    rows, lengths = input_ids.tolist(), attention_mask.sum(1).tolist()
    scored_tokens = (labels != -100).sum(1).tolist()
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, (ids, length, replies) in enumerate(zip(rows, lengths, scored_tokens, strict=True)):
        groups.setdefault(tuple(ids[: length - replies]), []).append(row)
    packed = _Row()
    for prompt, members in groups.items():
        packed.add(prompt, [(row, rows[row][len(prompt) : lengths[row]]) for row in members])
    return packed.finished(input_ids.device)


class _Row:
    """A packed row in the making."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.positions: list[int] = []
        self.blocks: list[Block] = []
        self.scored: list[int] = []
        self.targets: list[int] = []
        self.sequence: list[int] = []
        self.place: list[int] = []

    def add(self, prompt: Sequence[int], completions: Sequence[tuple[int, Sequence[int]]]) -> None:
        """Append a prompt and its completions, the first of which shares the prompt's block."""
        start, size = len(self.ids), len(prompt)
        self.ids += prompt
        self.positions += range(size)
        for number, (sequence, completion) in enumerate(completions):
            first = len(self.ids)
            self.ids += completion
            self.positions += range(size, size + len(completion))
            if number == 0:
                self.blocks.append(Block(start=start, stop=len(self.ids), before=(start, start)))
            else:
                self.blocks.append(Block(start=first, stop=len(self.ids), before=(start, start + size)))
            self.scored += [start + size - 1, *range(first, len(self.ids) - 1)]
            self.targets += completion
            self.sequence += [sequence] * len(completion)
            self.place += range(size - 1, size - 1 + len(completion))

    def finished(self, device: torch.device) -> Packed:
        def tensor(values: list[int]) -> torch.Tensor:
            return torch.tensor(values, device=device)

        return Packed(
            ids=tensor(self.ids)[None],
            positions=tensor(self.positions)[None],
            blocks=tuple(self.blocks),
            scored=tensor(self.scored),
            targets=tensor(self.targets),
            sequence=tensor(self.sequence),
            place=tensor(self.place),
        )
