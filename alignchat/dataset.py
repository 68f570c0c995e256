"""Feedback to the frozen rows of one round: paired for DPO, unpaired for KTO. Knows no model.

A signal is what a person said, never what may be inferred: a reply that was not chosen is rejected
in its pair, not thumbed down; a reply asked for again is not judged at all.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alignchat.config import UNPAIRED, Method
from alignchat.errors import DataError
from alignchat.files import read_json, write_bytes, write_json
from feedback_store import Completion, FeedbackStore, Message

# With fewer prompts than this a held-out part says nothing, and its rows are missed in training.
HOLD_OUT_FROM = 20
ROWS_FILE = "dataset.jsonl"
MANIFEST_FILE = "dataset.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedRow:
    """A prompt with the completion a person chose and the one they rejected."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpairedRow:
    """A prompt and a completion that is desirable (label) or undesirable."""

    prompt: tuple[Message, ...]
    completion: str
    label: bool
    source: str


Row = PairedRow | UnpairedRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """The rows of one round; no prompt is on both sides."""

    method: Method
    train: tuple[Row, ...]
    test: tuple[Row, ...]
    removed: Mapping[str, int]

    @property
    def sha256(self) -> str:
        """The SHA-256 of the rows with their sides; the same feedback gives the same."""
        return hashlib.sha256(_encode(self)).hexdigest()

    def manifest(self) -> dict[str, Any]:
        """Return counts by side, label and source, what was left out and why, and the SHA-256."""
        rows = self.train + self.test
        return {
            "method": self.method,
            "train": len(self.train),
            "test": len(self.test),
            "desirable": sum(_count(row, True) for row in rows),
            "undesirable": sum(_count(row, False) for row in rows),
            "prompts": len({row.prompt for row in rows}),
            "sources": dict(sorted(Counter(row.source for row in rows).items())),
            "removed": dict(sorted(self.removed.items())),
            "sha256": self.sha256,
        }


def build(
    feedback: FeedbackStore,
    method: Method,
    *,
    test_share: float,
    trained: Collection[tuple[Message, ...]] = (),
) -> Dataset:
    """Turn the current feedback into the rows of one round.

    A prompt is held out by a hash of its text, so it stays on its side in later rounds; prompts in
    `trained` (those of earlier rounds' training rows) are never held out.
    """
    completions = {c.id: c for c in feedback.completions(visible_only=True)}
    removed: Counter[str] = Counter()
    rows = (
        _unpaired(feedback, completions, removed)
        if method in UNPAIRED
        else _paired(feedback, completions, removed)
    )
    unique = sorted(set(rows), key=_row_key)
    removed["duplicate"] += len(rows) - len(unique)
    held_out = _held_out({row.prompt for row in unique}, test_share) - set(trained)
    return Dataset(
        method=method,
        train=tuple(row for row in unique if row.prompt not in held_out),
        test=tuple(row for row in unique if row.prompt in held_out),
        removed={reason: n for reason, n in removed.items() if n},
    )


def require_trainable(dataset: Dataset) -> None:
    """Raise DataError with what is missing if a round could not learn from these rows."""
    left_out = "".join(f" Left out: {n} ({reason})." for reason, n in dataset.removed.items())
    if dataset.method not in UNPAIRED:
        if not dataset.train:
            raise DataError(
                f"There are no pairs for {dataset.method.upper()} yet: "
                "compare two replies and choose the better one first." + left_out
            )
        return
    up = sum(_count(row, True) for row in dataset.train)
    down = len(dataset.train) - up
    if not up or not down:
        missing = "liked" if not up else "disliked"
        raise DataError(
            f"KTO needs replies you like and replies you dislike, and there are {up} and {down}: "
            f"mark at least one {missing} reply, then try again." + left_out
        )


def save(dataset: Dataset, folder: Path) -> None:
    """Write the rows and, last, the manifest into a round's folder."""
    write_bytes(folder / ROWS_FILE, _encode(dataset))
    write_json(folder / MANIFEST_FILE, dataset.manifest())


def load(folder: Path) -> Dataset:
    """Read back what `save` wrote; raise DataError if the rows are not those of the manifest."""
    manifest = read_json(folder / MANIFEST_FILE)
    sides: dict[str, list[Row]] = {"train": [], "test": []}
    for line in (folder / ROWS_FILE).read_text("utf-8", "surrogatepass").split("\n")[:-1]:
        value = json.loads(line)
        sides[value["side"]].append(_decode(value["row"]))
    dataset = Dataset(
        method=manifest["method"],
        train=tuple(sides["train"]),
        test=tuple(sides["test"]),
        removed=manifest["removed"],
    )
    if dataset.sha256 != manifest["sha256"]:
        raise DataError(
            f"The rows in {folder / ROWS_FILE} were changed after the round began; start a new round."
        )
    return dataset


def _paired(
    feedback: FeedbackStore, completions: Mapping[str, Completion], removed: Counter[str]
) -> list[Row]:
    rows: list[Row] = []
    for choice in feedback.choices():
        if choice.chosen_id is None or choice.rejected_id is None:
            removed[choice.verdict] += 1
        elif pair := _usable([choice.chosen_id, choice.rejected_id], completions, removed):
            chosen, rejected = pair
            rows += _pair(chosen.prompt, chosen.text, rejected.text, "choice", removed)
    for edit in feedback.edits():
        if original := _usable([edit.completion_id], completions, removed):
            rows += _pair(original[0].prompt, edit.text, original[0].text, "edit", removed)
    return rows


def _pair(
    prompt: tuple[Message, ...], chosen: str, rejected: str, source: str, removed: Counter[str]
) -> list[Row]:
    if chosen == rejected:
        removed["same text on both sides"] += 1
        return []
    return [PairedRow(prompt=prompt, chosen=chosen, rejected=rejected, source=source)]


def _unpaired(
    feedback: FeedbackStore, completions: Mapping[str, Completion], removed: Counter[str]
) -> list[Row]:
    said: defaultdict[tuple[tuple[Message, ...], str], list[tuple[bool, str]]] = defaultdict(list)
    for completion_id, text, label, source in _judgements(feedback):
        if usable := _usable([completion_id], completions, removed):
            completion = usable[0]
            said[completion.prompt, completion.text if text is None else text].append((label, source))
    rows: list[Row] = []
    for (prompt, text), judgements in said.items():
        ups = sum(label for label, _ in judgements)
        if 2 * ups == len(judgements):
            removed["as many for as against"] += 1
            continue
        label = 2 * ups > len(judgements)
        source = next(source for judged, source in judgements if judged == label)
        rows.append(UnpairedRow(prompt=prompt, completion=text, label=label, source=source))
    return rows


def _judgements(feedback: FeedbackStore) -> Iterator[tuple[str, str | None, bool, str]]:
    """Yield (completion id, text if rewritten, label, source) of everything said about one reply."""
    for thumb in feedback.thumbs():
        yield thumb.completion_id, None, thumb.up, "thumb"
    for choice in feedback.choices():
        if choice.verdict == "both_bad":
            yield choice.left_id, None, False, "both bad"
            yield choice.right_id, None, False, "both bad"
    for edit in feedback.edits():
        yield edit.completion_id, edit.text, True, "edit"
        yield edit.completion_id, None, False, "edit"


def _usable(
    ids: Sequence[str], completions: Mapping[str, Completion], removed: Counter[str]
) -> list[Completion] | None:
    found = [completions.get(i) for i in ids]
    usable = [c for c in found if c is not None]
    reason = (
        "reply deleted"
        if len(usable) < len(found)
        else "reply stopped before its end"
        if not all(c.finished for c in usable)
        else "empty reply"
        if not all(c.text.strip() for c in usable)
        else None
    )
    if reason:
        removed[reason] += 1
        return None
    return usable


def _held_out(prompts: set[tuple[Message, ...]], share: float) -> set[tuple[Message, ...]]:
    if len(prompts) < HOLD_OUT_FROM:
        return set()
    return {prompt for prompt in prompts if _fraction(prompt) < share}


def _fraction(prompt: tuple[Message, ...]) -> float:
    """Map a prompt to [0, 1) by its words, so that spacing and case do not move it."""
    words = " ".join(f"{m.role} {m.content}" for m in prompt).lower().split()
    digest = hashlib.sha256(" ".join(words).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) / 2**64


def _count(row: Row, label: bool) -> int:
    return 1 if isinstance(row, PairedRow) else int(row.label is label)


def _row_key(row: Row) -> str:
    return hashlib.sha256(_line(row).encode("utf-8", "surrogatepass")).hexdigest()


def _line(row: Row) -> str:
    return json.dumps(asdict(row), ensure_ascii=False, sort_keys=True)


def _encode(dataset: Dataset) -> bytes:
    sides = (("train", dataset.train), ("test", dataset.test))
    lines = [f'{{"side": "{side}", "row": {_line(row)}}}\n' for side, rows in sides for row in rows]
    return "".join(lines).encode("utf-8", "surrogatepass")


def _decode(value: dict[str, Any]) -> Row:
    prompt = tuple(Message(**message) for message in value.pop("prompt"))
    return PairedRow(prompt=prompt, **value) if "chosen" in value else UnpairedRow(prompt=prompt, **value)
