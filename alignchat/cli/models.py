"""The `models` group: get, add, remove and choose models; progress to stderr. Opens no model."""

import argparse
import sys
import time
from typing import Any

from alignchat.catalog import ENTRIES
from alignchat.cli.parsing import add_group, bare_command
from alignchat.config import Settings
from alignchat.llamacpp.llama_child import QUANTISATIONS
from alignchat.shelf.models import Models
from alignchat.shelf.transfer import Progress, human


def add_to(commands: Any) -> None:
    """Add the group."""
    group = add_group(commands, "models", "get, add, remove and choose models")
    bare_command(group, "list", show)
    asked = bare_command(group, "get", get)
    asked.add_argument("name", help=f"one of {', '.join(ENTRIES)}")
    asked.add_argument("--quant", choices=QUANTISATIONS)
    asked.add_argument("--accept-terms", action="store_true", help="say that you accept the model's terms")
    asked = bare_command(group, "import", add)
    asked.add_argument("source", metavar="PATH_OR_ID", help="GGUF file, Transformers folder or OWNER/NAME")
    asked.add_argument("--name", help="what to call it")
    asked.add_argument("--quant", choices=QUANTISATIONS)
    for name, run in {"remove": remove, "default": choose}.items():
        bare_command(group, name, run).add_argument("name")


def show(settings: Settings, _: argparse.Namespace) -> Any:
    """List the known models and those that were added."""
    return [report.to_json() for report in Models(settings.data).reports()]


def get(settings: Settings, options: argparse.Namespace) -> Any:
    """Bring a known model to this machine; run it again to go on after a break."""
    report = Models(settings.data).get(
        options.name, options.quant, accept_terms=options.accept_terms, on_progress=Teller()
    )
    return report.to_json()


def add(settings: Settings, options: argparse.Namespace) -> Any:
    """Add a GGUF file, which stays where it is, a Transformers folder or a model on the hub."""
    report = Models(settings.data).add(
        options.source, name=options.name, quantisation=options.quant, on_progress=Teller()
    )
    return report.to_json()


def remove(settings: Settings, options: argparse.Namespace) -> Any:
    """Take a model off this machine; its rounds stay."""
    Models(settings.data).remove(options.name)
    return {"removed": options.name}


def choose(settings: Settings, options: argparse.Namespace) -> Any:
    """Choose the model that opens when none is asked for."""
    return Models(settings.data).set_default(options.name).to_json()


class Teller:
    """Writes how far a transfer is, at most once a second."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, now: Progress) -> None:
        if time.monotonic() < self._next and now.done < now.total:
            return
        self._next = time.monotonic() + 1
        left = "" if now.seconds_left is None else f", {now.seconds_left:.0f} s left"
        amount = f"{human(now.done)} of {human(now.total)}, {human(now.rate)}/s"
        print(f"{now.what}: {amount}{left}", file=sys.stderr)
