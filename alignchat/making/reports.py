"""How a round stands, read off its folder: status, progress, training summary, scores. Changes nothing.

What cannot be read is told as a RoundError that names the file; the report of such a round says it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from alignchat.dataset import MANIFEST_FILE
from alignchat.errors import DataError, RoundError
from alignchat.evaluation.scorecard import Sample, Scorecard, is_current
from alignchat.files import is_locked, read_json
from alignchat.making.guard import Finding
from alignchat.rounds import (
    ERROR_FILE,
    GUARD_FILE,
    LOCK_FILE,
    PROGRESS_FILE,
    REPLIES_FILE,
    SAMPLES_FILE,
    SCORECARD_FILE,
    STEPS_FILE,
    TRAIN_FILE,
    Rounds,
    Status,
    reading,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a worker is at: `done` of `total`, with the loss and the seconds left where they are known."""

    phase: str
    done: int
    total: int
    loss: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundReport:
    """Everything that can be said of a round on one line or one page."""

    number: int
    status: Status
    parent: int | None
    method: str | None
    model: str
    created_at: str
    active: bool
    has_adapter: bool
    progress: Progress | None
    error: str | None
    train: Mapping[str, Any] | None
    report: Mapping[str, Any] | None
    guard: Sequence[Finding]
    dataset: Mapping[str, Any] | None
    scores: Mapping[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)


def report(rounds: Rounds, number: int) -> RoundReport:
    """Read a round's folder; of a damaged one the report tells no more than that, and what to do."""
    folder = rounds.folder(number)
    try:
        return _whole_report(rounds, number, folder)
    except (RoundError, DataError) as error:
        return _damaged_report(rounds, number, folder, str(error))


def _whole_report(rounds: Rounds, number: int, folder: Path) -> RoundReport:
    record, status = rounds.get(number), rounds.status(number)
    error = _mapping(folder / ERROR_FILE)
    card = scorecard(folder)
    train = _mapping(folder / TRAIN_FILE, counted="final_loss") or {}
    table = train.pop("report", None)
    return RoundReport(
        number=number,
        status=status,
        parent=record.parent,
        method=record.method,
        model=record.model,
        created_at=record.created_at,
        active=rounds.active() == number,
        has_adapter=rounds.has_adapter(number),
        progress=_progress(folder) if status == "running" else None,
        error=str(error.get("error")) if error and status != "running" else None,
        train=train or None,
        report=table,
        guard=findings(folder),
        dataset=_mapping(folder / MANIFEST_FILE, counted="train"),
        scores=card.to_json()["scores"] if card else None,
    )


def _damaged_report(rounds: Rounds, number: int, folder: Path, sentence: str) -> RoundReport:
    return RoundReport(
        number=number,
        status="running" if is_locked(folder / LOCK_FILE) else "damaged",
        parent=None,
        method=None,
        model=rounds.root.name,
        created_at="",
        active=rounds.active() == number,
        has_adapter=rounds.has_adapter(number),
        progress=None,
        error=sentence,
        train=None,
        report=None,
        guard=(),
        dataset=None,
        scores=None,
    )


def findings(folder: Path) -> list[Finding]:
    """Return what the guard found in a round's training."""
    with reading(folder / GUARD_FILE) as path:
        return [Finding(**found) for found in _json(path) or []]


def replies(folder: Path) -> list[dict[str, str]]:
    """Return the sample replies of base and round, by prompt."""
    with reading(folder / REPLIES_FILE) as path:
        return [{key: str(reply[key]) for key in ("prompt", "base", "round")} for reply in _json(path) or []]


def scorecard(folder: Path) -> Scorecard | None:
    """Return the scores of a round's folder, if it has any, with its samples' path in full."""
    value = _mapping(folder / SCORECARD_FILE)
    if not value or not is_current(value):  # An earlier version's card counts as none.
        return None
    card = Scorecard.from_json(value)
    return replace(card, samples=str(folder / card.samples))


def samples(folder: Path) -> list[Sample]:
    """Return every text that was generated to score a round, with its scores."""
    with reading(folder / SAMPLES_FILE) as path:
        lines = path.read_text("utf-8", "surrogatepass").split("\n") if path.exists() else []
        return [Sample.from_json(json.loads(line)) for line in lines if line]


def steps(folder: Path) -> list[dict[str, float]]:
    """Return a training's metrics, one dict a step; of a step trained twice, the later ones."""
    with reading(folder / STEPS_FILE) as path:
        if not path.exists():
            return []
        lines = [line for line in path.read_text("utf-8").split("\n")[:-1] if line]
        by_step = {entry["step"]: entry for entry in map(json.loads, lines)}
        return [by_step[step] for step in sorted(by_step)]


def _progress(folder: Path) -> Progress | None:
    with reading(folder / PROGRESS_FILE) as path:
        found = _json(path)
        return Progress(**found) if found else None


def _mapping(path: Path, counted: str | None = None) -> dict[str, Any] | None:
    """Read a JSON object if it is there; what it must count is a number."""
    with reading(path):
        found = _json(path)
        if found is not None and counted:
            float(found[counted])
        return None if found is None else dict(found.items())


def _json(path: Path) -> Any:
    return read_json(path) if path.exists() else None
