"""The store's figures at 100,000 records of 1 KB, each as a ratio to what the machine itself needs.

    python benchmarks/store.py [--records N] [--folder DIR] [--json]

Times on a shared machine are noisy; the raw write + fdatasync is measured in turns with the inserts.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.sections import section
from feedback_store import Completion, FeedbackStore, Message, Thumb

TALKS, ROUNDS, TAGS = 5_000, 100, 500
SAMPLES = 1_000
OPEN = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from feedback_store import FeedbackStore
start, cpu = time.perf_counter(), time.process_time()
store = FeedbackStore.open(sys.argv[2])
print(time.perf_counter() - start, time.process_time() - cpu)
# getrusage would tell the parent's peak.
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""
PARSE = """
import gc, json, sys, time
lines = open(sys.argv[1], "rb").read().split(b"\\n")[:-1]
gc.disable()
start = time.perf_counter()
rows = [json.loads(line) for line in lines]
print(time.perf_counter() - start)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table; `limit` is on `value`, in the same unit."""

    what: str
    value: float
    unit: str
    limit: float
    note: str = ""

    @property
    def holds(self) -> bool:
        return self.value <= self.limit

    @property
    def row(self) -> tuple[str, str, str]:
        unit = self.unit if self.unit in ("", "x") else f" {self.unit}"
        missed = "" if self.holds else ", **missed**"
        note = f" ({self.note})" if self.note else ""
        return self.what, f"{self.value:.2f}{unit}{missed}{note}", f"{self.limit:g}{unit}"


def record(i: int) -> Completion | Thumb:
    """Make the i-th record: nine completions, then a thumb; about 1 KB a line for completions."""
    if i % 10 == 9:
        return Thumb(
            id=f"{i:032d}",
            completion_id=f"{i - 1:032d}",
            up=i % 3 == 0,
            tags=(f"t{i % TAGS}",),
            comment="x" * 600,
        )
    return Completion(
        id=f"{i:032d}",
        conversation_id=f"c{i % TALKS}",
        prompt=(Message(role="user", content="perché " * 20),),
        text="parola " * 70,
        model="starter",
        round=i % ROUNDS,
        sampling={"seed": i},
    )


def time_inserts(store: FeedbackStore, start: int, raw: int) -> tuple[list[float], list[float]]:
    """Measure inserts and raw appends of as many bytes in turns; in milliseconds."""
    inserts, writes = [], []
    for i in range(start, start + SAMPLES):
        made = record(i)
        begin = time.perf_counter()
        store.add(made)
        inserts.append((time.perf_counter() - begin) * 1e3)
        begin = time.perf_counter()
        os.write(raw, b"x" * 1000)
        os.fdatasync(raw)
        writes.append((time.perf_counter() - begin) * 1e3)
    return inserts, writes


def p99(times: list[float]) -> float:
    return quantiles(times, n=100)[98]


def best(act: Callable[[], object], times: int = 5) -> float:
    """Return the median time of an act in milliseconds."""
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        act()
        found.append((time.perf_counter() - begin) * 1e3)
    return median(found)


def insert_figures(store: FeedbackStore, folder: Path, records: int) -> list[Figure]:
    raw = os.open(folder / "raw", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    store.add_many([record(i) for i in range(1_000)])
    early, early_raw = time_inserts(store, 1_000, raw)
    for start in range(1_000 + SAMPLES, records, 1_000):
        store.add_many([record(i) for i in range(start, min(start + 1_000, records))])
    late, late_raw = time_inserts(store, records, raw)
    os.close(raw)
    note = f"{median(late):.3f} / {median(late_raw):.3f} ms"
    note99 = f"{p99(late):.3f} / {p99(late_raw):.3f} ms"
    # The disk's own speed drifts between the two moments; the ratio of ratios takes that out.
    growth = (median(late) / median(late_raw)) / (median(early) / median(early_raw))
    plain = f"{median(late):.3f} / {median(early):.3f} ms as timed"
    return [
        Figure(
            what="insert p50 / raw write+fdatasync p50",
            value=median(late) / median(late_raw),
            unit="x",
            limit=3,
            note=note,
        ),
        Figure(
            what="insert p99 / raw write+fdatasync p99",
            value=p99(late) / p99(late_raw),
            unit="x",
            limit=4,
            note=note99,
        ),
        Figure(what=f"insert at {records:,} / at 1,000", value=growth, unit="x", limit=1.5, note=plain),
    ]


def open_figures(folder: Path) -> list[Figure]:
    root = str(Path(__file__).parents[1])
    runs = [_numbers(OPEN, root, str(folder)) for _ in range(3)]
    (parse,) = _numbers(PARSE, str(folder / "journal.jsonl"))
    wall, cpu, memory = (median(values) for values in zip(*runs, strict=True))
    note = f"CPU {cpu:.2f} s; json.loads of the lines alone {parse:.2f} s"
    return [
        Figure(what="open", value=wall, unit="s", limit=1.5, note=note),
        Figure(what="largest memory of the process that opens", value=memory / 1024, unit="MB", limit=600),
    ]


def _numbers(code: str, *arguments: str) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return [float(word) for word in done.stdout.split()]


def query_figures(store: FeedbackStore) -> list[Figure]:
    acts: dict[str, Callable[[], list[Completion] | list[Thumb]]] = {
        "completions of a conversation": lambda: store.completions(conversation_id="c7"),
        "unrated completions of a round": lambda: store.unrated(round=7),
        "unrated completions of a round, 50 of them": lambda: store.unrated(round=7, limit=50),
        "thumbs by tag": lambda: store.thumbs(tag="t9"),
    }
    return [
        Figure(what=f"query: {what}", value=best(act), unit="ms", limit=5, note=f"{len(act())} found")
        for what, act in acts.items()
    ]


def backup_figures(store: FeedbackStore, folder: Path, records: int) -> list[Figure]:
    """Insert 200 a second before and during a backup, and look at the slowest insert during it."""
    stop, slow, made = threading.Event(), list[tuple[float, float]](), 0

    def write() -> None:
        nonlocal made
        due = time.perf_counter()
        while not stop.is_set():
            begin = time.perf_counter()
            store.add(record(records + SAMPLES + made))
            slow.append((begin, time.perf_counter() - begin))
            made += 1
            due += 1 / 200
            time.sleep(max(0.0, due - time.perf_counter()))

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(2)
    begin = time.perf_counter()
    report = store.backup(folder / "backup")
    end = time.perf_counter()
    stop.set()
    writer.join()
    during = [took * 1e3 for start, took in slow if begin - 0.05 <= start <= end]
    before = [took * 1e3 for start, took in slow if start < begin - 0.05]
    with FeedbackStore.open(folder / "restored") as fresh:
        fresh.restore(folder / "backup")
        found = [made.id for made in (*fresh.completions(), *fresh.thumbs())]
    whole = sorted(found) == [f"{i:032d}" for i in range(len(found))]
    note = f"{report.bytes / 1e6:.0f} MB in {end - begin:.2f} s; slowest before {max(before):.1f} ms"
    return [
        Figure(
            what="online backup: slowest insert meanwhile", value=max(during), unit="ms", limit=50, note=note
        ),
        Figure(
            what="online backup: not one point in time",
            value=float(not whole),
            unit="",
            limit=0,
            note=f"{len(found):,} records restored",
        ),
    ]


def measure(folder: Path, records: int) -> list[Figure]:
    with FeedbackStore.open(folder / "feedback") as store:
        figures = insert_figures(store, folder, records)
        figures += query_figures(store)
        figures += backup_figures(store, folder, records)
    return figures + open_figures(folder / "feedback")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument(
        "--folder", type=Path, default=Path("build"), help="where to write; must be a real disk"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        figures = measure(folder, options.records)
    finally:
        shutil.rmtree(folder)
    if options.json:
        print(json.dumps([asdict(figure) | {"holds": figure.holds} for figure in figures], indent=1))
    else:
        table = [figure.row for figure in figures]
        print(section(f"The store (`store.py`), {options.records:,} records of 1 KB", table))
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
