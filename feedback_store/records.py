"""The human facts as frozen values, and their JSON form. Knows no file and no query.

Every record has an id and a time of its own making, so that saying the same thing again is harmless.
Times are for people to read; order is always the journal's, because clocks jump.
"""

import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, get_args

from feedback_store.errors import InvalidRecordError

Verdict = Literal["left", "right", "tie", "both_bad"]
VERDICTS: tuple[str, ...] = get_args(Verdict)
LOCAL = "local"
DEEPEST = 64


def new_id() -> str:
    """Make an id that nobody else makes."""
    return uuid.uuid4().hex


def now() -> str:
    """Return the present time in UTC, as ISO 8601 text."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A chat, by name; its turns are in the prompts of its completions."""

    id: str = field(default_factory=new_id)
    title: str = ""
    created_at: str = field(default_factory=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a model replied to a prompt; self-contained, so that a training row needs no join.

    `round` is None when this application did not make the text. `finished` is False when the person
    stopped it; such a completion is kept and never trained on.
    """

    id: str = field(default_factory=new_id)
    conversation_id: str
    prompt: tuple[Message, ...]
    text: str
    model: str
    round: int | None
    sampling: Mapping[str, Any] = field(default_factory=dict, hash=False)
    finished: bool = True
    created_at: str = field(default_factory=now)
    annotator: str = LOCAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumb:
    """One annotator's verdict on one completion; the latest counts."""

    id: str = field(default_factory=new_id)
    completion_id: str
    up: bool
    tags: tuple[str, ...] = ()
    comment: str = ""
    created_at: str = field(default_factory=now)
    annotator: str = LOCAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which of two completions is better; sides are kept as shown, chosen and rejected are derived."""

    id: str = field(default_factory=new_id)
    left_id: str
    right_id: str
    verdict: Verdict
    blind: bool = False
    created_at: str = field(default_factory=now)
    annotator: str = LOCAL

    @property
    def chosen_id(self) -> str | None:
        """The preferred completion, or None without a winner."""
        return {"left": self.left_id, "right": self.right_id}.get(self.verdict)

    @property
    def rejected_id(self) -> str | None:
        """The other completion, or None without a winner."""
        return {"left": self.right_id, "right": self.left_id}.get(self.verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A person's rewrite of a completion; it is preferred over the original."""

    id: str = field(default_factory=new_id)
    completion_id: str
    text: str
    created_at: str = field(default_factory=now)
    annotator: str = LOCAL


Record: TypeAlias = Conversation | Completion | Thumb | Choice | Edit
KINDS: dict[str, type[Record]] = {
    "conversation": Conversation,
    "completion": Completion,
    "thumb": Thumb,
    "choice": Choice,
    "edit": Edit,
}
_KIND_OF = {cls: kind for kind, cls in KINDS.items()}


def kind_of(record: Record) -> str:
    """Name the kind of a record; raise InvalidRecordError for anything else."""
    try:
        return _KIND_OF[type(record)]
    except KeyError:
        raise InvalidRecordError(f"A {type(record).__name__} is not a record; not saved.") from None


def to_json(record: Record) -> dict[str, Any]:
    """Turn a record into JSON values that read back as an equal record, or raise InvalidRecordError."""
    kind = kind_of(record)
    values = {name: rule(_Place(kind, name), getattr(record, name)) for name, rule in _RULES[kind].items()}
    if not values["id"]:
        raise InvalidRecordError(f"The id of a {kind} is empty; not saved.")
    return values


def from_json(kind: str, values: Mapping[str, Any]) -> Record:
    """Rebuild the record that `to_json` took apart."""
    fields = dict(values)
    if kind == "completion":
        fields["prompt"] = tuple([Message(role=role, content=text) for role, text in fields["prompt"]])
        fields["sampling"] = dict(fields["sampling"])  # a caller who changes it changes only his own
    elif kind == "thumb":
        fields["tags"] = tuple(fields["tags"])
    return KINDS[kind](**fields)


@dataclass(frozen=True, slots=True)
class _Place:
    kind: str
    name: str

    def refuse(self, wanted: str, value: object) -> InvalidRecordError:
        return InvalidRecordError(
            f"{self.kind}.{self.name} must be {wanted}, not {type(value).__name__}; not saved."
        )


_Rule: TypeAlias = Callable[[_Place, Any], Any]


def _text(place: _Place, value: object) -> str:
    if type(value) is not str:
        raise place.refuse("text", value)
    return value


def _flag(place: _Place, value: object) -> bool:
    if type(value) is not bool:
        raise place.refuse("True or False", value)
    return value


def _round(place: _Place, value: object) -> int | None:
    if value is not None and (type(value) is not int or value < 0):
        raise place.refuse("a round number or None", value)
    return value


def _tags(place: _Place, value: object) -> list[str]:
    if type(value) is not tuple:
        raise place.refuse("a tuple of texts", value)
    return [_text(place, tag) for tag in value]


def _prompt(place: _Place, value: object) -> list[list[str]]:
    if type(value) is not tuple or not all(type(message) is Message for message in value):
        raise place.refuse("a tuple of Messages", value)
    return [[_text(place, m.role), _text(place, m.content)] for m in value]


def _verdict(place: _Place, value: object) -> str:
    if value not in VERDICTS:
        raise InvalidRecordError(f"{place.kind}.verdict must be one of {', '.join(VERDICTS)}; not saved.")
    return str(value)


def _sampling(place: _Place, value: object) -> Any:
    if not isinstance(value, Mapping):
        raise place.refuse("a mapping", value)
    return _plain(place, dict(value), DEEPEST)


def _plain(place: _Place, value: Any, depth: int) -> Any:
    if depth == 0:
        raise InvalidRecordError(
            f"{place.kind}.{place.name} is nested deeper than {DEEPEST} levels; not saved."
        )
    if value is None or type(value) in (str, bool, int):
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is list:
        return [_plain(place, item, depth - 1) for item in value]
    if type(value) is dict:
        return {_text(place, key): _plain(place, item, depth - 1) for key, item in value.items()}
    raise place.refuse("plain JSON (text, finite numbers, lists, dicts)", value)


_RULES: dict[str, dict[str, _Rule]] = {
    "conversation": {"id": _text, "title": _text, "created_at": _text},
    "completion": {
        "id": _text,
        "conversation_id": _text,
        "prompt": _prompt,
        "text": _text,
        "model": _text,
        "round": _round,
        "sampling": _sampling,
        "finished": _flag,
        "created_at": _text,
        "annotator": _text,
    },
    "thumb": {
        "id": _text,
        "completion_id": _text,
        "up": _flag,
        "tags": _tags,
        "comment": _text,
        "created_at": _text,
        "annotator": _text,
    },
    "choice": {
        "id": _text,
        "left_id": _text,
        "right_id": _text,
        "verdict": _verdict,
        "blind": _flag,
        "created_at": _text,
        "annotator": _text,
    },
    "edit": {"id": _text, "completion_id": _text, "text": _text, "created_at": _text, "annotator": _text},
}
