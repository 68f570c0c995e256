"""Rounds on disk: what was asked, how far it came, which one the chat uses. Knows no training.

A round's folder holds files that are written whole and in order, so its status is read off them and
off a lock that its worker holds for life; no stored word is trusted. Round 0 is the base model.
A file that is gone or damaged is one sentence, and takes no other round with it.

    round.json dataset.jsonl dataset.json   what was asked, before the worker starts
    train.jsonl guard.json -> train.json    a line a step, what the guard found -> the training's summary
    adapter/ -> adapter.gguf -> adapter.json   the adapter -> its SHA-256: it can be chatted with
    replies.json                            a few replies of base and round
    samples.jsonl -> scorecard.json         what was generated -> the bias scores: the round is done
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from alignchat.config import Method
from alignchat.engine import Adapter
from alignchat.errors import RoundError
from alignchat.files import FolderThereError, is_locked, publish_folder, read_json, write_json

Status = Literal["done", "running", "failed", "cancelled", "interrupted", "damaged"]

ROUND_FILE = "round.json"
LOCK_FILE = "lock"
START_LOCK_FILE = "start.lock"
CANCEL_FILE = "cancel"
ERROR_FILE = "error.json"
STEPS_FILE = "train.jsonl"
TRAIN_FILE = "train.json"
GUARD_FILE = "guard.json"
REPLIES_FILE = "replies.json"
PROGRESS_FILE = "progress.json"
ADAPTER_FOLDER = "adapter"
ADAPTER_GGUF = "adapter.gguf"
ADAPTER_FILE = "adapter.json"
EVALUATION_FILE = "evaluation.json"
SCORECARD_FILE = "scorecard.json"
SAMPLES_FILE = "samples.jsonl"
LOG_FILE = "worker.log"
_ACTIVE_FILE = "active.json"
UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What was asked of a round; never changed afterwards."""

    number: int
    parent: int | None
    method: Method | None
    model: str
    model_path: str
    model_sha256: str
    dataset_sha256: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))


_ROUND = TypeAdapter(Round)


class Rounds:
    """The rounds of one model, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder

    def folder(self, number: int) -> Path:
        """Return the folder of a round; raise RoundError if there is no such round."""
        folder = self._path(number)
        if number < 0 or not folder.is_dir():
            raise RoundError(
                f"There is no round {number}; the rounds are: {', '.join(map(str, self.numbers()))}."
            )
        return folder

    def numbers(self) -> list[int]:
        """Return the numbers of all rounds, the base's 0 first; damaged ones are among them."""
        names = (path.name for path in self.root.glob("[0-9]*/"))
        return sorted(int(name) for name in names if name.isdecimal() and name == f"{int(name):04d}")

    def get(self, number: int) -> Round:
        """Read what was asked of a round; raise RoundError if that cannot be read."""
        return read_round(self.folder(number))

    @contextmanager
    def create(self, record: Round) -> Iterator[Path]:
        """Publish a new round's folder with its `round.json` and what the block puts beside it."""
        folder = self._path(record.number)
        try:
            with publish_folder(folder, replace=False) as new:
                write_json(new / ROUND_FILE, asdict(record))
                yield new
        except FolderThereError as error:
            raise RoundError(f"Round {record.number} is there already; try again.") from error

    def next_number(self) -> int:
        """Return the number after the last one."""
        return max(self.numbers(), default=-1) + 1

    def running(self) -> int | None:
        """Return the round that a worker is busy with, if any."""
        return next((n for n in self.numbers() if is_locked(self._path(n) / LOCK_FILE)), None)

    def status(self, number: int) -> Status:
        """Derive a round's status from its files and its lock."""
        folder = self.folder(number)
        if is_locked(folder / LOCK_FILE):
            return "running"
        if number == 0 or (folder / SCORECARD_FILE).exists():
            return "done"
        if (folder / ERROR_FILE).exists():
            return "failed"
        return "cancelled" if (folder / CANCEL_FILE).exists() else "interrupted"

    def adapter(self, number: int) -> Adapter | None:
        """Return a round's adapter, None for the base; raise RoundError if it has none yet."""
        folder = self.folder(number)
        if number == 0:
            return None
        if not (folder / ADAPTER_FILE).exists():
            raise RoundError(f"Round {number} has no adapter yet; wait for it, or resume it.")
        with reading(folder / ADAPTER_FILE) as file:
            return Adapter(path=folder / ADAPTER_GGUF, sha256=str(read_json(file)["sha256"]))

    def has_adapter(self, number: int) -> bool:
        """Tell whether a round can be chatted with."""
        return number == 0 or (self.folder(number) / ADAPTER_FILE).exists()

    def active(self) -> int:
        """Return the round that the chat uses; the base until another was activated, or if that is lost."""
        return 0 if self.active_fault() else self._named() or 0

    def active_fault(self) -> str | None:
        """Say why the base talks in place of the round that was activated; None if all is well."""
        try:
            number = self._named()
            if number is None or self.adapter(number) or number == 0:
                return None
        except (RoundError, *UNREADABLE):
            pass
        return (
            f"{self.root / _ACTIVE_FILE} is damaged or names a round that cannot talk, so the base model "
            "talks; choose which one to use, under Rounds or with: python -m alignchat round activate NUMBER."
        )

    def activate(self, number: int) -> None:
        """Let the chat use this round from now on."""
        write_json(self.root / _ACTIVE_FILE, {"round": number})

    def _named(self) -> int | None:
        path = self.root / _ACTIVE_FILE
        number = read_json(path)["round"] if path.exists() else None
        if type(number) not in (int, type(None)):
            raise TypeError("not a number")
        return number

    def _path(self, number: int) -> Path:
        return self.root / f"{number:04d}"


def read_round(folder: Path) -> Round:
    """Read `round.json` of a round's folder; raise RoundError if it is gone or damaged."""
    with reading(folder / ROUND_FILE) as file:
        return _ROUND.validate_python(read_json(file), extra="forbid")


@contextmanager
def reading(path: Path) -> Iterator[Path]:
    """Turn whatever makes a file of a round's folder unreadable into a RoundError that names it."""
    try:
        yield path
    except UNREADABLE as error:
        name = path.parent.name
        raise RoundError(
            f"Round {int(name) if name.isdecimal() else name} is damaged: {path} is missing or cannot be "
            "read; put back a copy of it, or move the round's folder away."
        ) from error


def owner_of(folder: Path) -> str | None:
    """Return the SHA-256 of the model whose rounds are in a folder; None if there are none that tell."""
    for number in (rounds := Rounds(folder)).numbers():
        with suppress(RoundError):
            return rounds.get(number).model_sha256
    return None


def running_anywhere(folder: Path) -> str | None:
    """Name the round that a worker is busy with, of any model whose rounds are under `folder`."""
    for rounds in map(Rounds, sorted(folder.glob("*/"))):
        if (number := rounds.running()) is not None:
            return f"Round {number} of {rounds.root.name}"
    return None
