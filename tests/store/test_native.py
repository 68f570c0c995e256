"""Native export, CSV, Open WebUI."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from feedback_store import ExchangeError, FeedbackStore, Message
from feedback_store.exchange import ImportRefusedError
from feedback_store.native import export_csv, export_native, import_native, safe_cell
from feedback_store.openwebui import import_open_webui
from tests.store.makers import completion, one_of_each, state_of, thumb


def full(folder: Path) -> FeedbackStore:
    store = FeedbackStore.open(folder)
    talk, left, right, up, choice, edit = one_of_each()
    store.add_many([talk, left, right, up, choice, edit, completion("\ud800\u2028\x00")])
    store.revise(replace(talk, title="Altro"))
    store.retract(edit.id)
    return store


def test_a_native_export_comes_back_with_its_whole_history(tmp_path: Path) -> None:
    store = full(tmp_path / "a")
    report = export_native(store, tmp_path / "all.jsonl")
    assert report.rows == 9
    with FeedbackStore.open(tmp_path / "b") as other:
        assert import_native(other, tmp_path / "all.jsonl", dry_run=True).added["completion"] == 3
        assert state_of(other) == state_of(FeedbackStore.open(tmp_path / "empty"))
        import_native(other, tmp_path / "all.jsonl")
        assert import_native(other, tmp_path / "all.jsonl").added == {}
        assert state_of(other) == state_of(store)
        talk = store.conversations()[0].id
        assert [e.record for e in other.history(talk)] == [e.record for e in store.history(talk)]
        export_native(other, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "all.jsonl").read_bytes()


def test_a_damaged_native_export_is_refused_by_line(tmp_path: Path) -> None:
    export_native(full(tmp_path / "a"), tmp_path / "all.jsonl")
    content = (tmp_path / "all.jsonl").read_bytes().replace(b"Salve", b"Salvo")
    (tmp_path / "all.jsonl").write_bytes(content)
    with FeedbackStore.open(tmp_path / "b") as other:
        with pytest.raises(ImportRefusedError, match=r"Nothing was imported.*line 3.*damaged"):
            import_native(other, tmp_path / "all.jsonl")
        assert other.completions() == []
        with pytest.raises(ExchangeError, match="cannot be read"):
            import_native(other, tmp_path / "missing")


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", '=HYPERLINK("http://x")', "＝1"]


def test_no_cell_of_a_csv_is_a_formula(tmp_path: Path) -> None:
    with FeedbackStore.open(tmp_path / "a") as store:
        for text in FORMULAS:
            made = completion(text, prompt=(Message(role=text, content=text),))
            store.add_many([made, thumb(made.id, tags=(text,), comment=text, annotator=text)])
        assert export_csv(store, tmp_path / "out.csv").rows == len(FORMULAS)
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert [row[8] for row in rows[1:]] == ["'" + text for text in FORMULAS]
    assert all(cell.startswith("'") or safe_cell(cell) == cell for row in rows for cell in row)


def rating(**fields: Any) -> dict[str, Any]:
    messages = {
        "m1": {"id": "m1", "parentId": None, "role": "user", "content": "Chi sei?"},
        "m2": {"id": "m2", "parentId": "m1", "role": "assistant", "content": "Un modello.", "model": "llama"},
        "m3": {"id": "m3", "parentId": "m1", "role": "assistant", "content": "Boh.", "model": "qwen"},
        "m4": {"id": "m4", "parentId": "m2", "role": "user", "content": "Davvero?"},
        "m5": {"id": "m5", "parentId": "m4", "role": "assistant", "content": "Sì.", "model": "llama"},
    }
    chat = {
        "id": "c9",
        "title": "Presentazioni",
        "created_at": 1_700_000_000,
        "chat": {"history": {"messages": messages}},
    }
    return {
        "id": "f1",
        "user_id": "u1",
        "version": 0,
        "type": "rating",
        "data": {"rating": 1, "model_id": "llama", "reason": "accurate", "comment": "ok", "tags": ["chi"]},
        "meta": {"chat_id": "c9", "message_id": "m5"},
        "snapshot": {"chat": chat},
        "created_at": 1_700_000_100,
        "updated_at": 1_700_000_200,
    } | fields


def test_an_open_webui_export_becomes_threads_with_thumbs(tmp_path: Path) -> None:
    down = rating(
        id="f2", data={"rating": "-1", "model_id": "qwen"}, meta={"chat_id": "c9", "message_id": "m3"}
    )
    none = rating(id="f3", data={"rating": None})
    path = tmp_path / "feedback.json"
    path.write_text(json.dumps([rating(), down, none]))
    with FeedbackStore.open(tmp_path / "a") as store:
        report = import_open_webui(store, path)
        assert report.added == {"conversation": 1, "completion": 2, "thumb": 2}
        assert report.left_out == {"it has no thumb": 1}
        long, short = store.completions()
        assert [message.content for message in long.prompt] == ["Chi sei?", "Un modello.", "Davvero?"]
        assert (long.text, long.model, short.text, short.model) == ("Sì.", "llama", "Boh.", "qwen")
        assert [(t.up, t.tags, t.comment, t.annotator) for t in store.thumbs()] == [
            (True, ("chi", "accurate"), "ok", "openwebui:u1"),
            (False, (), "", "openwebui:u1"),
        ]
        assert store.conversations()[0].title == "Presentazioni"
        assert import_open_webui(store, path).added == {}
        changed = rating(data={"rating": -1, "model_id": "llama"})
        path.write_text(json.dumps([changed]))
        import_open_webui(store, path)
        assert [mark.up for mark in store.thumbs(completion_id=long.id)] == [False]


def test_a_malformed_open_webui_export_is_refused_by_entry(tmp_path: Path) -> None:
    loop = rating()
    loop["snapshot"]["chat"]["chat"]["history"]["messages"]["m1"]["parentId"] = "m5"
    bad = [
        rating(snapshot=None),
        rating(meta={"message_id": "m9"}),
        rating(meta={"message_id": "m1"}),
        loop,
        3,
    ]
    path = tmp_path / "feedback.json"
    path.write_text(json.dumps([rating(), *bad]))
    with FeedbackStore.open(tmp_path / "a") as store:
        with pytest.raises(ImportRefusedError) as caught:
            import_open_webui(store, path)
        assert [refusal.line for refusal in caught.value.report.refused] == [2, 3, 4, 5, 6]
        assert store.completions() == []
        path.write_text('{"not": "a list"}')
        with pytest.raises(ExchangeError, match="array"):
            import_open_webui(store, path)
