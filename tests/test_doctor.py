"""The doctor: what is sound is called so, and each damage is found, with what to do about it."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from alignchat import config, doctor
from alignchat.config import ServerSettings
from alignchat.engine import Adapter, ScriptedEngine
from alignchat.loop import Loop
from alignchat.rounds import ADAPTER_GGUF, ROUND_FILE
from alignchat.shelf.models import Models
from tests.made_rounds import add_round
from tests.tiny_models import write_llama

ROOT = Path(__file__).parent.parent
CHECKS = {
    "settings", "python", "packages", "memory", "disk", "llama.cpp", "gpu", "models", "model", "journal",
    "rounds", "port", "network",
}  # fmt: skip


@pytest.fixture
def data(tmp_path: Path, tiny_adapter: Callable[..., Adapter]) -> Path:
    """A data folder with a model of its own, feedback, and two rounds, one of them in use."""
    data = tmp_path / "data"
    model = write_llama(tmp_path / "tiny.gguf", tied=False)
    models = Models(data)
    models.add(str(model), name="tiny")
    models.set_default("tiny")
    with Loop.open(config.load(data), lambda: ScriptedEngine(lambda *_: "yes")) as loop:
        *_, reply = loop.reply(None, "a question")
        loop.rate(reply.completion_id, True)
        add_round(loop, tiny_adapter(0))
        loop.rounds.activate(add_round(loop, tiny_adapter(1)))
    return data


def ask(data: Path, **environment: str) -> tuple[int, list[dict[str, str]]]:
    """Run the command; return its exit status and what it found."""
    done = subprocess.run(
        [sys.executable, "-m", "alignchat", "--data", str(data), "doctor", "--json"],
        cwd=ROOT,
        env={**os.environ, "HF_HUB_OFFLINE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    found: list[dict[str, str]] = json.loads(done.stdout)
    assert all(finding.keys() == {"check", "state", "found", "advice"} for finding in found)
    assert all(bool(finding["advice"]) == (finding["state"] != "ok") for finding in found)
    return done.returncode, found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_what_is_sound_is_called_so(data: Path) -> None:
    status, found = ask(data, ALIGNCHAT_SERVER__PORT=str(free_port()))
    assert status == 0, found
    assert {finding["check"] for finding in found} == CHECKS
    assert [f["found"] for f in found if f["check"] == "models"] == ["2 with the checksum they came with."]
    assert [f["found"] for f in found if f["check"] == "model"] == ["tiny loads and answers."]


def test_every_damage_is_found_though_the_app_cannot_start(data: Path, tmp_path: Path) -> None:
    (data / "alignchat.toml").write_text("[chat\n")
    flip(tmp_path / "tiny.gguf")
    flip(data / "feedback" / "journal.jsonl")
    rounds = data / "rounds" / "tiny"
    flip(rounds / "0001" / ADAPTER_GGUF)
    shutil.copytree(rounds / "0002", rounds / "0003")
    (rounds / "0003" / ROUND_FILE).write_text('{"number": 3')
    (rounds / "active.json").write_text('{"round": 9}')
    (rounds / ".tmp-0004-abc").mkdir()
    broken = tmp_path / "packages"
    (broken / "tinydb-0.0.1.dist-info").mkdir(parents=True)
    (broken / "tinydb-0.0.1.dist-info" / "METADATA").write_text("Name: tinydb\nVersion: 0.0.1\n")
    (broken / "torch.py").write_text("raise ImportError('no torch here')")
    (broken / "llama_cpp.py").write_text("import os; os.abort()")
    status, found = ask(data, PYTHONPATH=str(broken))
    assert status == 1
    bad = [finding for finding in found if finding["state"] != "ok"]
    problems = {finding["check"] for finding in bad if finding["state"] == "problem"}
    said = " ".join(finding["found"] for finding in bad)
    for check in ("settings", "packages", "llama.cpp", "gpu", "models", "model", "journal", "rounds"):
        assert check in problems
    for what in (
        "alignchat.toml cannot be read",
        "tinydb==4.9.*",
        "it crashes (Aborted)",
        "no torch here",
        "tiny.gguf of tiny is not what was fetched",
        "The file of tiny",
        "1 lines damaged",
        "The adapter of Round 1 of tiny is missing or damaged",
        "Round 3 of tiny cannot be read",
        "active.json is damaged or names a round that cannot talk",
        "Round 2 of tiny did not come to its end (interrupted)",
        ".tmp-0004-abc",
    ):
        assert what in said


def flip(path: Path) -> None:
    """Change one byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def test_little_memory_a_full_disk_a_folder_that_cannot_be_written_and_a_taken_port_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "MEMORY", 2**60)
    monkeypatch.setattr(doctor, "DISK", 2**60)
    assert [found.state for found in doctor._memory()] == ["warning"]
    assert [found.state for found in doctor._disk(tmp_path)] == ["warning"]
    assert [found.state for found in doctor._disk(Path("/proc/nothing"))] == ["problem"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert [found.state for found in doctor._port(ServerSettings(port=port))] == ["problem"]
