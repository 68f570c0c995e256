"""Conversations as people keep them: listed, named, searched, deleted and brought back, written out and in.

A conversation is a tree, read off its completions: each carries its whole prompt, so it stands below the
one whose prompt and reply it repeats. What the system prompt says is no part of the place, for it may
change on the way. Knows the store; knows neither model nor screen.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from alignchat.config import Settings
from alignchat.errors import DataError
from alignchat.judging.feedback import open_store
from alignchat.talk import transcripts
from feedback_store import Completion, Conversation, Edit, FeedbackStore, Message, Thumb, UnknownRecordError

TITLE_LENGTH = 60
EXCERPT = 40  # characters on either side of what was searched for
_ACCENTS = re.compile("[\u0300-\u036f]+")

Place = str | tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One message of a branch; a reply carries its completion with the thumb it got.

    `versions` are the ids of all replies at this turn, to whatever words, the oldest first.
    """

    message: Message
    completion: Completion | None = None
    thumb: Thumb | None = None
    versions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A conversation with the words searched for; `excerpt` is empty where its title has them."""

    conversation: Conversation
    excerpt: str


@dataclass(slots=True)
class Tree:
    """The completions of one conversation by where they stand."""

    completions: dict[str, Completion] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    versions: defaultdict[Place, list[str]] = field(default_factory=lambda: defaultdict(list))
    ends: dict[tuple[Message, ...], str] = field(default_factory=dict)

    @classmethod
    def of(cls, completions: Sequence[Completion]) -> "Tree":
        """Build it; the oldest come first. Of several replies with one text, the newest one goes on."""
        tree = cls()
        for completion in completions:
            before = spoken(completion.prompt)[:-1]
            place = tree.ends.get(before, before)
            tree.completions[completion.id] = completion
            tree.places[completion.id] = place
            tree.versions[place].append(completion.id)
            tree.ends[spoken(history(completion))] = completion.id
        return tree

    def branch(self, head: str) -> list[Completion]:
        """Return the replies that lead to this one, and itself last."""
        replies, place = [self.completions[head]], self.places[head]
        while isinstance(place, str):
            replies.append(self.completions[place])
            place = self.places[place]
        return replies[::-1]

    def newest_below(self, id: str) -> str:
        """Return the newest completion that goes on from this one; itself if none does."""
        below = [id]
        for other, place in self.places.items():  # in the order they were made
            if place in below:
                below.append(other)
        return below[-1]


class Conversations:
    """All conversations of one store, or those of some annotators, who then meet no others."""

    def __init__(self, store: FeedbackStore, whose: frozenset[str] | None = None) -> None:
        self._store, self._whose = store, whose

    def of(self, whose: frozenset[str] | None) -> "Conversations":
        """Return the conversations of some annotators; None means all."""
        return Conversations(self._store, whose)

    @classmethod
    def open(cls, settings: Settings) -> "Conversations":
        """Open those of a data folder; raise one of `errors.EXPECTED` if it cannot be used."""
        return cls(open_store(settings, to_read=True))

    def __enter__(self) -> "Conversations":
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def all(self) -> list[Conversation]:
        """Return all conversations, the newest first."""
        return self._store.conversations(annotators=self._whose)[::-1]

    def get(self, id: str) -> Conversation:
        """Return a conversation; raise UnknownRecordError if there is none, or it was deleted."""
        self._require_mine(id)
        return self._store.conversation(id)

    def completion(self, id: str) -> Completion:
        """Return a completion; raise UnknownRecordError if there is none."""
        completion = self._store.completion(id)
        if self._whose is not None and completion.annotator not in self._whose:
            raise UnknownRecordError(f"There is no completion {id}.")
        return completion

    def latest(self, id: str) -> str | None:
        """Return the id of a conversation's newest completion, None if it has none."""
        self._require_mine(id)
        completions = self._store.completions(conversation_id=id)
        return completions[-1].id if completions else None

    def turns(self, id: str, head: str | None = None) -> list[Turn]:
        """Return the messages of the branch that ends in a completion, the newest one's if not given.

        Raise UnknownRecordError if the conversation has no such completion.
        """
        self._require_mine(id)
        completions = self._store.completions(conversation_id=id)
        if not completions:
            return []
        tree, head = Tree.of(completions), head or completions[-1].id
        if head not in tree.completions:
            raise UnknownRecordError(f"There is no completion {head} in this conversation.")
        return list(self._turns(tree, head))

    def system(self, completion_id: str) -> str:
        """Return the system prompt that a completion was made under, empty if there was none."""
        prompt = self.completion(completion_id).prompt
        return "\n".join(message.content for message in prompt if message.role == "system")

    def newest_below(self, completion_id: str) -> str:
        """Return the newest completion of the branches that go through this one."""
        conversation_id = self.completion(completion_id).conversation_id
        return Tree.of(self._store.completions(conversation_id=conversation_id)).newest_below(completion_id)

    def search(self, text: str) -> list[Found]:
        """Find conversations by title or by what was said in any branch, regardless of case and accents."""
        wanted = _folded(text)
        said = self._said() if wanted else {}
        found = []
        for conversation in self.all():
            if wanted in _folded(conversation.title):
                found.append(Found(conversation=conversation, excerpt=""))
            elif hit := next((s for s in said.get(conversation.id, ()) if wanted in _folded(s)), None):
                found.append(Found(conversation=conversation, excerpt=_excerpt(hit, wanted)))
        return found

    def rename(self, id: str, title: str) -> Conversation:
        """Give a conversation another title, cut to its first 60 characters."""
        if not (title := title_of(title)):
            raise DataError("A conversation needs a title; write one.")
        renamed = replace(self.get(id), title=title)
        self._store.revise(renamed)
        return renamed

    def delete(self, id: str) -> Conversation:
        """Take a conversation off the list; nothing said in it is trained on any more."""
        conversation = self.get(id)
        self._store.retract(id)
        return conversation

    def undelete(self, id: str) -> Conversation:
        """Bring a deleted conversation back as it was."""
        self._require_mine(id)
        self._store.unretract(id)
        return self._store.conversation(id)

    def export_json(self, id: str) -> dict[str, Any]:
        """Return a conversation with all its branches and what was said of its replies, to be imported."""
        return transcripts.to_json(self._store, self.get(id), self._whose)

    def export_markdown(self, id: str, head: str | None = None) -> str:
        """Return a branch of a conversation, the newest one's if not given, for people to read."""
        replies = [(turn.message, turn.completion, turn.thumb) for turn in self.turns(id, head)]
        return transcripts.to_markdown(self.get(id), replies)

    def import_json(self, value: Any, *, annotator: str | None = None) -> dict[str, Any]:
        """Add what `export_json` gave; what is here already stays as it is, and a deleted one comes back.

        Return the conversation's id and how many records were new; raise DataError if it is something else.
        Given an annotator, all of it is theirs, whatever it says, and nothing of somebody else's is touched.
        """
        if annotator is None:
            return transcripts.add(self._store, value)
        return transcripts.add(self._store, transcripts.owned(value, annotator), touch=self._require_mine)

    def _require_mine(self, id: str) -> None:
        """Raise UnknownRecordError for a conversation or a completion of somebody else's."""
        if self._whose is None:
            return
        record = self._store.get(id)
        made = [record] if isinstance(record, Completion) else self._store.completions(conversation_id=id)
        if not any(completion.annotator in self._whose for completion in made):
            raise UnknownRecordError(f"There is no conversation {id}.")

    def _turns(self, tree: Tree, head: str) -> Iterator[Turn]:
        branch = tree.branch(head)
        for message in branch[0].prompt[:-1]:
            yield Turn(message=message)
        for completion in branch:
            yield Turn(message=completion.prompt[-1])
            given = self._store.thumbs(completion_id=completion.id)
            thumbs = [thumb for thumb in given if self._whose is None or thumb.annotator in self._whose]
            yield Turn(
                message=Message(role="assistant", content=completion.text),
                completion=completion,
                thumb=thumbs[-1] if thumbs else None,
                versions=tuple(tree.versions[tree.places[completion.id]]),
            )

    def _said(self) -> Mapping[str, Sequence[str]]:
        """Return each conversation's messages, in all its branches; only what came new with each reply."""
        said: defaultdict[str, list[str]] = defaultdict(list)
        for completion in self._store.completions(visible_only=True):
            first = completion.conversation_id not in said
            new = spoken(completion.prompt)[None if first else -1 :]
            said[completion.conversation_id] += [*(m.content for m in new), completion.text]
        return said


def preferred(edited: Completion, annotator: str) -> Edit:
    """Return the judgement that a person's version is better than the reply it was made of."""
    original = edited.sampling.get("edited_from")
    if not isinstance(original, str):
        raise DataError("Only a reply that you have edited can count as better than its original.")
    return Edit(completion_id=original, text=edited.text, annotator=annotator)


def history(completion: Completion) -> tuple[Message, ...]:
    """Return a branch's messages up to a completion: its prompt and its text."""
    return (*completion.prompt, Message(role="assistant", content=completion.text))


def spoken(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return the messages without the system's."""
    return tuple(message for message in messages if message.role != "system")


def title_of(text: str) -> str:
    """Return a text's beginning, on one line."""
    return " ".join(text.split())[:TITLE_LENGTH]


def _folded(text: str) -> str:
    text = " ".join(text.split())
    if text.isascii():
        return text.lower()
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold()))


def _excerpt(text: str, wanted: str) -> str:
    """Cut a text around what was found in it, which folding may have moved by some characters."""
    text = " ".join(text.split())
    at = max(_folded(text).find(wanted), 0)
    start, end = max(at - EXCERPT, 0), at + len(wanted) + EXCERPT
    return f"{'…' if start else ''}{text[start:end].strip()}{'…' if end < len(text) else ''}"
