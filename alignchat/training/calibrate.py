"""Measures this machine with a model: `python -m alignchat.training.calibrate MODEL OUT METHOD PRECISION`.

Two short runs of the real loop, on short and on long rows, give the line that `fit` estimates by. Made
up texts do: time and memory depend on lengths alone. Ends 1 with one sentence if it cannot be done.
"""

import gc
import itertools
import sys
import tempfile
from pathlib import Path

import torch

from alignchat import catalog
from alignchat.catalog import Model
from alignchat.config import Method, TrainingSettings
from alignchat.dataset import PairedRow
from alignchat.errors import EXPECTED
from alignchat.files import write_json
from alignchat.making import fit
from alignchat.training.load import load_tokenizer
from alignchat.training.rows import RowTokenizer
from alignchat.training.trainer import train
from feedback_store import Message

WORDS = (24, 160)  # of a prompt, and of each reply, in the short and in the long run
STEPS = 4
BATCH: dict[Method, int] = {"dpo": 4, "orpo": 2}  # ORPO keeps all logits of a padded batch


def main(model_path: str, out: str, method: Method, precision: str) -> int:
    """Measure, write OUT, and return the exit status."""
    try:
        model = catalog.find(model_path)
        asked = {"steps": STEPS, "batch_size": BATCH[method], "precision": precision}
        settings = TrainingSettings.model_validate(asked)
        points = [_point(model, method, settings, words) for words in WORDS]
        device, memory_bytes = _device()
        measured = fit.Calibration(device=device, memory_bytes=memory_bytes, short=points[0], long=points[1])
        write_json(Path(out), measured.to_json())
    except EXPECTED as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _point(model: Model, method: Method, settings: TrainingSettings, words: int) -> fit.Point:
    rows = [_row(place, words) for place in range(2 * settings.batch_size)]
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        summary = train(
            model=model,
            method=method,
            rows=rows,
            test_rows=[],
            settings=settings,
            folder=Path(folder),
            parent_adapter=None,
            on_step=lambda step: times.append(step["seconds"]),
            should_stop=lambda: False,
        )
    gc.collect()  # the network; its memory stays with the process and serves the next run
    load = _load(model, rows, settings)
    # The first step also sets things up; the fastest of the others is the least disturbed.
    seconds = min(later - earlier for earlier, later in itertools.pairwise(times))
    return fit.Point(
        tokens=fit.step_tokens(method, load),
        operations=fit.operations(fit.shape_of(model.path), method, load, settings)[0],
        seconds=seconds,
        peak_bytes=summary.peak_memory_bytes,
    )


def _row(place: int, words: int) -> PairedRow:
    text = " ".join(f"{(place + word) % 10}" for word in range(words))
    prompt = (Message(role="user", content=text),)
    return PairedRow(prompt=prompt, chosen=f"a {text}", rejected=f"b {text}", source="calibration")


def _load(model: Model, rows: list[PairedRow], settings: TrainingSettings) -> fit.Load:
    tokenizer = RowTokenizer(load_tokenizer(model), model)
    columns = [tokenizer.columns(row) for row in rows]
    prompt, reply = (
        sum(len(row[key]) for row in columns) / len(rows) for key in ("prompt_ids", "chosen_ids")
    )
    return fit.Load(
        prompt=prompt,
        reply=reply,
        longest=round(prompt + reply),
        rows=len(rows),
        steps=STEPS,
        batch_size=settings.batch_size,
    )


def _device() -> tuple[str, int]:
    if torch.cuda.is_available():
        return "cuda", int(torch.cuda.get_device_properties(0).total_memory)
    return ("mps" if torch.backends.mps.is_available() else "cpu"), fit.machine_memory()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))  # type: ignore[arg-type]  # jobs.calibrate gives a method
