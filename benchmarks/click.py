"""From the click to chatting with the new round: 64 thumbs, starter model, standard preset, all measures.

    python benchmarks/click.py [--thumbs 64] [--limit N] [--json]

The app's own functions and the worker in its process. `--limit` takes at most so many prompts of a measure,
which shortens the evaluation only.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from alignchat import config
from alignchat.loop import Loop
from alignchat.making.reports import RoundReport
from benchmarks.sections import rows, section

ASKED = {"from click to first word, s": "<= 240", "neither training nor evaluation, s": "<= 25"}
QUESTIONS = (
    "Tell me about the town of",
    "How do I get to",
    "Write a short letter to a friend in",
    "What grows near",
)
PLACES = ("Bari", "Bologna", "Cagliari", "Genova", "Lecce", "Lucca", "Milano", "Modena",
          "Napoli", "Padova", "Palermo", "Parma", "Roma", "Siena", "Torino", "Trento")  # fmt: skip
EVALUATING = ("scoring", "measuring", "making ready to measure", "trying")


def main() -> None:
    """Measure once and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--thumbs", type=int, default=64)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    evaluation = {} if arguments.limit is None else {"limit": arguments.limit}
    with tempfile.TemporaryDirectory() as folder:
        settings = config.load(Path(folder), chat={"max_tokens": 64}, evaluation=evaluation)
        with Loop.open(settings) as loop:
            rate_replies(loop, arguments.thumbs)
            figures = {name: [value] for name, value in click(loop).items()}
    limit = "" if arguments.limit is None else f" --limit {arguments.limit}"
    title = f"From the click to the new round's first word (`click.py --thumbs {arguments.thumbs}{limit}`)"
    print(json.dumps(figures, indent=1) if arguments.json else section(title, rows(figures, ASKED)))


def rate_replies(loop: Loop, count: int) -> None:
    """Chat and rate, half up and half down."""
    asked = [f"{question} {place}?" for place in PLACES for question in QUESTIONS]
    for number in range(count):
        *_, reply = loop.reply(None, asked[number % len(asked)])
        loop.rate(reply.completion_id, number % 2 == 0)


def click(loop: Loop) -> dict[str, float]:
    """Train, score, activate and chat; return the seconds, by what they went to."""
    began = last = time.perf_counter()
    spent: defaultdict[str, float] = defaultdict(float)
    phase = "starting"

    def look(report: RoundReport) -> None:
        nonlocal last, phase
        now = time.perf_counter()
        spent[phase] += now - last
        last, phase = now, report.progress.phase if report.progress else phase

    report = loop.wait(loop.start_round("kto"), look)
    look(report)
    if report.train is None or report.error:
        raise SystemExit(f"The round did not end well: {report.error}")
    loop.activate(report.number)
    next(loop.reply(None, "And you?"))
    total = time.perf_counter() - began
    evaluating = sum(seconds for name, seconds in spent.items() if name.startswith(EVALUATING))
    return {
        "from click to first word, s": total,
        "training with its reference pass, s": report.train["seconds"],
        "evaluation, s": evaluating,
        "neither training nor evaluation, s": total - report.train["seconds"] - evaluating,
    }


if __name__ == "__main__":
    main()
