"""A store against a plain dict: any sequence of acts, reopened, compacted, restored and read from beside."""

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from feedback_store import Choice, Completion, Conversation, Edit, FeedbackStore, Message, Record, Thumb
from feedback_store.lines import decode, encode, encode_body
from feedback_store.records import from_json, kind_of, to_json
from tests.store.trials import FACTOR

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
WHO = st.sampled_from(["local", "anna"])
TALKS = st.sampled_from(["talk-0", "talk-1"])


def completions(conversations: st.SearchStrategy[str] = TALKS) -> st.SearchStrategy[Completion]:
    return st.builds(
        Completion,
        conversation_id=conversations,
        prompt=st.lists(st.builds(Message, role=ANY_TEXT, content=ANY_TEXT), max_size=2).map(tuple),
        text=ANY_TEXT,
        model=st.sampled_from(["a", "b"]),
        round=st.none() | st.integers(0, 2),
        sampling=st.dictionaries(ANY_TEXT, JSON, max_size=2),
        finished=st.booleans(),
        created_at=ANY_TEXT,
        annotator=WHO,
    )


@given(record=completions(ANY_TEXT), seq=st.integers(0, 1 << 60))
@settings(max_examples=200 * FACTOR)
def test_any_record_comes_back_equal_from_its_line(record: Completion, seq: int) -> None:
    line = encode(seq, encode_body("add", kind_of(record), record.id, "", to_json(record)))
    assert line.count(b"\n") == 1
    event = decode(line[:-1])
    assert (event.seq, from_json(event.kind, event.data or {})) == (seq, record)


@dataclass
class Known:
    """What the dict knows of one record."""

    record: Record
    order: int
    retracted: bool = False


class StoreAgainstDict(RuleBasedStateMachine):
    """The dict holds every record; what counts is worked out from it by the definition, each time anew."""

    made, judged = Bundle[str]("made"), Bundle[str]("judged")

    @initialize()
    def open(self) -> None:
        self.base = Path(tempfile.mkdtemp())
        self.store = FeedbackStore.open(self.base / "feedback")
        self.beside = FeedbackStore.open(self.base / "feedback")
        self.known: dict[str, Known] = {}
        self.turn = 0

    def teardown(self) -> None:
        if hasattr(self, "base"):
            self.store.close()
            self.beside.close()
            shutil.rmtree(self.base)

    def _add(self, record: Record) -> str:
        self.store.add(record)
        self.turn += 1
        self.known.setdefault(record.id, Known(record, self.turn))
        return record.id

    @rule(which=TALKS, title=ANY_TEXT)
    def name_conversation(self, which: str, title: str) -> None:
        talk = Conversation(id=which, title=title, created_at="")
        if which in self.known:
            self.store.revise(talk)
            self.known[which].record = talk
        else:
            self._add(talk)

    @rule(target=made, record=completions())
    def reply(self, record: Completion) -> str:
        return self._add(record)

    @rule(target=judged, id=made, up=st.booleans(), who=WHO, tags=st.lists(ANY_TEXT, max_size=2).map(tuple))
    def vote(self, id: str, up: bool, who: str, tags: tuple[str, ...]) -> str:
        return self._add(Thumb(completion_id=id, up=up, annotator=who, tags=tags))

    @rule(target=judged, left=made, right=made, verdict=st.sampled_from(["left", "tie"]), who=WHO)
    def choose(self, left: str, right: str, verdict: Any, who: str) -> str:
        return self._add(Choice(left_id=left, right_id=right, verdict=verdict, annotator=who))

    @rule(target=judged, id=made, text=ANY_TEXT, who=WHO)
    def edit(self, id: str, text: str, who: str) -> str:
        return self._add(Edit(completion_id=id, text=text, annotator=who))

    @rule(id=st.one_of(made, judged, TALKS))
    def say_again(self, id: str) -> None:
        if id in self.known and id not in ("talk-0", "talk-1"):
            self.store.add(self.known[id].record)

    @rule(id=st.one_of(made, judged, TALKS), back=st.booleans())
    def retract_or_undo(self, id: str, back: bool) -> None:
        if id in self.known:
            (self.store.unretract if back else self.store.retract)(id)
            self.known[id].retracted = not back

    @rule(id=made, text=ANY_TEXT, round=st.none() | st.integers(0, 2))
    def revise(self, id: str, text: str, round: int | None) -> None:
        if id in self.known:
            record = self.known[id].record
            assert isinstance(record, Completion)
            self.known[id].record = replace(record, text=text, round=round)
            self.store.revise(self.known[id].record)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = FeedbackStore.open(self.base / "feedback")

    @rule()
    def change_seats(self) -> None:
        self.store, self.beside = self.beside, self.store

    @rule()
    def compact(self) -> None:
        self.store.compact()
        kept = {id for id, known in self.known.items() if self._counts(known)}
        self.known = {id: known for id, known in self.known.items() if id in kept or id.startswith("talk-")}

    @rule()
    def back_up_and_restore(self) -> None:
        self.turn += 1
        self.store.backup(self.base / f"b{self.turn}")
        if self.known:
            extra = Conversation()
            self.store.add(extra)
        self.store.restore(self.base / f"b{self.turn}")

    def _subjects(self, record: Record) -> list[str]:
        if isinstance(record, Choice):
            return sorted([record.left_id, record.right_id])
        return [record.completion_id] if isinstance(record, Thumb | Edit) else []

    def _counts(self, known: Known) -> bool:
        about = self._subjects(known.record)
        if known.retracted or any(self.known[id].retracted for id in about if id in self.known):
            return False
        if not about:
            return True
        rivals = [
            other.order
            for other in self.known.values()
            if type(other.record) is type(known.record)
            and self._subjects(other.record) == about
            and other.record.annotator == known.record.annotator  # type: ignore[union-attr]
        ]
        return known.order == max(rivals)

    @invariant()
    def what_is_counted_is_what_was_said_outside_deleted_conversations(self) -> None:
        if not hasattr(self, "store"):
            return
        for store in (self.store, self.beside):
            there = {made.id for made in store.completions(visible_only=True)}
            gone = {made.id for made in store.completions()} - there
            thumbs = [mark for mark in store.thumbs() if mark.completion_id not in gone]
            choices = [one for one in store.choices() if not {one.left_id, one.right_id} & gone]
            edits = [edit for edit in store.edits() if edit.completion_id not in gone]
            assert store.count("thumb", "up", True) == sum(mark.up for mark in thumbs)
            assert store.count("choice", "verdict", "tie") == sum(one.verdict == "tie" for one in choices)
            assert store.count("edit") == len(edits)
            theirs = [mark for mark in thumbs if mark.annotator == "anna"]
            assert store.count("thumb", annotator="anna") == len(theirs)

    @invariant()
    def both_stores_say_what_the_dict_says(self) -> None:
        if not hasattr(self, "store"):
            return
        current = {id: known.record for id, known in self.known.items() if self._counts(known)}
        thumbs = [record for record in current.values() if isinstance(record, Thumb)]
        rated = {mark.completion_id for mark in thumbs}
        for store in (self.store, self.beside):
            found = [
                *store.conversations(),
                *store.completions(),
                *store.thumbs(),
                *store.choices(),
                *store.edits(),
            ]
            assert {record.id: record for record in found} == current
            assert len(found) == len(current)
            for tag in {tag for mark in thumbs for tag in mark.tags}:
                assert {mark.id for mark in store.thumbs(tag=tag)} == {m.id for m in thumbs if tag in m.tags}
            for round in (None, 0, 1, 2):
                made = {
                    record.id
                    for record in current.values()
                    if isinstance(record, Completion) and record.round == round
                }
                assert {record.id for record in store.completions(round=round)} == made
                assert {record.id for record in store.unrated(round=round)} == made - rated
            assert not store.damage


StoreAgainstDict.TestCase.settings = settings(
    max_examples=60 * FACTOR, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
test_any_sequence_of_acts_agrees_with_a_dict = StoreAgainstDict.TestCase
