"""What was said, looked through and changed: found by filters, corrected, taken back, made to count again.

Knows the store; knows neither model nor screen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from alignchat.errors import DataError
from alignchat.judging.coach import Signals
from feedback_store import (
    Choice,
    Edit,
    FeedbackStore,
    Judgement,
    Said,
    Thumb,
    UnknownRecordError,
    Wanted,
)

__all__ = ["SIDES", "THUMBS", "VERDICTS", "Filters", "Judgement", "Review", "to_json"]

# What filters ask for, by name: each word of a judgement, and a choice of either side.
VERDICTS: Mapping[str, frozenset[Said]] = {
    "up": frozenset(["up"]),
    "down": frozenset(["down"]),
    "pair": frozenset(["left", "right"]),
    "tie": frozenset(["tie"]),
    "both_bad": frozenset(["both_bad"]),
    "edit": frozenset(["edit"]),
}

_JUDGED: tuple[Said, ...] = ("up", "down", "both_bad", "edit")
_PAIRED: tuple[Said, ...] = ("left", "right", "edit")
THUMBS = ("up", "down")
SIDES = ("left", "right", "tie", "both_bad")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which judgements; None and "" let all pass. Days are local, as in 2026-11-23, both included."""

    text: str = ""
    verdict: str | None = None
    round: int | None = None
    tag: str | None = None
    annotator: str | None = None
    since: str | None = None
    until: str | None = None
    counts: bool | None = None

    def wanted(self) -> Wanted:
        """Return them in the store's words; raise DataError for one that means nothing."""
        if self.verdict and self.verdict not in VERDICTS:
            raise DataError(f"{self.verdict} is no verdict; there are {', '.join(VERDICTS)}.")
        return Wanted(
            text=self.text,
            said=VERDICTS[self.verdict] if self.verdict else frozenset(),
            round=self.round,
            tag=self.tag or None,
            annotator=self.annotator or None,
            since=_start_of(self.since),
            until=_start_of(self.until, days_later=1),
            counts=self.counts,
        )


class Review:
    """All judgements of one store, or those of one annotator, who then meets no others."""

    def __init__(self, store: FeedbackStore, annotator: str | None = None) -> None:
        self._store, self._annotator = store, annotator

    def of(self, annotator: str | None) -> "Review":
        """Return the judgements of one annotator; None means everybody's."""
        return Review(self._store, annotator)

    def find(
        self, filters: Filters | None = None, *, offset: int = 0, limit: int | None = None
    ) -> tuple[list[Judgement], int]:
        """Return a page of what was said, the newest first, and how many there are in all.

        What was taken back is among it, unless `counts` asks otherwise; raise DataError for a bad filter.
        """
        wanted = (filters or Filters()).wanted()
        if self._annotator is not None:
            wanted = replace(wanted, annotator=self._annotator)
        return self._store.judgements(wanted, offset=offset, limit=limit)

    def knows(self, id: str) -> bool:
        """Tell whether this is a judgement that no later one has replaced."""
        return self._mine(id) is not None

    def get(self, id: str) -> Judgement:
        """Return one judgement; raise UnknownRecordError if there is none, or a later one replaced it."""
        judgement = self._mine(id)
        if judgement is None:
            raise UnknownRecordError(f"There is no judgement {id}, or a later one is in its place.")
        return judgement

    def change(
        self,
        id: str,
        *,
        verdict: str | None = None,
        tags: Sequence[str] | None = None,
        comment: str | None = None,
        text: str | None = None,
    ) -> Judgement:
        """Change what a judgement says; None leaves a part as it is, and its history keeps what it said.

        A choice that is changed is blind no longer: by now one may know whose replies they are.
        """
        record: Thumb | Choice | Edit = self.get(id).record
        given = {"verdict": verdict, "tags": tags, "comment": comment, "text": text}
        asked = {name: value for name, value in given.items() if value is not None}
        if isinstance(record, Thumb):
            record = _thumb(record, asked)
        elif isinstance(record, Choice):
            record = _choice(record, asked)
        else:
            record = _edit(record, asked)
        self._store.revise(record)
        return self.get(id)

    def retract(self, id: str) -> Judgement:
        """Take a judgement back; `restore` undoes it."""
        self.get(id)
        self._store.retract(id)
        return self.get(id)

    def restore(self, id: str) -> Judgement:
        """Let a judgement count again."""
        self.get(id)
        self._store.unretract(id)
        return self.get(id)

    def signals(self) -> Signals:
        """Count what the balance coach looks at."""
        said = self._store.tally()
        judged = {prompt for word in _JUDGED for prompt in said[word]}
        paired = {prompt for word in _PAIRED for prompt in said[word]}
        return Signals(
            up=len(said["up"]),
            down=len(said["down"]),
            pairs=len(said["left"]) + len(said["right"]),
            both_bad=len(said["both_bad"]),
            edits=len(said["edit"]),
            judged_prompts=len(judged),
            paired_prompts=len(paired),
        )

    def tags(self) -> list[str]:
        """Return all reasons that count, in alphabetical order."""
        if self._annotator is not None:
            return sorted(
                {tag for thumb in self._store.thumbs(annotator=self._annotator) for tag in thumb.tags}
            )
        return sorted(self._store.values("thumb", "tags"))

    def annotators(self) -> list[str]:
        """Return all who said something that counts, in alphabetical order."""
        if self._annotator is not None:
            return [self._annotator]
        kinds = ("thumb", "choice", "edit")
        return sorted({name for kind in kinds for name in self._store.values(kind, "annotator")})

    def rounds(self) -> list[int]:
        """Return the rounds that gave any reply, in order."""
        return sorted(n for n in self._store.values("completion", "round") if n is not None)

    def _mine(self, id: str) -> Judgement | None:
        judgement = self._store.judgement(id)
        others = judgement and self._annotator not in (None, judgement.record.annotator)
        return None if others else judgement


def to_json(judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as plain values, with what it is about."""
    record, first = judgement.record, judgement.replies[:1]
    return {
        "id": record.id,
        "verdict": judgement.said,
        "counts": judgement.counts,
        "created_at": record.created_at,
        "annotator": record.annotator,
        "conversation_id": next((reply.conversation_id for reply in first), None),
        "prompt": judgement.prompt,
        "replies": [{"id": r.id, "round": r.round, "text": r.text} for r in judgement.replies],
        **({"tags": list(record.tags), "comment": record.comment} if isinstance(record, Thumb) else {}),
        **({"blind": record.blind} if isinstance(record, Choice) else {}),
        **({"text": record.text} if isinstance(record, Edit) else {}),
    }


def _thumb(thumb: Thumb, asked: Mapping[str, Any]) -> Thumb:
    _require_parts("A thumb", asked, "verdict", "tags", "comment")
    verdict = asked.get("verdict", "up" if thumb.up else "down")
    _require_one_of(verdict, THUMBS)
    tags, comment = tuple(asked.get("tags", thumb.tags)), asked.get("comment", thumb.comment)
    return replace(thumb, up=verdict == "up", tags=tags, comment=comment)


def _choice(choice: Choice, asked: Mapping[str, Any]) -> Choice:
    _require_parts("A choice", asked, "verdict")
    verdict = asked.get("verdict", choice.verdict)
    _require_one_of(verdict, SIDES)
    return replace(choice, verdict=verdict, blind=False)


def _edit(edit: Edit, asked: Mapping[str, Any]) -> Edit:
    _require_parts("An edit", asked, "text")
    text = asked.get("text", edit.text)
    if not text.strip():
        raise DataError("A rewritten reply cannot be empty; take the edit back instead.")
    return replace(edit, text=text)


def _require_parts(what: str, asked: Mapping[str, Any], *parts: str) -> None:
    for name in asked:
        if name not in parts:
            raise DataError(f"{what} has no {name}; change its {' or '.join(parts)}.")


def _require_one_of(verdict: str, verdicts: Sequence[str]) -> None:
    if verdict not in verdicts:
        raise DataError(f"{verdict} cannot be said of this; say one of {', '.join(verdicts)}.")


def _start_of(day: str | None, *, days_later: int = 0) -> str | None:
    """Return when a local day begins, as records have their times."""
    if not day:
        return None
    try:
        begins = datetime.combine(date.fromisoformat(day) + timedelta(days=days_later), time.min)
    except (ValueError, OverflowError):
        raise DataError(f"{day[:40]} is no day; write it as in 2026-11-23.") from None
    return begins.astimezone(UTC).isoformat(timespec="microseconds")
