"""Several processes on one folder: each reads what the others wrote, and the same record twice is one."""

import os
from pathlib import Path

from feedback_store import FeedbackStore
from tests.store.makers import completion, thumb


def run_children(count: int, act: object) -> None:
    children = []
    for i in range(count):
        child = os.fork()
        if not child:
            try:
                act(i)  # type: ignore[operator]
            except BaseException:
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * count


def test_three_processes_append_to_one_journal_and_every_line_is_whole(tmp_path: Path) -> None:
    def write(who: int) -> None:
        with FeedbackStore.open(tmp_path) as store:
            for i in range(60):
                store.add(thumb(f"k{i}", annotator=f"a{who}"))

    reader = FeedbackStore.open(tmp_path)
    run_children(3, write)
    assert len(reader.thumbs()) == 180
    report = reader.verify()
    assert (report.ok, report.events) == (True, 181)


def test_the_same_record_from_three_processes_at_once_is_one(tmp_path: Path) -> None:
    records = [completion(str(i)) for i in range(30)]

    def write(_: int) -> None:
        with FeedbackStore.open(tmp_path) as store:
            for record in records:
                store.add(record)

    run_children(3, write)
    with FeedbackStore.open(tmp_path) as store:
        assert store.completions() == records


def test_a_line_that_is_there_twice_has_one_effect(tmp_path: Path) -> None:
    mark = thumb()
    with FeedbackStore.open(tmp_path) as store:
        store.add(mark)
        store.retract(mark.id)
        path = tmp_path / "journal.jsonl"
        again = path.read_bytes().splitlines(keepends=True)[1]
        with path.open("ab") as file:
            file.write(again)
        assert store.thumbs() == []
        assert [event.op for event in store.history(mark.id)] == ["add", "retract"]


def test_two_processes_take_turns_reading_each_others_writes(tmp_path: Path) -> None:
    to_child, from_child = os.pipe(), os.pipe()

    def answer(_: int) -> None:
        with FeedbackStore.open(tmp_path) as store:
            for i in range(30):
                asked = os.read(to_child[0], 32).decode()
                assert store.get(asked) == completion_of(i, asked)
                os.write(from_child[1], store.add(thumb(asked)).encode())

    def completion_of(i: int, id: str) -> object:
        return completion(str(i), id=id, created_at="")

    child = os.fork()
    if not child:
        try:
            answer(0)
        except BaseException:
            os._exit(1)
        os._exit(0)
    with FeedbackStore.open(tmp_path) as store:
        for i in range(30):
            id = store.add(completion(str(i), id=f"{i:032d}", created_at=""))
            os.write(to_child[1], id.encode())
            mark = os.read(from_child[0], 32).decode()
            assert [found.id for found in store.thumbs(completion_id=id)] == [mark]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
