"""What a record may hold: hostile text comes back as it was, everything else is refused before writing."""

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from feedback_store import Completion, Edit, FeedbackStore, InvalidRecordError, Message, Thumb
from tests.store.makers import completion, thumb

HOSTILE = {
    "lone surrogates": "a\ud800b\udfff",
    "a split pair": "\ud83d" + "\ude00",
    "NUL and controls": "\x00\x01\x1f\x7f\x85",
    "line separators": "\u2028\u2029\r\n\n\x0b\x0c",
    "bidi": "\u202eevil\u2066\u2069\u200f",
    "a journal line": '{"v":2,"seq":1,"op":"add","kind":"thumb","id":"x","crc":"00000000"}\n',
    "its ending": '","crc":"00000000"}\n{"v":2,',
    "not characters": "\ufffe\uffff\ufeff",
    "combining": "Z" + "\u0301" * 500,
    "quotes": '"\'\\\\"',
    "10 MB": "perché \U0001f600 " * 800_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_comes_back_as_it_was(tmp_path: Path, text: str) -> None:
    record = Completion(
        conversation_id=text[:100],
        prompt=(Message(role=text[:50], content=text),),
        text=text,
        model=text[:100],
        round=1,
        sampling={text[:100]: [text[:100], 2**200, 1e-300, None]},
    )
    neighbour = thumb(record.id, tags=(text[:100],), comment=text[:100], annotator=text[:100])
    with FeedbackStore.open(tmp_path) as store:
        store.add_many([record, neighbour])
        assert (store.get(record.id), store.thumbs()) == (record, [neighbour])
    with FeedbackStore.open(tmp_path) as store:
        assert (store.get(record.id), store.thumbs(tag=text[:100])) == (record, [neighbour])
        assert store.verify().ok


REFUSED: list[Any] = [
    completion(text=b"bytes"),
    completion(text=None),
    completion(prompt=[Message(role="user", content="a")]),
    completion(prompt=("a",)),
    completion(prompt=(Message(role="user", content=3),)),  # type: ignore[arg-type]
    completion(sampling={"temperature": float("nan")}),
    completion(sampling={"temperature": float("inf")}),
    completion(sampling={"stop": ("a",)}),
    completion(sampling={3: "a"}),
    completion(sampling={"a": b"bytes"}),
    completion(sampling={"a": 10**5000}),
    completion(round=-1),
    completion(round=True),
    completion(id=""),
    completion(id=7),
    thumb(up=1),  # type: ignore[arg-type]
    thumb(tags=["a"]),
    Edit(completion_id="k", text=None),  # type: ignore[arg-type]
    Message(role="user", content="a message is no record"),
    {"a": "dict"},
]


@pytest.mark.parametrize("record", REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_come_back_equal_is_refused_before_writing(tmp_path: Path, record: Any) -> None:
    with FeedbackStore.open(tmp_path) as store:
        before = (tmp_path / "journal.jsonl").read_bytes()
        with pytest.raises(InvalidRecordError, match="not saved"):
            store.add_many([thumb(), record])
        assert (tmp_path / "journal.jsonl").read_bytes() == before


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    with FeedbackStore.open(tmp_path) as store, pytest.raises(InvalidRecordError, match="nested deeper"):
        store.add(completion(sampling=endless))


def test_records_are_frozen_and_make_their_own_ids() -> None:
    first, second = thumb(), thumb()
    assert first.id != second.id
    with pytest.raises(FrozenInstanceError):
        first.up = False  # type: ignore[misc]
    with pytest.raises(TypeError):
        Thumb("k", True)  # type: ignore[misc]


def test_a_record_is_not_changed_by_changing_what_it_was_made_of(tmp_path: Path) -> None:
    sampling = {"seed": 1}
    record = completion(sampling=sampling)
    with FeedbackStore.open(tmp_path) as store:
        store.add(record)
        sampling["seed"] = 2
        found = store.completion(record.id)
        assert found.sampling == {"seed": 1}
