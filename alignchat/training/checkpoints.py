"""Checkpoints of a training run: which one is whole and newest. Knows nothing of what is in them.

The Trainer writes a checkpoint file by file and a kill can come between any two, so a checkpoint counts
only once this module has synced its files and added a last one.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from alignchat.files import read_json, sync_folder, write_json

FOLDER = "checkpoints"
_COMPLETE = "complete.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A whole checkpoint: its step, and the seconds of training behind it."""

    path: Path
    step: int
    seconds: float


def newest(folder: Path) -> Checkpoint | None:
    """Return the newest whole checkpoint in `folder`, or None."""
    found = [
        Checkpoint(path=marker.parent, **read_json(marker))
        for marker in folder.glob(f"checkpoint-*/{_COMPLETE}")
    ]
    return max(found, key=lambda checkpoint: checkpoint.step, default=None)


def complete(folder: Path, step: int, seconds: float) -> None:
    """Make the checkpoint that the Trainer wrote at `step` durable, and let it count."""
    path = folder / f"checkpoint-{step}"
    for file in path.rglob("*"):
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
    write_json(path / _COMPLETE, {"step": step, "seconds": seconds})
    sync_folder(folder)
