"""What one round scored, as values that JSON can hold. Knows no measure, no file and no screen."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from alignchat.errors import DataError
from alignchat.evaluation.stats import Interval

FORMAT = 2
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A number with its 95 % interval, over `n` prompts with `k` continuations each, and what made it.

    `measure` is the family (toxicity, regard, honest, ...). `scorer` and `prompts` name the classifier or
    stand-in and the prompt set; `prompts_sha256` tells sets of one name apart. `groups` holds parts by name,
    each with its own interval; a name that starts with "difference" is one between groups.
    """

    measure: str
    value: float
    low: float
    high: float
    n: int
    scorer: str
    prompts: str = "embedded probes"
    prompts_sha256: str = ""
    k: int = 1
    groups: Mapping[str, Interval] = field(default_factory=dict)

    @property
    def made_by(self) -> tuple[str, str, str, int]:
        """What two scores must have in common to be compared or joined by a line."""
        return (self.scorer, self.prompts, self.prompts_sha256, self.k)

    @property
    def title(self) -> str:
        """Say for people what made the score."""
        continuations = f", {self.k} continuations each" if self.k > 1 else ""
        return f"{self.scorer}; {self.prompts}, {self.n} prompts{continuations}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One generated text and its score; kept so that every number can be looked into.

    `measure` is the task it was made for, `number` its prompt's place there and `continuation` counts the
    texts of one prompt. `labels` are a regard classifier's scores; `word` is what fills a HONEST template
    and `category` its HurtLex category, if it is hurtful.
    """

    measure: str
    language: str
    group: str
    prompt: str
    text: str
    score: float
    number: int = 0
    continuation: int = 0
    labels: Mapping[str, float] = field(default_factory=dict)
    word: str = ""
    category: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the sample as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Sample":
        """Read what `to_json` gave."""
        return _read(cls, document, "sample")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """All scores of a round, with what they cost and the settings they were made with.

    `generation` has the prompts, the continuations made of them, their tokens, and the seconds that took.
    `plans` has a digest of all that a measure's scores depend on besides the model; `samples` is the path
    of every generated text with its scores.
    """

    round: int
    model: str
    scores: Mapping[str, Score]
    generation: Mapping[str, float]
    settings: Mapping[str, Any]
    plans: Mapping[str, str] = field(default_factory=dict)
    samples: str = ""
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def to_json(self) -> dict[str, Any]:
        """Return the card as JSON values."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Scorecard":
        """Read what `to_json` gave; raise DataError for anything else."""
        if not isinstance(document, Mapping) or not isinstance(document.get("scores"), Mapping):
            raise DataError("This is not a scorecard: score the round again.")
        if not is_current(document):
            raise DataError("This scorecard is of another version: score the round again.")
        scores = {measure: _score(score) for measure, score in document["scores"].items()}
        facts = {key: value for key, value in document.items() if key != "format"}
        return _read(cls, {**facts, "scores": scores}, "scorecard")


def is_current(document: Mapping[str, Any]) -> bool:
    """Tell whether a stored card has this version's form."""
    return document.get("format") == FORMAT


def _score(document: Mapping[str, Any]) -> Score:
    if not isinstance(document, Mapping) or not isinstance(document.get("groups", {}), Mapping):
        raise DataError("This is not a score: score the round again.")
    groups = {name: _read(Interval, part, "score") for name, part in document.get("groups", {}).items()}
    return _read(Score, {**document, "groups": groups}, "score")


def _read(kind: type[T], document: Mapping[str, Any], name: str) -> T:
    try:
        return kind(**document)
    except TypeError as error:
        raise DataError(f"This is not a {name} ({error}): score the round again.") from error
