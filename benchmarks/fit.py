"""What a round takes, as it was estimated before and as it was measured: seconds and peak memory.

    python benchmarks/fit.py [--json]

The machine is calibrated once with the starter, as the app does it. Then short rounds of other methods,
lengths, batch sizes and options than those of the calibration are estimated and trained.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from alignchat import config
from alignchat.config import Method
from alignchat.loop import Loop
from benchmarks.sections import rows, section

WORDS = "tea rain house walk seven blue window river morning letter stone quiet garden road winter bread"
PAIRS = 40
# Method, words of a reply, settings of the training.
ROUNDS: tuple[tuple[Method, int, dict[str, Any]], ...] = (
    ("dpo", 60, {"steps": 8, "batch_size": 4}),
    ("dpo", 120, {"steps": 8, "batch_size": 2}),
    ("dpo", 90, {"steps": 6, "batch_size": 4, "recompute": True}),
    ("kto", 60, {"steps": 8, "batch_size": 4}),
    ("orpo", 40, {"steps": 6, "batch_size": 2}),
)
ASKED = "0.75 to 1.25"


def main() -> None:
    """Estimate, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        settings = config.load(Path(folder), evaluation={"measures": ["honest"], "limit": 2})
        with Loop.open(settings) as loop:
            for method, words, training in ROUNDS:
                figures |= {name: [value] for name, value in ratios(loop, method, words, training)}
    title = "What a round takes: estimated before by measured after (`fit.py`)"
    asked = dict.fromkeys(figures, ASKED)
    print(json.dumps(figures, indent=1) if arguments.json else section(title, rows(figures, asked)))


def ratios(loop: Loop, method: Method, words: int, training: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield what was estimated before a round by what it took."""
    file = loop.settings.data / f"{words}.jsonl"
    file.write_text("".join(json.dumps(pair) + "\n" for pair in pairs(words)), "utf-8")
    sets = [f"{file}:{PAIRS}"]
    loop.data.get(sets[0])
    before = loop.estimate_round(method, sets=sets, calibrate=True, **training)
    report = loop.wait(loop.start_round(method, sets=sets, **training))
    if report.train is None or before.seconds is None:
        raise SystemExit(report.error or f"The round is {report.status}.")
    options = ", ".join(f"{name} {value}" for name, value in training.items())
    name = f"{method.upper()}, replies of {words} words, {options}"
    yield f"{name}: seconds", before.seconds / report.train["seconds"]
    yield f"{name}: peak memory", before.memory_bytes / report.train["peak_memory_bytes"]


def pairs(words: int) -> Iterator[dict[str, str]]:
    """Yield pairs of so many words a reply on average, each of its own length."""
    dice = random.Random(words)

    def text(count: int) -> str:
        return " ".join(dice.choices(WORDS.split(), k=max(4, round(dice.gauss(count, count / 4)))))

    for _ in range(PAIRS):
        yield {"prompt": text(words // 2), "chosen": text(words), "rejected": text(words)}


if __name__ == "__main__":
    main()
