"""A hub on the loopback: what the real clients ask of one, and the ways in which one fails."""

import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

LARGE = (".gguf", ".safetensors", ".model", ".parquet")


@dataclass
class LoopbackHub:
    """Repositories by name, each files by name; `faults` by a part of the path, taken as they come."""

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    licence: str = "apache-2.0"
    token: str | None = None
    faults: dict[str, list["Fault"]] = field(default_factory=dict)
    requests: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    sent: int = 0
    url: str = ""
    stalled: threading.Event = field(default_factory=threading.Event)

    def fail(self, part: str, *faults: "Fault") -> None:
        """Let the next requests whose path contains `part` go wrong, one after another."""
        self.faults.setdefault(part, []).extend(faults)

    def asked(self, part: str, method: str = "GET") -> list[Mapping[str, str]]:
        """Return the headers of the requests so far whose path contains `part`."""
        return [headers for kind, path, headers in self.requests if kind == method and part in path]

    def commit(self, name: str) -> str:
        content = sorted(
            (file, hashlib.sha256(data).hexdigest()) for file, data in self.repositories[name].items()
        )
        return hashlib.sha1(json.dumps(content).encode()).hexdigest()


@dataclass(frozen=True)
class Fault:
    """An answer with a status, one that breaks off after some bytes, a slow one, or one preceded by a change.

    `pace` is in seconds after each 64 KiB.
    """

    status: int = 0
    code: str = ""
    break_after: int | None = None
    stall_after: int | None = None
    pace: float = 0
    replace: tuple[str, str, bytes] | None = None
    method: str = "GET"


@contextmanager
def loopback_hub(**repositories: dict[str, bytes]) -> Iterator[LoopbackHub]:
    """Serve until the block ends."""
    hub = LoopbackHub(repositories={name.replace("__", "/"): files for name, files in repositories.items()})

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: LoopbackHub

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub, path = self.hub, self.path.partition("?")[0]
        hub.requests.append((self.command, path, dict(self.headers)))
        fault = self._fault(path)
        if fault and fault.replace:
            repository, name, content = fault.replace
            hub.repositories[repository][name] = content
        if fault and fault.status:
            return self._refuse(fault.status, fault.code)
        if path == "/":
            return self._send(200, b"")
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+?)(?:/revision/[^/]+)?", path):
            return self._info(found[1])
        if found := re.fullmatch(r"/api/(datasets/[^/]+/[^/]+?)(?:/revision/[^/]+)?", path):
            return self._info(found[1])
        if found := re.fullmatch(r"/api/(datasets/[^/]+/[^/]+)/tree/[^/]+(?:/(.*))?", path):
            return self._tree(found[1], found[2] or "")
        if found := re.fullmatch(r"/api/(datasets/[^/]+/[^/]+)/paths-info/[^/]+", path):
            return self._paths_info(found[1])
        if found := re.fullmatch(r"/((?:datasets/)?[^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            known = found[1] in hub.repositories
            return self._resolve(found[1] if known else found[1].removeprefix("datasets/"), found[2], fault)
        return self._refuse(404, "RepoNotFound")

    def _fault(self, path: str) -> Fault | None:
        for part, faults in self.hub.faults.items():
            if part in path and faults and faults[0].method == self.command:
                return faults.pop(0)
        return None

    def _allowed(self) -> bool:
        return self.hub.token is None or self.headers.get("Authorization") == f"Bearer {self.hub.token}"

    def _info(self, name: str) -> None:
        if name not in self.hub.repositories:
            return self._refuse(404, "RepoNotFound")
        facts = {
            "id": name,
            "modelId": name,
            "sha": self.hub.commit(name),
            "private": False,
            "gated": "auto" if self.hub.token else False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "cardData": {"license": self.hub.licence},
            "siblings": [{"rfilename": file} for file in self.hub.repositories[name]],
        }
        return self._send(200, json.dumps(facts).encode(), {"Content-Type": "application/json"})

    def _entry(self, name: str, file: str) -> dict[str, Any]:
        content = self.hub.repositories[name][file]
        return {
            "type": "file",
            "path": file,
            "size": len(content),
            "oid": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(),
        }

    def _tree(self, name: str, folder: str) -> None:
        """List what is in a folder of a data set, its folders too."""
        inside = f"{folder}/" if folder else ""
        below = {
            file.removeprefix(inside): file
            for file in self.hub.repositories.get(name, {})
            if file.startswith(inside)
        }
        if not below:
            return self._refuse(404, "EntryNotFound")
        entries = [self._entry(name, file) for short, file in below.items() if "/" not in short]
        folders = {short.partition("/")[0] for short in below if "/" in short}
        entries += [{"type": "directory", "path": inside + path, "oid": "0" * 40} for path in folders]
        return self._send(200, json.dumps(entries).encode(), {"Content-Type": "application/json"})

    def _paths_info(self, name: str) -> None:
        """Describe the files and folders of a data set that are asked about."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        asked = json.loads(body) if body.startswith("{") else parse_qs(body)
        files = self.hub.repositories.get(name, {})
        entries = [self._entry(name, path) for path in asked["paths"] if path in files]
        entries += [
            {"type": "directory", "path": path, "oid": "0" * 40}
            for path in asked["paths"]
            if path not in files and any(file.startswith(f"{path}/") for file in files)
        ]
        return self._send(200, json.dumps(entries).encode(), {"Content-Type": "application/json"})

    def _resolve(self, name: str, file: str, fault: Fault | None) -> None:
        files = self.hub.repositories.get(name, {})
        if file not in files:
            return self._refuse(404, "EntryNotFound" if files else "RepoNotFound")
        if not self._allowed():
            return self._refuse(401 if "Authorization" not in self.headers else 403, "GatedRepo")
        content = files[file]
        large = file.endswith(LARGE)
        etag = hashlib.sha256(content) if large else hashlib.sha1(b"blob %d\0" % len(content) + content)
        headers = {
            "ETag": f'"{etag.hexdigest()}"',
            "X-Repo-Commit": self.hub.commit(name),
            "Accept-Ranges": "bytes",
        }
        if fault and fault.stall_after is not None:
            return self._stall(content, headers, fault.stall_after)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not wanted or self.command == "HEAD":
            return self._send(200, content, headers, fault)
        start = int(wanted[1])
        if start >= len(content):
            return self._refuse(416, "")
        end = min(int(wanted[2] or len(content)) + 1, len(content))
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
        return self._send(206, content[start:end], headers, fault)

    def _send(
        self,
        status: int,
        content: bytes,
        headers: Mapping[str, str] | None = None,
        fault: Fault | None = None,
    ) -> None:
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.hub.sent += 0 if self.command == "HEAD" else len(content)
        if self.command != "HEAD":
            self._write(content[: fault and fault.break_after], fault.pace if fault else 0)
        if fault and fault.break_after is not None:
            self.close_connection = True

    def _write(self, content: bytes, pace: float) -> None:
        with contextlib.suppress(OSError):  # The client may go away.
            for start in range(0, len(content), 65536):
                self.wfile.write(content[start : start + 65536])
                time.sleep(pace)

    def _stall(self, content: bytes, headers: Mapping[str, str], sent: int) -> None:
        """Send some bytes, then nothing, until the client goes away."""
        self.send_response(200)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content[:sent])
        self.wfile.flush()
        self.hub.stalled.set()
        self.connection.settimeout(20)
        with contextlib.suppress(OSError):
            self.connection.recv(1)
        self.close_connection = True

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"", {"X-Error-Code": code, "Retry-After": "7"} if code else {"Retry-After": "7"})
