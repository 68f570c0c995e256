"""Files of rows: JSONL, a JSON array, or Parquet; read within limits, written whole or not at all.

Knows values and line numbers; knows nothing of what a row means.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from feedback_store.disk import Disk, write_all
from feedback_store.errors import ExchangeError

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The largest input that is read at all."""

    file_bytes: int = 1 << 30  # of a Parquet file also what its values come to
    array_bytes: int = 64 << 20  # of a .json file, which is read at once
    line_bytes: int = 32 << 20
    nesting: int = 32
    rows: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why one line (counted from 1) cannot be imported."""

    line: int
    reason: str


class RowError(ValueError):
    """What is wrong with one row, in words that complete "line 3: ..."."""


def read_rows(path: Path, limits: Limits) -> Iterator[tuple[int, Row | RowError]]:
    """Read a .parquet, .json or JSONL file as line numbers with rows, or with what is wrong with them."""
    check_size(path, limits)
    try:
        for count, numbered in enumerate(_read(path, limits), 1):
            if count > limits.rows:
                raise ExchangeError(
                    f"{path} has more than {limits.rows:,} rows, which is the limit; split it."
                )
            yield numbered
    except OSError as error:
        raise ExchangeError(f"{path} cannot be read ({error.strerror}); check the path.") from error


def _read(path: Path, limits: Limits) -> Iterator[tuple[int, Row | RowError]]:
    if path.suffix == ".parquet":
        yield from _read_parquet(path, limits)
    elif path.suffix == ".json":
        yield from _read_array(path, limits)
    else:
        with open_to_read(path) as file:
            yield from _read_lines(file, limits)


def check_size(path: Path, limits: Limits) -> None:
    """Raise ExchangeError for a file that is missing or too large."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ExchangeError(f"{path} cannot be read ({error.strerror}); check the path.") from error
    if size > limits.file_bytes:
        raise ExchangeError(
            f"{path} has {size:,} bytes, more than the limit of {limits.file_bytes:,}; split it."
        )


@contextmanager
def open_to_read(path: Path) -> Iterator[BinaryIO]:
    """Open a file; raise ExchangeError if it cannot be read."""
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise ExchangeError(f"{path} cannot be read ({error.strerror}); check the path.") from error


def parse(content: bytes, limits: Limits) -> Any:
    """Read one JSON document; raise RowError for what is not plain, finite JSON within the limits."""
    try:
        value = json.loads(content.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise RowError(f"it is not UTF-8 (byte {error.start})") from error
    except RecursionError as error:
        raise RowError(f"it is nested deeper than {limits.nesting} levels") from error
    except RowError:
        raise
    except ValueError as error:
        raise RowError(f"it is not JSON ({error})") from error
    _check_nesting(value, limits.nesting)
    return value


def write_blocks(path: Path, blocks: Iterable[bytes]) -> None:
    """Write blocks of bytes under a temporary name and give them the real one at the end."""
    disk = Disk()
    if path.exists() and not path.is_file():  # Renaming would put a file in the place of a device.
        raise ExchangeError(f"{path} cannot be written (it is not a file); choose another place.")
    temporary = path.with_name(f".tmp-{path.name}")
    try:
        handle = disk.open_new(temporary)
        try:
            for block in blocks:
                write_all(disk, handle, block)
            disk.sync(handle)
        finally:
            disk.close(handle)
        disk.replace(temporary, path)
        disk.sync_folder(path.parent)
    except OSError as error:
        raise ExchangeError(f"{path} cannot be written ({error.strerror}); choose another place.") from error
    finally:
        with suppress(OSError):  # the first error is the one to tell
            disk.remove(temporary)


def write_jsonl(path: Path, rows: Iterable[Row]) -> int:
    """Write rows as JSON lines; return how many."""
    count = 0

    def blocks() -> Iterator[bytes]:
        nonlocal count
        for row in rows:
            count += 1
            yield json_line(row)

    write_blocks(path, blocks())
    return count


def write_parquet(path: Path, rows: Iterable[Row]) -> int:
    """Write rows as one Parquet table; return how many."""
    import pyarrow  # type: ignore[import-untyped]  # ships no type information
    import pyarrow.parquet  # type: ignore[import-untyped]

    table = list(rows)
    try:
        content = pyarrow.BufferOutputStream()
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), content)
    except (UnicodeEncodeError, pyarrow.ArrowInvalid) as error:
        raise ExchangeError(f"Parquet cannot hold these rows ({error}); write JSONL instead.") from error
    write_blocks(path, [content.getvalue().to_pybytes()])
    return len(table)


def json_line(row: Any) -> bytes:
    """Write one JSON line as UTF-8 that any reader accepts: lone surrogates are escaped."""
    try:
        return (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")
    except UnicodeEncodeError:
        return (json.dumps(row, allow_nan=False) + "\n").encode("ascii")


def _read_lines(file: BinaryIO, limits: Limits) -> Iterator[tuple[int, Row | RowError]]:
    number = 0
    while line := file.readline(limits.line_bytes + 1):
        number += 1
        if len(line) > limits.line_bytes:
            yield number, RowError(f"it is longer than {limits.line_bytes:,} bytes")
            while line and not line.endswith(b"\n"):
                line = file.readline(limits.line_bytes)
            continue
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if line.strip():
            yield number, _row(line, limits)


def _row(line: bytes, limits: Limits) -> Row | RowError:
    try:
        value = parse(line, limits)
    except RowError as error:
        return error
    return value if isinstance(value, dict) else RowError("it is not a JSON object")


def _read_array(path: Path, limits: Limits) -> Iterator[tuple[int, Row | RowError]]:
    if path.stat().st_size > limits.array_bytes:
        raise ExchangeError(
            f"{path} is a JSON array of more than {limits.array_bytes:,} bytes; "
            "write its rows as JSONL, one a line."
        )
    try:
        values = parse(path.read_bytes().removeprefix(b"\xef\xbb\xbf"), limits)
    except RowError as error:
        raise ExchangeError(f"{path} cannot be imported: {error}.") from error
    if not isinstance(values, list):
        raise ExchangeError(f"{path} cannot be imported: it is not a JSON array of objects.")
    for number, value in enumerate(values, 1):
        yield number, value if isinstance(value, dict) else RowError("it is not a JSON object")


def _read_parquet(path: Path, limits: Limits) -> Iterator[tuple[int, Row | RowError]]:
    """Read a batch at a time, small enough that it cannot come to more than the limit by far.

    A text that occurs in many rows is in a file once, so that its size says nothing of what it unpacks to.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        groups = [file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups)]
        if sum(groups) > limits.file_bytes:
            raise _unpacks(path, limits)
        number = unpacked = 0
        together = max(1, min(1_000, limits.file_bytes // max([1, *groups])))
        for batch in file.iter_batches(together):
            unpacked += batch.nbytes
            if unpacked > limits.file_bytes:
                raise _unpacks(path, limits)
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (pyarrow.ArrowException, MemoryError) as error:
        raise ExchangeError(f"{path} is not a Parquet file that can be read ({error}).") from error


def _unpacks(path: Path, limits: Limits) -> ExchangeError:
    return ExchangeError(f"{path} unpacks to more than the limit of {limits.file_bytes:,} bytes; split it.")


def _refuse_constant(name: str) -> NoReturn:
    raise RowError(f"it holds {name}, which is not JSON")


def _check_nesting(value: Any, depth: int) -> None:
    level = [value]
    for _ in range(depth):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise RowError(f"it is nested deeper than {depth} levels")
