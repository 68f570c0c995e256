"""Gets rows of one preference set from the hub: `python -m alignchat.rows.set_child ORDER`, a JSON object.

Rows are streamed from the set's beginning, turned into the one shape kept here, and published in parts, so
that what has come stays. Progress goes to stdout, a line of JSON each; a failure is one sentence on stderr.
"""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from alignchat.errors import EXPECTED, DataError
from alignchat.fetch import Hub
from alignchat.files import read_json, write_bytes, write_json
from alignchat.hub_sets import (
    EXPECTED_STATUS,
    MOST_BYTES,
    MOST_ROWS,
    NEWEST,
    PINNED_FILE,
    TOTAL_FILE,
    Asked,
    HubSets,
    part_path,
    read_line,
)

PART_ROWS, PART_BYTES = 5_000, 64 << 20
# A text that is in a Parquet file once can stand in all of its rows, so few are unpacked at a time.
BATCH_ROWS = 100
TELL_SECONDS = 0.2
# The library would try 20 times, 5 seconds apart.
RETRIES, RETRY_SECONDS = 3, 1
READ_AHEAD = 4 << 20
COLUMNS = ("prompt", "question", "chosen", "rejected", "completion", "label")


def get(order: dict[str, Any]) -> None:
    """Bring what is missing of what is ordered; raise one of `errors.EXPECTED`."""
    folder, revision = Path(order["folder"]), order["revision"]
    named = None if revision == NEWEST else revision
    commit = Hub().data_revision(order["name"], order["commit"] or named)
    asked = Asked(
        name=order["name"], split=order["split"], revision=revision, rows=order["rows"], share=order["share"]
    )
    pinned = folder / PINNED_FILE
    write_json(pinned, {**(read_json(pinned) if pinned.exists() else {}), revision or "": commit})
    sets = HubSets(folder.parent)
    if not sets.missing(asked):
        return
    held = sets.held(asked)
    start, place = held.rows if held else 0, folder / commit
    rows, total = _open(asked, commit, start)
    if total:
        write_json(place / TOTAL_FILE, {"rows": total})
    wanted = asked.wanted(total)
    if total and min(wanted or total, total) > MOST_ROWS:
        raise _too_many(asked.name)
    _publish(rows, place, start, wanted, asked.name)


def _open(asked: Asked, commit: str, start: int) -> tuple[Iterator[dict[str, Any]], int | None]:
    """Return the rows from `start` on as a stream, and how many there are in all if the set tells."""
    import datasets
    import pyarrow  # type: ignore[import-untyped]  # it has no types
    from pyarrow.dataset import ParquetFragmentScanOptions  # type: ignore[import-untyped]

    datasets.config.STREAMING_READ_MAX_RETRIES = RETRIES
    datasets.config.STREAMING_READ_RETRY_INTERVAL = RETRY_SECONDS
    stream = _stream(asked, commit)
    if stream.info.builder_name == "parquet":
        kept = [name for name in stream.column_names or [] if name in COLUMNS]
        # What else there is, images above all, is not even read; nor more than a little ahead.
        cache = pyarrow.CacheOptions(prefetch_limit=0, range_size_limit=READ_AHEAD)
        options = ParquetFragmentScanOptions(cache_options=cache)
        stream = _stream(
            asked,
            commit,
            fragment_scan_options=options,
            batch_size=BATCH_ROWS,
            **({"columns": kept} if kept else {}),
        )
    info = (stream.info.splits or {}).get(asked.split)
    return iter(stream.skip(start)), info.num_examples if info and info.num_examples else None


def _stream(asked: Asked, commit: str, **how: Any) -> Any:
    from datasets import load_dataset

    try:
        return load_dataset(asked.name, revision=commit, split=asked.split, streaming=True, **how)
    except ValueError as error:
        raise DataError(
            f"{asked.name} cannot be read as rows of {asked.split}: {_first_line(error)}."
        ) from error
    except OSError as error:
        raise DataError(f"{asked.name} cannot be had from the hub: {_first_line(error)}.") from error


def _publish(rows: Iterator[dict[str, Any]], place: Path, start: int, wanted: int | None, name: str) -> None:
    """Write the rows in parts, up to `wanted` in all; None for all there are."""
    begun = told = time.monotonic()
    count, lines, size = start, [], 0
    kept = sum(path.stat().st_size for path in place.glob("*-*.jsonl"))
    try:
        while wanted is None or count < wanted:
            row = next(rows, None)
            if row is None:
                write_json(place / TOTAL_FILE, {"rows": count})
                break
            if count == MOST_ROWS:
                raise _too_many(name)
            line = (json.dumps(read_line(row), ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
            if kept + size + len(line) > MOST_BYTES:
                raise _too_large(name, count)
            lines.append(line)
            size, count = size + len(line), count + 1
            if len(lines) == PART_ROWS or size > PART_BYTES:
                _write(place, count, lines)
                kept, lines, size = kept + size, [], 0
            now = time.monotonic()
            if now - told > TELL_SECONDS:
                told = now
                _tell(name, count, wanted, (count - start) / (now - begun))
    finally:  # Also when the hub breaks off, or it is told to stop.
        _write(place, count, lines)


def _too_many(name: str) -> DataError:
    return DataError(f"{name} is asked for more rows than the limit; ask for a part: {name}:{MOST_ROWS}")


def _too_large(name: str, count: int) -> DataError:
    return DataError(
        f"{name} unpacks to more than the limit of {MOST_BYTES:,} bytes; ask for a part: {name}:{count}"
    )


def _write(place: Path, end: int, lines: list[bytes]) -> None:
    if lines:
        write_bytes(part_path(place, end - len(lines), end), b"".join(lines))


def _tell(name: str, done: int, wanted: int | None, rate: float) -> None:
    left = (wanted - done) / rate if wanted and rate else None
    facts = {"what": name, "done": done, "total": wanted or 0, "rate": rate, "seconds_left": left}
    print(json.dumps(facts), flush=True)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__


def main(order: str) -> NoReturn:
    """Get what is ordered, and end the process."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    status = 1
    try:
        get(json.loads(order))
        status = 0
    except EXPECTED as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        status = EXPECTED_STATUS
    except Exception:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # The stream's own threads still read ahead, and crash the interpreter while it is being taken down.
        os._exit(status)


if __name__ == "__main__":
    main(sys.argv[1])
