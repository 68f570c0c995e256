"""The command `doctor`: look at everything the app stands on. Opens neither settings nor model itself."""

import argparse
from typing import Any

from alignchat import doctor
from alignchat.cli.parsing import bare_command
from alignchat.config import Settings


def add_to(commands: Any) -> None:
    """Add the command."""
    bare_command(commands, "doctor", examine)


def examine(_: Settings, options: argparse.Namespace) -> Any:
    """Check settings, packages, memory, disk, GPU, models, feedback, rounds, port, network: what to do."""
    return [finding.to_json() for finding in doctor.examine(options.data)]
