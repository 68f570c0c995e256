"""Preference sets by name: which are known, how one is asked for, and what of them is on this machine.

A set on the hub is taken row by row from its beginning and kept; what is kept is used from then on, at the
revision it was first taken at. NAME@newest stands for the revision of the latest time it was asked for: `get`
asks the hub each time, while NAME alone stays at its own. Files on this machine are read where they are. Only
`get` uses the network, and does so in a process of its own, which can be ended at any moment.
"""

import json
import math
import queue
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from alignchat.config import PACKAGES, Method, online_child_environment
from alignchat.errors import Cancelled, DataError
from alignchat.files import read_json, sha256
from alignchat.rows.preferences import Row, Source
from alignchat.rows.shapes import ShapeError, canonical, rows_for
from alignchat.shelf.transfer import OnProgress, Progress, ShouldStop
from feedback_store.rowfiles import Limits, RowError, read_rows

NEWEST = "newest"
PINNED_FILE, TOTAL_FILE = "pinned.json", "total.json"
PARTING_SECONDS = 2.0
MOST_ROWS = Limits().rows  # of one set, as of one file: a round's rows are all in memory
MOST_BYTES = Limits().file_bytes
EXPECTED_STATUS = 3  # of the child, where its last line is a sentence for people
FILE_ENDINGS = (".jsonl", ".json", ".parquet")
TEXT_ONLY = "an image set: only its texts are used"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSet:
    """A set of the hub that is offered by name."""

    kind: Literal["paired", "unpaired"]
    language: Literal["en", "it"]
    note: str = ""


KNOWN: Mapping[str, KnownSet] = {
    "trl-lib/hh-rlhf-helpful-base": KnownSet(kind="paired", language="en"),
    "trl-lib/lm-human-preferences-descriptiveness": KnownSet(kind="paired", language="en"),
    "trl-lib/lm-human-preferences-sentiment": KnownSet(kind="paired", language="en"),
    "trl-lib/rlaif-v": KnownSet(kind="paired", language="en", note=TEXT_ONLY),
    "trl-lib/tldr-preference": KnownSet(kind="paired", language="en"),
    "trl-lib/ultrafeedback_binarized": KnownSet(kind="paired", language="en"),
    "trl-lib/ultrafeedback-gpt-3.5-turbo-helpfulness": KnownSet(kind="unpaired", language="en"),
    "trl-lib/kto-mix-14k": KnownSet(kind="unpaired", language="en"),
    "efederici/evol-dpo-ita": KnownSet(kind="paired", language="it"),
    "anakin87/evol-dpo-ita-reranked": KnownSet(kind="paired", language="it"),
}
_SHORT = {name.partition("/")[2]: name for name in KNOWN}

_PART = r"[A-Za-z0-9][\w.-]{0,95}"
_ASKED = re.compile(
    r"(?P<name>.+?\.(?:jsonl|json|parquet)|.+?)(?:@(?P<revision>[\w./-]+))?(?::(?P<amount>\d+|\d+(?:\.\d+)?%))?(?:\*(?P<weight>\d+(?:\.\d+)?))?"
)
_HUB_NAME = re.compile(rf"({_PART}/{_PART})(?:/({_PART}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A set that is asked for: so many rows or such a share of it, and what one of its rows weighs.

    With neither `rows` nor `share` it is all of it. `path` is set where it is a file.
    """

    name: str
    split: str = "train"
    path: Path | None = None
    revision: str | None = None
    rows: int | None = None
    share: float | None = None
    weight: float = 1.0

    @property
    def amount(self) -> str:
        """How much is asked for, as it is written."""
        if self.rows is not None:
            return str(self.rows)
        return "all" if self.share is None else f"{100 * self.share:g}%"

    def wanted(self, total: int | None) -> int | None:
        """Return how many rows that is; None for all, and where only the total can tell."""
        if self.share is None:
            return self.rows
        return None if total is None else math.ceil(self.share * total)


def parse(text: str) -> Asked:
    """Read NAME[@REVISION][:ROWS|:SHARE%][*WEIGHT]; raise DataError saying what is wrong with it.

    REVISION is a branch, tag or commit, each kept as it was the first time, or "newest".
    NAME is a known set, OWNER/NAME or OWNER/NAME/SPLIT on the hub, or a .jsonl, .json or .parquet file.
    """
    found = _ASKED.fullmatch(text.strip())
    if not found:
        raise _unreadable(text)
    amount, weight = found["amount"], float(found["weight"] or 1)
    rows = int(amount) if amount and not amount.endswith("%") else None
    share = float(amount[:-1]) / 100 if amount and amount.endswith("%") else None
    if rows == 0 or share == 0 or (share or 0) > 1 or weight == 0:
        raise DataError(f"{text!r} asks for nothing, or for more than all; give rows, or a share up to 100%.")
    how: dict[str, Any] = {"rows": rows, "share": share, "weight": weight}
    name, revision = found["name"], found["revision"]
    if name.endswith(FILE_ENDINGS):
        path = Path(name).expanduser().resolve()
        return Asked(name=path.name, path=path, **how)
    hub = _HUB_NAME.fullmatch(_SHORT.get(name, name))
    if not hub:
        raise _unreadable(text)
    return Asked(name=hub[1], split=hub[2] or "train", revision=revision, **how)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What of a set is on this machine: so many rows from its beginning, of `total` where that is known."""

    name: str
    revision: str
    rows: int
    total: int | None

    @property
    def whole(self) -> bool:
        """Whether there is nothing more to get."""
        return self.total is not None and self.rows >= self.total


class HubSets:
    """The sets kept in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def held(self, asked: Asked) -> Held | None:
        """Tell what of a set is here; None if nothing is."""
        if asked.path:
            return None
        folder, revision = self.place(asked), self._commit(asked)
        if revision is None or not (folder / revision).is_dir():
            return None
        rows = max((part.end for part in _parts(folder / revision)), default=0)
        total_file = folder / revision / TOTAL_FILE
        total = read_json(total_file)["rows"] if total_file.exists() else None
        return Held(name=asked.name, revision=revision, rows=rows, total=total)

    def missing(self, asked: Asked) -> bool:
        """Tell whether rows that are asked for have to be got first."""
        if asked.path:
            return False
        held = self.held(asked)
        if held is None:
            return True
        wanted = asked.wanted(held.total)
        return not held.whole and (wanted is None or held.rows < wanted)

    def get(
        self, asked: Asked, *, on_progress: OnProgress | None = None, should_stop: ShouldStop = lambda: False
    ) -> None:
        """Bring the rows that are missing; those that have come stay if it is stopped or breaks off.

        Raise DataError with what to do if they cannot be had, Cancelled if told to stop.
        """
        newest = asked.revision == NEWEST and not asked.path
        if not newest and not self.missing(asked):
            return
        order = {
            "name": asked.name,
            "split": asked.split,
            "revision": asked.revision,
            "commit": None if newest else self._commit(asked),
            "rows": asked.rows,
            "share": asked.share,
            "folder": str(self.place(asked)),
        }
        child = subprocess.Popen(
            [sys.executable, "-m", "alignchat.rows.set_child", json.dumps(order)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=PACKAGES,
            env=online_child_environment(),
        )
        try:
            _follow(child, asked.name, on_progress, should_stop)
        finally:
            _end(child)

    def source(self, asked: Asked, method: Method) -> Source:
        """Return the rows of a set that a method learns from; raise DataError if they are not here."""
        notes = [KNOWN[asked.name].note] if asked.name in KNOWN else []
        if asked.path:
            revision, total = _checksum(asked.path), None
            taken = list(_of_file(asked.path))
            taken = taken[: asked.wanted(len(taken))]
        else:
            held = self.held(asked)
            if held is None or self.missing(asked):
                raise DataError(f"{asked.name} is not here yet, or not all that is asked for: get it first.")
            revision, total = held.revision, held.total
            taken = list(islice(_of_parts(self.place(asked) / revision), asked.wanted(total)))
        removed = Counter(line for line in taken if isinstance(line, str))
        rows: list[Row] = []
        for line in taken:
            if not isinstance(line, str):
                made = rows_for(method, line, asked.name, asked.weight)
                rows += made
                removed["labelled replies, which are no pairs"] += not made
        if any(line.get("images") for line in taken if not isinstance(line, str)):
            notes = [TEXT_ONLY]
        return Source(
            name=asked.name,
            kind="file" if asked.path else "hub",
            revision=revision,
            asked=asked.amount,
            weight=asked.weight,
            rows=rows,
            read=len(taken),
            total=total,
            note="; ".join(filter(None, notes)),
            removed={reason: n for reason, n in removed.items() if n},
        )

    def place(self, asked: Asked) -> Path:
        """Return the folder of a set."""
        return self._folder / f"{asked.name.replace('/', '--')}--{asked.split}"

    def _commit(self, asked: Asked) -> str | None:
        """Return the commit that a revision stood for when it was first asked for, if it was."""
        file = self.place(asked) / PINNED_FILE
        pinned: dict[str, str] = read_json(file) if file.exists() else {}
        return pinned.get(asked.revision or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file of rows: those from `start` up to but not with `end`, counted in the set's own order."""

    path: Path
    start: int
    end: int


def part_path(folder: Path, start: int, end: int) -> Path:
    """Return the name of a part; it is written whole or not at all."""
    return folder / f"{start:09d}-{end:09d}.jsonl"


def read_line(row: Any) -> dict[str, Any] | str:
    """Return what is kept of a row of a set: its canonical shape, or why it cannot be used."""
    try:
        return canonical(row)
    except ShapeError as error:
        return str(error)


def _parts(folder: Path) -> list[Part]:
    """Return the parts that follow one another from the beginning."""
    found: list[Part] = []
    for path in sorted(folder.glob("*-*.jsonl")):
        start, end = map(int, path.stem.split("-"))
        if start == (found[-1].end if found else 0):
            found.append(Part(path=path, start=start, end=end))
    return found


def _of_parts(folder: Path) -> Iterator[dict[str, Any] | str]:
    for part in _parts(folder):
        with part.path.open(encoding="utf-8", errors="surrogatepass", newline="\n") as file:
            yield from map(json.loads, file)


def _of_file(path: Path) -> Iterator[dict[str, Any] | str]:
    for _, row in read_rows(path, Limits()):
        yield "no JSON object" if isinstance(row, RowError) else read_line(row)


def _checksum(path: Path) -> str:
    try:
        return sha256(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the path.") from error


def _unreadable(text: str) -> DataError:
    return DataError(
        f"{text!r} names no preference set: write NAME, NAME:ROWS or NAME:SHARE%, where NAME is a known set "
        f"({', '.join(_SHORT)}), OWNER/NAME on the hub, or a .jsonl, .json or .parquet file."
    )


def _end(child: "subprocess.Popen[str]") -> None:
    """Let the child publish what it has, for a moment, and end it."""
    child.terminate()
    with suppress(subprocess.TimeoutExpired):
        child.wait(PARTING_SECONDS)
    child.kill()
    child.communicate()


def _follow(
    child: "subprocess.Popen[str]", name: str, on_progress: OnProgress | None, should_stop: ShouldStop
) -> None:
    """Tell of the child's progress until it ends; raise Cancelled if told to stop, DataError if it fails."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    assert child.stdout is not None and child.stderr is not None  # noqa: PT018 - both are pipes
    told = child.stdout

    def read() -> None:
        for line in told:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        if should_stop():
            raise Cancelled(f"Stopped; what has come of {name} is kept.")
        try:
            line = lines.get(timeout=0.1)
        except queue.Empty:
            continue
        if line is None:
            break
        if on_progress:
            on_progress(Progress(**json.loads(line)))
    if child.wait():
        said = child.stderr.read().strip().splitlines()
        sentence = said[-1] if said else "no reason was given"
        known = child.returncode == EXPECTED_STATUS
        raise DataError(sentence if known else f"Getting {name} broke off ({sentence}); get it again.")
