"""What a store answers: current state, history, undo, queries, threads."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from feedback_store import (
    Choice,
    Conversation,
    DuplicateError,
    Edit,
    FeedbackStore,
    InvalidRecordError,
    StoreError,
    UnknownRecordError,
)
from feedback_store.disk import Disk
from tests.store.makers import completion, one_of_each, thumb


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeedbackStore]:
    with FeedbackStore.open(tmp_path / "data" / "feedback") as store:
        yield store


def reopened(store: FeedbackStore) -> FeedbackStore:
    return FeedbackStore.open(store.folder)


def test_every_kind_of_record_comes_back_equal_live_and_after_reopening(store: FeedbackStore) -> None:
    records = one_of_each()
    for record in records:
        assert store.add(record) == record.id
    for seen in (store, reopened(store)):
        assert [seen.get(record.id) for record in records] == list(records)
        talk, left, right, up, choice, edit = records
        assert seen.conversations() == [talk]
        assert seen.completions() == [left, right]
        assert (seen.thumbs(), seen.choices(), seen.edits()) == ([up], [choice], [edit])


def test_the_latest_thumb_of_an_annotator_counts(store: FeedbackStore) -> None:
    first, second, other = thumb(up=True), thumb(up=False), thumb(up=True, annotator="anna")
    for record in (first, other, second):
        store.add(record)
    assert store.thumbs() == [other, second]


def test_retracting_a_thumb_clears_it_and_does_not_bring_back_the_one_before(store: FeedbackStore) -> None:
    store.add(thumb(up=True))
    latest = thumb(up=False)
    store.add(latest)
    store.retract(latest.id)
    assert store.thumbs() == []
    assert store.get(latest.id) is None
    store.unretract(latest.id)
    assert store.thumbs() == [latest]


def test_a_thumb_added_retracted_takes_back_the_one_before_once(store: FeedbackStore) -> None:
    store.add(thumb(up=True))
    back, later = thumb(up=True), thumb(up=False)
    store.add_retracted(back)
    assert store.thumbs() == []
    store.add(later)
    store.add_retracted(back)
    assert store.thumbs() == reopened(store).thumbs() == [later]


def test_counts_agree_with_lists(store: FeedbackStore) -> None:
    for record in one_of_each():
        store.add(record)
    store.add(thumb("k2", up=False))
    for seen in (store, reopened(store)):
        assert [seen.count("thumb", "up", up) for up in (True, False)] == [1, 1]
        assert seen.count("choice", "verdict", "right") == seen.count("edit") == 1
        assert seen.count("choice", "verdict", "left") == 0
        assert seen.count("completion") == len(seen.completions())


def test_a_later_choice_on_the_same_pair_replaces_the_earlier_whatever_the_sides(
    store: FeedbackStore,
) -> None:
    store.add(Choice(left_id="a", right_id="b", verdict="left"))
    later = Choice(left_id="b", right_id="a", verdict="tie")
    store.add(later)
    assert store.choices() == [later]


def test_sides_are_kept_and_the_winner_is_derived() -> None:
    wins = [
        Choice(left_id="a", right_id="b", verdict=verdict) for verdict in ("left", "right", "tie", "both_bad")
    ]
    assert [(c.chosen_id, c.rejected_id) for c in wins] == [
        ("a", "b"),
        ("b", "a"),
        (None, None),
        (None, None),
    ]


def test_retracting_a_completion_hides_judgements_about_it_until_undone(store: FeedbackStore) -> None:
    talk, left, right, up, choice, edit = one_of_each()
    store.add_many([talk, left, right, up, choice, edit])
    store.retract(left.id)
    assert (store.completions(), store.thumbs(), store.choices(), store.edits()) == ([right], [], [], [])
    store.unretract(left.id)
    assert {c.id for c in store.completions()} == {left.id, right.id}
    assert (store.thumbs(), store.choices(), store.edits()) == ([up], [choice], [edit])


def test_a_retracted_conversation_is_hidden_and_its_completions_stay(store: FeedbackStore) -> None:
    talk = Conversation(title="Prova")
    reply = completion(conversation_id=talk.id)
    store.add_many([talk, reply])
    store.retract(talk.id)
    assert store.conversations() == []
    assert store.completions() == [reply]
    assert store.completions(visible_only=True) == []
    store.unretract(talk.id)
    assert store.completions(visible_only=True) == [reply]


def test_a_conversation_is_renamed_in_its_place_with_its_history(store: FeedbackStore) -> None:
    first, second = Conversation(title="Nuova"), Conversation(title="Altra")
    store.add_many([first, second])
    renamed = replace(first, title="Ricette")
    store.revise(renamed)
    for seen in (store, reopened(store)):
        assert seen.conversations() == [renamed, second]
        assert [(e.op, e.record) for e in seen.history(first.id)] == [("add", first), ("revise", renamed)]


def test_a_judgement_cannot_be_revised_into_one_about_something_else(store: FeedbackStore) -> None:
    mark = thumb("a")
    store.add(mark)
    with pytest.raises(InvalidRecordError, match="not saved"):
        store.revise(replace(mark, completion_id="b"))
    store.revise(replace(mark, comment="perché sì"))
    assert store.thumbs()[0].comment == "perché sì"


def test_history_tells_every_event_of_a_record(store: FeedbackStore) -> None:
    mark = thumb()
    store.add(mark)
    store.retract(mark.id)
    store.retract(mark.id)
    store.unretract(mark.id)
    assert [event.op for event in store.history(mark.id)] == ["add", "retract", "restore"]


def test_the_same_record_twice_has_one_effect(store: FeedbackStore) -> None:
    mark = thumb()
    assert store.add(mark) == store.add(mark) == mark.id
    assert store.thumbs() == [mark]
    assert [event.op for event in store.history(mark.id)] == ["add"]


def test_another_record_with_the_same_id_is_refused(store: FeedbackStore) -> None:
    mark = thumb()
    store.add(mark)
    with pytest.raises(DuplicateError, match="not saved"):
        store.add(replace(mark, up=False))
    with pytest.raises(DuplicateError, match="not saved"):
        store.add_many([thumb(id="x"), thumb(id="x", comment="other")])
    assert store.thumbs() == [mark]


def test_unknown_records_cannot_be_changed(store: FeedbackStore) -> None:
    for act in (lambda: store.retract("x"), lambda: store.history("x"), lambda: store.revise(thumb(id="x"))):
        with pytest.raises(UnknownRecordError):
            act()
    with pytest.raises(UnknownRecordError):
        store.completion("x")
    assert store.get("x") is None


def test_completions_are_found_by_conversation_round_and_model(store: FeedbackStore) -> None:
    made = [
        completion(conversation_id=f"c{i % 2}", round=i % 3, model="a" if i < 6 else "b") for i in range(12)
    ]
    outside = completion(conversation_id="c0", round=None, model="imported")
    store.add_many([*made, outside])
    assert store.completions(conversation_id="c1") == made[1::2]
    assert store.completions(round=2) == made[2::3]
    assert store.completions(round=None) == [outside]
    assert store.completions(round=0, model="b") == [made[6], made[9]]
    assert store.completions(conversation_id="c0", round=1, model="a") == [made[4]]
    assert store.completions(model="unknown") == []


def test_unrated_completions_of_a_round_follow_thumbs_and_their_retraction(store: FeedbackStore) -> None:
    first, second, elsewhere = completion(round=1), completion(round=1), completion(round=2)
    store.add_many([first, second, elsewhere])
    assert store.unrated(round=1) == [first, second]
    assert store.unrated(round=1, limit=1) == [first]
    mark = thumb(first.id, annotator="anna")
    store.add(mark)
    assert store.unrated(round=1) == [second]
    assert store.unrated(round=1, annotator="local") == [first, second]
    assert store.unrated(round=1, annotator="anna") == [second]
    store.retract(mark.id)
    assert {c.id for c in store.unrated(round=1)} == {first.id, second.id}
    store.retract(second.id)
    assert store.unrated(round=1) == [first]


def test_thumbs_are_found_by_tag_completion_and_annotator(store: FeedbackStore) -> None:
    rude, short = thumb("a", tags=("rude", "rude")), thumb("b", tags=("short",), annotator="anna")
    store.add_many([rude, short])
    assert store.thumbs(tag="rude") == [rude]
    assert store.thumbs(completion_id="b") == [short]
    assert store.thumbs(annotator="anna", tag="rude") == []


def test_many_threads_lose_nothing(store: FeedbackStore) -> None:
    def vote(who: int) -> None:
        for i in range(20):
            store.add(thumb(f"k{i}", up=i % 2 == 0, annotator=f"a{who}"))
            store.thumbs(annotator=f"a{who}")

    threads = [threading.Thread(target=vote, args=(who,)) for who in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seen in (store, reopened(store)):
        assert len(seen.thumbs()) == 16 * 20


def test_threads_that_wait_for_one_sync_share_the_next(tmp_path: Path) -> None:
    class Gate(Disk):
        syncs, shut, arrived, opened = 0, False, threading.Event(), threading.Event()

        def sync(self, handle: int) -> None:
            self.syncs += 1
            if self.shut:
                self.arrived.set()
                self.opened.wait(30)
            super().sync(handle)

    disk = Gate()
    with FeedbackStore.open(tmp_path, disk=disk) as store:
        threads = [threading.Thread(target=store.add, args=(thumb(f"k{i}"),)) for i in range(16)]
        disk.syncs, disk.shut = 0, True
        threads[0].start()
        assert disk.arrived.wait(30)
        for thread in threads[1:]:
            thread.start()
        while len(store._journal._waiting) < 15:
            threading.Event().wait(0.001)
        disk.shut = False
        disk.opened.set()
        for thread in threads:
            thread.join()
        assert (disk.syncs, len(store.thumbs())) == (2, 16)


def test_two_stores_on_one_folder_see_each_other_at_once(store: FeedbackStore) -> None:
    other = reopened(store)
    edit = Edit(completion_id="k", text="meglio")
    other.add(edit)
    assert store.edits() == [edit]
    store.retract(edit.id)
    assert other.edits() == []


def test_a_closed_store_says_so(store: FeedbackStore) -> None:
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.add(thumb())
    with pytest.raises(StoreError, match="closed"):
        store.thumbs()


def test_a_folder_that_cannot_be_made_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="not saved"):
        FeedbackStore.open(tmp_path / "file" / "feedback")
