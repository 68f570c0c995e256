"""Runs the benchmarks, each in a process of its own, and rewrites their figures where they are written down.

    python benchmarks/all.py [NAME ...]

What cannot run here (no GPU, no data folder) leaves its section as it was, and says why at the end. What is
written by hand outside of a section's markers stays. Knows no benchmark but by its name.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.sections import replaced

HERE = Path(__file__).parent
PAGES = (HERE / "README.md", HERE.parent / "feedback_store" / "README.md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A script with its arguments, and how long it takes on two cores where that was measured."""

    command: tuple[str, ...]
    takes: str = ""


def _job(script: str, *arguments: str, takes: str = "") -> Job:
    return Job(command=(str(HERE / script), *arguments), takes=takes)


ITALIAN = (
    "--language",
    "it",
    "--prompts",
    "81",
    "--continuations",
    "20",
    "--preset",
    "standard",
    "--steps",
    "60",
)
JOBS: Mapping[str, Job] = {
    "chat": _job("chat.py"),
    "convert": _job("convert.py", takes="1 minute"),
    "batches": _job("batches.py"),
    "dataset": _job("dataset.py"),
    "training": _job("training.py"),
    "fit": _job("fit.py", takes="5 minutes"),
    "click": _job("click.py"),
    "evaluation": _job("evaluation.py"),
    "bias_moves": _job("bias_moves.py"),
    "bias_moves_it": _job("bias_moves.py", *ITALIAN),
    "votes": _job("votes.py"),
    "soak": _job("soak.py", takes="20 minutes"),
    "feedback": _job("feedback.py"),
    "store": _job("store.py"),
    "gpu": _job("gpu.py"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The section a script printed, and the last line of what else it said; whether it broke."""

    section: str
    said: str
    broke: bool


def main() -> int:
    """Run what is named, or all; return 1 if one broke, or one that was named cannot run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(JOBS)}; all if none is given"
    )
    names = parser.parse_args().names
    if unknown := [name for name in names if name not in JOBS]:
        parser.error(f"There is no {unknown[0]}; there are {', '.join(JOBS)}.")
    left = measure({name: JOBS[name] for name in names or JOBS}, PAGES)
    for name, outcome in left.items():
        print(f"{name}: left as it was: {outcome.said}", file=sys.stderr)
    return int(any(names or outcome.broke for outcome in left.values()))


def measure(jobs: Mapping[str, Job], pages: Sequence[Path]) -> dict[str, Outcome]:
    """Run one after another, write each section when it is there, and return those that gave none."""
    left = {}
    for name, job in jobs.items():
        print(f"{name}{f', about {job.takes}' if job.takes else ''}", file=sys.stderr)
        started = time.monotonic()
        outcome = run(job.command)
        if outcome.section:
            took = f"Took {time.monotonic() - started:.0f} s."
            write(pages, name, f"{outcome.section.strip()}\n\n{took}")
        else:
            left[name] = outcome
    return left


def run(command: Iterable[str]) -> Outcome:
    """Run a script to its end, with what it says beside its section passed on."""
    said = [""]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=printed, stderr=subprocess.PIPE, text=True, cwd=HERE.parent
        )
        assert process.stderr is not None
        for line in process.stderr:
            sys.stderr.write(line)
            said.append(line)
        process.wait()
        printed.seek(0)
        text = printed.read()
    broke = any(line.startswith("Traceback") for line in said)
    return Outcome(section=text if text.startswith("### ") else "", said=said[-1].strip(), broke=broke)


def write(pages: Iterable[Path], name: str, text: str) -> None:
    """Replace a section in the page that has it."""
    for page in pages:
        found = page.read_text("utf-8")
        if f"<!-- {name} -->" in found:
            page.write_text(replaced(found, name, text), "utf-8")
            return
    raise ValueError(f"No page has a place for {name}.")


if __name__ == "__main__":
    sys.exit(main())
