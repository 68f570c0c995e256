"""Reference log-probabilities on the disk, once for each model and sequence, whatever the round.

Knows token ids and what a model is called; knows no network.
"""

import hashlib
import sqlite3
from array import array
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

_SECONDS_TO_WAIT = 60.0  # for another process that writes


def sequence_key(weights: str, prompt: Sequence[int], completion: Sequence[int]) -> bytes:
    """Return what a completion's log-probability under these weights is kept as: a SHA-256."""
    ids = array("q", [len(prompt), *prompt, *completion]).tobytes()
    return hashlib.sha256(weights.encode() + b"\0" + ids).digest()


class References:
    """A table from `sequence_key` to nats, in a file that several processes may use at once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with closing(self._open()) as table, table:
            table.execute("create table if not exists nats (key blob primary key, value real) without rowid")

    def known(self, keys: Iterable[bytes]) -> dict[bytes, float]:
        """Return the values of those keys that have one."""
        with closing(self._open()) as table:
            found = {
                key: table.execute("select value from nats where key = ?", (key,)).fetchone()
                for key in set(keys)
            }
        return {key: row[0] for key, row in found.items() if row}

    def add(self, values: Mapping[bytes, float]) -> None:
        """Keep these values, in one transaction."""
        with closing(self._open()) as table, table:
            table.executemany("insert or ignore into nats values (?, ?)", values.items())

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=_SECONDS_TO_WAIT)
