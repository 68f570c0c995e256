"""Texts that were generated, and scores that were given, before; on disk. Knows no model and no measure."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from alignchat.engine import Sampling
from alignchat.errors import DataError, DiskError
from alignchat.files import read_json, write_json, writing


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Continuations in the prompts' order, their tokens, and the seconds it took to generate them."""

    texts: Sequence[str]
    tokens: int
    seconds: float


class KeptTexts:
    """The generated texts of one model or adapter, a file a part."""

    def __init__(self, folder: Path, made_by: str) -> None:
        """Keep texts in `folder`; `made_by` tells weights, their format, adapter and batch size apart."""
        self._folder = folder
        self._made_by = made_by
        self._asked: set[Path] = set()

    def get(self, how: str, prompts: Sequence[str], sampling: Sampling) -> Texts | None:
        """Return what exactly these prompts gave, if it is there; `how` is what was done with them.

        A damaged file raises DataError.
        """
        path = self._path(how, prompts, sampling)
        try:
            return Texts(**read_json(path)) if path.exists() else None
        except (ValueError, TypeError, RecursionError) as error:
            raise DataError(
                f"{path} is damaged ({error}); delete it and try again: its texts are made anew."
            ) from error

    def put(self, how: str, prompts: Sequence[str], sampling: Sampling, texts: Texts) -> None:
        """Keep texts, whole or not at all."""
        write_json(self._path(how, prompts, sampling), asdict(texts))

    def prune(self) -> None:
        """Delete the texts that nobody has asked for or put here since this was made."""
        for path in set(self._folder.glob("*.json")) - self._asked:
            path.unlink(missing_ok=True)

    def _path(self, how: str, prompts: Sequence[str], sampling: Sampling) -> Path:
        facts = json.dumps([self._made_by, how, repr(sampling), list(prompts)])
        path = self._folder / f"{hashlib.sha256(facts.encode()).hexdigest()[:32]}.json"
        self._asked.add(path)
        return path


class KeptScores:
    """What classifiers said of texts, in one SQLite file that several processes may use.

    What cannot be written raises DiskError; a damaged file raises DataError.
    """

    def __init__(self, path: Path) -> None:
        """Keep scores in `path`, which is made at the first of them."""
        self._path = path

    def get(self, scorer: str, texts: Sequence[str]) -> dict[str, list[float]]:
        """Return the scores of those texts that this scorer has scored."""
        if not self._path.exists():
            return {}
        with self._opened() as database:
            found = {}
            for text in dict.fromkeys(texts):
                asked = "SELECT scores FROM scores WHERE scorer = ? AND text = ?"
                if row := database.execute(asked, (scorer, _mark(text))).fetchone():
                    found[text] = json.loads(row[0])
            return found

    def put(self, scorer: str, scores: Mapping[str, Sequence[float]]) -> None:
        """Keep the scores of texts, all or none."""
        rows = [(scorer, _mark(text), json.dumps(list(row))) for text, row in scores.items()]
        with self._opened() as database:
            database.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", rows)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(sqlite3.connect(self._path, timeout=60)) as database, database:
                database.execute(
                    "CREATE TABLE IF NOT EXISTS scores (scorer TEXT, text BLOB, scores TEXT, "
                    "PRIMARY KEY (scorer, text)) WITHOUT ROWID"
                )
                yield database
        except sqlite3.OperationalError as error:
            raise DiskError(
                f"{self._path} cannot be written ({error}); free some space, or choose another place, "
                "and try again."
            ) from error
        except (sqlite3.DatabaseError, ValueError) as error:
            raise DataError(
                f"{self._path} is damaged ({error}); delete it and try again: its texts are scored anew."
            ) from error


def _mark(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
