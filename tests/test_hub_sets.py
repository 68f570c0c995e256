"""Preference sets by name: taken from a loopback hub in their authors' formats, kept, and read back."""

import io
import json
import random
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from alignchat.cli import main
from alignchat.errors import Cancelled, DataError
from alignchat.hub_sets import EXPECTED_STATUS, KNOWN, TEXT_ONLY, Asked, HubSets, parse
from alignchat.rows.preferences import PairedRow, UnpairedRow
from tests.hub import Fault, LoopbackHub, loopback_hub
from tests.tiny_models import write_llama

PAIRED, IMAGES = "trl-lib/hh-rlhf-helpful-base", "trl-lib/rlaif-v"
UNPAIRED, ITALIAN = "trl-lib/kto-mix-14k", "efederici/evol-dpo-ita"


def turn(text: Any, role: str = "assistant") -> dict[str, Any]:
    return {"content": text, "role": role}


def pair(i: int) -> dict[str, Any]:
    prompt = [turn(f"Question {i}: what is {i} plus one?", "user")]
    return {"prompt": prompt, "chosen": [turn(f"It is {i + 1}.")], "rejected": [turn(f"It is {i + 2}.")]}


def image_pair(i: int) -> dict[str, Any]:
    draw = random.Random(i)
    asked = [{"text": None, "type": "image"}, {"text": f"What is in picture {i}?", "type": "text"}]
    replies = {key: [turn([{"text": f"{key} {i}", "type": "text"}])] for key in ("chosen", "rejected")}
    picture = {"bytes": draw.randbytes(60_000), "path": None}
    return {"images": [picture], "prompt": [turn(asked, "user")], **replies}


def labelled(i: int) -> dict[str, Any]:
    return {"prompt": [turn(f"Ask {i}", "user")], "completion": [turn(f"Say {i}")], "label": i % 2 == 0}


def parquet(rows: Sequence[dict[str, Any]], group: int = 100) -> bytes:
    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), content, row_group_size=group)
    return content.getvalue()


CARD = """---
dataset_info:
  features:
  - name: prompt
    list:
    - name: content
      dtype: string
    - name: role
      dtype: string
  - name: chosen
    list:
    - name: content
      dtype: string
    - name: role
      dtype: string
  - name: rejected
    list:
    - name: content
      dtype: string
    - name: role
      dtype: string
  splits:
  - name: train
    num_bytes: 1
    num_examples: 400
  download_size: 1
  dataset_size: 1
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
---
"""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LoopbackHub]:
    with loopback_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        yield server


@pytest.fixture
def sets(tmp_path: Path) -> HubSets:
    return HubSets(tmp_path / "sets")


def publish(hub: LoopbackHub, name: str, card: str = "", **files: bytes) -> None:
    parts = {f"data/{file.replace('__', '-')}.parquet": content for file, content in files.items()}
    hub.repositories[f"datasets/{name}"] = {"README.md": card.encode(), **parts}


def test_some_rows_of_a_paired_set_then_more_then_a_share_at_the_revision_of_the_first_time(
    hub: LoopbackHub, sets: HubSets
) -> None:
    publish(hub, PAIRED, CARD, train__00000=parquet([pair(i) for i in range(400)]))
    revision = hub.commit(f"datasets/{PAIRED}")
    few = parse("hh-rlhf-helpful-base:30*0.5")
    assert sets.missing(few)
    sets.get(few)
    taken = sets.source(few, "dpo")
    assert (taken.revision, taken.read, taken.total, taken.weight) == (revision, 30, 400, 0.5)
    assert [row.chosen for row in taken.rows if isinstance(row, PairedRow)] == [
        f"It is {i + 1}." for i in range(30)
    ]
    unpaired = sets.source(few, "kto").rows
    assert [row.label for row in unpaired if isinstance(row, UnpairedRow)] == [True, False] * 30

    publish(hub, PAIRED, CARD, train__00000=parquet([pair(i) for i in range(400)]), validation__00000=b"new")
    before = len(hub.requests)
    sets.get(parse(f"{PAIRED}:10%"))
    assert sets.source(parse(f"{PAIRED}:10%"), "dpo").read == 40
    assert sets.source(parse(f"{PAIRED}:10%"), "dpo").revision == revision
    assert all(revision in path for _, path, _ in hub.requests[before:] if "resolve" in path)

    before = len(hub.requests)
    sets.get(few)
    assert len(hub.requests) == before
    with pytest.raises(DataError, match="not all that is asked for: get it first"):
        sets.source(parse(PAIRED), "dpo")


def test_a_named_revision_is_kept_beside_the_newest(hub: LoopbackHub, sets: HubSets) -> None:
    publish(hub, PAIRED, train__00000=parquet([pair(i) for i in range(5)]))
    named = Asked(name=PAIRED, revision="v1.0", rows=2)
    sets.get(named)
    assert sets.source(named, "dpo").read == 2
    assert sets.missing(Asked(name=PAIRED, rows=2))


def test_the_newest_revision_is_asked_for_by_that_name_and_a_set_alone_stays_where_it_was(
    hub: LoopbackHub, sets: HubSets
) -> None:
    name = f"datasets/{UNPAIRED}"
    plain, newest = parse(f"{UNPAIRED}:4"), parse(f"{UNPAIRED}@newest:4")
    publish(hub, UNPAIRED, train__00000=parquet([labelled(i) for i in range(6)]))
    for asked in (plain, newest):
        sets.get(asked)
        assert sets.source(asked, "kto").revision == hub.commit(name)
    first = hub.commit(name)
    publish(hub, UNPAIRED, train__00000=parquet([labelled(i) for i in range(50, 56)]))
    assert not sets.missing(newest)  # what has come serves until it is asked for again
    for asked in (plain, newest):
        sets.get(asked)
    assert sets.source(plain, "kto").revision == first
    again = sets.source(newest, "kto")
    assert (again.revision, again.rows[0].prompt[0].content) == (hub.commit(name), "Ask 50")
    resolved = len([path for _, path, _ in hub.requests if "resolve" in path])
    sets.get(newest)
    assert resolved == len([path for _, path, _ in hub.requests if "resolve" in path])


def test_a_round_is_begun_on_rows_that_are_got_first(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(hub, PAIRED, train__00000=parquet([pair(i) for i in range(40)]))
    monkeypatch.setenv("ALIGNCHAT_EVALUATION__LIMIT", "1")
    monkeypatch.setenv("ALIGNCHAT_EVALUATION__MEASURES", '["honest"]')
    model = write_llama(tmp_path / "tiny.gguf", tied=False)
    start = ["round", "start", "--method", "dpo", "--hub", "hh-rlhf-helpful-base:12*2", "--steps", "2"]
    asked = ["--data", str(tmp_path / "data"), *start, "--set", "batch_size=2", "--wait", "--json"]
    monkeypatch.setenv("ALIGNCHAT_MODEL", str(model))
    assert main(asked) == 0
    done = json.loads(capsys.readouterr().out)
    source = done["dataset"]["sources"][PAIRED]
    assert source["revision"] == hub.commit(f"datasets/{PAIRED}")
    assert (source["read"], source["weight"], source["train"] + source["test"]) == (12, 2.0, 12)
    assert (done["status"], done["train"]["steps"]) == ("done", 2)


def test_of_a_large_set_only_what_is_asked_for_is_read(hub: LoopbackHub, sets: HubSets) -> None:
    rows = [{**pair(i), "chosen": [turn(random.Random(i).randbytes(20_000).hex())]} for i in range(1500)]
    content = parquet(rows, group=50)
    publish(hub, PAIRED, train__00000=content)
    sets.get(Asked(name=PAIRED, rows=60))
    assert sets.source(Asked(name=PAIRED, rows=60), "dpo").read == 60
    assert hub.sent < len(content) / 2


def test_of_an_image_set_only_the_texts_are_read_and_that_is_said(hub: LoopbackHub, sets: HubSets) -> None:
    content = parquet([image_pair(i) for i in range(600)], group=100)
    publish(hub, IMAGES, train__00000=content)
    asked = parse("rlaif-v:300")
    sets.get(asked)
    taken = sets.source(asked, "dpo")
    assert (taken.read, taken.note) == (300, TEXT_ONLY)
    first = taken.rows[0]
    assert isinstance(first, PairedRow)
    assert (first.prompt[0].content, first.chosen) == ("What is in picture 0?", "chosen 0")
    assert hub.sent < len(content)


def test_a_set_in_json_lines_that_does_not_tell_its_size_gives_a_share_of_what_it_has(
    hub: LoopbackHub, sets: HubSets
) -> None:
    italian = [{"question": f"Domanda {i}?", "chosen": f"Sì {i}", "rejected": f"No {i}"} for i in range(21)]
    italian[3]["rejected"] = italian[3]["chosen"]
    lines = "".join(json.dumps(row) + "\n" for row in italian)
    hub.repositories[f"datasets/{ITALIAN}"] = {"README.md": b"", "train.jsonl": lines.encode()}
    half = parse(f"{ITALIAN}:50%")
    sets.get(half)
    taken = sets.source(half, "dpo")
    assert (taken.read, taken.total, len(taken.rows)) == (11, 21, 10)
    assert taken.removed == {"same text on both sides": 1}
    assert taken.rows[0].prompt[0].content == "Domanda 0?"


def test_labelled_replies_serve_kto_and_are_no_pairs(hub: LoopbackHub, sets: HubSets) -> None:
    publish(hub, UNPAIRED, train__00000=parquet([labelled(i) for i in range(12)]))
    asked = parse("kto-mix-14k:10")
    sets.get(asked)
    assert [row.label for row in sets.source(asked, "kto").rows if isinstance(row, UnpairedRow)] == [
        True,
        False,
    ] * 5
    pairs = sets.source(asked, "dpo")
    assert (pairs.rows, pairs.removed) == ([], {"labelled replies, which are no pairs": 10})


def test_a_set_that_is_not_there_or_has_no_such_part_is_one_sentence(hub: LoopbackHub, sets: HubSets) -> None:
    with pytest.raises(DataError, match=r"datasets/nobody/nothing \(404\); check the name"):
        sets.get(parse("nobody/nothing:5"))
    publish(hub, PAIRED, train__00000=parquet([pair(0)]))
    with pytest.raises(DataError, match="cannot be read as rows of other"):
        sets.get(parse(f"{PAIRED}/other:5"))


@pytest.mark.parametrize(("most", "value"), [("MOST_ROWS", 9), ("MOST_BYTES", 100_000)])
def test_a_small_file_of_the_hub_that_unpacks_to_too_much_is_one_sentence_and_its_beginning_is_kept(
    hub: LoopbackHub, sets: HubSets, most: str, value: int
) -> None:
    long = {**labelled(0), "completion": [turn("very " * 2_000)]}
    content = parquet([long] * 2_000, group=2_000)
    assert len(content) < 100_000
    publish(hub, UNPAIRED, train__00000=content)
    asked = parse(UNPAIRED)
    order = {"name": UNPAIRED, "split": "train", "revision": None, "commit": None, "rows": None}
    order |= {"share": None, "folder": str(sets.place(asked))}
    # A process of its own: the hub's address is read once, when its library is imported.
    child = f"from alignchat.rows import set_child; set_child.{most} = {value}; set_child.main(sys.argv[1])"
    for sentence in (rf"ask for a part: {UNPAIRED}:\d+$", "limit"):  # what is kept counts too
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; {child}", json.dumps(order)],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == EXPECTED_STATUS, done.stderr
        assert re.search(sentence, done.stderr.splitlines()[-1])
        held = sets.held(asked)
        assert held
        assert held.rows == 9


def test_without_a_hub_it_is_one_sentence_at_once(sets: HubSets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match="The hub cannot be reached"):
        sets.get(parse("kto-mix-14k:5"))


def test_stopping_keeps_what_has_come(hub: LoopbackHub, sets: HubSets) -> None:
    publish(hub, PAIRED, train__00000=parquet([pair(i) for i in range(20)]))
    hub.fail("train-00000.parquet", Fault(stall_after=10))
    stop = threading.Event()
    threading.Thread(target=lambda: (hub.stalled.wait(60), stop.set()), daemon=True).start()
    with pytest.raises(Cancelled, match=r"what has come of .* is kept"):
        sets.get(Asked(name=PAIRED, rows=5), should_stop=stop.is_set)
    sets.get(Asked(name=PAIRED, rows=5))
    assert sets.source(Asked(name=PAIRED, rows=5), "dpo").read == 5


def test_a_connection_that_breaks_off_keeps_the_rows_that_came(hub: LoopbackHub, sets: HubSets) -> None:
    lines = [
        json.dumps({"prompt": f"p {i} " + "x" * 3000, "completion": f"c {i}", "label": 1}) for i in range(900)
    ]
    files = {f"train-{part}.jsonl": "\n".join(lines[part::2]).encode() for part in range(2)}
    hub.repositories[f"datasets/{UNPAIRED}"] = {"README.md": b"", **files}
    hub.fail("train-1.jsonl", *[Fault(status=403)] * 9)
    with pytest.raises(DataError, match=r"broke off|cannot be had"):
        sets.get(parse(UNPAIRED))
    held = sets.held(parse(UNPAIRED))
    assert held is not None
    assert held.rows == 450
    hub.faults.clear()
    sets.get(parse(UNPAIRED))
    assert sets.source(parse(UNPAIRED), "kto").read == 900


@pytest.mark.shared
@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet"])
def test_files_in_trls_shapes_are_read_where_they_are(
    shared_data: Path, tmp_path: Path, ending: str, sets: HubSets
) -> None:
    rows = [
        json.loads(line)
        for line in (shared_data / "preference_mix/test.jsonl").read_text("utf-8").splitlines()
    ]
    path = tmp_path / f"mine.{ending}"
    if ending == "parquet":
        path.write_bytes(parquet(rows))
    else:
        lines = [json.dumps(row) for row in rows]
        path.write_text("\n".join(lines) if ending == "jsonl" else f"[{','.join(lines)}]")
    asked = parse(f"{path}:50%*2")
    assert not sets.missing(asked)
    taken = sets.source(asked, "dpo")
    assert (taken.kind, taken.read, taken.asked, taken.weight) == ("file", 31, "50%", 2.0)
    assert len(taken.revision) == 64
    first = taken.rows[0]
    assert isinstance(first, PairedRow)
    assert first.chosen == rows[0]["chosen"][0]["content"]


@pytest.mark.parametrize("name", [*KNOWN, *(name.partition("/")[2] for name in KNOWN)])
def test_each_known_set_is_asked_for_by_its_name(name: str) -> None:
    asked = parse(f"{name}:500")
    assert asked.name in KNOWN
    assert (asked.rows, asked.share, asked.split, asked.weight) == (500, None, "train", 1.0)


def test_what_is_asked_for_is_read_part_by_part() -> None:
    assert parse("a/b") == Asked(name="a/b")
    assert parse("a/b/test_prefs@v1.0:2.5%*0.25") == Asked(
        name="a/b", split="test_prefs", revision="v1.0", share=0.025, weight=0.25
    )
    assert parse("~/a b/x@y.jsonl:7").path == Path("~/a b/x@y.jsonl").expanduser()


@pytest.mark.parametrize(
    "text", ["", "nothing", "a/b/c/d", "a/b:0", "a/b:0%", "a/b:120%", "a/b*0", "a/b:many", "../x/y"]
)
def test_what_names_no_set_is_one_sentence(text: str) -> None:
    with pytest.raises(DataError):
        parse(text)


def test_a_file_that_is_not_there_is_one_sentence(sets: HubSets, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read .*; check the path"):
        sets.source(parse(str(tmp_path / "none.jsonl")), "kto")
