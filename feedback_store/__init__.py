"""Human feedback on model replies that cannot be lost: an append-only journal, and TinyDB to ask it."""

from feedback_store.errors import (
    BackupError,
    DiskFullError,
    DuplicateError,
    ExchangeError,
    InvalidRecordError,
    JournalChangedError,
    NotSavedError,
    ReadOnlyError,
    StoreError,
    UnknownRecordError,
)
from feedback_store.judgements import SAID, Judgement, Said, Wanted
from feedback_store.records import (
    Choice,
    Completion,
    Conversation,
    Edit,
    Message,
    Record,
    Thumb,
    Verdict,
    new_id,
)
from feedback_store.store import FeedbackStore, HistoryEvent

__all__ = [
    "SAID",
    "BackupError",
    "Choice",
    "Completion",
    "Conversation",
    "DiskFullError",
    "DuplicateError",
    "Edit",
    "ExchangeError",
    "FeedbackStore",
    "HistoryEvent",
    "InvalidRecordError",
    "JournalChangedError",
    "Judgement",
    "Message",
    "NotSavedError",
    "ReadOnlyError",
    "Record",
    "Said",
    "StoreError",
    "Thumb",
    "UnknownRecordError",
    "Verdict",
    "Wanted",
    "new_id",
]
