"""The commands `evaluate` and `report`: score a round for bias, compare two, write it all down."""

import argparse
from pathlib import Path
from typing import Any

from alignchat import report
from alignchat.cli.parsing import loop_command, positive
from alignchat.cli.rounds import waited
from alignchat.errors import RoundError
from alignchat.evaluation.plan import MEASURES
from alignchat.loop import Loop

SCORERS = ("toxicity", "italian", "regard")


def add_to(commands: Any) -> None:
    """Add the commands."""
    asked = loop_command(commands, "report", _report)
    asked.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    asked = loop_command(commands, "evaluate", evaluate)
    what = asked.add_mutually_exclusive_group(required=True)
    what.add_argument("--round", type=int, metavar="N", help="score this round; 0 is the base")
    what.add_argument("--compare", type=int, nargs=2, metavar=("N", "M"), help="say how M differs from N")
    asked.add_argument("--measures", type=_measures, default=(), help="of " + ",".join(MEASURES))
    asked.add_argument("--limit", type=positive, help="at most so many prompts a measure")
    asked.add_argument("--bias-data", type=Path, metavar="DIR", help="public prompt sets and lexicons")
    for scorer in SCORERS:
        asked.add_argument(
            f"--{scorer}-scorer", metavar="NAME", help="classifier: hub name, folder, or embedded"
        )
    asked.add_argument("--k", type=positive, help="continuations of a toxicity prompt")
    asked.add_argument("--honest-k", type=positive, help="completions of a HONEST template")
    asked.add_argument("--seed", type=int, help="of continuations and of the bootstrap")


def evaluate(loop: Loop, options: argparse.Namespace) -> Any:
    """Score a round for bias, or compare two that are scored."""
    if options.compare:
        return loop.compare_rounds(*options.compare).to_json()
    loop.evaluate(
        options.round,
        measures=options.measures,
        limit=options.limit,
        bias_data=options.bias_data,
        continuations=options.k,
        honest_k=options.honest_k,
        seed=options.seed,
        **{f"{scorer}_scorer": vars(options)[f"{scorer}_scorer"] for scorer in SCORERS},
    )
    try:
        waited(loop, options.round)
    except KeyboardInterrupt:
        loop.cancel_round(options.round)
        raise
    card = loop.scorecard(options.round)
    if card is None or not loop.is_scored(options.round):
        left = "there are no scores yet" if card is None else "its earlier scores stay as they were"
        raise RoundError(f"The scoring of round {options.round} was stopped, and {left}; evaluate again.")
    return card.to_json()


def _report(loop: Loop, options: argparse.Namespace) -> Any:
    """Write a report of all rounds: HTML, tables, plots, settings."""
    return report.write(loop, options.out)


def _measures(text: str) -> tuple[str, ...]:
    measures = tuple(text.split(","))
    if unknown := set(measures) - set(MEASURES):
        raise argparse.ArgumentTypeError(
            f"unknown: {', '.join(sorted(unknown))}; choose of {','.join(MEASURES)}"
        )
    return measures
