"""Says who is at the page: behind these, every request is of a known person.

Without users that is whoever opened the address with the token, which only this machine's terminal shows;
with users it is who has signed in. Sessions live in memory, no longer than the program.
"""

import asyncio
import hmac
import json
import secrets
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qs

from alignchat.accounts import LOCAL, Accounts, Person
from alignchat.ui.guard import FORMS, App, Message, Receive, Send
from alignchat.ui.i18n import TEXTS, Language, Texts, choose
from alignchat.ui.people import PERSON

SESSION_SECONDS = 12 * 3600
MOST_SESSIONS = 10_000
# Tries that may fail within the window: for one name from one address, for one name, from one address.
WINDOW_SECONDS, TRIES, TRIES_A_NAME, TRIES_AN_ADDRESS = 300.0, 5, 30, 20
PUBLIC = ("/manifest.json", "/favicon.ico")  # the program's name, asked for without a cookie, and no picture
LONGEST_FORM = 10_000  # bytes
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:12vh auto;"
    "padding:0 1rem}h1{font-size:1.3rem}label{display:block;margin:.8rem 0}input{display:block;width:100%;"
    "box-sizing:border-box;font:inherit;padding:.5rem}button{font:inherit;padding:.5rem 1.2rem;"
    "background:#0f766e;color:#fff;border:0;border-radius:.4rem}.error{color:light-dark(#b91c1c,#fca5a5)}"
)


class TokenDoor:
    """Lets in the browser that opened the address with the token."""

    def __init__(self, app: App, *, port: int) -> None:
        self.token = secrets.token_urlsafe(32)
        self._app, self._cookie, self._key = app, f"alignchat-{port}", secrets.token_urlsafe(32)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan" or scope["path"] in PUBLIC:
            await self._app(scope, receive, send)
        elif _same(_cookie(scope, self._cookie), self._key):
            await self._app({**scope, PERSON: LOCAL}, receive, send)
        elif scope["method"] == "GET" and _same(_asked(scope, "token"), self.token):
            await _redirect(send, scope["path"], _set_cookie(self._cookie, self._key, secure=False))
        else:
            texts = TEXTS[_language(scope)]
            await _refuse(scope, send, texts, texts["token_missing"])


class LoginDoor:
    """Lets in who has signed in with a name and a password."""

    def __init__(
        self,
        app: App,
        accounts: Accounts,
        *,
        port: int,
        secure: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._accounts, self._secure, self._clock = app, accounts, secure, clock
        # Browsers take a __Host- cookie only from this very host, and only over TLS.
        self._cookie = f"__Host-alignchat-{port}" if secure else f"alignchat-{port}"
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._tries = Tries(clock)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan" or scope["path"] in PUBLIC:
            await self._app(scope, receive, send)
            return
        person = self._person(scope)
        if scope["path"] in FORMS:
            await self._form(scope, receive, send)
        elif person:
            await self._app({**scope, PERSON: person}, receive, send)
        elif scope["method"] == "GET" and _is_page(scope):
            await _redirect(send, "/login")
        else:
            texts = TEXTS[_language(scope)]
            await _refuse(scope, send, texts, texts["sign_in_first"])

    def _person(self, scope: Message) -> Person | None:
        session = self._sessions.get(_cookie(scope, self._cookie))
        known = self._accounts.known(session.name) if session else None
        if session is None or known is None or session.until < self._clock() or session.stamp != known[1]:
            return None
        return known[0]

    async def _form(self, scope: Message, receive: Receive, send: Send) -> None:
        texts = TEXTS[_language(scope)]
        if scope["path"] == "/logout" and scope["method"] == "POST":
            self._sessions.pop(_cookie(scope, self._cookie), None)
            await _redirect(send, "/login", _set_cookie(self._cookie, "", secure=self._secure, seconds=0))
        elif scope["path"] == "/login" and scope["method"] == "POST":
            await self._sign_in(scope, send, await _fields(receive), texts)
        else:
            await _page(send, 200, texts, _login_form(texts, ""))

    async def _sign_in(self, scope: Message, send: Send, fields: Mapping[str, str], texts: Texts) -> None:
        name, address = fields.get("name", "").strip()[:64], str((scope.get("client") or ("",))[0])
        if wait := self._tries.wait(name, address):
            sentence = texts["sign_in_wait"].format(n=-(-int(wait) // 60) or 1)
            await _page(send, 429, texts, _login_form(texts, sentence), [("retry-after", str(int(wait) + 1))])
            return
        self._tries.note(name, address)  # before the password is looked at: tries at once count too
        person = await asyncio.to_thread(self._accounts.check, name, fields.get("password", ""))
        known = self._accounts.known(name) if person else None
        if known is None:
            await _page(send, 403, texts, _login_form(texts, texts["sign_in_wrong"]))
            return
        self._tries.forget(name, address)
        key = secrets.token_urlsafe(32)
        self._sessions[key] = _Session(name=name, stamp=known[1], until=self._clock() + SESSION_SECONDS)
        while len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        await _redirect(send, "/", _set_cookie(self._cookie, key, secure=self._secure))


class OwnSessions:
    """Keeps each of gradio's sessions, which browsers name themselves, to the person who used it first."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._owners: OrderedDict[str, str] = OrderedDict()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        if scope["type"] != "http" or "/gradio_api/" not in path:
            await self._app(scope, receive, send)
            return
        named, body = {_asked(scope, "session_hash"), path.partition("/heartbeat/")[2]}, None
        if scope["method"] == "POST":
            body = await _whole(receive)
            named.add(_session_in(body))
        if all(self._is_of(scope[PERSON].name, session) for session in named if session):
            await self._app(scope, receive if body is None else _again(body, receive), send)
        else:
            texts = TEXTS[_language(scope)]
            await _refuse(scope, send, texts, texts["not_your_session"], status=403)

    def _is_of(self, name: str, session: str) -> bool:
        owner = self._owners.setdefault(session, name)
        self._owners.move_to_end(session)
        while len(self._owners) > MOST_SESSIONS:
            self._owners.popitem(last=False)
        return owner == name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    name: str
    stamp: str
    until: float


class Tries:
    """The sign-ins that have failed lately, by name and by address."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failed: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)

    def wait(self, name: str, address: str) -> float:
        """Return for how many seconds no try counts, 0 if one may try."""
        now = self._clock()
        for times in self._failed.values():
            while times and times[0] <= now - WINDOW_SECONDS:
                times.popleft()
        for key in [key for key, times in self._failed.items() if not times]:
            del self._failed[key]
        full = [
            self._failed[key][0]
            for key, most in _keys(name, address).items()
            if len(self._failed[key]) >= most
        ]
        return max((first + WINDOW_SECONDS - now for first in full), default=0.0)

    def note(self, name: str, address: str) -> None:
        """Count a try."""
        for key in _keys(name, address):
            self._failed[key].append(self._clock())

    def forget(self, name: str, address: str) -> None:
        """Take the last try back: it was right."""
        for key in _keys(name, address):
            if self._failed[key]:
                self._failed[key].pop()


def _keys(name: str, address: str) -> dict[tuple[str, str], int]:
    return {(name, address): TRIES, (name, ""): TRIES_A_NAME, ("", address): TRIES_AN_ADDRESS}


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _header(scope: Message, name: bytes) -> str:
    values = [value for key, value in scope["headers"] if key == name]
    return str(values[0].decode("latin-1")) if values else ""


def _cookie(scope: Message, name: str) -> str:
    for part in _header(scope, b"cookie").split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return str(value)
    return ""


def _asked(scope: Message, name: str) -> str:
    return str(parse_qs(scope["query_string"].decode("latin-1")).get(name, [""])[0])


def _is_page(scope: Message) -> bool:
    return "text/html" in _header(scope, b"accept")


def _language(scope: Message) -> Language:
    return choose(_header(scope, b"accept-language"))


async def _whole(receive: Receive) -> bytes:
    """Return a body, whose length the guard limits."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    given = False

    async def once() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body}

    return once


def _session_in(body: bytes) -> str:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    return str(asked.get("session_hash") or "") if isinstance(asked, dict) else ""


async def _fields(receive: Receive) -> Mapping[str, str]:
    """Return the fields of a posted form, none if it is too long."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > LONGEST_FORM or message["type"] == "http.disconnect":
            return {}
        if not message.get("more_body"):
            break
    given = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0] for name, values in given.items()}


def _set_cookie(name: str, value: str, *, secure: bool, seconds: int | None = None) -> tuple[str, str]:
    age = "" if seconds is None else f"; Max-Age={seconds}"
    return "set-cookie", f"{name}={value}; Path=/; HttpOnly; SameSite=Strict{'; Secure' * secure}{age}"


async def _redirect(send: Send, path: str, *headers: tuple[str, str]) -> None:
    place = path if path.startswith("/") and not path.startswith("//") else "/"
    await _answer(send, 303, b"", [("location", place), *headers])


async def _refuse(scope: Message, send: Send, texts: Texts, sentence: str, status: int = 401) -> None:
    """Say one sentence: as a page to who opens one, else as the page's scripts read it."""
    if _is_page(scope):
        await _page(send, status, texts, f"<p>{escape(sentence)}</p>")
    else:
        content = json.dumps({"error": sentence}).encode()
        await _answer(send, status, content, [("content-type", "application/json")])


async def _page(
    send: Send, status: int, texts: Texts, content: str, headers: list[tuple[str, str]] | None = None
) -> None:
    html = (
        f'<!doctype html><html lang="{texts["language_code"]}"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>alignchat</title><style>{STYLE}</style>'
        f"<main><h1>alignchat</h1>{content}</main></html>"
    )
    kept = [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", POLICY),
        ("referrer-policy", "same-origin"),  # with no-referrer a browser says that a form comes from nowhere
    ]
    await _answer(send, status, html.encode(), [*kept, *(headers or [])])


def _login_form(texts: Texts, error: str) -> str:
    said = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    return (
        f'{said}<form method="post" action="/login">'
        f'<label>{escape(texts["sign_in_name"])}<input name="name" autocomplete="username" '
        f'autocapitalize="none" required autofocus></label>'
        f'<label>{escape(texts["sign_in_password"])}<input name="password" type="password" '
        f'autocomplete="current-password" required></label>'
        f"<button>{escape(texts['sign_in'])}</button></form>"
    )


async def _answer(send: Send, status: int, content: bytes, headers: list[tuple[str, str]]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    raw += [(b"cache-control", b"no-store"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content})
