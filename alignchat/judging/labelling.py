"""The label queue: pairs of replies made ahead, given out so that no two people get the same one.

Pairs and choices are in the store, so a restart loses none. Who is looking at what is only in memory, for
a limited time: a page that was closed keeps nothing from the others for long. Knows no screen.
"""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from alignchat.errors import DataError
from alignchat.hub_sets import HubSets, parse
from alignchat.judging.agreement import Agreement, nominal_alpha
from alignchat.talk.replies_ahead import Prompt, RepliesAhead
from alignchat.talk.starters import STARTERS
from alignchat.talk.voices import Voice
from feedback_store import Completion, Edit, FeedbackStore, Message, new_id

Side = Literal["left", "right"]
SIDES: tuple[Side, ...] = get_args(Side)
LEASE_SECONDS = 600.0
LONGEST_FILE = 50_000_000  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One pair to label, by its comparison's id; whose the replies are is not in it."""

    id: str
    prompt: Prompt
    left: str
    right: str
    overlap: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """How far an annotator is: labelled pairs, those left to label, and those put off among them."""

    labelled: int
    left: int
    later: int
    agreement: Agreement


class Labelling:
    """The queue of a data folder; safe to call from several threads."""

    def __init__(
        self,
        store: FeedbackStore,
        ahead: RepliesAhead,
        voices: Callable[[], tuple[Voice, Voice]],
        system_prompt: str,
        sets: HubSets,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ahead = ahead
        self._store = store
        self._voices = voices
        self._sets = sets
        self._opening = (Message(role="system", content=system_prompt),) if system_prompt.strip() else ()
        self._clock = clock
        self._lock = threading.Lock()
        self._items: dict[str, Item] = {}
        self._rounds: dict[str, frozenset[tuple[str, int | None]]] = {}
        self._sides: dict[str, tuple[str, str]] = {}
        self._discarded: dict[str, tuple[str, str]] = {}
        self._seen: int | None = None
        self._leases: defaultdict[str, dict[str, tuple[str, float]]] = defaultdict(dict)
        self._later: defaultdict[str, dict[str, None]] = defaultdict(dict)

    # What to label

    def prepare(self, prompts: Iterable[Prompt], *, count: int, overlap: int = 1) -> int:
        """Begin to make pairs of the base and the round in use for so many of the prompts; return how many.

        Without a round in use a pair is two samples of the base. Prompts that have a pair of these two are
        passed over. Raise DataError if there is nothing to do.
        """
        voices = self._voices()
        made = frozenset((voice.model, voice.round) for voice in voices)
        with self._lock:
            self._look()
            had = {item.prompt for id, item in self._items.items() if self._rounds[id] == made}
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in had][:count]
        if not new:
            raise DataError("There are no new prompts here: all have a pair in the queue; take other ones.")
        self.ahead.begin(voices, new, overlap=overlap)
        return len(new)

    def go_on(self) -> None:
        """Make the pairs that still wait."""
        self.ahead.begin(self._voices())

    def starters(self, language: str) -> list[Prompt]:
        """Return the embedded prompts in a language."""
        return [self._prompt(text) for text in STARTERS[language]]

    def read(self, text: str) -> list[Prompt]:
        """Return the prompts of a text: one a line, or JSON lines with `prompt` or `messages`.

        Raise DataError with the line that cannot be read.
        """
        lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
        if not lines:
            raise DataError("There are no prompts here; write one a line.")
        if not all(line.startswith("{") for _, line in lines):
            return [self._prompt(line) for _, line in lines]
        return [self._row(n, line) for n, line in lines]

    def read_file(self, path: Path) -> list[Prompt]:
        """Return the prompts of a text file; raise DataError if it cannot be read."""
        try:
            if path.stat().st_size > LONGEST_FILE:
                raise DataError(f"{path} is larger than 50 MB; take a part of it.")
            return self.read(path.read_text("utf-8-sig"))
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path} cannot be read ({error}); give a text file in UTF-8.") from error

    def of_set(self, text: str) -> list[Prompt]:
        """Return the prompts of a preference set, by default of all of it that is here.

        `text` is what `hub_sets.parse` reads. Raise DataError if what is asked for has not been got.
        """
        asked = parse(text)
        held = self._sets.held(asked)
        if held and asked.amount == "all":
            asked = replace(asked, rows=held.rows)
        return list(dict.fromkeys(row.prompt for row in self._sets.source(asked, "kto").rows))

    def history(self) -> list[Prompt]:
        """Return what was asked so far in chats and comparisons, the newest first."""
        asked = self._store.completions(visible_only=True)[::-1]
        here = (c for c in asked if c.round is not None and not c.sampling.get("queue"))
        return list(dict.fromkeys(c.prompt for c in here))

    # Labelling

    def take(
        self,
        *,
        annotator: str = "local",
        holder: str | None = None,
        have: Collection[str] = (),
        count: int = 1,
    ) -> list[Item]:
        """Return up to `count` pairs for an annotator, and keep them from others for ten minutes.

        `holder` is who looks at them: a page, else the annotator. `have` are those it has already: they are
        kept for it and not given again.
        """
        holder = holder or annotator
        with self._lock:
            self._look()
            said = self._said()
            until = self._clock() + LEASE_SECONDS
            for id in have:
                if id in self._items and self._free(self._items[id], annotator, holder, said):
                    self._leases[id][holder] = (annotator, until)
            given: list[Item] = []
            for item in self._in_order(annotator):
                if len(given) == count:
                    break
                if item.id not in have and self._free(item, annotator, holder, said):
                    self._leases[item.id][holder] = (annotator, until)
                    given.append(item)
            return given

    def later(self, id: str, *, annotator: str = "local", holder: str | None = None) -> None:
        """Put a pair off to the end of an annotator's queue; nothing is stored."""
        with self._lock:
            self._look()
            if id not in self._items:
                raise DataError("This pair is no longer in the queue.")
            self._leases[id].pop(holder or annotator, None)
            self._later[annotator].pop(id, None)
            self._later[annotator][id] = None

    def discard(self, id: str) -> None:
        """Take a pair out of the queue; raise DataError if somebody has labelled it."""
        with self._lock:
            self._look()
            if id not in self._items:
                raise DataError("This pair is no longer in the queue.")
            if self._said()[id]:
                raise DataError("Somebody has labelled this pair already, so it stays; skip it.")
            self._discarded[id] = self._sides[id]
            for completion in self._sides[id]:
                self._store.retract(completion)

    def restore(self, id: str) -> None:
        """Undo a discard of this run of the application."""
        with self._lock:
            for completion in self._discarded.pop(id, ()):
                self._store.unretract(completion)

    def edit(
        self, id: str, side: Side, text: str, *, annotator: str = "local", edit_id: str | None = None
    ) -> None:
        """Keep a person's version of one reply, which is preferred over it. `edit_id` counts once."""
        if not text.strip():
            raise DataError("An edited reply cannot be empty; write something, or cancel.")
        with self._lock:
            self._look()
            if id not in self._items:
                raise DataError("This pair is no longer in the queue.")
            about = self._sides[id][SIDES.index(side)]
        if edit_id is None or not self._store.knows(edit_id):
            self._store.add(Edit(id=edit_id or new_id(), completion_id=about, text=text, annotator=annotator))

    def state(self, *, annotator: str = "local") -> QueueState:
        """Return how far an annotator is, and how far annotators agree where pairs overlap."""
        with self._lock:
            self._look()
            said = self._said()
            left = [item for item in self._items.values() if _open(item, annotator, said)]
            return QueueState(
                labelled=sum(annotator in said[id] for id in self._items),
                left=len(left),
                later=sum(item.id in self._later[annotator] for item in left),
                agreement=nominal_alpha([list(said[id].values()) for id in self._items]),
            )

    def _look(self) -> None:
        """Find the pairs anew if there are more completions, or fewer, than when we last looked."""
        seen = self._store.count("completion")
        if seen == self._seen:
            return
        found: defaultdict[str, list[Completion]] = defaultdict(list)
        for completion in self._store.completions():
            if completion.sampling.get("queue"):
                found[completion.conversation_id].append(completion)
        self._items, self._rounds, self._sides = {}, {}, {}
        for id, pair in found.items():
            if len(pair) == len(SIDES):
                left, right = sorted(pair, key=lambda completion: completion.id)
                overlap = int(left.sampling["overlap"])
                self._items[id] = Item(
                    id=id, prompt=left.prompt, left=left.text, right=right.text, overlap=overlap
                )
                self._rounds[id] = frozenset((c.model, c.round) for c in pair)
                self._sides[id] = (left.id, right.id)
        self._seen = seen

    def _said(self) -> defaultdict[str, dict[str, str]]:
        """Return by pair what each annotator said of it, sides as the pair has them."""
        said: defaultdict[str, dict[str, str]] = defaultdict(dict)
        pair_of = {completion: id for id, pair in self._sides.items() for completion in pair}
        for choice in self._store.choices():
            id = pair_of.get(choice.left_id)
            if id is not None:
                better = choice.chosen_id
                side = SIDES[self._sides[id].index(better)] if better else choice.verdict
                said[id][choice.annotator] = side
        return said

    def _in_order(self, annotator: str) -> list[Item]:
        put_off = self._later[annotator]
        first = [item for id, item in self._items.items() if id not in put_off]
        return first + [self._items[id] for id in put_off if id in self._items]

    def _free(self, item: Item, annotator: str, holder: str, said: Mapping[str, Mapping[str, str]]) -> bool:
        """Tell whether a pair may be given to a holder: nobody else is to have it, or some more may."""
        now, leases = self._clock(), self._leases[item.id]
        for other in [other for other, (_, until) in leases.items() if until < now]:
            del leases[other]
        others = {who for other, (who, _) in leases.items() if other != holder} - set(said[item.id])
        return (
            _open(item, annotator, said)
            and annotator not in others
            and len(said[item.id]) + len(others) < item.overlap
        )

    def _prompt(self, text: str) -> Prompt:
        return (*self._opening, Message(role="user", content=text))

    def _row(self, n: int, line: str) -> Prompt:
        try:
            row = json.loads(line)
            given = row.get("prompt", row.get("messages"))
            if isinstance(given, str) and given.strip():
                return self._prompt(given)
            turns = tuple(Message(role=str(turn["role"]), content=str(turn["content"])) for turn in given)
            if turns and turns[-1].role == "user":
                return turns
        except (ValueError, TypeError, KeyError, AttributeError):
            pass
        raise DataError(
            f'Line {n} has no prompt: each line needs "prompt", a text or messages that end with the user\'s.'
        )


def _open(item: Item, annotator: str, said: Mapping[str, Mapping[str, str]]) -> bool:
    """Tell whether an annotator may still label a pair, whoever is looking at it now."""
    return annotator not in said[item.id] and len(said[item.id]) < item.overlap
