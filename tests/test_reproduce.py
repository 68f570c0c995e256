"""The paper end to end on a tiny model: sets from a loopback hub, both rounds, table, figure; then again."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from alignchat.cli import main
from alignchat.reproduce import PAPER_SETS
from alignchat.rounds import TRAIN_FILE
from tests.hub import LoopbackHub, loopback_hub
from tests.tiny_models import write_llama

WORDS = ("tea", "rain", "bread", "the sea", "a train", "the moon", "a hill", "the bell")


def parquet(rows: list[dict[str, Any]]) -> bytes:
    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), content)
    return content.getvalue()


def message(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def pair(name: str, i: int) -> dict[str, Any]:
    return {
        "prompt": message("user", f"What is {WORDS[i % 8]} to {name} number {i}?"),
        "chosen": message("assistant", f"It is good, and {i} more."),
        "rejected": message("assistant", f"Bah {i}."),
    }


def labelled(name: str, i: int) -> dict[str, Any]:
    return {
        "prompt": message("user", f"Say {WORDS[i % 8]} for {name} number {i}"),
        "completion": message("assistant", f"Here is {i} of it."),
        "label": i % 2 == 0,
    }


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LoopbackHub]:
    makers = {"kto": labelled, "dpo": pair}
    with loopback_hub() as server:
        for method, names in PAPER_SETS.items():
            for name in names:
                rows = [makers[method](name.rpartition("/")[2], i) for i in range(60)]
                server.repositories[f"datasets/{name}"] = {
                    "README.md": b"",
                    "data/train-00000.parquet": parquet(rows),
                }
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        yield server


def command(data: Path, model: Path, *more: str) -> list[str]:
    return ["--data", str(data), "reproduce-paper", "--model", str(model), "--quick", "--json", *more]


def test_a_dry_run_says_what_is_needed_and_fetches_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], hub: LoopbackHub
) -> None:
    data = tmp_path / "data"
    asked = ["--data", str(data), "reproduce-paper", "--rows", "500", "--dry-run", "--json"]
    assert main(asked) == 0
    needed = json.loads(capsys.readouterr().out)
    assert needed["model"]["name"] == "minerva-350m"
    assert needed["model"]["bytes"] > 300_000_000
    assert [one["rows"] for one in needed["preference_sets"]] == ["500"] * 8
    assert {one["name"] for one in needed["prompt_sets"]} == {
        "realtoxicityprompts",
        "bold",
        "honest",
        "hurtlex",
    }
    assert any(one["non_commercial"] for one in needed["prompt_sets"])
    assert len(needed["classifiers"]) == 2
    assert needed["takes"]["disk_bytes"] > 1e9
    assert needed["takes"]["minutes_on_two_cores"] > 10
    quick = ["--data", str(data), "reproduce-paper", "--model", "starter", "--quick", "--dry-run", "--json"]
    assert main(quick) == 0
    assert json.loads(capsys.readouterr().out)["takes"]["minutes_on_two_cores"] >= 3
    assert hub.asked("datasets") == []
    assert not data.exists() or not list(data.iterdir())


def test_the_paper_end_to_end_goes_on_after_a_break_and_does_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALIGNCHAT_TRAINING__BATCH_SIZE", "2")
    data, model = tmp_path / "data", write_llama(tmp_path / "tiny.gguf", tied=False)
    lost = hub.repositories.pop(f"datasets/{PAPER_SETS['dpo'][-1]}")
    assert main(command(data, model)) == 1
    assert PAPER_SETS["dpo"][-1] in capsys.readouterr().err.splitlines()[-1]
    (first,) = data.rglob(TRAIN_FILE)
    trained_at = first.stat().st_mtime_ns
    hub.repositories[f"datasets/{PAPER_SETS['dpo'][-1]}"] = lost
    assert main(command(data, model)) == 0, capsys.readouterr().err
    assert first.stat().st_mtime_ns == trained_at
    made = json.loads(capsys.readouterr().out)
    assert made["rounds"] == {"kto": 1, "dpo": 2}
    assert set(made["scores"]) == {"base", "KTO", "DPO"}
    assert all(set(scores) == {"toxicity", "regard", "honest"} for scores in made["scores"].values())
    with Path(made["table_1"]).open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    sources = {(row["method"], row["source"].partition(":")[0]) for row in table}
    assert len({source for _, source in sources}) >= 6
    assert {row["model"] for row in table} == {"base", "round"}
    assert Path(made["figure_6"]).read_bytes().startswith(b"\x89PNG")
    assert "KTO" in Path(made["figure_6"]).with_suffix(".svg").read_text("utf-8")
    page = Path(made["report"]).read_text("utf-8")
    assert "Held-out rows" in page

    trained = {path: path.stat().st_mtime_ns for path in data.rglob(TRAIN_FILE)}
    assert len(trained) == 2
    asked = len(hub.asked("datasets"))
    assert main(command(data, model)) == 0
    assert json.loads(capsys.readouterr().out)["scores"] == made["scores"]
    assert {path: path.stat().st_mtime_ns for path in data.rglob(TRAIN_FILE)} == trained
    assert len(hub.asked("datasets")) == asked

    assert main(command(data, model, "--rows", "3")) == 1
    assert "holds another run" in capsys.readouterr().err


def test_a_folder_with_feedback_of_ones_own_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], hub: LoopbackHub
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"prompt": "Hi", "completion": "Hello", "label": True}) + "\n", "utf-8")
    data = tmp_path / "data"
    assert main(["--data", str(data), "feedback", "import", str(rows)]) == 0
    model = write_llama(tmp_path / "tiny.gguf", tied=False)
    capsys.readouterr()
    assert main(command(data, model)) == 1
    assert "feedback of yours" in capsys.readouterr().err
    assert hub.asked("datasets") == []
