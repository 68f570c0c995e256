"""A proxy between a browser and the app that keeps every byte of both directions."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP = {"connection", "proxy-connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class Exchange:
    """One request and what came back."""

    method: str
    path: str
    asked: dict[str, str]
    sent: bytes
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    received: bytes = b""

    def text(self) -> str:
        """Return all of it as one text."""
        heads = [f"{name}: {value}" for part in (self.asked, self.headers) for name, value in part.items()]
        bodies = [body.decode("utf-8", "replace") for body in (self.sent, self.received)]
        return "\n".join([f"{self.method} {self.path} {self.status}", *heads, *bodies])


@dataclass
class Recording:
    """What went through, in the order of asking."""

    port: int
    exchanges: list[Exchange] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    recording: Recording

    def _pass(self) -> None:
        url = urlsplit(self.path)
        sent = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = url.path + (f"?{url.query}" if url.query else "")
        exchange = Exchange(method=self.command, path=path, asked=dict(self.headers.items()), sent=sent)
        self.recording.exchanges.append(exchange)
        upstream = http.client.HTTPConnection(url.netloc)
        asked = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        try:
            upstream.request(self.command, path, sent if self.command == "POST" else None, asked)
            answer = upstream.getresponse()
            exchange.status, exchange.headers = answer.status, dict(answer.getheaders())
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP:
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            while piece := answer.read1(65536):
                exchange.received += piece
                self.wfile.write(piece)
                self.wfile.flush()
        except (OSError, http.client.HTTPException):
            pass  # the page or the app has gone
        finally:
            upstream.close()
            self.close_connection = True

    do_GET = do_POST = _pass

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def recorder() -> Iterator[Recording]:
    """Run the proxy for the length of the block."""
    recording = Recording(port=0)
    handler = type("Handler", (_Handler,), {"recording": recording})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    recording.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield recording
    finally:
        server.shutdown()
        server.server_close()
