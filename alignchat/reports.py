"""How a round stands, read off its folder: status, progress, training summary, scores. Changes nothing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from alignchat.dataset import MANIFEST_FILE
from alignchat.evaluation.scorecard import Sample, Scorecard, is_current
from alignchat.files import read_json
from alignchat.guard import Finding
from alignchat.rounds import (
    ERROR_FILE,
    GUARD_FILE,
    PROGRESS_FILE,
    REPLIES_FILE,
    SAMPLES_FILE,
    SCORECARD_FILE,
    STEPS_FILE,
    TRAIN_FILE,
    Rounds,
    Status,
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
    """Read a round's folder."""
    folder, record, status = rounds.folder(number), rounds.get(number), rounds.status(number)
    error = _json(folder / ERROR_FILE)
    card = scorecard(folder)
    progress = _json(folder / PROGRESS_FILE) if status == "running" else None
    train = _json(folder / TRAIN_FILE) or {}
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
        progress=Progress(**progress) if progress else None,
        error=error["error"] if error and status != "running" else None,
        train=train or None,
        report=table,
        guard=findings(folder),
        dataset=_json(folder / MANIFEST_FILE),
        scores=card.to_json()["scores"] if card else None,
    )


def findings(folder: Path) -> list[Finding]:
    """Return what the guard found in a round's training."""
    return [Finding(**found) for found in _json(folder / GUARD_FILE) or []]


def replies(folder: Path) -> list[dict[str, str]]:
    """Return the sample replies of base and round, by prompt."""
    return _json(folder / REPLIES_FILE) or []


def scorecard(folder: Path) -> Scorecard | None:
    """Return the scores of a round's folder, if it has any, with its samples' path in full."""
    value = _json(folder / SCORECARD_FILE)
    if not value or not is_current(value):  # An earlier version's card counts as none.
        return None
    card = Scorecard.from_json(value)
    return replace(card, samples=str(folder / card.samples))


def samples(folder: Path) -> list[Sample]:
    """Return every text that was generated to score a round, with its scores."""
    path = folder / SAMPLES_FILE
    lines = path.read_text("utf-8", "surrogatepass").split("\n") if path.exists() else []
    return [Sample.from_json(json.loads(line)) for line in lines if line]


def steps(folder: Path) -> list[dict[str, float]]:
    """Return a training's metrics, one dict a step; of a step trained twice, the later ones."""
    path = folder / STEPS_FILE
    if not path.exists():
        return []
    lines = [line for line in path.read_text("utf-8").split("\n")[:-1] if line]
    by_step = {entry["step"]: entry for entry in map(json.loads, lines)}
    return [by_step[step] for step in sorted(by_step)]


def _json(path: Path) -> Any:
    return read_json(path) if path.exists() else None
