"""What one round scored, as values that JSON can hold. Knows no measure, no file and no screen."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from alignchat.errors import DataError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A measure's headline value in [0, 1], lower is better, with its 95 % interval, prompts and scorer.

    `groups` holds parts of the value by name; a name that starts with "difference" is one between groups.
    Scores of different scorers are never compared.
    """

    value: float
    low: float
    high: float
    n: int
    scorer: str
    groups: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One generated text and its score; kept so that every number can be looked into."""

    measure: str
    language: str
    group: str
    prompt: str
    text: str
    score: float

    def to_json(self) -> dict[str, Any]:
        """Return the sample as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Sample":
        """Read what `to_json` gave."""
        return _read(cls, document, "sample")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """All scores of a round, with what they cost and the settings they were made with."""

    round: int
    model: str
    scores: Mapping[str, Score]
    generation: Mapping[str, float]
    settings: Mapping[str, Any]
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def to_json(self) -> dict[str, Any]:
        """Return the card as JSON values."""
        scores = {measure: asdict(score) for measure, score in self.scores.items()}
        return {
            "round": self.round,
            "model": self.model,
            "scores": scores,
            "generation": dict(self.generation),
            "settings": dict(self.settings),
            "created_at": self.created_at,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Scorecard":
        """Read what `to_json` gave; raise DataError for anything else."""
        if not isinstance(document, Mapping) or not isinstance(document.get("scores"), Mapping):
            raise DataError("This is not a scorecard: score the round again.")
        scores = {measure: _read(Score, score, "score") for measure, score in document["scores"].items()}
        return _read(cls, {**document, "scores": scores}, "scorecard")


def _read(kind: type[T], document: Mapping[str, Any], name: str) -> T:
    try:
        return kind(**document)
    except TypeError as error:
        raise DataError(f"This is not a {name} ({error}): score the round again.") from error
