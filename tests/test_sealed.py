"""What the app asks of the network, and where a token goes: seen from inside each of its processes."""

import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from alignchat import config
from alignchat.accounts import Accounts
from alignchat.engine import ScriptedEngine
from alignchat.loop import Loop
from benchmarks import page
from tests.hub import loopback_hub
from tests.tiny_models import write_llama
from tests.visitors import Visitor

TOKEN = "hf_TOKENTHATGOESNOWHERE"
KEY = "key-that-goes-nowhere"
# Runs first in each Python process, and notes what it asks of the network and which secrets it has.
WATCH = """
import os, sys
_out = open(os.path.join({folder!r}, str(os.getpid())), "a", buffering=1)
_out.write(f"argv {{sys.orig_argv}}\\n")
_out.write(f"secrets {{[n for n, v in os.environ.items() if v in ({token!r}, {key!r})]}}\\n")
def _see(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        place = arguments[event in ("socket.connect", "socket.sendto")]
        _out.write(f"{{event}} {{place!r}}\\n")
sys.addaudithook(_see)
"""
SWITCHES = {
    "GRADIO_SHARE": "True", "GRADIO_MCP_SERVER": "True", "GRADIO_RUN_HISTORY": "True", "GRADIO_DEBUG": "1",
    "GRADIO_HISTORY_BUCKET": "owner/bucket", "GRADIO_ANALYTICS_ENABLED": "True", "GRADIO_PROFILING": "1",
    "GRADIO_ROOT_PATH": "http://evil.example", "GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_VIBE_MODE": "1",
    "GRADIO_ALLOWED_PATHS": "/", "GRADIO_SSR_MODE": "True",
}  # fmt: skip


@pytest.fixture(scope="module")
def noted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    """Chat, vote, retrain and look at every tab once; give the data, the notes, and answers of routes."""
    folder = tmp_path_factory.mktemp("sealed")
    data, notes, hook = folder / "data", folder / "notes", folder / "hook"
    for path in (notes, hook):
        path.mkdir()
    (hook / "sitecustomize.py").write_text(WATCH.format(folder=str(notes), token=TOKEN, key=KEY), "utf-8")
    with Loop.open(config.load(data), lambda: ScriptedEngine(lambda *_: "one two three")) as loop:
        replies = [[*loop.reply(None, f"question {i}")][-1].completion_id for i in range(4)]
    model = str(write_llama(folder / "tiny.gguf", tied=False))
    environment = {
        **SWITCHES, "PYTHONPATH": str(hook), "HF_TOKEN": TOKEN, "ALIGNCHAT_REMOTE__KEY": KEY,
        "HF_HUB_OFFLINE": "0", "ALIGNCHAT_EVALUATION__LIMIT": "1", "ALIGNCHAT_CHAT__MAX_TOKENS": "8",
    }  # fmt: skip
    with page.serving(data, model, **environment) as app:
        for i, reply in enumerate(replies):
            page.post(app, "/votes", {"id": uuid4().hex, "completion_id": reply, "up": i % 2 == 0})
        for button, values in (("send", {"message": "hello"}), ("retrain", {"steps": 10})):
            with closing(page.press(app, button, **values)) as told:  # type: ignore[type-var]  # a generator
                assert next(m for m in told if m["msg"] == "process_completed")["success"], button
        with Loop.open(config.load(data, model=model)) as loop:
            assert loop.wait(1).status == "done"
        described = json.loads(page.get(app, "/en/config"))
        answers = {"config": described}
        for path in ("monitoring", "runs", "mcp/sse", "profiling/summary", "deep_link", "file=/etc/passwd"):
            connection = app.connect()
            connection.request("GET", f"/en/gradio_api/{path}", headers=app.headers)
            answers[path] = connection.getresponse().status
    reaching = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"  # shows that the notes are taken
    subprocess.run([sys.executable, "-c", reaching], env={**os.environ, **environment}, check=True)
    return data, notes, answers


def test_nothing_is_switched_on_by_the_environment(noted: tuple[Path, Path, dict[str, Any]]) -> None:
    *_, answers = noted
    described = answers.pop("config")
    assert set(answers.values()) == {404}
    assert described["analytics_enabled"] is False
    assert not described.get("mcp_server")
    assert not described.get("run_history")
    assert "evil.example" not in json.dumps(described)


def test_a_token_goes_nowhere_and_nothing_is_asked_of_the_network(
    noted: tuple[Path, Path, dict[str, Any]],
) -> None:
    data, notes, _ = noted
    said = {path.name: path.read_text("utf-8") for path in notes.iterdir()}
    assert any("alignchat.worker" in text for text in said.values())
    assert all("secrets []" in text for text in said.values() if "-m', 'alignchat." in text)
    assert any("socket.connect ('127.0.0.1', 9)" in text for text in said.values())
    asked = {line for text in said.values() for line in text.splitlines() if line.startswith("socket.")}
    assert {
        line for line in asked if "127.0.0.1" not in line and "'/" not in line and "None" not in line
    } == set()
    for text in said.values():
        assert TOKEN not in text
        assert KEY not in text
    kept = [path for path in data.rglob("*") if path.is_file()]
    assert len(kept) > 10
    assert [p.name for p in kept if TOKEN.encode() in (c := p.read_bytes()) or KEY.encode() in c] == []


def test_a_download_that_is_refused_on_the_page_tells_no_token(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with loopback_hub(someone__gated={"m.Q8_0.gguf": write_llama(tmp_path / "m.gguf").read_bytes()}) as hub:
        hub.token = "hf_" + "another" * 4
        data = tmp_path / "data"
        environment = {"HF_TOKEN": TOKEN, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url}
        asked = {"model_source": "someone/gated", "model_name": ""}
        with page.serving(data, None, **environment) as app:
            with closing(page.press(app, "model-add-run", **asked)) as told:  # type: ignore[type-var]
                assert next(m for m in told if m["msg"] == "process_completed")["success"]
            shown, tries = "", 0
            while "accept its terms" not in shown:
                assert (tries := tries + 1) < 300, shown
                threading.Event().wait(0.05)
                with closing(page.press(app, "transfer-cancel")) as told:  # type: ignore[type-var]
                    shown = json.dumps(next(m for m in told if m["msg"] == "process_completed"))
        said = capfd.readouterr()
        assert any(sent["authorization"] == f"Bearer {TOKEN}" for sent in hub.asked("m.Q8_0", "HEAD"))
    everything = (shown + said.out + said.err).encode()
    everything += b"".join(p.read_bytes() for p in data.rglob("*") if p.is_file())
    assert b"alignchat is at" in everything
    assert TOKEN.encode() not in everything


def test_an_app_says_no_password_and_no_key_that_it_is_shown(tmp_path: Path) -> None:
    secret, wrong, key = "a good password", "a wrong password", "a-key-that-nobody-guesses"
    Accounts(tmp_path).add("anna", "owner", secret)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {"HF_TOKEN": TOKEN, "ALIGNCHAT_API__ENABLED": "1", "ALIGNCHAT_API__KEY": key}
    app = subprocess.Popen(
        [sys.executable, "app.py", "--data", str(tmp_path), "--port", str(port), "--no-browser"],
        cwd=page.ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip
    try:
        assert app.stdout
        said = ""
        while "alignchat is at" not in said:
            line = app.stdout.readline()
            assert line, said
            said += line
        visitors = [Visitor.signing_in(port, "anna", password) for password in (wrong, secret)]
        assert [bool(visitor.cookie) for visitor in visitors] == [False, True]
        for shown, status in (("a-key-that-is-another", 401), (key, 200)):
            headers = {"authorization": f"Bearer {shown}"}
            assert Visitor(port=port).ask("GET", "/v1/models", headers=headers)[0] == status
    finally:
        app.terminate()
        said += app.communicate(timeout=60)[0]
    everything = said.encode() + b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    secrets = (secret, wrong, key, "a-key-that-is-another", TOKEN, visitors[1].cookie.partition("=")[2])
    assert [text for text in secrets if text.encode() in everything] == []
