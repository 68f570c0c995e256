"""The `bias-data` group: public prompt sets, lexicons and classifiers, on request. Opens no model."""

import argparse
import sys
from typing import Any

from alignchat.cli.models import Teller
from alignchat.cli.parsing import add_group, bare_command
from alignchat.config import Settings
from alignchat.shelf.bias_sets import SETS, BiasSets


def add_to(commands: Any) -> None:
    """Add the group."""
    group = add_group(commands, "bias-data", "get public prompt sets, lexicons and classifiers")
    bare_command(group, "list", show)
    asked = bare_command(group, "get", get)
    asked.add_argument("name", help=f"one of {', '.join(SETS)}, or OWNER/NAME for a classifier on the hub")
    asked.add_argument("--accept-licence", action="store_true", help="say that its licence allows your use")


def show(settings: Settings, _: argparse.Namespace) -> Any:
    """List the public sets, their licences, and which are here."""
    return [report.to_json() for report in BiasSets(settings.data).reports()]


def get(settings: Settings, options: argparse.Namespace) -> Any:
    """Bring a public set or a classifier to this machine."""
    sets = BiasSets(settings.data)
    if "/" in options.name:
        return sets.get_classifier(options.name, on_progress=Teller())
    report = sets.report(options.name)
    print(f"{report.title}: {report.licence}, {report.page}", file=sys.stderr)
    return sets.get(options.name, accept_licence=options.accept_licence, on_progress=Teller()).to_json()
