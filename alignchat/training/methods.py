"""TRL's two trainers, fed with rows that are tokenised already. Knows no files and no settings.

Overridden is only how rows are prepared, how completions are scored, that reference log-probabilities are
looked up before they are computed, that a stop is obeyed while they are, and that nothing is reported to
anybody.
"""

from collections.abc import Callable
from typing import Any

import torch
from datasets import Dataset
from trl import DPOTrainer, KTOTrainer

from alignchat.errors import Cancelled
from alignchat.training.fused import fuse
from alignchat.training.reference import References, sequence_key
from alignchat.training.rows import Columns
from alignchat.training.scoring import score_packed


class _Prepared:
    """What both trainers share, put before TRL's class.

    `base` and `start` name the weights of the base model and those that training starts from.
    """

    should_stop: Callable[[], bool]
    held_to_base: bool

    def __init__(
        self,
        *,
        should_stop: Callable[[], bool],
        held_to_base: bool,
        references: References,
        base: str,
        start: str,
        **options: Any,
    ) -> None:
        self.should_stop, self.held_to_base = should_stop, held_to_base
        self._references, self._base, self._start = references, base, start
        super().__init__(**options)
        trainer: Any = self
        # Sharded weights cannot be read by a part of the network that does not own them.
        if not (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled):
            fuse(trainer.model, self._dtype())
            score_packed(trainer.model, self._dtype())
        trainer.precompute_ref_logps = True
        trainer.train_dataset = self._precompute_ref_logps(
            trainer.train_dataset, "train", trainer.args.per_device_train_batch_size
        )

    def reference_columns(self) -> dict[str, str]:
        """Return TRL's columns of reference log-probabilities, and whose they are."""
        raise NotImplementedError

    def _dtype(self) -> torch.dtype:
        trainer: Any = self
        return torch.bfloat16 if trainer.args.bf16 else torch.float32

    def _move_model_to_device(self, model: Any, device: torch.device) -> None:
        # Moved in fp32, the frozen matrices would take twice the GPU memory that they take from then on.
        fuse(model, self._dtype())
        super()._move_model_to_device(model, device)  # type: ignore[misc]  # transformers'

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, _name: str, batch_size: int) -> Dataset:
        trainer: Any = self
        if self.held_to_base and "ref" in trainer.model.peft_config:
            # TRL's copy of the parent's adapter; without it TRL switches the adapters off, which is the base.
            trainer.model.delete_adapter("ref")
        rows: list[Columns] = list(dataset)
        keys = [self._keys(row) for row in rows]
        known = self._references.known(key for row in keys for key in row)
        batches = range(0, len(rows), batch_size)
        mine = range(trainer.accelerator.process_index, len(batches), trainer.accelerator.num_processes)
        for start in (batches[number] for number in mine):
            batch = slice(start, start + batch_size)
            if not known.keys() >= {key for row in keys[batch] for key in row}:
                self._references.add(self._computed(rows[batch], keys[batch]))
        trainer.accelerator.wait_for_everyone()
        known = self._references.known(key for row in keys for key in row)
        for place, column in enumerate(self.reference_columns()):
            dataset = dataset.add_column(column, [known[row[place]] for row in keys])
        return dataset

    def _keys(self, row: Columns) -> list[bytes]:
        weights = self._base if self.held_to_base else self._start
        return [
            sequence_key(weights, row["prompt_ids"], row[whose])
            for whose in self.reference_columns().values()
        ]

    def _computed(self, rows: list[Columns], keys: list[list[bytes]]) -> dict[bytes, float]:
        if self.should_stop():
            raise Cancelled("Stopped as asked while the reference was computed; resume goes on there.")
        trainer: Any = self
        batch = trainer._prepare_inputs(trainer.data_collator(rows))
        columns = [c.tolist() for c in trainer.compute_ref_log_probs(trainer.model, batch) if c is not None]
        return {
            key: value
            for row, values in zip(keys, zip(*columns, strict=True), strict=True)
            for key, value in zip(row, values, strict=True)
        }

    def _send_telemetry(self) -> None:
        """Tell nobody."""


class PreparedDPO(_Prepared, DPOTrainer):  # type: ignore[misc]  # TRL is untyped
    """DPOTrainer over the columns of `RowTokenizer.columns`."""

    def reference_columns(self) -> dict[str, str]:
        return {"ref_chosen_logps": "chosen_ids", "ref_rejected_logps": "rejected_ids"}


class PreparedKTO(_Prepared, KTOTrainer):  # type: ignore[misc]  # TRL is untyped
    """KTOTrainer over the columns of `RowTokenizer.columns` and `with_mismatched`."""

    def reference_columns(self) -> dict[str, str]:
        estimate = {"ref_KL_logps": "KL_completion_ids"} if self.calculate_KL else {}
        return {"ref_logps": "completion_ids", **estimate}
