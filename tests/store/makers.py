"""Small records for tests."""

from typing import Any

from feedback_store import Choice, Completion, Conversation, Edit, FeedbackStore, Message, Thumb


def completion(text: str = "Ciao!", **fields: Any) -> Completion:
    """Make a completion of a one-turn conversation."""
    prompt = fields.pop("prompt", (Message(role="user", content="Saluta."),))
    fields = {"conversation_id": "c1", "model": "starter", "round": 0} | fields
    return Completion(prompt=prompt, text=text, **fields)


def thumb(completion_id: str = "k1", up: bool = True, **fields: Any) -> Thumb:
    """Make a thumb."""
    return Thumb(completion_id=completion_id, up=up, **fields)


def one_of_each() -> tuple[Conversation, Completion, Completion, Thumb, Choice, Edit]:
    """Make a small, connected set: a conversation, two replies, and a judgement of each kind."""
    talk = Conversation(title="Saluti")
    left = completion("Ciao!", conversation_id=talk.id, sampling={"seed": 1, "stop": ["###"], "top_p": 0.9})
    right = completion("Salve.", conversation_id=talk.id, round=1, finished=False)
    return (
        talk,
        left,
        right,
        thumb(left.id, tags=("cortese", "breve"), comment="bello"),
        Choice(left_id=left.id, right_id=right.id, verdict="right", blind=True, annotator="anna"),
        Edit(completion_id=left.id, text="Ciao a te!"),
    )


def state_of(store: FeedbackStore) -> dict[str, Any]:
    """Tell all that a store says now, whatever the order."""
    found = (
        store.conversations(),
        store.completions(),
        store.thumbs(),
        store.choices(),
        store.edits(),
    )
    return {record.id: record for records in found for record in records} | {
        "visible": {made.id for made in store.completions(visible_only=True)}
    }
