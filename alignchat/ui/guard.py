"""A door before the page: only this machine's own page may talk to it. Knows no route's meaning.

Without it any website could talk to a server on localhost, directly or by DNS rebinding: gradio
checks neither Host nor Origin, and lets itself be framed.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MAX_BODY = 16_000_000  # bytes; a conversation that is brought back is far below
# Routes that the page does not use, and that would take files, read them, or fetch for others.
UNUSED = re.compile(
    r"/(upload|upload_progress|monitoring|proxy=|file=|file/|stream/|deep_link|component_server|"
    r"process_recording|openapi|docs|redoc|login|logout|mcp|dev/|call/)"
)
HEADERS = {
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """Refuses what does not come from the page itself, and adds the headers that contain it."""

    def __init__(self, app: App, *, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts
        self._added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        status = self._refusal(scope) if scope["type"] == "http" else 403
        if status:
            await send({"type": "http.response.start", "status": status, "headers": self._added})
            await send({"type": "http.response.body", "body": b"Refused.\n"})
            return

        async def contained(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._added]
            await send(message)

        await self._app(scope, receive, contained)

    def _refusal(self, scope: Message) -> int | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get("host", ""), headers.get("origin")
        foreign = headers.get("sec-fetch-site", "none") not in ("same-origin", "none")
        if host not in self._hosts or (origin is not None and origin != f"http://{host}"):
            return 403
        if foreign and not (scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"):
            return 403
        if UNUSED.search(scope["path"]):
            return 404
        length = headers.get("content-length", "" if scope["method"] == "POST" else "0")
        return None if length.isdigit() and int(length) <= MAX_BODY else 413
