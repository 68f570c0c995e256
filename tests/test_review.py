"""Looking through what was said: filters, pages, changes, taking back; and what the coach makes of it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignchat.errors import DataError
from alignchat.judging import coach
from alignchat.judging.coach import Signals
from alignchat.judging.feedback import Feedback
from alignchat.judging.review import Filters, Review, to_json
from alignchat.rows.balance import HIGHEST_PULL, LOWEST_PULL
from alignchat.ui import i18n
from feedback_store import (
    Choice,
    Completion,
    Conversation,
    Edit,
    FeedbackStore,
    InvalidRecordError,
    Message,
    Thumb,
    UnknownRecordError,
)

ROOT = Path(__file__).parent.parent


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeedbackStore]:
    with FeedbackStore.open(tmp_path / "feedback") as opened:
        yield opened


def reply(id: str, text: str, *, prompt: str = "Perché il mare è salato?", round: int = 0) -> Completion:
    asked = (Message(role="user", content=prompt),)
    return Completion(id=id, conversation_id="v1", prompt=asked, text=text, model="m", round=round)


@pytest.fixture
def review(store: FeedbackStore) -> Review:
    store.add_many(
        [
            Conversation(id="v1", title="Mare"),
            reply("a", "La città è bella."),
            reply("b", "Non lo so.", round=1),
            reply("c", "Sky.", prompt="Why is the sky blue?", round=2),
            Thumb(
                id="t1", completion_id="a", up=True, tags=("helpful",), created_at="2026-11-20T12:00:00+00:00"
            ),
            Thumb(id="t2", completion_id="b", up=False, comment="Sbagliato", annotator="anna"),
            Thumb(id="t3", completion_id="c", up=True),
            Choice(id="k1", left_id="a", right_id="b", verdict="left", blind=True),
            Choice(id="k2", left_id="b", right_id="c", verdict="tie"),
            Edit(id="e1", completion_id="c", text="Because of Rayleigh scattering."),
        ]
    )
    return Review(store)


def ids(review: Review, **filters: object) -> list[str]:
    found, total = review.find(Filters(**filters))  # type: ignore[arg-type]  # each test gives its own
    assert total == len(found)
    return [judgement.record.id for judgement in found]


def test_all_that_was_said_is_listed_the_newest_first(review: Review) -> None:
    assert ids(review) == ["e1", "k2", "k1", "t3", "t2", "t1"]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"verdict": "up"}, ["t3", "t1"]),
        ({"verdict": "down"}, ["t2"]),
        ({"verdict": "pair"}, ["k1"]),
        ({"verdict": "tie"}, ["k2"]),
        ({"verdict": "both_bad"}, []),
        ({"verdict": "edit"}, ["e1"]),
        ({"round": 1}, ["k2", "k1", "t2"]),
        ({"tag": "helpful"}, ["t1"]),
        ({"annotator": "anna"}, ["t2"]),
        ({"text": "CITTA"}, ["k1", "t1"]),
        ({"text": "perche il"}, ["k2", "k1", "t2", "t1"]),
        ({"text": "sbagliato"}, ["t2"]),
        ({"text": "rayleigh"}, ["e1"]),
        ({"text": "λ"}, []),
        ({"until": "2026-11-20"}, ["t1"]),
        ({"until": "2026-11-19"}, []),
        ({"since": "2026-11-20", "until": "2026-11-20"}, ["t1"]),
        ({"since": "2026-11-22", "verdict": "up"}, ["t3"]),
        ({"counts": False}, []),
    ],
)
def test_each_filter_finds_what_it_says(review: Review, filters: dict[str, object], found: list[str]) -> None:
    assert ids(review, **filters) == found


@pytest.mark.parametrize("filters", [{"since": "yesterday"}, {"until": "9999-12-31"}, {"verdict": "maybe"}])
def test_a_filter_that_means_nothing_is_one_sentence(review: Review, filters: dict[str, str]) -> None:
    with pytest.raises(DataError) as raised:
        review.find(Filters(**filters))  # type: ignore[arg-type]
    assert i18n.error_sentence(raised.value, "it") != str(raised.value)


def test_pages_together_are_the_whole(review: Review) -> None:
    pages = [review.find(offset=at, limit=4) for at in (0, 4, 8)]
    assert [j.record.id for page, _ in pages for j in page] == ids(review)
    assert {total for _, total in pages} == {6}


def test_of_two_judgements_on_one_thing_the_later_is_listed_and_moves_up(
    review: Review, store: FeedbackStore
) -> None:
    store.add(Thumb(id="t4", completion_id="a", up=False))
    assert ids(review) == ["t4", "e1", "k2", "k1", "t3", "t2"]
    with FeedbackStore.open(store.folder) as again:
        assert ids(Review(again)) == ids(review)


def test_what_is_taken_back_stays_listed_and_can_be_restored(review: Review, store: FeedbackStore) -> None:
    assert not review.retract("t1").counts
    assert ids(review, counts=False) == ["t1"]
    assert "t1" not in [thumb.id for thumb in store.thumbs()]
    assert review.restore("t1").counts
    assert ids(review, counts=False) == []
    assert "t1" in [thumb.id for thumb in store.thumbs()]


def test_a_change_keeps_id_moment_and_history(review: Review, store: FeedbackStore) -> None:
    before = review.get("t1").record
    changed = review.change("t1", verdict="down", tags=["rude", "wrong"], comment="no")
    assert isinstance(before, Thumb)
    assert changed.record == replace(before, up=False, tags=("rude", "wrong"), comment="no")
    assert [event.op for event in store.history("t1")] == ["add", "revise"]
    assert ids(review)[-1] == "t1"
    assert review.change("t1", comment="").record.comment == ""  # type: ignore[union-attr]
    assert review.change("e1", text="New.").said == "edit"


def test_a_choice_that_is_changed_is_blind_no_longer(review: Review) -> None:
    assert to_json(review.get("k1"))["blind"]
    changed = to_json(review.change("k1", verdict="both_bad"))
    assert (changed["verdict"], changed["blind"]) == ("both_bad", False)


@pytest.mark.parametrize(
    ("id", "parts"),
    [
        ("t1", {"verdict": "left"}),
        ("t1", {"text": "x"}),
        ("k1", {"verdict": "up"}),
        ("k1", {"comment": "x"}),
        ("e1", {"text": " "}),
        ("e1", {"verdict": "up"}),
    ],
)
def test_what_a_judgement_cannot_say_is_refused(review: Review, id: str, parts: dict[str, str]) -> None:
    before = review.get(id)
    with pytest.raises(DataError) as raised:
        review.change(id, **parts)  # type: ignore[arg-type]
    assert review.get(id) == before
    assert i18n.error_sentence(raised.value, "it") != str(raised.value)


@pytest.mark.parametrize("id", ["nothing", "a", "v1"])
def test_what_is_no_judgement_is_not_changed_or_taken_back(
    review: Review, store: FeedbackStore, id: str
) -> None:
    for act in (review.retract, review.restore, review.change):
        with pytest.raises((UnknownRecordError, InvalidRecordError)) as raised:
            act(id)
        assert i18n.error_sentence(raised.value, "it") != str(raised.value)
    assert store.completion("a").id == "a"


def test_a_judgement_about_a_deleted_conversation_does_not_count(
    review: Review, store: FeedbackStore
) -> None:
    store.retract("v1")
    judgement = review.get("t1")
    assert (judgement.counts, judgement.replies_there) == (False, False)
    assert review.signals() == Signals()


def test_signals_count_what_counts(review: Review) -> None:
    review.retract("t3")
    assert review.signals() == Signals(
        up=1, down=1, pairs=1, both_bad=0, edits=1, judged_prompts=2, paired_prompts=2
    )


# The coach

counts = st.integers(0, 60)
signals = st.builds(
    Signals, up=counts, down=counts, pairs=counts, both_bad=counts, edits=counts,
    judged_prompts=counts, paired_prompts=counts,
)  # fmt: skip


@given(signals)
def test_what_the_coach_asks_for_is_enough_and_not_more_than_needed(said: Signals) -> None:
    kto, dpo = coach.outlooks(said)
    assert kto.ready == bool(said.desirable and said.undesirable)
    assert dpo.ready == bool(said.preferences)
    for advice in (*kto.advice, *dpo.advice):
        assert advice.met == (advice.missing == 0)
        assert advice.source.split()[-1].startswith("https://")
        assert i18n.translated(advice.sentence, "it") != advice.sentence
    balance = next((advice for advice in kto.advice if advice.check == "balance"), None)
    if balance and balance.missing:
        scarce = "down" if said.desirable > said.undesirable else "up"

        def pull(more: int) -> float:
            asked = replace(said, **{scarce: getattr(said, scarce) + more})
            return asked.desirable / asked.undesirable

        assert LOWEST_PULL <= pull(balance.missing) <= HIGHEST_PULL
        assert not LOWEST_PULL <= pull(balance.missing - 1) <= HIGHEST_PULL


def test_a_well_fed_round_lacks_nothing() -> None:
    said = Signals(up=40, down=34, pairs=25, judged_prompts=30, paired_prompts=22)
    assert all(outlook.ready and outlook.good for outlook in coach.outlooks(said))


# A folder that can only be read


def test_a_folder_that_can_only_be_read_is_read(tmp_path: Path, review: Review) -> None:
    if not shutil.which("unshare"):
        pytest.skip("NOT TESTED: a read-only folder, because there is no unshare command here")
    mount = f"mount --bind {tmp_path} {tmp_path} && mount -o remount,ro,bind {tmp_path}"
    shell = ["unshare", "-m", "sh", "-c"] if os.geteuid() == 0 else ["unshare", "-rm", "sh", "-c"]
    if subprocess.run([*shell, mount], capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED: a read-only folder, because mounting is not permitted here")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = " ".join([sys.executable, "-m", "alignchat", "--data", str(tmp_path), *arguments])
        script = f"{mount} && cd {ROOT} && {command}"
        return subprocess.run([*shell, script], capture_output=True, text=True, check=False)

    assert "up: 2" in run("feedback", "stats").stdout
    assert "total: 6" in run("feedback", "list").stdout
    assert "ok: True" in run("feedback", "verify").stdout
    assert "Mare" in run("conversations", "list").stdout
    refused = run("feedback", "retract", "t1")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Not saved:")
    assert len(refused.stderr.splitlines()) == 1
    assert review.get("t1").counts


def test_a_file_in_place_of_the_data_folder_is_one_sentence(tmp_path: Path) -> None:
    from alignchat import config
    from alignchat.errors import SettingsError

    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingsError, match="cannot be written"):
        Feedback.open(config.load(tmp_path / "file"))
