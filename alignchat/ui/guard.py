"""A gate before the page: only its own browser window may talk to it. Knows neither routes nor people.

Without it any website could talk to a server on localhost, directly or by DNS rebinding: gradio
checks neither Host nor Origin, believes forwarded headers, and lets itself be framed.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MAX_BODY = 16_000_000  # bytes; a conversation that is brought back is far below
# Of gradio's routes those that the page uses; the others would take files, read them, or fetch for others.
GRADIO = re.compile(r"/(en|it)(/.*)?", re.DOTALL)
USED = re.compile(
    r"/(en|it)(/|/config|/theme\.css|/(assets|static|svelte)/[\w./-]+|/gradio_api/"
    r"(info|startup-events|queue/join|queue/data|cancel|run/predict|heartbeat/\w+))?"
)
FORMS = ("/login", "/logout")
API = "/v1/"  # for programs, which read a refusal in OpenAI's shape
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
API_REFUSED = (
    b'{"error": {"message": "Refused: its Host, Origin, method, kind or size is none that is let in.", '
    b'"type": "invalid_request_error", "param": null, "code": null}}'
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

    def __init__(self, app: App, *, hosts: frozenset[str], scheme: str = "http") -> None:
        self._app, self._hosts, self._scheme = app, hosts, scheme
        self._added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif status := self._refusal(scope):
            await self._refuse(scope, send, status)
        else:
            own = [pair for pair in scope["headers"] if not _is_forwarded(pair[0])]
            await self._pass({**scope, "headers": own}, receive, send)

    async def _pass(self, scope: Message, receive: Receive, send: Send) -> None:
        taken, started = 0, False

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            return message if taken <= MAX_BODY else {"type": "http.disconnect"}

        async def contained(message: Message) -> None:
            nonlocal started
            if taken > MAX_BODY:
                return
            if message["type"] == "http.response.start":
                started = True
                there = {name for name, _ in message.get("headers", ())}
                added = [pair for pair in self._added if pair[0] not in there]
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        try:
            await self._app(scope, limited, contained)
        except Exception:
            if taken <= MAX_BODY:
                raise
        if taken > MAX_BODY and not started:
            await self._refuse(scope, send, 413)

    async def _refuse(self, scope: Message, send: Send, status: int) -> None:
        headers, body = list(self._added), b"Refused.\n"
        if scope["path"].startswith(API):
            headers.append((b"content-type", JSON.encode()))
            body = API_REFUSED
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _refusal(self, scope: Message) -> int | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        names = [name for name, _ in scope["headers"]]
        host, origin = headers.get("host", ""), headers.get("origin")
        method, path = scope["method"], scope["path"]
        if names.count(b"host") != 1 or names.count(b"origin") > 1 or host not in self._hosts:
            return 403
        if origin is not None and origin != f"{self._scheme}://{host}":
            return 403
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and not _is_a_link(
            method, headers
        ):
            return 403
        if method not in ("GET", "HEAD", "POST"):
            return 405
        if ".." in path or not path.isprintable() or (GRADIO.fullmatch(path) and not USED.fullmatch(path)):
            return 404
        wanted = FORM if path in FORMS else JSON
        if method == "POST" and headers.get("content-type", "").partition(";")[0].strip() != wanted:
            return 415
        length = headers.get("content-length", "0")  # what says nothing of its length is counted
        return None if length.isdecimal() and length.isascii() and int(length) <= MAX_BODY else 413


def _is_a_link(method: str, headers: MutableMapping[str, str]) -> bool:
    """Tell whether somebody followed a link from another site, to a page of its own."""
    whole = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return method == "GET" and whole


def _is_forwarded(name: bytes) -> bool:
    """Tell whether a header speaks for another machine: no proxy is configured, so none is believed."""
    return name == b"forwarded" or name.startswith(
        (b"x-forwarded-", b"x-real-", b"x-original-", b"x-rewrite-")
    )
