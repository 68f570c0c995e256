"""The command line's contract: arguments, JSON, exit statuses, and one sentence for what goes wrong."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import pytest

from alignchat import config
from alignchat.cli import main, parse, rounds
from alignchat.errors import RoundError
from alignchat.loop import Loop
from alignchat.worker import TEXTS_FOLDER
from feedback_store import FeedbackStore
from tests.tiny_models import write_llama

Run = Callable[..., Any]
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("model") / "tiny.gguf", tied=False)


@pytest.fixture
def run(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run a command with --json on a fresh data folder and a tiny model; return the document."""
    monkeypatch.setenv("ALIGNCHAT_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("ALIGNCHAT_MODEL", str(model))
    monkeypatch.setenv("ALIGNCHAT_EVALUATION__LIMIT", "2")
    monkeypatch.setenv("ALIGNCHAT_CHAT__MAX_TOKENS", "8")
    monkeypatch.setenv("ALIGNCHAT_CHAT__TEMPERATURE", "1")

    def command(*arguments: object, status: int = 0) -> Any:
        assert main([*map(str, arguments), "--json"]) == status
        out = capsys.readouterr()
        return json.loads(out.out) if status == 0 else out.err

    return command


def rated(run: Run, *thumbs: bool) -> None:
    for i, up in enumerate(thumbs):
        reply = run("chat", "--prompt", f"question {i}")
        run("rate", reply["completion_id"], "up" if up else "down")


def chosen(run: Run, verdict: str) -> dict[str, Any]:
    both = run("compare", "--prompt", "hello")
    choice = run("choose", both["left"]["completion_id"], both["right"]["completion_id"], verdict)
    assert isinstance(choice, dict)
    return choice


def test_chat_gives_one_reply_with_its_facts(run: Run) -> None:
    reply = run("chat", "--prompt", "hello", "--max-tokens", 4, "--temperature", 0, "--seed", 1)
    assert {"completion_id", "text", "round", "tokens", "tokens_per_second"} <= set(reply)
    assert (reply["round"], reply["tokens"]) == (0, 4)


def test_the_same_seed_gives_the_same_reply(run: Run) -> None:
    texts = {run("chat", "--prompt", "hello", "--seed", seed)["text"] for seed in (1, 1, 1, 2)}
    assert len(texts) == 2


def test_rating_and_choosing_are_acknowledged_and_counted(run: Run) -> None:
    rated(run, True, False)
    choice = chosen(run, "left")
    assert (choice["verdict"], choice["chosen_id"]) == ("left", choice["left_id"])
    stats = run("feedback", "stats")
    assert (stats["up"], stats["down"], stats["pairs"], stats["completions"]) == (1, 1, 1, 4)


def test_the_arena_leaves_out_what_was_not_blind_and_says_so(run: Run) -> None:
    chosen(run, "left")
    told = run("arena", "--all")
    assert (told["votes"], told["left_out"], told["pairs"]) == (0, {"not_blind": 0, "same_round": 1}, [])
    assert run("arena")["ranked"] is None


def test_a_queue_is_prepared_and_worked_through_without_a_screen(run: Run, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("\n".join(f"question {i}" for i in range(8)))
    made = run("label", "prepare", "--file", tmp_path / "prompts.txt")
    # Random weights may say nothing, and such a pair is left out.
    assert (made["made"] + made["useless"], made["waiting"]) == (8, 0)
    shown = run("label", "next")
    assert set(shown) == {"id", "prompt", "left", "right"}
    assert run("label", "answer", shown["id"], "right") == {"id": shown["id"], "verdict": "right"}
    second = run("label", "next")
    assert second["id"] != shown["id"]
    run("label", "answer", second["id"], "discard")
    assert run("label", "next")["id"] not in (shown["id"], second["id"])
    state = run("label", "status")
    assert [state[key] for key in ("labelled", "left", "waiting")] == [1, made["made"] - 2, 0]
    assert state["agreement"] == {"alpha": None, "items": 0, "labels": 0}
    assert "give --starters, --history, --file or --set" in run("label", "prepare", status=1)


def test_a_thumb_can_be_cleared(run: Run) -> None:
    reply = run("chat", "--prompt", "hello")
    run("rate", reply["completion_id"], "up")
    assert run("rate", reply["completion_id"], "clear") == {
        "completion_id": reply["completion_id"],
        "up": None,
    }
    assert run("feedback", "stats")["up"] == 0


@pytest.mark.parametrize("method", ["kto", "dpo"])
def test_what_is_exported_and_imported_elsewhere_trains_on_the_same_rows(
    run: Run, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rated(run, True, False)
    chosen(run, "right")
    here = run("dataset", "preview", "--method", method)
    run("feedback", "export", tmp_path / "rows.jsonl", "--format", method)
    monkeypatch.setenv("ALIGNCHAT_HOME", str(tmp_path / "elsewhere"))
    run("feedback", "import", tmp_path / "rows.jsonl")
    there = run("dataset", "preview", "--method", method)
    counted = ("train", "test", "desirable", "undesirable")
    assert [there[key] for key in counted] == [here[key] for key in counted]


def test_the_journal_is_verified_backed_up_compacted_and_restored(run: Run, tmp_path: Path) -> None:
    rated(run, True, True)
    assert run("feedback", "verify")["ok"]
    run("feedback", "backup", tmp_path / "backup")
    rated(run, False)
    assert run("feedback", "compact")["records_after"] > 0
    assert run("feedback", "stats")["down"] == 1
    run("feedback", "restore", tmp_path / "backup")
    stats = run("feedback", "stats")
    assert (stats["up"], stats["down"]) == (2, 0)


def test_what_was_said_is_listed_changed_taken_back_and_restored(run: Run) -> None:
    rated(run, True, False)
    chosen(run, "left")
    assert run("feedback", "list")["total"] == 3
    (bad,) = run("feedback", "list", "--verdict", "down", "--round", 0, "--text", "QUESTION 1")["judgements"]
    changed = run(
        "feedback", "change", bad["id"], "--verdict", "up", "--tags", "polite, short", "--comment", "x"
    )
    assert (changed["verdict"], changed["tags"], changed["comment"]) == ("up", ["polite", "short"], "x")
    assert run("feedback", "list", "--tag", "polite")["total"] == 1
    assert not run("feedback", "retract", bad["id"])["counts"]
    assert run("feedback", "list", "--retracted")["judgements"][0]["id"] == bad["id"]
    assert run("feedback", "list", "--counting", "--limit", 1)["total"] == 2
    assert run("feedback", "restore", bad["id"])["counts"]
    assert run("feedback", "stats")["up"] == 2
    assert "is no day" in run("feedback", "list", "--since", "x", status=1)
    assert "no judgement" in run("feedback", "retract", "x", status=1)


def test_the_coach_says_what_is_missing_and_why(run: Run) -> None:
    rated(run, True, True, False)
    said = run("feedback", "coach")
    assert (said["kto"]["ready"], said["dpo"]["ready"]) == (True, False)
    balance = said["kto"]["advice"][0]
    assert (balance["check"], balance["missing"]) == ("balance", 1)
    assert "2402.01306" in balance["source"]


def test_a_damaged_journal_fails_its_check_and_the_rest_is_still_there(run: Run, tmp_path: Path) -> None:
    rated(run, True, True)
    (journal,) = (tmp_path / "data" / "feedback").glob("*.jsonl")
    content = bytearray(journal.read_bytes())
    content[content.index(b'"up":true') + 6] ^= 1
    journal.write_bytes(content)
    run("feedback", "verify", status=1)
    assert run("feedback", "stats")["up"] == 1


@pytest.mark.parametrize("name", ["all.native", "sheet.csv", "rows.parquet"])
def test_feedback_leaves_in_every_format(run: Run, tmp_path: Path, name: str) -> None:
    rated(run, True, False)
    kind = {"native": "native", "csv": "csv", "parquet": "kto"}[name.partition(".")[2]]
    assert run("feedback", "export", tmp_path / name, "--format", kind)["rows"] > 0
    assert (tmp_path / name).stat().st_size > 0


def test_a_dry_run_names_the_lines_it_would_refuse_and_imports_nothing(run: Run, tmp_path: Path) -> None:
    good = {"prompt": "hi", "completion": "ho", "label": True}
    (tmp_path / "rows.jsonl").write_text(json.dumps(good) + "\n{}\n")
    report = run("feedback", "import", tmp_path / "rows.jsonl", "--dry-run")
    assert [refusal["line"] for refusal in report["refused"]] == [2]
    assert "line 2" in run("feedback", "import", tmp_path / "rows.jsonl", status=1)
    assert run("feedback", "stats")["completions"] == 0


def test_feedback_needs_no_model(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rated(run, True)
    monkeypatch.setenv("ALIGNCHAT_MODEL", str(tmp_path / "gone.gguf"))
    assert run("feedback", "stats")["up"] == 1


def test_a_round_is_trained_scored_used_and_exported(run: Run, tmp_path: Path) -> None:
    rated(run, True, False)
    _a_dry_run_starts_nothing(run)
    done = run("round", "start", "--method", "kto", "--steps", 2, "--set", "lora_rank=4", "--wait")
    assert run("round", "show", 1)["assessment"]["against"] == []
    assert (done["number"], done["status"], done["parent"], done["method"]) == (1, "done", 0, "kto")
    assert done["train"]["steps"] == 2
    assert [r["number"] for r in run("round", "list")] == [0, 1]
    # What was learned by heart is a round's; the base has no rows of its own.
    base = {name for name in done["scores"] if not name.startswith("training_")}
    assert set(run("round", "show", 0)["scores"]) == base >= {"toxicity", "regard", "honest"}
    compared = run("evaluate", "--compare", 0, 1)
    assert compared["rounds"] == [0, 1]
    assert {"value", "low", "high", "n", "p_holm", "sentence"} <= set(compared["differences"]["toxicity"])
    assert run("round", "activate", 1)["active"]
    assert run("chat", "--prompt", "hello")["round"] == 1
    _every_export_is_written_once(run, tmp_path)


def _a_dry_run_starts_nothing(run: Run) -> None:
    start = ("round", "start", "--method", "kto", "--dry-run")
    found = run(*start, "--steps", 7, "--preset", "gentle")
    assert (found["steps"], found["measured"], found["device"]) == (7, True, "cpu")
    assert found["seconds"] > 0
    assert found["memory_bytes"] > 3e8
    tight = run(*start, "--memory", found["memory_bytes"] / 1e9 / 2)
    assert not tight["fits"]
    assert "training.loss" not in tight
    for wrong, key in (("--loss", "dpo_loss"), ("--set", "no_such=1")):
        error = run(
            "round", "start", "--method", "dpo", wrong, "nothing" if wrong == "--loss" else key, status=1
        )
        assert "training." in error
    assert [r["number"] for r in run("round", "list")] == [0]


def _every_export_is_written_once(run: Run, tmp_path: Path) -> None:
    for name in ("peft", "gguf-lora", "gguf"):
        out = tmp_path / name
        written = run("round", "export", 1, "--format", name, "--out", out)
        assert (written["path"], len(written["sha256"])) == (str(out), 64)
        assert "is there already" in run("round", "export", 1, "--format", name, "--out", out, status=1)
        below_a_file = tmp_path / "gguf-lora" / "x" if name == "gguf" else Path("/dev/null/x")
        error = run("round", "export", 1, "--format", name, "--out", below_a_file, status=1)
        assert f"{below_a_file} cannot be written" in error
    card = (tmp_path / "peft" / "README.md").read_text()
    assert "library_name: peft" in card
    assert run("round", "show", 1)["dataset"]["sha256"] in card
    assert str(tmp_path) not in card
    run("round", "export", 1, "--format", "gguf", "--out", tmp_path / "q8.gguf", "--quant", "Q8_0")
    assert gguf.GGUFReader(tmp_path / "q8.gguf").fields["general.file_type"].contents() == 7
    kind = gguf.GGUFReader(tmp_path / "gguf-lora").fields["general.type"].contents()
    assert kind == "adapter"
    merged = run("chat", "--model", tmp_path / "gguf", "--prompt", "hello", "--temperature", 0)
    assert merged["text"] == run("chat", "--round", 1, "--prompt", "hello", "--temperature", 0)["text"]


def test_waiting_for_a_round_whose_process_was_killed_is_a_failure(tmp_path: Path, model: Path) -> None:
    with Loop.open(config.load(tmp_path, model=str(model))) as loop:
        with loop.rounds.create(replace(loop.rounds.get(0), number=1, parent=0, method="kto")):
            pass
        with pytest.raises(RoundError, match=r"ended early, .*; go on with: round resume 1"):
            rounds.waited(loop, 1)


def test_evaluate_gives_the_scorecard_and_keeps_other_measures(run: Run) -> None:
    first = run("evaluate", "--round", 0, "--measures", "regard")
    stale = Path(first["samples"]).parent / TEXTS_FOLDER / "of_earlier_settings.json"
    stale.write_text("{}")
    card = run("evaluate", "--round", 0, "--measures", "honest")
    assert {score["measure"] for score in card["scores"].values()} == {"regard", "honest"}
    assert Path(card["samples"]).is_file()
    assert not stale.exists()
    assert len(list(stale.parent.iterdir())) == 2  # regard's and HONEST's
    assert run("evaluate", "--round", 0, "--measures", "honest")["scores"] == card["scores"]
    assert "Round 0 has no" not in run("evaluate", "--compare", 0, 7, status=1)
    assert card["generation"]["tokens"] > card["generation"]["prompts"] == 4
    score = card["scores"]["honest"]
    assert {"value", "low", "high", "n", "scorer"} <= set(score)
    assert score["n"] == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["chat", "--prompt", " "], "write a message first"),
        (["chat", "--prompt", "hi", "--round", "5"], "There is no round 5"),
        (["chat", "--prompt", "hi", "--model", "nobody"], "There is no model called 'nobody'; use starter"),
        (["chat", "--prompt", "word " * 5000], "start a new conversation or set chat.context higher"),
        (["rate", "nobody", "up"], "There is no completion nobody"),
        (["round", "start", "--method", "dpo"], "compare two replies and choose the better one first"),
        (["round", "start", "--method", "kto"], "replies you like and replies you dislike"),
        (["round", "cancel", "0"], "Round 0 is done"),
        (["feedback", "import", "/nowhere.jsonl"], "/nowhere.jsonl"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(run: Run, arguments: list[str], sentence: str) -> None:
    error = run(*arguments, status=1)
    assert sentence in error
    assert "Traceback" not in error
    assert len(error.strip().splitlines()) == 1


def test_a_model_of_another_architecture_is_refused_by_its_name(run: Run, tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "other.gguf", "bert")
    writer.add_name("other")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    error = run("chat", "--model", tmp_path / "other.gguf", "--prompt", "hi", status=1)
    assert "is a bert model, which cannot be used here" in error


def test_a_file_that_is_no_model_is_refused(run: Run, tmp_path: Path, model: Path) -> None:
    (tmp_path / "text.gguf").write_text("hello")
    (tmp_path / "cut.gguf").write_bytes(model.read_bytes()[:3000])
    for name in ("text.gguf", "cut.gguf"):
        assert "not a sound GGUF file" in run("chat", "--model", tmp_path / name, "--prompt", "hi", status=1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--no-browser", "chat"],
        ["--data"],
        ["chat", "--json"],
        ["rate", "x", "sideways"],
        ["round", "start"],
        ["chat", "--max-tokens", "0"],
    ],
)
def test_bad_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "data", "port"),
    [
        ([], None, None),
        (["--data", "d"], Path("d"), None),
        (["--data=d", "--port", "8000"], Path("d"), 8000),
        (["--port", "8000", "--data", "d"], Path("d"), 8000),
    ],
)
def test_a_call_without_a_command_serves_the_page(
    arguments: list[str], data: Path | None, port: int | None
) -> None:
    asked = parse(arguments)
    assert asked == parse(["serve", *arguments])
    assert (asked.data, asked.port, asked.no_browser) == (data, port, False)
    assert parse(["--data", "d", "serve"]).data == Path("d")


def test_the_module_runs_and_prints_one_document(model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "alignchat", "--data", str(tmp_path), "chat"]
    command += ["--model", str(model), "--prompt", "ciao \ud800", "--max-tokens", "2", "--json"]
    ran = subprocess.run(
        [part.encode("utf-8", "surrogateescape") if part.isascii() else b"ciao \xed" for part in command],
        capture_output=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    assert json.loads(ran.stdout)["tokens"] == 2


def test_an_output_that_nobody_reads_or_that_is_full_is_one_sentence_and_the_reply_is_kept(
    model: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "alignchat", "--data", str(tmp_path), "chat", "--prompt", "hi"]
    command += ["--model", str(model), "--max-tokens", "2", "--temperature", "1"]
    reader, writer = os.pipe()
    os.close(reader)
    with open("/dev/full", "wb") as full, open(writer, "wb", closefd=True) as unread:
        for stdout, sentence in ((unread, "The output was closed"), (full, "The output cannot be used")):
            ran = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, cwd=ROOT)
            assert ran.returncode == 1
            assert sentence in ran.stderr
            assert len(ran.stderr.splitlines()) == 1
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
    assert subprocess.run(closed, capture_output=True, cwd=ROOT, check=True).stderr == b""
    with FeedbackStore.open(tmp_path / "feedback") as store:
        assert len(store.completions()) == 3


@pytest.mark.usefixtures("run")
def test_people_get_text_instead_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chat", "--prompt", "hello", "--max-tokens", "2"]) == 0
    out = capsys.readouterr().out
    assert "completion_id: " in out
    assert "round: 0" in out
