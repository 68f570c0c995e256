"""Turns a round's rows into batches ready for a trainer.

Knows token ids and settings; knows no model and no trainer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alignchat.config import Method, TrainingSettings
from alignchat.dataset import Row
from alignchat.errors import SettingsError
from alignchat.making import presets
from alignchat.rows.balance import kto_weights
from alignchat.training import plan
from alignchat.training.rows import Columns, RowTokenizer, tokens, with_mismatched

Rows = Sequence[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One pass over the rows in whole batches, how often to go over it, and by source the rows held out."""

    rows: list[Columns]
    distinct: int
    batch_size: int
    steps: int
    desirable_weight: float
    undesirable_weight: float
    held_out: Mapping[str, list[Columns]]

    def tokens_seen(self) -> int:
        """Return the tokens of prompts and completions in all steps, without padding."""
        sizes = [tokens(row) for row in self.rows]
        passes, rest = divmod(self.steps * self.batch_size, len(sizes))
        return passes * sum(sizes) + sum(sizes[:rest])


def check_batch_size(method: Method, settings: TrainingSettings) -> None:
    """Raise SettingsError if batches are too small for a method."""
    if method == "kto" and settings.batch_size < 2:
        raise SettingsError(
            "training.batch_size is 1, but KTO estimates its KL term within a batch; set it to 2 or more."
        )


def prepare(
    tokenizer: RowTokenizer, method: Method, rows: Rows, test_rows: Rows, settings: TrainingSettings
) -> Prepared:
    """Tokenise the rows and put them in order; that none is too long is the dataset's affair."""
    kept = [tokenizer.columns(row) for row in rows]
    batch_size = min(settings.batch_size, len(kept))
    steps = presets.count_steps(len(kept), batch_size, settings.steps)
    order = plan.order_rows(_kinds(kept), batch_size, steps, settings.seed)
    desirable = sum(_kinds([kept[row] for row in order]))
    sources = sorted({row.source for row in test_rows})
    weights = kto_weights(desirable, len(order) - desirable) if method == "kto" else (1.0, 1.0)
    return Prepared(
        rows=_in_batches(method, [kept[row] for row in order], batch_size),
        distinct=len(set(order)),
        batch_size=batch_size,
        steps=steps,
        desirable_weight=weights[0],
        undesirable_weight=weights[1],
        held_out={source: _held_out(tokenizer, method, test_rows, source, settings) for source in sources},
    )


def _kinds(rows: Sequence[Columns]) -> list[bool]:
    return [row.get("label", True) for row in rows]


def _held_out(
    tokenizer: RowTokenizer, method: Method, rows: Rows, source: str, settings: TrainingSettings
) -> list[Columns]:
    """Order a source's test rows in batches of the settings' size, since KTO's KL depends on it."""
    own = [row for row in rows if row.source == source][: settings.test_rows]
    kept = [tokenizer.columns(row) for row in own]
    ordered = [kept[i] for i in plan.spread(range(len(kept)), _kinds(kept))]
    return _in_batches(method, ordered, settings.batch_size)


def _in_batches(method: Method, rows: list[Columns], batch_size: int) -> list[Columns]:
    return with_mismatched(rows, batch_size) if method == "kto" else rows
