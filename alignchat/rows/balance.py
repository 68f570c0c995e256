"""How the rows of a round pull: what each weighs, and KTO's weights with the reason for them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

# Eq. 8 of the KTO paper (https://arxiv.org/abs/2402.01306): weight times count of the desirable rows
# should be 1 to 4/3 of that of the undesirable ones.
LOWEST_PULL, HIGHEST_PULL = 1.0, 4 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class KtoWeights:
    """The weights of desirable and undesirable rows, how many there are in one pass, and the reason."""

    desirable: float
    undesirable: float
    desirable_rows: int
    undesirable_rows: int
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return them as JSON values."""
        return asdict(self)


def kto_weights(desirable: int, undesirable: int) -> tuple[float, float]:
    """Return the weights of desirable and undesirable rows that keep their pull within 1 to 4/3.

    Only one of the two is moved off 1, upwards, and no further than needed.
    """
    pull = desirable / undesirable
    if pull < LOWEST_PULL:
        return LOWEST_PULL / pull, 1.0
    if pull > HIGHEST_PULL:
        return 1.0, pull / HIGHEST_PULL
    return 1.0, 1.0


def explained_kto_weights(desirable: int, undesirable: int) -> KtoWeights | None:
    """Return the weights with their reason; None where one side has no row."""
    if not desirable or not undesirable:
        return None
    up, down = kto_weights(desirable, undesirable)
    counts = f"{desirable} desirable and {undesirable} undesirable rows"
    if up > 1:
        reason = f"{counts}: the desirable ones weigh {up:.2f}, so that they pull as much as the others (1:1)"
    elif down > 1:
        reason = f"{counts}: the undesirable ones weigh {down:.2f}, so that the others pull 4:3 as much"
    else:
        reason = f"{counts}: they pull within 1:1 and 4:3 as they are"
    return KtoWeights(
        desirable=up,
        undesirable=down,
        desirable_rows=desirable,
        undesirable_rows=undesirable,
        reason=reason,
    )


def capped(counts: Mapping[str, int], shared: int, share: float) -> int:
    """Return the most rows one person may give so that nobody gives more than `share` of all rows.

    `counts` are the rows that each person alone gives, `shared` those of several people, which are never
    capped. With fewer people than the share needs, each may give as many as the others do.
    """
    if not counts:
        return 0
    share = max(share, 1 / len(counts)) if not shared else share
    low, high = 0, max(counts.values())
    while low < high:  # The largest cap that holds; whether one holds falls off only once as it grows.
        middle = (low + high + 1) // 2
        total = shared + sum(min(count, middle) for count in counts.values())
        low, high = (middle, high) if middle <= share * total + 1e-9 else (low, middle - 1)
    return low


def repeats(weights: Sequence[float]) -> list[int]:
    """Return how often each row is in one pass, so that it is there in proportion to its weight.

    The lightest rows are there once; of a fractional number, the fraction is spread evenly over the rows.
    """
    lightest = min(weights, default=1.0)
    seen: dict[float, float] = {}
    counts = []
    for weight in weights:
        before = seen.get(weight, 0.0)
        seen[weight] = before + weight / lightest
        counts.append(int(seen[weight] + 1e-9) - int(before + 1e-9))
    return counts
