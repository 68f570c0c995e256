"""Runs the app as people run it, and presses its page's buttons over HTTP. Knows no benchmark."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

ROOT = Path(__file__).parents[1]
Message = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Somebody at an app, with the cookie with which it lets a browser in."""

    port: int
    cookie: str

    def connect(self, timeout: float = 30) -> http.client.HTTPConnection:
        """Open a connection."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    @property
    def headers(self) -> dict[str, str]:
        """What each request has with it."""
        return {"content-type": "application/json", "cookie": self.cookie}


@dataclass(frozen=True, slots=True, kw_only=True)
class Running(Client):
    """Somebody at an app that runs in a process of its own."""

    process: subprocess.Popen[bytes]


def let_in(port: int, address: str) -> Client:
    """Open the address that lets the first one in, its path and query, and keep the cookie it gives."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", address)
    cookie = connection.getresponse().getheader("set-cookie") or ""
    return Client(port=port, cookie=cookie.partition(";")[0])


@contextmanager
def serving(data: Path, model: str | None, **environment: str) -> Iterator[Running]:
    """Run the app until the end of the block, which begins once its page answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "app.py", "--data", str(data), "--port", str(port), "--no-browser"]
    command += ["--model", model] if model else []
    environ = {**os.environ, **environment}
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE)
    try:
        yield Running(port=port, cookie=_let_in(port, process), process=process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def press(app: Client, button: str, **values: Any) -> Iterator[Message]:
    """Press a button by its `elem_id` in a session of its own, and yield what the server tells of it.

    Every input of the button's is as it stands on a fresh page, but for `values`, by their `elem_id`
    with `_` in place of `-`.
    """
    page = json.loads(get(app, "/en/config"))
    parts = {part["id"]: part["props"] for part in page["components"]}
    (pressed,) = (i for i, props in parts.items() if props.get("elem_id") == button)
    (act,) = (d for d in page["dependencies"] if [pressed, "click"] in [list(t) for t in d["targets"]])
    names = {i: str(parts[i].get("elem_id")).replace("-", "_") for i in act["inputs"]}
    data = [values.get(names[i], parts[i].get("value")) for i in act["inputs"]]
    body = {"data": data, "fn_index": act["id"], "trigger_id": pressed, "event_data": None}
    session = uuid4().hex
    post(app, "/en/gradio_api/queue/join", {**body, "session_hash": session})
    return _events(app, session)


def get(app: Client, path: str) -> bytes:
    """Get a path of the app."""
    connection = app.connect()
    connection.request("GET", path, headers=app.headers)
    return connection.getresponse().read()


def post(app: Client, path: str, value: dict[str, Any]) -> Any:
    """Post JSON, and return the JSON that answers; raise RuntimeError if the app refuses."""
    connection = app.connect()
    connection.request("POST", path, json.dumps(value), app.headers)
    answer = connection.getresponse()
    told = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status}: {told[:200]!r}")
    return json.loads(told)


def _events(app: Client, session: str) -> Iterator[Message]:
    connection = app.connect(timeout=120)
    connection.request("GET", f"/en/gradio_api/queue/data?session_hash={session}", headers=app.headers)
    with closing(connection), connection.getresponse() as answer:
        for line in answer:
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))


def _let_in(port: int, process: subprocess.Popen[bytes]) -> str:
    """Open the address that the app tells once it serves, and return the cookie it gives."""
    assert process.stderr is not None
    for line in process.stderr:
        sys.stderr.write(line.decode())
        if told := re.search(r"alignchat is at http://[^/]+(\S+)", line.decode()):
            threading.Thread(target=_pass_on, args=[process.stderr], daemon=True).start()
            return let_in(port, told[1]).cookie
    raise RuntimeError("the app ended before it served")


def _pass_on(lines: Iterable[bytes]) -> None:
    for line in lines:
        sys.stderr.write(line.decode())
