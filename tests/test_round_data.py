"""What a round is trained on, brought together: feedback, sets, earlier rounds; on the command line too."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alignchat import config, dataset
from alignchat.catalog import Model
from alignchat.cli import main
from alignchat.errors import DataError
from alignchat.files import write_bytes, write_json
from alignchat.hub_sets import NEWEST, part_path
from alignchat.loop import Loop
from alignchat.rows.preferences import UnpairedRow
from feedback_store import Completion, FeedbackStore, Message, Thumb


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder in which 40 replies were rated."""
    with FeedbackStore.open(tmp_path / "data" / "feedback") as store:
        for i in range(40):
            prompt = (Message(role="user", content=f"question number {i * 7919} of many"),)
            reply = Completion(conversation_id=str(i), prompt=prompt, text=f"reply {i}", model="m", round=0)
            store.add_many([reply, Thumb(completion_id=reply.id, up=i % 2 == 0)])
    return tmp_path / "data"


@pytest.fixture
def loop(folder: Path, tiny_llama: Model) -> Iterator[Loop]:
    with Loop.open(config.load(folder, model=str(tiny_llama.path))) as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = [
        {"prompt": f"other {i * 104729}", "completion": f"text {i}", "label": i % 3 == 0} for i in range(30)
    ]
    path = tmp_path / "others.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_manifest_of_the_same_feedback_and_settings_is_the_same(loop: Loop, file: Path) -> None:
    first = loop.preview("kto", sets=[f"{file}:10"])
    assert loop.preview("kto", sets=[f"{file}:10"]) == first
    assert loop.preview("kto", sets=[f"{file}:11"])["sha256"] != first["sha256"]
    assert loop.preview("kto")["sha256"] != first["sha256"]


def test_a_set_in_a_file_is_counted_with_its_checksum(loop: Loop, file: Path) -> None:
    manifest = loop.preview("kto", sets=[f"{file}:10*0.5"])
    source = manifest["sources"]["others.jsonl"]
    assert (source["kind"], source["read"], source["weight"]) == ("file", 10, 0.5)
    assert source["train"] + source["test"] == 10
    assert len(source["revision"]) == 64
    assert manifest["kto_weights"]["undesirable"] == 1
    assert manifest["tokens"]["row"]["max"] <= manifest["tokens"]["limit"]


def test_a_set_that_was_not_got_is_refused_with_what_to_do(loop: Loop) -> None:
    with pytest.raises(DataError, match=r"trl-lib/kto-mix-14k is not here yet.* get it first"):
        loop.preview("kto", sets=["kto-mix-14k:10"])


def test_prompts_keep_the_sides_they_had_in_earlier_rounds(loop: Loop) -> None:
    settings = loop.settings
    built = loop.data.build("kto", settings.training, settings.dataset)
    assert built.test
    moved = dataset.Dataset(method="kto", train=built.test, test=built.train, removed={})
    earlier = loop.rounds.root / "0001"
    earlier.mkdir()
    dataset.save(moved, earlier)
    (earlier / "round.json").write_text((loop.rounds.root / "0000" / "round.json").read_text())
    again = loop.data.build("kto", settings.training, settings.dataset)
    assert {row.prompt for row in again.train} == {row.prompt for row in built.test}
    assert {row.prompt for row in again.test} == {row.prompt for row in built.train}


def test_a_row_is_shown_as_the_model_reads_it(loop: Loop) -> None:
    row = UnpairedRow(
        prompt=(Message(role="user", content="the inn"),), completion="On", label=True, source="x"
    )
    shown = loop.data.read(row)
    assert "the inn" in "".join(shown.prompt)
    assert "".join(shown.replies[0]).startswith("On")


def test_the_command_line_previews_with_sets(
    folder: Path, file: Path, tiny_llama: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str, status: int = 0) -> Any:
        asked = ["--data", str(folder), "dataset", "preview", "--model", str(tiny_llama.path), *arguments]
        assert main([*asked, "--json"]) == status
        out = capsys.readouterr()
        return json.loads(out.out) if status == 0 else out.err

    shown = run("--method", "kto", "--hub", f"{file}:50%")
    assert shown["sources"]["others.jsonl"]["train"] + shown["sources"]["others.jsonl"]["test"] == 15
    assert "is asked for twice" in run("--method", "kto", "--hub", str(file), "--hub", f"{file}:3", status=1)
    assert "names no preference set" in run("--method", "kto", "--hub", "nothing", status=1)


def test_what_was_changed_later_does_not_change_a_frozen_round(loop: Loop, tmp_path: Path) -> None:
    built = loop.data.build("kto", loop.settings.training, loop.settings.dataset)
    dataset.save(built, tmp_path)
    assert dataset.load(tmp_path, built.sha256) == built


def test_what_was_built_is_built_anew_only_after_something_changed(loop: Loop, file: Path) -> None:
    def built() -> dataset.Dataset:
        return loop.data.build("kto", loop.settings.training, loop.settings.dataset, [str(file)])

    first = built()
    assert built() is first
    with FeedbackStore.open(loop.settings.data / "feedback") as other:
        other.retract(other.thumbs()[0].id)
    fewer = built()
    assert len(fewer.train + fewer.test) == len(first.train + first.test) - 1
    file.write_text(file.read_text() + '{"prompt": "new", "completion": "new", "label": true}\n')
    assert built() is not fewer


def test_a_set_that_has_come_in_a_newer_revision_is_read_anew(loop: Loop) -> None:
    place = loop.settings.data / "sets" / "trl-lib--kto-mix-14k--train"
    for revision, text in (("a" * 40, "old"), ("b" * 40, "new")):
        row = {"prompt": [{"role": "user", "content": f"an {text} one"}], "completion": text, "label": True}
        write_bytes(part_path(place / revision, 0, 1), json.dumps(row).encode() + b"\n")
        write_json(place / "pinned.json", {NEWEST: revision})
        manifest = loop.preview("kto", sets=["kto-mix-14k@newest:1"])
        assert manifest["sources"]["trl-lib/kto-mix-14k"]["revision"] == revision
