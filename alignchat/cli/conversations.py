"""The `conversations` group: list, read, search, name, delete and bring back, files out and in.

Opens no model.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alignchat.cli.parsing import add_group, conversations_command
from alignchat.errors import DataError
from alignchat.files import write_bytes, writing
from alignchat.talk.conversations import Conversations, Turn


def add_to(commands: Any) -> None:
    """Add the group."""
    group = add_group(commands, "conversations", "what was talked about")
    conversations_command(group, "list", _list)
    conversations_command(group, "search", _search).add_argument("text")
    asked = conversations_command(group, "import", _import)
    asked.add_argument("file", type=Path)
    runs = {"show": _show, "rename": _rename, "export": _export, "delete": _delete, "restore": _restore}
    for name, run in runs.items():
        asked = conversations_command(group, name, run)
        asked.add_argument("id")
        if run is _rename:
            asked.add_argument("title")
        if run is _export:
            asked.add_argument("--format", choices=("markdown", "json"), default="json")
            asked.add_argument("--out", type=Path, help="write a file; print it if not given")
        if run in (_show, _export):
            asked.add_argument("--head", metavar="ID", help="the branch that ends in this reply; the newest")


def _list(conversations: Conversations, _: argparse.Namespace) -> Any:
    """List all conversations, the newest first."""
    return [asdict(conversation) for conversation in conversations.all()]


def _search(conversations: Conversations, options: argparse.Namespace) -> Any:
    """Find conversations by title or by what was said in them."""
    found = conversations.search(options.text)
    return [{**asdict(f.conversation), "excerpt": f.excerpt} for f in found]


def _show(conversations: Conversations, options: argparse.Namespace) -> Any:
    """Show the newest branch of a conversation, message by message."""
    turns = conversations.turns(options.id, options.head)
    return {**asdict(conversations.get(options.id)), "turns": [_turn(turn) for turn in turns]}


def _rename(conversations: Conversations, options: argparse.Namespace) -> Any:
    """Give a conversation another title."""
    return asdict(conversations.rename(options.id, options.title))


def _delete(conversations: Conversations, options: argparse.Namespace) -> Any:
    """Take a conversation off the list and out of training; `restore` brings it back."""
    return {"deleted": conversations.delete(options.id).id}


def _restore(conversations: Conversations, options: argparse.Namespace) -> Any:
    """Bring a deleted conversation back."""
    return asdict(conversations.undelete(options.id))


def _export(conversations: Conversations, options: argparse.Namespace) -> Any:
    """Write a conversation out: one branch as Markdown, or all of it as JSON that can be imported."""
    markdown = options.format == "markdown"
    value: Any = (
        conversations.export_markdown(options.id, options.head)
        if markdown
        else conversations.export_json(options.id)
    )
    if options.out is None:
        return value
    with writing(options.out):
        write_bytes(options.out, (value if markdown else json.dumps(value)).encode("utf-8", "replace"))
    return {"path": str(options.out)}


def _import(conversations: Conversations, options: argparse.Namespace) -> Any:
    """Add a conversation that was exported as JSON; - reads the standard input."""
    try:
        text = sys.stdin.read() if str(options.file) == "-" else options.file.read_text("utf-8")
        return conversations.import_json(json.loads(text))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{options.file} is not JSON in UTF-8; nothing was imported.") from error


def _turn(turn: Turn) -> dict[str, Any]:
    shown: dict[str, Any] = {"role": turn.message.role, "content": turn.message.content}
    if reply := turn.completion:
        shown |= {"completion_id": reply.id, "model": reply.model, "round": reply.round}
        shown |= {"finished": reply.finished, "versions": list(turn.versions)}
        shown["thumb"] = turn.thumb and {
            "up": turn.thumb.up,
            "tags": list(turn.thumb.tags),
            "comment": turn.thumb.comment,
        }
    return shown
