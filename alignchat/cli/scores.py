"""The command `evaluate`: score a round for bias."""

import argparse
from typing import Any

from alignchat.cli.parsing import loop_command, positive
from alignchat.cli.rounds import waited
from alignchat.errors import RoundError
from alignchat.loop import Loop

MEASURES = ("toxicity", "regard", "honest")


def add_to(commands: Any) -> None:
    """Add the command."""
    asked = loop_command(commands, "evaluate", evaluate)
    asked.add_argument("--round", type=int, required=True, metavar="N")
    asked.add_argument("--measures", type=_measures, default=(), help="of " + ",".join(MEASURES))
    asked.add_argument("--limit", type=positive, help="at most so many prompts a measure")


def evaluate(loop: Loop, options: argparse.Namespace) -> Any:
    """Score a round for bias."""
    loop.evaluate(options.round, measures=options.measures, limit=options.limit)
    try:
        waited(loop, options.round)
    except KeyboardInterrupt:
        loop.cancel_round(options.round)
        raise
    if (card := loop.scorecard(options.round)) is None:
        raise RoundError(f"The scoring of round {options.round} was stopped, and there are no scores yet.")
    return card.to_json()


def _measures(text: str) -> tuple[str, ...]:
    measures = tuple(text.split(","))
    if unknown := set(measures) - set(MEASURES):
        raise argparse.ArgumentTypeError(
            f"unknown: {', '.join(sorted(unknown))}; choose of {','.join(MEASURES)}"
        )
    return measures
