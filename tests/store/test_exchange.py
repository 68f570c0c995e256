"""TRL rows in and out: shapes, idempotence, refusals, limits, round trips."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow  # type: ignore[import-untyped]  # ships no type information
import pyarrow.parquet  # type: ignore[import-untyped]
import pytest

from feedback_store import Choice, Edit, ExchangeError, FeedbackStore, Message
from feedback_store.disk import Disk
from feedback_store.exchange import ImportRefusedError, export_rows, import_rows
from feedback_store.rowfiles import Limits
from tests.store.makers import completion, one_of_each, thumb

ASK = [{"role": "system", "content": "Sii breve."}, {"role": "user", "content": "Chi sei?"}]


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


UNPAIRED = [
    {"prompt": ASK, "completion": said("Un modello."), "label": True},
    {"prompt": ASK, "completion": said("Boh \u2028 \x00 \U0001f600"), "label": False},
]
PAIRED = [
    {"prompt": ASK, "chosen": said("Un modello."), "rejected": said("Boh.")},
    {"prompt": ASK, "chosen": said("Un modello."), "rejected": said("Chissà.")},
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeedbackStore]:
    with FeedbackStore.open(tmp_path / "feedback") as store:
        yield store


def written(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]


def test_unpaired_rows_become_completions_with_thumbs(store: FeedbackStore, tmp_path: Path) -> None:
    report = import_rows(store, written(tmp_path / "a.jsonl", UNPAIRED), annotator="anna")
    assert (report.rows, report.added, report.known) == (2, {"completion": 2, "thumb": 2}, 0)
    assert [thumb.up for thumb in store.thumbs(annotator="anna")] == [True, False]
    first = store.completions(round=None, model="imported")[0]
    assert first.prompt == tuple(Message(**message) for message in ASK)
    assert first.text == "Un modello."


def test_paired_rows_become_choices_and_share_completions(store: FeedbackStore, tmp_path: Path) -> None:
    report = import_rows(store, written(tmp_path / "a.jsonl", PAIRED))
    assert report.added == {"completion": 3, "choice": 2}
    assert store.thumbs() == []


def test_importing_the_same_file_twice_adds_nothing(store: FeedbackStore, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [*UNPAIRED, *PAIRED, UNPAIRED[0]])
    import_rows(store, path)
    before = store.thumbs(), store.choices(), store.completions()
    assert import_rows(store, path).added == {}
    assert (store.thumbs(), store.choices(), store.completions()) == before


def test_a_retracted_import_stays_retracted(store: FeedbackStore, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", UNPAIRED[:1])
    import_rows(store, path)
    store.retract(store.thumbs()[0].id)
    import_rows(store, path)
    assert store.thumbs() == []


def test_plain_rows_become_one_user_message(store: FeedbackStore, tmp_path: Path) -> None:
    plain = [{"prompt": "Ciao?", "completion": "Ciao!", "label": True}]
    import_rows(store, written(tmp_path / "a.jsonl", plain))
    assert store.completions()[0].prompt == (Message(role="user", content="Ciao?"),)
    export_rows(store, tmp_path / "out.jsonl", format="kto", conversational=False)
    assert read(tmp_path / "out.jsonl") == plain


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_what_is_imported_is_exported_row_by_row_and_comes_back_equal(
    store: FeedbackStore, tmp_path: Path, suffix: str
) -> None:
    repeated, reversed_pair = (
        UNPAIRED[0] | {"label": False},
        PAIRED[0] | {"chosen": said("Boh."), "rejected": said("Un modello.")},
    )
    import_rows(
        store,
        written(tmp_path / "a.jsonl", [*UNPAIRED, UNPAIRED[0], repeated, *PAIRED, PAIRED[0], reversed_pair]),
    )
    for format, rows in (
        ("kto", [*UNPAIRED, UNPAIRED[0], repeated]),
        ("dpo", [*PAIRED, PAIRED[0], reversed_pair]),
    ):
        out = tmp_path / f"{format}.{suffix}"
        assert export_rows(store, out, format=format).rows == len(rows)  # type: ignore[arg-type]
        with FeedbackStore.open(tmp_path / f"again-{format}") as again:
            import_rows(again, out)
            export_rows(again, tmp_path / "again.jsonl", format=format)  # type: ignore[arg-type]
        assert read(tmp_path / "again.jsonl") == rows


def test_whole_conversations_without_a_prompt_are_split_where_they_part(
    store: FeedbackStore, tmp_path: Path
) -> None:
    whole = [{"chosen": ASK + row["chosen"], "rejected": ASK + row["rejected"]} for row in PAIRED]
    import_rows(store, written(tmp_path / "whole.jsonl", whole))
    assert import_rows(store, written(tmp_path / "split.jsonl", PAIRED)).added == {}


def test_two_programs_importing_the_same_rows_at_once_both_succeed(tmp_path: Path) -> None:
    rows = written(tmp_path / "a.jsonl", UNPAIRED)
    disk = RacingDisk()
    with FeedbackStore.open(tmp_path / "feedback", disk=disk) as store:
        with FeedbackStore.open(tmp_path / "feedback") as other:
            disk.before_lock = lambda: import_rows(other, rows)
            import_rows(store, rows)
        assert (len(store.completions()), len(store.thumbs())) == (2, 2)


class RacingDisk(Disk):
    """Does something of another program's just before the next lock is taken."""

    before_lock: Callable[[], object] | None = None

    def lock(self, handle: int, *, shared: bool = False) -> None:
        act, self.before_lock = self.before_lock, None
        if act:
            act()
        super().lock(handle, shared=shared)


def test_edits_are_preferred_over_their_originals(store: FeedbackStore, tmp_path: Path) -> None:
    made = completion("Ciao")
    store.add_many([made, Edit(completion_id=made.id, text="Ciao!")])
    export_rows(store, tmp_path / "out.jsonl", format="dpo")
    assert [(row["chosen"], row["rejected"]) for row in read(tmp_path / "out.jsonl")] == [
        (said("Ciao!"), said("Ciao"))
    ]


def test_what_cannot_be_trained_on_is_left_out_and_counted(store: FeedbackStore, tmp_path: Path) -> None:
    talk, left, right, up, choice, _ = one_of_each()
    other = completion("Altro", prompt=(Message(role="user", content="Altro?"),))
    store.add_many([talk, left, right, up, choice, other, thumb("nowhere"), thumb(right.id)])
    store.add(Choice(left_id=left.id, right_id=other.id, verdict="left"))
    store.add(Choice(left_id=other.id, right_id=right.id, verdict="both_bad"))
    assert export_rows(store, tmp_path / "k.jsonl", format="kto").left_out == {
        "the completion is missing or was stopped": 2
    }
    report = export_rows(store, tmp_path / "d.jsonl", format="dpo")
    assert (report.rows, sum(report.left_out.values())) == (0, 3)


BAD = [
    ("{", "not JSON"),
    ("[1]", "not a JSON object"),
    ('{"prompt": "a"}', "neither"),
    ('{"prompt": "a", "completion": "b", "label": 2}', "true or false"),
    ('{"prompt": "a", "completion": "b", "label": "1"}', "true or false"),
    ('{"prompt": [], "completion": "b", "label": true}', "empty"),
    ('{"prompt": 3, "completion": "b", "label": true}', "text or a list"),
    (
        '{"prompt": "a", "completion": [{"role": "user", "content": "b"}], "label": true}',
        "one assistant message",
    ),
    ('{"prompt": [{"role": "user"}], "completion": "b", "label": true}', '"role" and a "content"'),
    ('{"prompt": "a", "chosen": "b", "rejected": "b"}', "same text"),
    ('{"prompt": "a", "chosen": "b"}', "rejected"),
    ('{"chosen": "a b", "rejected": "a c"}', 'has no "prompt"'),
    ('{"chosen": [], "rejected": []}', 'has no "prompt"'),
    ('{"chosen": [{"role": "user", "content": "a"}, 1], "rejected": [2, 3]}', 'has no "prompt"'),
    ('{"prompt": "a", "completion": "b", "label": true, "x": NaN}', "NaN"),
    (
        '{"prompt": [{"role": "user", "content": "a", "tool_calls": []}], "completion": "b", "label": true}',
        "tool_calls",
    ),
    ('{"prompt": "a", "x": ' + "[" * 40 + "]" * 40 + "}", "nested deeper"),
    ('{"prompt": "a", "x": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested deeper"),
    ('{"prompt": "a", "x": ' + "9" * 5000 + "}", "not JSON"),
]


def test_labels_may_be_numbers_and_say_the_same(store: FeedbackStore, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for labels in (("1", "0"), ("true", "false"), ("1.0", "0.0")):
        lines = (f'{{"prompt": "a", "completion": "{i}", "label": {x}}}\n' for i, x in enumerate(labels))
        path.write_text("".join(lines))
        import_rows(store, path)
    assert [thumb.up for thumb in store.thumbs()] == [True, False]


def test_every_bad_line_is_reported_and_nothing_is_imported(store: FeedbackStore, tmp_path: Path) -> None:
    good = json.dumps(UNPAIRED[0])
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([good, "", *(line for line, _ in BAD), good]) + "\n", "utf-8")
    refused = import_rows(store, path, dry_run=True).refused
    assert [refusal.line for refusal in refused] == list(range(3, 3 + len(BAD)))
    for (line, wanted), refusal in zip(BAD, refused, strict=True):
        assert wanted in refusal.reason, line[:80]
    with pytest.raises(ImportRefusedError, match=r"Nothing was imported.*line 3") as caught:
        import_rows(store, path)
    assert len(caught.value.report.refused) == len(BAD)
    assert store.completions() == []


def test_a_line_longer_than_the_limit_is_refused_and_the_next_one_is_read(
    store: FeedbackStore, tmp_path: Path
) -> None:
    long = UNPAIRED[0] | {"completion": said("x" * 5000)}
    path = written(tmp_path / "a.jsonl", [UNPAIRED[0], long, UNPAIRED[1]])
    report = import_rows(store, path, dry_run=True, limits=Limits(line_bytes=1000))
    assert report.rows == 3
    assert [(refusal.line, refusal.reason) for refusal in report.refused] == [
        (2, "it is longer than 1,000 bytes")
    ]


def test_a_small_parquet_that_unpacks_to_gigabytes_is_refused(store: FeedbackStore, tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    once = pyarrow.array(["x" * 1_000_000])
    text = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 100_000, pyarrow.int32()), once)
    pyarrow.parquet.write_table(pyarrow.table({"prompt": text}), path, compression="zstd")
    assert path.stat().st_size < 100_000
    with pytest.raises(
        ExchangeError, match=r"unpacks to more than the limit of 10,000,000 bytes; split it\."
    ):
        import_rows(store, path, limits=Limits(file_bytes=10_000_000))


def test_too_many_rows_and_a_large_array_are_refused(store: FeedbackStore, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", UNPAIRED)
    with pytest.raises(ExchangeError, match=r"more than 1 rows, which is the limit; split it\."):
        import_rows(store, path, limits=Limits(rows=1))
    array = tmp_path / "a.json"
    array.write_text(json.dumps(UNPAIRED))
    with pytest.raises(ExchangeError, match=r"write its rows as JSONL"):
        import_rows(store, array, limits=Limits(array_bytes=10))
    assert store.completions() == []


def test_a_dry_run_tells_and_changes_nothing(store: FeedbackStore, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", UNPAIRED)
    assert import_rows(store, path, dry_run=True).added == {"completion": 2, "thumb": 2}
    assert store.completions() == []


def test_files_too_large_missing_or_of_another_kind_are_refused(store: FeedbackStore, tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", UNPAIRED)
    with pytest.raises(ExchangeError, match="limit"):
        import_rows(store, path, limits=Limits(file_bytes=10))
    with pytest.raises(ExchangeError, match="cannot be read"):
        import_rows(store, tmp_path / "missing.jsonl")
    (tmp_path / "b.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(ExchangeError, match="Parquet"):
        import_rows(store, tmp_path / "b.parquet")
    (tmp_path / "c.jsonl").write_bytes(b'{"prompt": "\xff"}\n')
    with pytest.raises(ImportRefusedError, match="UTF-8"):
        import_rows(store, tmp_path / "c.jsonl")


def test_an_export_that_fails_leaves_what_was_there(store: FeedbackStore, tmp_path: Path) -> None:
    made = completion("Sì", prompt=tuple(Message(**message) for message in ASK))
    store.add_many([made, thumb(made.id)])
    out = tmp_path / "out.jsonl"
    out.write_text("kept")
    with pytest.raises(ExchangeError, match="several turns"):
        export_rows(store, out, format="kto", conversational=False)
    assert out.read_text() == "kept"
    with pytest.raises(ExchangeError, match="cannot be written"):
        export_rows(store, tmp_path / "no" / "such" / "out.jsonl", format="kto")
    with pytest.raises(ExchangeError, match="cannot be written"):
        export_rows(store, out / "below a file", format="kto")


def test_an_export_never_takes_the_place_of_a_device(store: FeedbackStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ExchangeError, match="it is not a file"):
        export_rows(store, tmp_path / "pipe", format="kto")
    assert (tmp_path / "pipe").is_fifo()
