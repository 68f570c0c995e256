"""Feedback to rows: what counts, what is left out, and which side a prompt is on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignchat import dataset
from alignchat.dataset import PairedRow, UnpairedRow
from alignchat.errors import DataError
from feedback_store import Choice, Completion, Edit, FeedbackStore, Message, Thumb, Verdict


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeedbackStore]:
    with FeedbackStore.open(tmp_path / "feedback") as opened:
        yield opened


def prompt(text: str) -> tuple[Message, ...]:
    return (Message(role="user", content=text),)


def said(store: FeedbackStore, text: str, to: str = "Ciao", *, finished: bool = True) -> Completion:
    completion = Completion(
        conversation_id="c", prompt=prompt(to), text=text, model="m", round=0, finished=finished
    )
    store.add(completion)
    return completion


def build(store: FeedbackStore, method: dataset.Method, **options: object) -> dataset.Dataset:
    return dataset.build(store, method, test_share=0.1, **options)  # type: ignore[arg-type]


def choose(store: FeedbackStore, verdict: Verdict) -> tuple[Completion, Completion]:
    left, right = said(store, "left"), said(store, "right")
    store.add(Choice(left_id=left.id, right_id=right.id, verdict=verdict))
    return left, right


def test_thumbs_become_labels(store: FeedbackStore) -> None:
    good, bad = said(store, "good"), said(store, "bad")
    store.add(Thumb(completion_id=good.id, up=True))
    store.add(Thumb(completion_id=bad.id, up=False))
    rows = {(row.completion, row.label) for row in build(store, "kto").train if isinstance(row, UnpairedRow)}
    assert rows == {("good", True), ("bad", False)}


@pytest.mark.parametrize(("verdict", "chosen"), [("left", "left"), ("right", "right")])
def test_a_choice_becomes_a_pair(store: FeedbackStore, verdict: Verdict, chosen: str) -> None:
    choose(store, verdict)
    (row,) = build(store, "dpo").train
    assert isinstance(row, PairedRow)
    assert row.chosen == chosen
    assert {row.chosen, row.rejected} == {"left", "right"}


def test_a_tie_is_no_pair_and_is_counted(store: FeedbackStore) -> None:
    choose(store, "tie")
    built = build(store, "dpo")
    assert (built.train, built.removed) == ((), {"tie": 1})


def test_both_bad_is_two_undesirable_rows_and_no_pair(store: FeedbackStore) -> None:
    choose(store, "both_bad")
    assert build(store, "dpo").train == ()
    rows = build(store, "kto").train
    assert [row.label for row in rows if isinstance(row, UnpairedRow)] == [False, False]


def test_the_reply_that_was_not_chosen_is_not_undesirable(store: FeedbackStore) -> None:
    choose(store, "left")
    assert build(store, "kto").train == ()


def test_an_edit_is_preferred_over_its_original(store: FeedbackStore) -> None:
    original = said(store, "it are")
    store.add(Edit(completion_id=original.id, text="it is"))
    (pair,) = build(store, "dpo").train
    assert isinstance(pair, PairedRow)
    assert (pair.chosen, pair.rejected) == ("it is", "it are")
    labels = {row.completion: row.label for row in build(store, "kto").train if isinstance(row, UnpairedRow)}
    assert labels == {"it is": True, "it are": False}


def test_stopped_and_empty_replies_are_left_out_and_counted(store: FeedbackStore) -> None:
    for reply in (said(store, "half", finished=False), said(store, "  ")):
        store.add(Thumb(completion_id=reply.id, up=True))
    built = build(store, "kto")
    assert built.train == ()
    assert built.removed == {"reply stopped before its end": 1, "empty reply": 1}


def test_people_who_disagree_evenly_say_nothing_and_a_majority_counts(store: FeedbackStore) -> None:
    split, most = said(store, "split"), said(store, "most")
    for name, split_up in (("a", True), ("b", False)):
        store.add(Thumb(completion_id=split.id, up=split_up, annotator=name))
    for name, most_up in (("a", True), ("b", True), ("c", False)):
        store.add(Thumb(completion_id=most.id, up=most_up, annotator=name))
    built = build(store, "kto")
    assert [(row.completion, row.label) for row in built.train if isinstance(row, UnpairedRow)] == [
        ("most", True)
    ]
    assert built.removed == {"as many for as against": 1}


def test_the_same_pair_twice_is_one_row(store: FeedbackStore) -> None:
    choose(store, "left")
    choose(store, "left")
    built = build(store, "dpo")
    assert len(built.train) == 1
    assert built.removed == {"duplicate": 1}


def many(store: FeedbackStore, count: int) -> None:
    for i in range(count):
        reply = said(store, f"reply {i}", to=f"question {i}")
        store.add(Thumb(completion_id=reply.id, up=i % 2 == 0))


def test_no_prompt_is_on_both_sides_and_a_tenth_is_held_out(store: FeedbackStore) -> None:
    many(store, 200)
    built = build(store, "kto")
    train, test = {row.prompt for row in built.train}, {row.prompt for row in built.test}
    assert not train & test
    assert len(train | test) == 200
    assert 8 <= len(test) <= 34


def test_a_few_prompts_are_all_trained_on(store: FeedbackStore) -> None:
    many(store, dataset.HOLD_OUT_FROM - 1)
    assert build(store, "kto").test == ()


def test_a_prompt_trained_on_before_is_never_held_out(store: FeedbackStore) -> None:
    many(store, 200)
    held_out = {row.prompt for row in build(store, "kto").test}
    again = build(store, "kto", trained=held_out)
    assert again.test == ()


@given(st.text(), st.text())
def test_spacing_and_case_do_not_move_a_prompt_to_the_other_side(a: str, b: str) -> None:
    plain, spaced = prompt(f"{a} {b}"), prompt(f"  {a} \n {b} ")
    assert dataset._fraction(plain) == dataset._fraction(spaced)


def test_the_same_feedback_gives_the_same_checksum_and_new_feedback_another(store: FeedbackStore) -> None:
    many(store, 30)
    first = build(store, "kto").sha256
    assert build(store, "kto").sha256 == first
    choose(store, "both_bad")
    assert build(store, "kto").sha256 != first


@settings(max_examples=30, deadline=None)
@given(st.text(), st.text(), st.booleans())
def test_rows_come_back_from_their_files_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, asked: str, reply: str, label: bool
) -> None:
    folder = tmp_path_factory.mktemp("round")
    row = UnpairedRow(prompt=prompt(asked), completion=reply, label=label, source="thumb")
    saved = dataset.Dataset(method="kto", train=(row,), test=(), removed={})
    dataset.save(saved, folder)
    assert dataset.load(folder) == saved


def test_rows_changed_behind_the_rounds_back_are_refused(store: FeedbackStore, tmp_path: Path) -> None:
    choose(store, "left")
    dataset.save(build(store, "dpo"), tmp_path)
    path = tmp_path / dataset.ROWS_FILE
    path.write_text(path.read_text().replace("left", "changed"))
    with pytest.raises(DataError, match="were changed after the round began"):
        dataset.load(tmp_path)


def test_a_round_that_could_not_learn_is_refused_with_what_is_missing(store: FeedbackStore) -> None:
    with pytest.raises(DataError, match="no pairs for DPO yet: compare two replies"):
        dataset.require_trainable(build(store, "dpo"))
    good = said(store, "good")
    store.add(Thumb(completion_id=good.id, up=True))
    with pytest.raises(DataError, match="mark at least one disliked reply"):
        dataset.require_trainable(build(store, "kto"))


def test_the_manifest_counts_labels_and_sources(store: FeedbackStore) -> None:
    choose(store, "both_bad")
    good = said(store, "good")
    store.add(Thumb(completion_id=good.id, up=True))
    manifest = build(store, "kto").manifest()
    assert (manifest["desirable"], manifest["undesirable"]) == (1, 2)
    assert manifest["sources"] == {"both bad": 2, "thumb": 1}
