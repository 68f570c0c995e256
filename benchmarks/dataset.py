"""Time and memory to make the rows of a round from 10,000 own records and 50,000 rows of a set.

    python benchmarks/dataset.py [--own N] [--rows N] [--method dpo] [--json]

The rows are made here, as long as those of public sets: this repository's words by Zipf's law, prompts of 80
words and replies of 120 in the middle (log-normal), a tenth of the prompts nearly the same as others. What
is timed is one whole preview in a process of its own: feedback from its journal, the set from its files,
conflicts, duplicates, sides, tokens by the starter's vocabulary, languages, the manifest.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from alignchat.files import write_bytes, write_json
from alignchat.hub_sets import PINNED_FILE, TOTAL_FILE, Asked, HubSets, part_path
from benchmarks.sections import rows, section
from feedback_store import Choice, Completion, FeedbackStore, Message, Thumb

ROOT = Path(__file__).parents[1]
SECONDS, BYTES = 60.0, 2e9
NAME, REVISION = "bench/set", "0" * 40
PREVIEW = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from alignchat import config
from alignchat.loop import Loop
start, cpu = time.perf_counter(), time.process_time()
with Loop.open(config.load(Path(sys.argv[2]))) as loop:
    manifest = loop.preview(sys.argv[3], sets=[sys.argv[4]])
seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "peak_bytes": peak, "manifest": manifest}))
"""


class Writer:
    """Writes texts whose words are spread as a language's are."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        texts = [
            path.read_text("utf-8") for path in sorted(ROOT.glob("**/*.md")) + sorted(ROOT.glob("**/*.py"))
        ]
        self._words = sorted(set(re.findall(r"\b[a-z]{2,12}\b", " ".join(texts))))
        self._draw.shuffle(self._words)
        weights = [1 / (rank + 3) for rank in range(len(self._words))]
        self._totals = [sum(weights[:1])]
        for weight in weights[1:]:
            self._totals.append(self._totals[-1] + weight)
        self._prompts: list[str] = []

    def text(self, words: int) -> str:
        """Return a text of about so many words."""
        count = max(3, round(self._draw.lognormvariate(0, 0.6) * words))
        return " ".join(self._draw.choices(self._words, cum_weights=self._totals, k=count)) + "."

    def prompt(self) -> str:
        """Return a new prompt, or once in ten an earlier one with a word changed."""
        if self._prompts and self._draw.random() < 0.1:
            return self.changed(self._draw.choice(self._prompts))
        self._prompts.append(self.text(80))
        return self._prompts[-1]

    def changed(self, text: str) -> str:
        """Return a text with one word replaced."""
        words = text.split()
        words[self._draw.randrange(len(words))] = self._draw.choice(self._words)
        return " ".join(words)


def main() -> int:
    """Make the input, run the preview, and print what it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--own", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--method", choices=("dpo", "kto"), action="append")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size = _make(Path(folder), options.own, options.rows)
        found = {method: _preview(folder, method) for method in options.method or ("dpo", "kto")}
    title = f"Rows of a round (`dataset.py`), {options.own:,} own records and {options.rows:,} of a set"
    note = f"{size / 1e6:.0f} MB of set."
    table = [row for method, facts in found.items() for row in _lines(method, facts)]
    print(json.dumps(found) if options.json else section(title, table, note=note))
    return int(any(f["seconds"] > SECONDS or f["peak_bytes"] > BYTES for f in found.values()))


def _preview(folder: str, method: str) -> dict[str, Any]:
    """Preview a round's rows in a process of its own."""
    command = [sys.executable, "-c", PREVIEW, str(ROOT), folder, method, NAME]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    facts: dict[str, Any] = json.loads(shown.stdout)
    return facts


def _make(folder: Path, own: int, rows: int) -> int:
    """Write the feedback and the set; return the bytes of the set's text."""
    writer = Writer(1)
    with FeedbackStore.open(folder / "feedback") as store:
        for batch in _batches(_judged(writer, own), 1000):
            store.add_many(batch)
    asked = Asked(name=NAME)
    place = HubSets(folder / "sets").place(asked)
    size = 0
    for start in range(0, rows, 5000):
        lines = [json.dumps(_pair(writer), ensure_ascii=False) + "\n" for _ in range(min(5000, rows - start))]
        size += sum(map(len, lines))
        write_bytes(part_path(place / REVISION, start, start + len(lines)), "".join(lines).encode())
    write_json(place / PINNED_FILE, {"": REVISION})
    write_json(place / REVISION / TOTAL_FILE, {"rows": rows})
    return size


def _judged(writer: Writer, count: int) -> Iterator[Any]:
    """Yield two replies to a prompt with a choice between them, and a thumb on the first."""
    for i in range(count):
        prompt = (Message(role="user", content=writer.prompt()),)
        left, right = (
            Completion(conversation_id=str(i), prompt=prompt, text=writer.text(120), model="m", round=0)
            for _ in range(2)
        )
        yield from (left, right, Choice(left_id=left.id, right_id=right.id, verdict="left"))
        yield Thumb(completion_id=left.id, up=i % 3 > 0, annotator=f"person {i % 7}")


def _pair(writer: Writer) -> dict[str, Any]:
    chosen, rejected = writer.text(120), writer.text(120)
    return {
        "prompt": [{"role": "user", "content": writer.prompt()}], "chosen": chosen, "rejected": rejected
    }  # fmt: skip


def _batches(records: Iterator[Any], size: int) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for record in records:
        batch.append(record)
        if len(batch) == size:
            yield batch
            batch = []
    yield batch


def _lines(method: str, facts: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    manifest, name = facts["manifest"], method.upper()
    figures = {"seconds": facts["seconds"], "peak memory, GB": facts["peak_bytes"] / 1e9}
    yield from rows(
        {f"{name}, {what}": [figure] for what, figure in figures.items()},
        {f"{name}, seconds": f"<= {SECONDS:.0f}", f"{name}, peak memory, GB": f"<= {BYTES / 1e9:.0f}"},
    )
    yield f"{name}, processor seconds", f"{facts['cpu_seconds']:.1f}", ""
    yield f"{name}, rows to train on and held out", f"{manifest['train']:,} and {manifest['test']:,}", ""
    yield f"{name}, tokens", f"{manifest['tokens']['all']:,}", ""
    yield f"{name}, left out", ", ".join(f"{why} {n:,}" for why, n in manifest["removed"].items()), ""


if __name__ == "__main__":
    began = time.monotonic()
    status = main()
    print(f"{time.monotonic() - began:.0f} s in all", file=sys.stderr)
    sys.exit(status)
