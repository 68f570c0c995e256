"""Feedback to rows: what counts, what is left out, and which side a prompt is on."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignchat import dataset
from alignchat.config import DatasetSettings
from alignchat.dataset import Dataset, PairedRow, Row, Rules, Source, UnpairedRow
from alignchat.errors import DataError
from alignchat.languages import name_languages
from alignchat.rows import balance, split
from alignchat.rows.preferences import replies
from feedback_store import Choice, Completion, Edit, FeedbackStore, Message, Thumb, Verdict


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeedbackStore]:
    with FeedbackStore.open(tmp_path / "feedback") as opened:
        yield opened


def words(rows: Sequence[Row]) -> list[tuple[int, ...]]:
    """Measure in words, which needs no model."""
    asked = (" ".join(m.content for m in row.prompt) for row in rows)
    return [
        (len(p.split()), *(len(r.split()) for r in replies(row))) for p, row in zip(asked, rows, strict=True)
    ]


def rules(max_length: int = 100, **asked: Any) -> Rules:
    return Rules(
        settings=DatasetSettings(**asked),
        test_share=0.1,
        max_length=max_length,
        measure=words,
        name_languages=name_languages,
    )


def prompt(text: str) -> tuple[Message, ...]:
    return (Message(role="user", content=text),)


def said(store: FeedbackStore, text: str, to: str = "Ciao", *, finished: bool = True) -> Completion:
    completion = Completion(
        conversation_id="c", prompt=prompt(to), text=text, model="m", round=0, finished=finished
    )
    store.add(completion)
    return completion


def build(
    store: FeedbackStore,
    method: dataset.Method,
    *,
    earlier: dict[str, split.Side] | None = None,
    sources: Sequence[Source] = (),
    **asked: Any,
) -> Dataset:
    return dataset.build(store, method, rules(**asked), earlier=earlier, sources=sources)


def labels(built: Dataset) -> dict[str, bool]:
    return {row.completion: row.label for row in built.train if isinstance(row, UnpairedRow)}


def pairs(built: Dataset) -> set[tuple[str, str]]:
    return {(row.chosen, row.rejected) for row in built.train if isinstance(row, PairedRow)}


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
    assert built.removed == {"as many for as against": 1, "duplicate": 1, "outvoted": 1}
    assert built.manifest()["conflicts"] == {"by person": 2}


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
    many(store, split.HOLD_OUT_FROM - 1)
    assert build(store, "kto").test == ()


def test_a_prompt_trained_on_before_is_never_held_out(store: FeedbackStore) -> None:
    many(store, 200)
    trained: dict[str, split.Side] = {
        split.normalised(row.prompt): "train" for row in build(store, "kto").test
    }
    assert trained
    assert build(store, "kto", earlier=trained).test == ()


@given(st.text(), st.text())
def test_spacing_and_case_do_not_move_a_prompt_to_the_other_side(a: str, b: str) -> None:
    plain, spaced = prompt(f"{a} {b}"), prompt(f"  {a} \n {b} ")
    assert split.normalised(plain) == split.normalised(spaced)


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
    assert dataset.load(folder, saved.sha256) == saved


def test_rows_changed_behind_the_rounds_back_are_refused(store: FeedbackStore, tmp_path: Path) -> None:
    choose(store, "left")
    built = build(store, "dpo")
    dataset.save(built, tmp_path)
    path = tmp_path / dataset.ROWS_FILE
    path.write_text(path.read_text().replace("left", "changed"))
    with pytest.raises(DataError, match="were changed after the round began"):
        dataset.load(tmp_path, built.sha256)


def test_rows_that_fit_their_manifest_but_not_their_round_are_refused(
    store: FeedbackStore, tmp_path: Path
) -> None:
    choose(store, "left")
    asked = build(store, "dpo").sha256
    choose(store, "both_bad")
    thumbs = build(store, "kto")
    dataset.save(thumbs, tmp_path)
    with pytest.raises(DataError, match="were changed after the round began"):
        dataset.load(tmp_path, asked)


def test_a_round_that_could_not_learn_is_refused_with_what_is_missing(store: FeedbackStore) -> None:
    with pytest.raises(DataError, match="no pairs for DPO yet: compare two replies"):
        dataset.require_trainable("dpo", build(store, "dpo").train, {})
    good = said(store, "good")
    store.add(Thumb(completion_id=good.id, up=True))
    with pytest.raises(DataError, match="mark at least one disliked reply"):
        dataset.require_trainable("kto", build(store, "kto").train, {})


def test_the_manifest_counts_labels_and_sources(store: FeedbackStore) -> None:
    choose(store, "both_bad")
    good = said(store, "good")
    store.add(Thumb(completion_id=good.id, up=True))
    manifest = build(store, "kto").manifest()
    assert (manifest["desirable"], manifest["undesirable"]) == (1, 2)
    assert manifest["sources"] == {
        "both bad": {"kind": "own", "train": 2, "test": 0},
        "thumb": {"kind": "own", "train": 1, "test": 0},
    }


def test_a_later_word_of_the_same_person_replaces_an_earlier_one_also_across_kinds(
    store: FeedbackStore,
) -> None:
    first, again = said(store, "same"), said(store, "same")
    store.add(Thumb(completion_id=first.id, up=True))
    store.add(Thumb(completion_id=again.id, up=False))
    built = build(store, "kto")
    assert labels(built) == {"same": False}
    assert built.manifest()["conflicts"] == {"by time": 1}
    store.add(Edit(completion_id=first.id, text="better"))
    store.add(Thumb(completion_id=said(store, "same").id, up=True))
    assert labels(build(store, "kto")) == {"same": True, "better": True}


def test_a_tie_after_a_choice_takes_the_choice_back(store: FeedbackStore) -> None:
    choose(store, "left")
    choose(store, "tie")
    built = build(store, "dpo")
    assert (built.train, built.removed) == ((), {"tie": 1})
    assert built.manifest()["conflicts"] == {"by time": 1}


def test_the_majority_of_people_decides_which_of_two_is_better(store: FeedbackStore) -> None:
    left, right = said(store, "left"), said(store, "right")
    verdicts: dict[str, Verdict] = {"a": "left", "b": "right", "c": "right", "d": "tie"}
    for name, verdict in verdicts.items():
        store.add(Choice(left_id=left.id, right_id=right.id, verdict=verdict, annotator=name))
    built = build(store, "dpo")
    assert pairs(built) == {("right", "left")}
    assert built.removed == {"duplicate": 1, "outvoted": 2}


def test_a_choice_gives_one_of_each_to_kto_only_if_asked(store: FeedbackStore) -> None:
    choose(store, "left")
    assert labels(build(store, "kto")) == {}
    assert labels(build(store, "kto", label_choices=True)) == {"left": True, "right": False}


def test_thumbs_of_one_prompt_become_pairs_only_if_asked_and_each_is_used(store: FeedbackStore) -> None:
    for text, up in (("good 1", True), ("good 2", True), ("good 3", True), ("bad", False)):
        store.add(Thumb(completion_id=said(store, text).id, up=up))
    store.add(Thumb(completion_id=said(store, "elsewhere", to="Altro").id, up=False))
    assert pairs(build(store, "dpo")) == set()
    assert pairs(build(store, "dpo", pair_thumbs=True)) == {(f"good {i}", "bad") for i in (1, 2, 3)}


def test_what_somebody_compared_is_not_paired_from_thumbs(store: FeedbackStore) -> None:
    left, right = choose(store, "left")
    store.add(Thumb(completion_id=left.id, up=False))
    store.add(Thumb(completion_id=right.id, up=True))
    built = build(store, "dpo", pair_thumbs=True)
    assert pairs(built) == {("left", "right")}


def test_nobody_gives_more_than_their_share(store: FeedbackStore) -> None:
    for i in range(12):
        name = "busy" if i < 10 else f"other {i}"
        store.add(Thumb(completion_id=said(store, f"reply {i}", to=f"about {i}").id, up=True, annotator=name))
    built = build(store, "kto", annotator_share=0.5)
    assert built.manifest()["annotators"] == {"busy": 2, "other 10": 1, "other 11": 1}
    assert built.removed == {"over one person's share": 8}
    assert len(built.left_out["over one person's share"]) == 8


@given(
    st.dictionaries(st.text(max_size=3), st.integers(1, 60), min_size=1),
    st.integers(0, 40),
    st.floats(0.01, 1),
)
def test_the_cap_holds_and_is_the_largest_that_does(
    counts: dict[str, int], shared: int, share: float
) -> None:
    most = balance.capped(counts, shared, share)
    wanted = share if shared else max(share, 1 / len(counts))

    def holds(cap: int) -> bool:
        return cap <= wanted * (shared + sum(min(n, cap) for n in counts.values())) + 1e-9

    assert holds(most)
    assert most == max(counts.values()) or not holds(most + 1)


STORY = "Racconta una storia breve di un pescatore che trova una bottiglia con un messaggio dentro"
ANSWER = "C'era una volta un vecchio pescatore che ogni mattina usciva in mare prima che il sole fosse alto"


def test_a_nearly_equal_row_is_left_out_and_counted(store: FeedbackStore) -> None:
    for to, text, up in (
        (STORY, ANSWER, True),
        (STORY + ".", ANSWER + "!", True),
        (STORY, ANSWER + "?", False),
        (STORY, "Un pescatore, una bottiglia, un messaggio: fine della storia.", True),
    ):
        store.add(Thumb(completion_id=said(store, text, to=to).id, up=up))
    built = build(store, "kto")
    assert built.removed == {"near duplicate": 1}
    assert len(built.train) == 3
    assert False in labels(built).values()
    assert len(build(store, "kto", near_duplicates=None).train) == 4


def test_nearly_equal_prompts_are_on_one_side(store: FeedbackStore) -> None:
    for i in range(60):
        about = (
            f"{STORY} e che decide di partire verso il luogo numero {i * 7919} indicato sulla mappa di {i}"
        )
        for to in (about, about + "!", about.upper()):
            store.add(Thumb(completion_id=said(store, f"{i} {to[-1]} {ANSWER[i:]}", to=to).id, up=True))
    built = build(store, "kto", near_duplicates=0.95)
    sides = {
        side: {split.normalised(r.prompt).rstrip("!") for r in getattr(built, side)}
        for side in ("train", "test")
    }
    assert sides["test"]
    assert not sides["train"] & sides["test"]


def test_a_prompt_like_some_of_both_sides_is_left_out(store: FeedbackStore) -> None:
    left, right = STORY + " ed era blu", STORY + " ed era oro"
    between = STORY + " ed era b"
    earlier: dict[str, split.Side] = {
        split.normalised(prompt(left)): "train",
        split.normalised(prompt(right)): "test",
    }
    for to in (left, right, between):
        store.add(Thumb(completion_id=said(store, f"detto: {to[-5:]}", to=to).id, up=True))
    built = build(store, "kto", earlier=earlier, near_duplicates=0.85)
    assert [row.prompt for row in built.train] == [prompt(left)]
    assert [row.prompt for row in built.test] == [prompt(right)]
    assert built.removed == {"like prompts of both sides": 1}


@settings(max_examples=40)
@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8, unique=True), st.data())
def test_a_prompt_never_changes_its_side_however_feedback_grows(
    letters: list[str], data: st.DataObject
) -> None:
    families = [" ".join(f"{letter}{i * 31}" for i in range(20)) for letter in letters]
    asked = [f + tail for f in families for tail in ("", "x", "yz")]
    earlier: dict[str, split.Side] = {}
    for _ in range(3):
        now = data.draw(st.lists(st.sampled_from(asked), min_size=1, unique=True))
        share = data.draw(st.floats(0, 0.9))
        found, _ = split.sides([*now, *(str(i) * 9 for i in range(30))], earlier, share=share, near=0.6)
        kept = {p: side for p, side in found.items() if side}
        assert all(kept[p] == earlier[p] for p in earlier)
        for family in families:
            assert len({side for p, side in kept.items() if p.startswith(family)}) <= 1
        earlier = kept


def test_what_is_too_long_is_left_out_counted_and_kept_to_be_shown(store: FeedbackStore) -> None:
    for text in ("short", "far " * 30):
        store.add(Thumb(completion_id=said(store, text).id, up=True))
    built = build(store, "kto", max_length=20)
    assert labels(built) == {"short": True}
    assert built.removed == {"too long": 1}
    (shown,) = built.left_out["too long"]
    assert isinstance(shown, UnpairedRow)
    assert shown.completion == "far " * 30
    assert built.manifest()["tokens"]["row"]["max"] == 2


def a_set(rows: Sequence[Row], weight: float = 1.0) -> Source:
    return Source(
        name="owner/set", kind="hub", revision="abc", asked="3", weight=weight, rows=rows, read=len(rows)
    )


def of_set(text: str, label: bool, to: str = "Ciao") -> UnpairedRow:
    return UnpairedRow(prompt=prompt(to), completion=text, label=label, source="owner/set")


def test_a_set_is_mixed_in_with_its_weight_and_described(store: FeedbackStore) -> None:
    store.add(Thumb(completion_id=said(store, "mine").id, up=True))
    built = build(store, "kto", sources=[a_set([of_set("theirs", False)], weight=0.5)])
    assert labels(built) == {"mine": True, "theirs": False}
    assert built.manifest()["sources"]["owner/set"] == {
        "kind": "hub", "revision": "abc", "asked": "3", "read": 1, "weight": 0.5, "train": 1, "test": 0,
    }  # fmt: skip
    passed = dataset.in_a_pass(built.train)
    assert sorted(row.completion for row in passed if isinstance(row, UnpairedRow)) == [
        "mine",
        "mine",
        "theirs",
    ]


def test_own_feedback_has_the_last_word_over_a_set(store: FeedbackStore) -> None:
    store.add(Thumb(completion_id=said(store, "so").id, up=True))
    built = build(store, "kto", sources=[a_set([of_set("so", False), of_set("x", True), of_set("x", False)])])
    assert labels(built) == {"so": True}
    assert built.removed == {"own feedback speaks of it": 1, "as many for as against": 1}


@given(st.lists(st.sampled_from([0.25, 0.5, 1.0, 3.0]), min_size=1, max_size=60))
def test_in_a_pass_rows_are_as_often_as_they_weigh(weights: list[float]) -> None:
    counts = balance.repeats(weights)
    for weight in set(weights):
        mine = [n for n, w in zip(counts, weights, strict=True) if w == weight]
        assert abs(sum(mine) - len(mine) * weight / min(weights)) < 1
        assert max(mine) - min(mine) <= 1
    assert min(counts) >= 1


@given(st.integers(1, 500), st.integers(1, 500))
def test_kto_weights_keep_the_pull_between_one_to_one_and_four_to_three(up: int, down: int) -> None:
    weights = balance.explained_kto_weights(up, down)
    assert weights is not None
    pull = weights.desirable * up / (weights.undesirable * down)
    assert 1 - 1e-9 <= pull <= 4 / 3 + 1e-9
    assert min(weights.desirable, weights.undesirable) == 1
    assert str(up) in weights.reason


def test_the_manifest_tells_weights_lengths_languages_and_people(store: FeedbackStore) -> None:
    for i in range(4):
        store.add(
            Thumb(completion_id=said(store, ANSWER + "!" * (i % 2)).id, up=i % 2 == 0, annotator="anna")
        )
        store.add(
            Thumb(
                completion_id=said(store, f"The answer to that question is number {i}", to="Hi").id, up=False
            )
        )
    manifest = build(store, "kto", near_duplicates=None).manifest()
    assert manifest["kto_weights"]["desirable"] > 1
    assert manifest["languages"] == {"of": 6, "rows": {"en": 4, "it": 2}}
    assert manifest["annotators"] == {"anna": 2, "local": 4}
    histogram = manifest["tokens"]["histogram"]
    assert (sum(histogram["better"]), sum(histogram["worse"])) == (
        manifest["desirable"],
        manifest["undesirable"],
    )
