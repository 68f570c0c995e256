"""Brings together what a round would be trained on: feedback, sets, earlier rounds, the model's tokens.

Knows where things are; the rules are `dataset`'s.
"""

import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from alignchat import dataset
from alignchat.catalog import Model
from alignchat.config import DatasetSettings, Method, TrainingSettings
from alignchat.dataset import Dataset, Row, Rules
from alignchat.errors import DataError
from alignchat.hub_sets import HubSets, parse
from alignchat.languages import name_languages
from alignchat.rounds import Rounds, reading
from alignchat.rows.split import Side
from alignchat.shelf.transfer import OnProgress, ShouldStop
from feedback_store import FeedbackStore

if TYPE_CHECKING:
    from alignchat.rows.lengths import RowReader, TokenizedRow


class RoundData:
    """The feedback and the rounds of one model; safe to call from several threads."""

    def __init__(self, store: FeedbackStore, rounds: Rounds, model: Model, sets: HubSets) -> None:
        """Take what is open already; the model's vocabulary is read when it is first needed."""
        self.sets = sets
        self._store = store
        self._rounds = rounds
        self.model = model
        self._reader: RowReader | None = None
        self._reading = threading.Lock()
        self._latest: tuple[tuple[object, ...], Dataset] | None = None

    def build(
        self,
        method: Method,
        training: TrainingSettings,
        settings: DatasetSettings,
        sets: Sequence[str] = (),
    ) -> Dataset:
        """Return the rows of the next round; raise DataError if one of the sets has not been got.

        `sets` are written as `hub_sets.parse` reads them. What was built last is the answer again as long as
        nothing has changed.
        """
        asked = [parse(text) for text in sets]
        if twice := [name for name, n in Counter(one.name for one in asked).items() if n > 1]:
            raise DataError(f"{twice[0]} is asked for twice; ask for each set once, by a name of its own.")
        files = [(one.path.stat().st_mtime_ns if one.path and one.path.exists() else 0) for one in asked]
        held = [self.sets.held(one) for one in asked]
        said, earlier = self._store.version, self._rounds.numbers()
        key = (method, training, settings, *sets, *files, *held, said, *earlier)
        latest = self._latest
        if latest and latest[0] == key:
            return latest[1]
        rules = Rules(
            settings=settings,
            test_share=training.test_share,
            max_length=training.max_length,
            measure=self._measure,
            name_languages=name_languages,
        )
        sources = [self.sets.source(one, method) for one in asked]
        built = dataset.build(self._store, method, rules, sources=sources, earlier=self._earlier_sides())
        self._latest = (key, built)
        return built

    def page(
        self,
        method: Method,
        training: TrainingSettings,
        settings: DatasetSettings,
        sets: Sequence[str],
        which: str,
        start: int,
        count: int,
    ) -> tuple[list[tuple[Row, "TokenizedRow"]], int]:
        """Return some rows as the model reads them, and how many there are.

        `which` is "train", "test" or why rows were left out; of those only the first are kept.
        """
        built = self.build(method, training, settings, sets)
        sides = {"train": built.train, "test": built.test, **built.left_out}
        rows = sides.get(which, ())
        return [(row, self.read(row)) for row in rows[start : start + count]], len(rows)

    def get(
        self, text: str, *, on_progress: OnProgress | None = None, should_stop: ShouldStop = lambda: False
    ) -> str:
        """Bring what is missing of a set to this machine; raise DataError with what to do, or Cancelled."""
        self.sets.get(parse(text), on_progress=on_progress, should_stop=should_stop)
        return text

    def check(self, text: str) -> None:
        """Raise DataError if a set is not asked for in the way it should be, or its file is not there."""
        asked = parse(text)
        if asked.path and not asked.path.exists():
            raise DataError(f"{asked.path} is not there; check the path.")

    def with_set(self, sets: Sequence[str], text: str) -> list[str]:
        """Return sets with one more, which takes the place of the same one in another amount."""
        name = parse(text).name
        return [*(other for other in self.here(sets) if parse(other).name != name), text]

    def here(self, sets: Sequence[str]) -> list[str]:
        """Return those of some sets that are on this machine."""
        found = []
        for text in sets:
            with suppress(DataError):
                asked = parse(text)
                if asked.path.exists() if asked.path else not self.sets.missing(asked):
                    found.append(text)
        return found

    def read(self, row: Row) -> "TokenizedRow":
        """Return a row as the model reads it."""
        return self._row_reader().read(row)

    def close(self) -> None:
        """Give back the vocabulary's memory."""
        with self._reading:
            if self._reader:
                self._reader.close()
            self._reader = None

    def _measure(self, rows: Sequence[Row]) -> Sequence[Sequence[int]]:
        return self._row_reader().measure(rows)

    def _row_reader(self) -> "RowReader":
        from alignchat.rows.lengths import RowReader

        with self._reading:
            if self._reader is None:
                self._reader = RowReader(self.model)
            return self._reader

    def _earlier_sides(self) -> dict[str, Side]:
        """Return the side each prompt had so far; a prompt that was once trained on stays trained on."""
        found: dict[str, Side] = {}
        for number in self._rounds.numbers():
            if number:
                with reading(self._rounds.folder(number) / dataset.ROWS_FILE) as path:
                    sides = dataset.sides_of(path.parent)
                found = {**sides, **found, **{p: side for p, side in sides.items() if side == "train"}}
        return found
