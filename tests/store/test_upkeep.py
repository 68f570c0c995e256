"""Verify, backup, restore, compact; golden journals of other versions."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from feedback_store import (
    BackupError,
    Choice,
    Completion,
    Conversation,
    FeedbackStore,
    Message,
    ReadOnlyError,
    StoreError,
    Thumb,
)
from feedback_store.lines import encode, encode_body, seal_of
from tests.store.makers import completion, one_of_each, state_of, thumb

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeedbackStore]:
    with FeedbackStore.open(tmp_path / "feedback") as store:
        yield store


def test_a_sound_store_verifies(store: FeedbackStore) -> None:
    store.add_many(list(one_of_each()))
    report = store.verify()
    assert report.ok
    assert report.records == {"conversation": 1, "completion": 2, "thumb": 1, "choice": 1, "edit": 1}
    assert (report.damaged, report.missing, report.unfinished_bytes) == ((), 0, 0)


def test_a_line_taken_out_by_someone_is_reported_as_missing(store: FeedbackStore) -> None:
    for i in range(5):
        store.add(thumb(f"k{i}"))
    path = store.folder / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    store.close()
    path.write_bytes(b"".join(lines[:2] + lines[3:]))
    with FeedbackStore.open(store.folder) as again:
        report = again.verify()
    assert (report.ok, report.missing) == (False, 1)


def test_a_backup_restores_to_the_same_state_and_history(store: FeedbackStore, tmp_path: Path) -> None:
    talk, left, right, up, choice, edit = one_of_each()
    store.add_many([talk, left, right, up, choice, edit])
    store.revise(replace(talk, title="Altro"))
    store.retract(edit.id)
    store.backup(tmp_path / "backup")
    before, history = state_of(store), store.history(talk.id)
    store.retract(left.id)
    report = store.restore(tmp_path / "backup")
    assert state_of(store) == before
    assert store.history(talk.id) == history
    assert report.previous
    store.restore(report.previous)
    assert store.get(left.id) is None
    with FeedbackStore.open(tmp_path / "fresh") as fresh:
        assert fresh.restore(tmp_path / "backup").previous is None
        assert state_of(fresh) == before


def test_a_backup_made_while_others_write_is_consistent_at_one_point(
    store: FeedbackStore, tmp_path: Path
) -> None:
    stop, acknowledged = threading.Event(), list[str]()

    def write() -> None:
        while not stop.is_set():
            acknowledged.append(store.add(thumb(f"k{len(acknowledged)}")))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for i in range(5):
            known = len(acknowledged)
            store.backup(tmp_path / f"b{i}")
            with FeedbackStore.open(tmp_path / f"r{i}") as fresh:
                fresh.restore(tmp_path / f"b{i}")
                found = [mark.id for mark in fresh.thumbs()]
            assert len(found) >= known
            assert found == acknowledged[: len(found)]
    finally:
        stop.set()
        writer.join()


def test_an_unfinished_or_damaged_backup_is_refused_and_nothing_changes(
    store: FeedbackStore, tmp_path: Path
) -> None:
    mark = thumb()
    store.add(mark)
    store.backup(tmp_path / "b")
    with pytest.raises(BackupError, match="already holds"):
        store.backup(tmp_path / "b")
    copy = tmp_path / "b" / "journal.jsonl"
    content = bytearray(copy.read_bytes())
    content[100] ^= 1
    copy.write_bytes(content)
    with pytest.raises(BackupError, match="damaged"):
        store.restore(tmp_path / "b")
    (tmp_path / "b" / "backup.json").unlink()
    with pytest.raises(BackupError, match="no finished backup"):
        store.restore(tmp_path / "b")
    assert store.thumbs() == [mark]


def test_compaction_keeps_the_state_and_erases_the_rest(store: FeedbackStore) -> None:
    talk, left, right, up, choice, edit = one_of_each()
    store.add_many([talk, left, right, up, choice, edit])
    for i in range(20):
        store.add(thumb(left.id, up=i % 2 == 0, comment=f"volta {i}"))
    gone = completion("SEGRETO")
    store.add_many([gone, thumb(gone.id)])
    store.retract(gone.id)
    store.retract(talk.id)
    before = state_of(store)
    report = store.compact()
    assert state_of(store) == before
    assert (report.records_after, report.bytes_after < report.bytes_before) == (6, True)
    assert b"SEGRETO" not in (store.folder / "journal.jsonl").read_bytes()
    assert not store.knows(gone.id)
    store.unretract(talk.id)
    with FeedbackStore.open(store.folder) as again:
        assert again.conversations() == [talk]
        assert again.verify().ok


def test_a_compaction_by_another_process_is_followed(store: FeedbackStore) -> None:
    with FeedbackStore.open(store.folder) as other:
        for i in range(10):
            store.add(thumb(up=i % 2 == 0))
        other.compact()
        assert store.thumbs() == other.thumbs()
        mark = thumb("k2")
        store.add(mark)
        assert mark in other.thumbs()


def test_compaction_and_writers_at_once_lose_nothing(store: FeedbackStore) -> None:
    with FeedbackStore.open(store.folder) as other:

        def write(who: int, through: FeedbackStore) -> None:
            for i in range(40):
                through.add(thumb(f"k{i}", annotator=f"a{who}"))

        threads = [threading.Thread(target=write, args=(i, (store, other)[i % 2])) for i in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(5):
            other.compact()
            store.compact()
        for thread in threads:
            thread.join()
        assert len(store.thumbs()) == len(other.thumbs()) == 160
    with FeedbackStore.open(store.folder) as again:
        assert len(again.thumbs()) == 160


def golden(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / "golden"
    folder.mkdir()
    shutil.copy(GOLDEN / name, folder / "journal.jsonl")
    return folder


def test_a_journal_of_schema_1_reads_as_today_and_can_be_written_to(tmp_path: Path) -> None:
    folder = golden(tmp_path, "schema-1.jsonl")
    then = "2025-01-02T03:04:05.000006+00:00"
    with FeedbackStore.open(folder) as store:
        assert store.conversations() == [Conversation(id="talk-1", title="Saluti e baci", created_at=then)]
        assert store.completion("left-1") == Completion(
            id="left-1",
            conversation_id="talk-1",
            prompt=(
                Message(role="system", content="Sii cortese."),
                Message(role="user", content="Saluta.\u2028\ud800"),
            ),
            text="Ciao, perché no?",
            model="starter",
            round=0,
            sampling={"seed": 1},
            created_at=then,
        )
        assert store.thumbs() == [
            Thumb(
                id="thumb-2",
                completion_id="left-1",
                up=True,
                tags=("cortese",),
                comment="sì",
                created_at=then,
            )
        ]
        assert store.choices() == [
            Choice(
                id="choice-1",
                left_id="left-1",
                right_id="right-1",
                verdict="left",
                blind=True,
                created_at=then,
            )
        ]
        assert (store.edits(), store.history("edit-1")[-1].op) == ([], "retract")
        store.add(completion("nuova"))
    with FeedbackStore.open(folder) as again:
        assert again.verify().ok
        assert len(again.completions()) == 3
        before = state_of(again)
        again.compact()
        assert state_of(again) == before


def test_a_journal_of_a_newer_version_opens_read_only(tmp_path: Path) -> None:
    folder = golden(tmp_path, "schema-99.jsonl")
    before = (folder / "journal.jsonl").read_bytes()
    with FeedbackStore.open(folder) as store:
        assert [made.id for made in store.completions()] == ["known-1"]
        for act in (lambda: store.add(thumb()), lambda: store.retract("known-1"), store.compact):
            with pytest.raises(ReadOnlyError, match=r"Not saved.*newer version.*update"):
                act()
        assert store.verify().newer == 1
    assert (folder / "journal.jsonl").read_bytes() == before


def test_a_newer_program_beside_this_one_makes_it_read_only(store: FeedbackStore) -> None:
    store.add(thumb())
    line = encode(9, encode_body("add", "thumb", "x", "", {}))

    newer = line.replace(b'{"v":2', b'{"v":3').rpartition(b',"crc"')[0]
    with (store.folder / "journal.jsonl").open("ab") as file:
        file.write(newer + seal_of(newer) + b"\n")
    with pytest.raises(StoreError, match="newer version"):
        store.add(thumb())
    assert len(store.thumbs()) == 1
