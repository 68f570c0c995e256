"""Measures base, parent and round on the rows held out, source by source. Knows no files.

The table is that of *Aligning Minerva LLMs* (logits, log-probabilities, loss, rewards of chosen and rejected
replies and their margin), by TRL's own metrics. Rewards are against the base model for all three, so that
rounds can be compared along a line of parents.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig

from alignchat.errors import Cancelled
from alignchat.evaluation.stats import Interval, paired_difference
from alignchat.training.rows import Columns

KEPT = ("loss", "kl", "logits/", "logps/", "rewards/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """TRL's means of one model (base, parent or round) over the `n` rows of one source."""

    source: str
    model: str
    n: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The table, and by how much each row's reward rose from parent to round, in nats times beta.

    A row's reward is the margin of its pair, or its reply's with the label's sign; above zero is better.
    """

    table: tuple[Measured, ...]
    gain: Interval | None


def measure(
    trainer: Any,
    held_out: Mapping[str, Sequence[Columns]],
    *,
    parent_adapter: Path | None,
    beta: float,
    should_stop: Callable[[], bool],
) -> Report:
    """Measure with a trainer whose training is over; its network's adapter named "default" is the round's.

    Raise Cancelled when told to stop.
    """
    if not any(held_out.values()):
        return Report(table=(), gain=None)
    network = trainer.model
    trainer.held_to_base = True
    table: list[Measured] = []
    rewards: dict[str, list[float]] = {}
    for model, adapter in _models(network, parent_adapter):
        network.set_adapter(adapter)
        for source, rows in held_out.items():
            found = trainer.evaluate(Dataset.from_list(list(rows)))
            table.append(Measured(source=source, model=model, n=len(rows), metrics=_kept(found)))
        rewards[model] = [
            beta * value for rows in held_out.values() for value in _row_values(trainer, rows, should_stop)
        ]
    network.set_adapter("default")
    before = rewards.get("parent", rewards["base"])
    return Report(table=tuple(table), gain=paired_difference(before, rewards["round"]))


def _models(network: Any, parent_adapter: Path | None) -> Iterator[tuple[str, str]]:
    """Name each model's adapter; the base's adds nothing: TRL itself switches adapters off and on again."""
    own = network.peft_config["default"]
    targets = own.target_modules
    network.add_adapter("base", LoraConfig(r=1, target_modules=targets, task_type="CAUSAL_LM"))
    yield "base", "base"
    if parent_adapter:
        network.load_adapter(str(parent_adapter), "parent")
        yield "parent", "parent"
    yield "round", "default"


def _kept(metrics: Mapping[str, Any]) -> dict[str, float]:
    named = {key.removeprefix("eval_"): float(value) for key, value in metrics.items()}
    return {key: value for key, value in named.items() if key.startswith(KEPT)}


def _row_values(trainer: Any, rows: Sequence[Columns], should_stop: Callable[[], bool]) -> Iterator[float]:
    """Yield each row's log-probability, signed by its label; of a pair the chosen's less the rejected's."""
    for row in rows:
        if should_stop():
            raise Cancelled("Stopped as asked while the held-out rows were measured; resume goes on there.")
        if "completion_ids" in row:
            sign = 1 if row["label"] else -1
            yield sign * _log_probability(trainer, row["prompt_ids"], row["completion_ids"])
        else:
            chosen = _log_probability(trainer, row["prompt_ids"], row["chosen_ids"])
            yield chosen - _log_probability(trainer, row["prompt_ids"], row["rejected_ids"])


def _log_probability(trainer: Any, prompt: list[int], completion: list[int]) -> float:
    ids = torch.tensor([prompt + completion], device=trainer.accelerator.device)
    with torch.no_grad(), trainer.accelerator.autocast():
        logits = trainer.model(input_ids=ids, logits_to_keep=len(completion) + 1, use_cache=False).logits
    targets = ids[0, -len(completion) :, None]
    return float(logits[0, :-1].float().log_softmax(-1).gather(1, targets).sum())
