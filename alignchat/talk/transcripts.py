"""One conversation as a file: Markdown for people, JSON that comes back as it was. Knows no branch."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from alignchat.errors import DataError
from feedback_store import Choice, Completion, Conversation, Edit, FeedbackStore, Message, Record, Thumb
from feedback_store.records import from_json
from feedback_store.records import to_json as values_of
from feedback_store.view import subjects

FORMAT = 1
MARKS = ("queue", "overlap", "blind")
KINDS = ("completion", "thumb", "choice", "edit")

Said = tuple[Message, Completion | None, Thumb | None]


def to_json(
    store: FeedbackStore, conversation: Conversation, whose: Collection[str] | None = None
) -> dict[str, Any]:
    """Return a conversation with all its replies, and what was said of them, as JSON values.

    `whose` are the annotators whose judgements are among it; None means everybody's.
    """
    completions = store.completions(conversation_id=conversation.id)
    ids = {completion.id for completion in completions}
    records: dict[str, Sequence[Completion | Thumb | Choice | Edit]] = {
        "completion": completions,
        "thumb": [t for t in store.thumbs() if t.completion_id in ids],
        "choice": [c for c in store.choices() if {c.left_id, c.right_id} <= ids],
        "edit": [e for e in store.edits() if e.completion_id in ids],
    }
    return {
        "alignchat_conversation": FORMAT,
        "conversation": values_of(conversation),
        **{
            f"{kind}s": [values_of(r) for r in found if whose is None or r.annotator in whose]
            for kind, found in records.items()
        },
    }


def add(store: FeedbackStore, value: Any, *, touch: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Add what `to_json` gave, all or nothing; return the conversation's id and how many records were new.

    `touch` is called with the id of the conversation and of each reply that is here already, and may raise.
    """
    conversation, records = _read(value)
    for record in (conversation, *records):
        if touch and isinstance(record, Conversation | Completion) and store.knows(record.id):
            touch(record.id)
    known = store.knows(conversation.id)
    new = [record for record in (conversation, *records) if not store.knows(record.id)]
    store.add_many(new)
    if known:
        store.unretract(conversation.id)
    return {"conversation_id": conversation.id, "title": conversation.title, "new": len(new)}


def owned(value: Any, annotator: str) -> Any:
    """Return what `to_json` gave as one annotator's, without the marks of queues and blind comparisons."""
    if not isinstance(value, dict):
        return value
    rows = {name: value[name] for name in (f"{kind}s" for kind in KINDS) if isinstance(value.get(name), list)}
    return value | {name: [_owned(row, annotator) for row in given] for name, given in rows.items()}


def _owned(row: Any, annotator: str) -> Any:
    if not isinstance(row, dict):
        return row
    own = row | {"annotator": annotator} | ({"blind": False} if "blind" in row else {})
    if isinstance(row.get("sampling"), dict):
        own["sampling"] = {name: fact for name, fact in row["sampling"].items() if name not in MARKS}
    return own


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
