"""Watches a training loop: its metrics, its stop, its checkpoints. Knows no model and no method."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import distributed
from transformers import TrainerCallback

from alignchat.errors import Cancelled, SettingsError
from alignchat.files import require_space
from alignchat.training import checkpoints
from alignchat.training.prepare import Prepared

_MARGIN = 2**20
OnStep = Callable[[dict[str, float]], None]
ShouldStop = Callable[[], bool]


class Run(TrainerCallback):  # type: ignore[misc]  # transformers is untyped here
    """Watches the loop: hands on its metrics, obeys a stop, and completes its checkpoints."""

    def __init__(self, folder: Path, prepared: Prepared, on_step: OnStep, should_stop: ShouldStop) -> None:
        found = checkpoints.newest(folder)
        self.folder = folder
        self.resumed_from = str(found.path) if found else None
        self.step = self._first = found.step if found else 0
        self.stopped = False
        self.should_stop = should_stop
        self._steps = prepared.steps
        self._on_step = on_step
        self._seconds_before = found.seconds if found else 0.0

    def start_clock(self) -> None:
        """Count time from here, where the reference pass begins."""
        self._began = time.monotonic()

    def elapsed(self) -> float:
        """Return the seconds of training so far, those before a resumption included."""
        return self._seconds_before + time.monotonic() - self._began

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._loop_began = time.monotonic()

    def on_step_end(self, _args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        self.step = state.global_step
        if self.step < self._steps and _any_process(self.should_stop()):
            self.stopped = control.should_save = control.should_training_stop = True
        if control.should_save:
            trained = sum(weight.nbytes for weight in model.parameters() if weight.requires_grad)
            # The weights and AdamW's two moments of each; the rest is small.
            require_space(self.folder, 3 * trained + _MARGIN)

    def on_prediction_step(self, *_: Any, **__: Any) -> None:
        if self.should_stop():
            raise Cancelled("Stopped as asked while the held-out rows were measured; resume goes on there.")

    def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, Any], **_: Any) -> None:
        if "loss" not in logs:
            return
        if not math.isfinite(logs["loss"]):
            raise SettingsError(
                f"The loss is no number any more at step {state.global_step}; "
                "set training.learning_rate lower and start again."
            )
        a_step = (time.monotonic() - self._loop_began) / (state.global_step - self._first)
        self._on_step(
            {
                **{key: float(value) for key, value in logs.items() if math.isfinite(value)},
                "step": float(state.global_step),
                "steps": float(self._steps),
                "seconds": self.elapsed(),
                "seconds_left": a_step * (self._steps - state.global_step),
            }
        )

    def on_save(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        if distributed.is_initialized():
            distributed.barrier()  # Each process writes a file of its own.
        if state.is_world_process_zero:
            checkpoints.complete(self.folder, state.global_step, self.elapsed())


def _any_process(asked: bool) -> bool:
    """Tell whether any of the processes that train together was asked to stop: all must at the same step."""
    if not distributed.is_initialized():
        return asked
    answers: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(answers, asked)
    return any(answers)
