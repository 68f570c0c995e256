"""One conversation as a file: Markdown for people, JSON that comes back as it was. Knows no branch."""

from collections.abc import Iterable, Sequence
from typing import Any

from alignchat.errors import DataError
from feedback_store import Completion, Conversation, FeedbackStore, Message, Record, Thumb
from feedback_store.records import from_json
from feedback_store.records import to_json as values_of
from feedback_store.view import subjects

FORMAT = 1
KINDS = ("completion", "thumb", "choice", "edit")

Said = tuple[Message, Completion | None, Thumb | None]


def to_json(store: FeedbackStore, conversation: Conversation) -> dict[str, Any]:
    """Return a conversation with all its replies, and what was said of them, as JSON values."""
    completions = store.completions(conversation_id=conversation.id)
    ids = {completion.id for completion in completions}
    records: dict[str, Sequence[Record]] = {
        "completion": completions,
        "thumb": [t for t in store.thumbs() if t.completion_id in ids],
        "choice": [c for c in store.choices() if {c.left_id, c.right_id} <= ids],
        "edit": [e for e in store.edits() if e.completion_id in ids],
    }
    return {
        "alignchat_conversation": FORMAT,
        "conversation": values_of(conversation),
        **{f"{kind}s": [values_of(record) for record in found] for kind, found in records.items()},
    }


def add(store: FeedbackStore, value: Any) -> dict[str, Any]:
    """Add what `to_json` gave, all or nothing; return the conversation's id and how many records were new."""
    conversation, records = _read(value)
    known = store.knows(conversation.id)
    new = [record for record in (conversation, *records) if not store.knows(record.id)]
    store.add_many(new)
    if known:
        store.unretract(conversation.id)
    return {"conversation_id": conversation.id, "title": conversation.title, "new": len(new)}


def to_markdown(conversation: Conversation, said: Iterable[Said]) -> str:
    """Return the messages under the roles that said them, each reply with where it is from and its thumb."""
    parts = [f"# {conversation.title or conversation.id}"]
    for message, completion, thumb in said:
        parts += [f"## {_who(message, completion)}", message.content.strip()]
        if thumb:
            about = ", ".join(thumb.tags)
            words = [f"Thumb {'up' if thumb.up else 'down'}", about, " ".join(thumb.comment.split())]
            parts.append(f"> {': '.join(word for word in words if word)}")
    return "\n\n".join(parts) + "\n"


def _read(value: Any) -> tuple[Conversation, list[Record]]:
    wrong = "This is not a conversation that alignchat has exported as JSON; nothing was imported."
    if not isinstance(value, dict) or "alignchat_conversation" not in value:
        raise DataError(wrong)
    if value["alignchat_conversation"] != FORMAT:
        raise DataError("This conversation was exported by a newer alignchat; import it there.")
    rows = [(kind, row) for kind in KINDS for row in value.get(f"{kind}s", ())]
    try:
        conversation = Conversation(**value["conversation"])
        records = [from_json(kind, row) for kind, row in rows]
        about = {id for kind, row in rows for id in subjects(kind, row)}
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(wrong) from error
    completions = [record for record in records if isinstance(record, Completion)]
    if not about <= {completion.id for completion in completions}:
        raise DataError(wrong)
    if not all(c.prompt and c.conversation_id == conversation.id for c in completions):
        raise DataError(wrong)
    return conversation, records


def _who(message: Message, completion: Completion | None) -> str:
    if completion is None:
        return message.role.capitalize()
    source = {None: "edited", 0: "base"}.get(completion.round, f"round {completion.round}")
    return f"Assistant ({completion.model}, {source})"
