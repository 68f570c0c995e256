"""Runs the app as people run it, and presses its page's buttons over HTTP. Knows no benchmark."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

ROOT = Path(__file__).parents[1]
Message = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A running app."""

    port: int
    process: subprocess.Popen[bytes]


@contextmanager
def serving(data: Path, model: str | None, **environment: str) -> Iterator[Running]:
    """Run the app until the end of the block, which begins once its page answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "app.py", "--data", str(data), "--port", str(port), "--no-browser"]
    command += ["--model", model] if model else []
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment})
    try:
        _wait(port, process)
        yield Running(port=port, process=process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def press(port: int, button: str, **values: Any) -> Iterator[Message]:
    """Press a button by its `elem_id` in a session of its own, and yield what the server tells of it.

    Every input of the button's is as it stands on a fresh page, but for `values`, by their `elem_id`
    with `_` in place of `-`.
    """
    page = json.loads(get(port, "/en/config"))
    parts = {part["id"]: part["props"] for part in page["components"]}
    (pressed,) = (i for i, props in parts.items() if props.get("elem_id") == button)
    (act,) = (d for d in page["dependencies"] if [pressed, "click"] in [list(t) for t in d["targets"]])
    names = {i: str(parts[i].get("elem_id")).replace("-", "_") for i in act["inputs"]}
    data = [values.get(names[i], parts[i].get("value")) for i in act["inputs"]]
    body = {"data": data, "fn_index": act["id"], "trigger_id": pressed, "event_data": None}
    session = uuid4().hex
    post(port, "/en/gradio_api/queue/join", {**body, "session_hash": session})
    return _events(port, session)


def get(port: int, path: str) -> bytes:
    """Get a path of the app."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    return connection.getresponse().read()


def post(port: int, path: str, value: dict[str, Any]) -> Any:
    """Post JSON, and return the JSON that answers; raise RuntimeError if the app refuses."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", path, json.dumps(value), {"content-type": "application/json"})
    answer = connection.getresponse()
    told = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status}: {told[:200]!r}")
    return json.loads(told)


def _events(port: int, session: str) -> Iterator[Message]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", f"/en/gradio_api/queue/data?session_hash={session}")
    for line in connection.getresponse():
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))
    connection.close()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError("the app ended before it served")
        try:
            get(port, "/en/")
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the app did not serve within a minute")
