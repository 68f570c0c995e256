"""The `users` group: who may use a shared server. A password is asked for, and never an argument."""

import argparse
import getpass
import sys
from dataclasses import asdict
from typing import Any

from alignchat.accounts import ROLES, Accounts
from alignchat.cli.parsing import add_group, bare_command
from alignchat.config import Settings
from alignchat.errors import AccountError


def add_to(commands: Any) -> None:
    """Add the group."""
    group = add_group(commands, "users", "who may use a server that other machines reach")
    bare_command(group, "list", show)
    asked = bare_command(group, "add", add)
    asked.add_argument("name")
    asked.add_argument("--role", choices=ROLES, default="annotator", help="an owner may do everything")
    for name, run in {"password": password, "remove": remove}.items():
        bare_command(group, name, run).add_argument("name")


def show(settings: Settings, _: argparse.Namespace) -> Any:
    """List the users with their roles."""
    return [asdict(person) for person in Accounts(settings.data).people()]


def add(settings: Settings, options: argparse.Namespace) -> Any:
    """Add a user; the password is asked for, or read as one line from a pipe."""
    Accounts(settings.data).add(options.name, options.role, _password())
    return {"added": options.name, "role": options.role}


def password(settings: Settings, options: argparse.Namespace) -> Any:
    """Give a user another password, which signs them out everywhere."""
    Accounts(settings.data).set_password(options.name, _password())
    return {"changed": options.name}


def remove(settings: Settings, options: argparse.Namespace) -> Any:
    """Remove a user; what they said stays."""
    Accounts(settings.data).remove(options.name)
    return {"removed": options.name}


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    given = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != given:
        raise AccountError("The two passwords differ; nothing was changed.")
    return given
