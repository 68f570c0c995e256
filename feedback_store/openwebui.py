"""Open WebUI's feedback export (a JSON array of ratings, each with a snapshot of its chat) as records.

Reads only what the person said: a thumb on the rated message. That a rated reply had siblings is no choice.
"""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from feedback_store.exchange import ImportReport, derived_id, import_each
from feedback_store.records import Completion, Conversation, Message, Record, Thumb
from feedback_store.rowfiles import Limits, Row, RowError, read_rows
from feedback_store.store import FeedbackStore

THUMBS = {"1": True, "-1": False}


def import_open_webui(
    store: FeedbackStore, path: str | Path, *, dry_run: bool = False, limits: Limits | None = None
) -> ImportReport:
    """Import a feedback export as Conversations, Completions and Thumbs; the annotator is the user there.

    Entries without a thumb are left out and counted; with anything malformed nothing is imported.
    """
    left_out: Counter[str] = Counter()
    rows = read_rows(Path(path), limits or Limits())
    return import_each(
        store, path, rows, lambda row: _records(row, left_out), dry_run=dry_run, left_out=left_out
    )


def _records(row: Row, left_out: Counter[str]) -> list[Record]:
    data, meta = _part(row, "data"), _part(row, "meta")
    up = THUMBS.get(str(data.get("rating")))
    if row.get("type") != "rating" or up is None:
        left_out["it has no thumb"] += 1
        return []
    chat = _part(_part(row, "snapshot"), "chat")
    messages = _part(_part(_part(chat, "chat"), "history"), "messages")
    thread = _thread(messages, str(meta.get("message_id")))
    talk_id = derived_id("openwebui", "chat", str(meta.get("chat_id") or chat.get("id")))
    who = f"openwebui:{row.get('user_id', '')}"
    completion = _completion(thread, talk_id, str(data.get("model_id") or "unknown"), who, row)
    return [
        Conversation(
            id=talk_id, title=str(chat.get("title") or ""), created_at=_time(chat.get("created_at"))
        ),
        completion,
        _thumb(data, up, completion.id, who, row),
    ]


def _completion(thread: list[Message], talk_id: str, model: str, who: str, row: Row) -> Completion:
    *prompt, reply = thread
    if reply.role != "assistant" or not prompt:
        raise RowError("the rated message is not a reply to anything")
    told = [[message.role, message.content] for message in thread]
    return Completion(
        id=derived_id("openwebui", talk_id, told, model),
        conversation_id=talk_id,
        prompt=tuple(prompt),
        text=reply.content,
        model=model,
        round=None,
        created_at=_time(row.get("created_at")),
        annotator=who,
    )


def _thumb(data: Row, up: bool, completion_id: str, who: str, row: Row) -> Thumb:
    tags = [tag for tag in [*(data.get("tags") or []), data.get("reason")] if isinstance(tag, str) and tag]
    comment = data.get("comment")
    comment = comment if isinstance(comment, str) else ""
    tags = list(dict.fromkeys(tags))
    return Thumb(
        id=derived_id("openwebui", str(row.get("id")), up, tags, comment),
        completion_id=completion_id,
        up=up,
        tags=tuple(tags),
        comment=comment,
        created_at=_time(row.get("updated_at") or row.get("created_at")),
        annotator=who,
    )


def _thread(messages: Row, id: str) -> list[Message]:
    """Walk from a message up to the first one; return them oldest first."""
    thread: list[Message] = []
    seen: set[str] = set()
    at: str | None = id
    while at is not None:
        message = messages.get(at)
        if not isinstance(message, dict) or at in seen:
            raise RowError(f"the snapshot has no thread to message {id}")
        seen.add(at)
        role, content, parent = message.get("role"), message.get("content"), message.get("parentId")
        if not (isinstance(role, str) and isinstance(content, str) and isinstance(parent, str | None)):
            raise RowError(f"message {at} of the snapshot has no role and text")
        thread.append(Message(role=role, content=content))
        at = parent
    return thread[::-1]


def _part(row: Row, name: str) -> Row:
    part = row.get(name)
    if not isinstance(part, dict):
        raise RowError(f'it has no "{name}"')
    return part


def _time(seconds: Any) -> str:
    if not isinstance(seconds, int | float) or not 0 <= seconds < 1e11:
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
