"""The command `reproduce-paper`: base, KTO and DPO on the paper's data sets, scored by its measures."""

import argparse
import sys
from pathlib import Path
from typing import Any

from alignchat import reproduce
from alignchat.cli.models import Teller
from alignchat.cli.parsing import bare_command, positive
from alignchat.config import Settings


def add_to(commands: Any) -> None:
    """Add the command."""
    asked = bare_command(commands, "reproduce-paper", _reproduce)
    asked.add_argument("--model", default="minerva-350m", help="a model's name, or the path of a GGUF file")
    asked.add_argument(
        "--rows", type=positive, metavar="N", help="so many rows of each set; all if not given"
    )
    asked.add_argument(
        "--quick", action="store_true", help="a trial: few rows, steps, prompts; stand-in scorers"
    )
    asked.add_argument(
        "--dry-run", action="store_true", help="only say what it would download, need and take"
    )
    asked.add_argument("--bias-data", type=Path, metavar="DIR", help="public prompt sets and lexicons")
    asked.add_argument("--accept-licence", action="store_true", help="HurtLex: your use is non-commercial")
    asked.add_argument("--accept-terms", action="store_true", help="say that you accept the model's terms")
    asked.add_argument("--out", type=Path, metavar="DIR", help="where results go; paper/ in the data folder")


def _reproduce(settings: Settings, options: argparse.Namespace) -> Any:
    """Do the paper again, end to end; run the same once more to go on after a break."""
    paper = reproduce.Paper(
        rows=options.rows,
        quick=options.quick,
        bias_data=options.bias_data,
        accept_licence=options.accept_licence,
        accept_terms=options.accept_terms,
    )
    if options.dry_run:
        return reproduce.needs(settings, paper)
    out = options.out or settings.data / "paper"
    return reproduce.run(settings, paper, out, _Teller(), Teller())


class _Teller:
    """Says on stderr what is being done, each thing once."""

    def __init__(self) -> None:
        self._said = ""

    def __call__(self, sentence: str) -> None:
        if sentence != self._said:
            print(sentence, file=sys.stderr)
        self._said = sentence
