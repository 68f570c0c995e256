"""Plans a training run: how many steps, which rows in which batch, which weights. Pure; knows no torch."""

import math
import random
from collections.abc import Sequence


def checkpoint_interval(steps: int) -> int:
    """Return after how many steps a checkpoint is due: a quarter of the run, at least 5."""
    return max(math.ceil(steps / 4), 5)


def order_rows(kinds: Sequence[bool], batch_size: int, steps: int, seed: int) -> list[int]:
    """Return row numbers for whole batches: one pass over the rows, or what `steps` will see of it.

    Rows are shuffled, then the two kinds are spread evenly, so that a KTO batch seldom holds one kind
    only. A last short batch is filled up from the start. Every pass takes the same batches: TRL's KL
    estimate and the reference log-probabilities, computed once, belong to a batch.
    """
    shuffled = list(range(len(kinds)))
    random.Random(seed).shuffle(shuffled)
    order = spread(shuffled, kinds)[: steps * batch_size]
    missing = -len(order) % batch_size
    return order + order[:missing]


def spread(rows: Sequence[int], kinds: Sequence[bool]) -> list[int]:
    """Merge the rows of both kinds in proportion, each in the order it came."""
    sides = [[row for row in rows if kinds[row] is kind] for kind in (True, False)]
    placed = [((rank + 0.5) / len(side), row) for side in sides for rank, row in enumerate(side)]
    return [row for _, row in sorted(placed, key=lambda pair: pair[0])]
