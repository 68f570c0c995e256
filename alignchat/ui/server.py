"""Serves the page on this machine, until told to stop. Port, model and folder are looked at first.

One page a language is mounted under `/en` and `/it`; `/` leads to the one that the browser prefers.
"""

import contextlib
import logging
import signal
import socket
import ssl
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from alignchat.accounts import Accounts
from alignchat.config import ServerSettings, Settings
from alignchat.errors import SettingsError
from alignchat.loop import Loop
from alignchat.ui.door import LoginDoor, OwnSessions, TokenDoor
from alignchat.ui.guard import API, App, Guard, Message, Receive, Send
from alignchat.ui.i18n import LANGUAGES, Language, choose

LOOPBACK = {
    "127.0.0.1": ("127.0.0.1", "localhost"),
    "localhost": ("localhost", "127.0.0.1"),
    "::1": ("[::1]", "localhost"),
}
# All must end within ten, and the open pages and replies take some of them.
CHECKPOINT_SECONDS = 4.0
COOKIE = "alignchat-language"
SCRIPTS = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.js"))}


def serve(
    settings: Settings, api: Callable[[Loop], App], *, open_browser: bool, insecure_lan: bool = False
) -> int:
    """Serve until SIGTERM or Ctrl-C and return 0; raise one of `errors.EXPECTED` if it cannot begin.

    `api` is what answers other programs; `insecure_lan` lets other machines in without TLS.
    """
    place = _place(settings, insecure_lan=insecure_lan)
    host, port = settings.server.host, settings.server.port
    with _interruptible(), _listen(host, port) as listening, Loop.open(settings) as loop:
        loop.warm_up()
        if fault := loop.rounds.active_fault():
            print(fault, file=sys.stderr)
        _run(loop, api(loop), listening, place, open_browser=open_browser)
        if (stopped := loop.stop_own_round(CHECKPOINT_SECONDS)) is not None:
            print(f"Round {stopped} stops with a checkpoint, to be resumed.", file=sys.stderr)
    return 0


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """End the block at SIGTERM and Ctrl-C wherever it is, which while it serves they do in better order."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the page is: under which names, and with which accounts and certificate, if any."""

    names: tuple[str, ...]
    port: int
    accounts: Accounts | None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def scheme(self) -> str:
        """The address's scheme."""
        return "https" if self.certificate else "http"

    @property
    def hosts(self) -> frozenset[str]:
        """The Host headers that a browser sends to this place."""
        usual = {"http": 80, "https": 443}[self.scheme] == self.port
        return frozenset(name if usual else f"{name}:{self.port}" for name in self.names)


def _place(settings: Settings, *, insecure_lan: bool) -> Place:
    """Look at users, names and certificate; raise SettingsError or AccountError if they do not suffice."""
    server, accounts = settings.server, Accounts(settings.data)
    _check_certificate(server)
    people = accounts.people()
    names = server.names or LOOPBACK.get(server.host) or (server.host,)
    if server.host not in LOOPBACK or server.names:
        if not any(person.role == "owner" for person in people):
            raise SettingsError(
                f"The setting server.host cannot be {server.host} yet: other machines are served only to "
                "people with a password. Add yourself first: alignchat users add NAME --role owner."
            )
        if not server.certificate and not insecure_lan:
            raise SettingsError(
                f"The setting server.host cannot be {server.host} without TLS: set server.certificate and "
                "server.key, or start with --insecure-lan if nobody else can listen on this network."
            )
        if not server.names and server.host in ("0.0.0.0", "::", ""):
            raise SettingsError(
                f"The setting server.names is empty: with server.host {server.host} say under which names "
                'or addresses others open the page, as in ["labels.example.org"].'
            )
    shown = tuple(f"[{name}]" if ":" in name and name[0] != "[" else name for name in names)
    return Place(
        names=shown,
        port=server.port,
        accounts=accounts if people else None,
        certificate=server.certificate,
        key=server.key,
    )


def _check_certificate(server: ServerSettings) -> None:
    """Raise SettingsError if there is a certificate and it cannot be used."""
    if server.certificate is None and server.key is None:
        return
    if server.certificate is None or server.key is None:
        raise SettingsError("The settings server.certificate and server.key go together; set both.")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(server.certificate, server.key)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"The setting server.certificate cannot be {server.certificate} with {server.key}: {error}."
        ) from error


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"Port {port} on {host} cannot be had ({error.strerror}); stop what uses it, or choose another "
            f"with --port {port % 65535 + 1}."
        ) from error
    return listening


def _run(loop: Loop, api: App, listening: socket.socket, place: Place, *, open_browser: bool) -> None:
    import uvicorn

    guarded, query = guard(application(loop), api, place)
    address = f"{place.scheme}://{place.names[0]}:{place.port}{query}"
    config = uvicorn.Config(
        guarded,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        ssl_certfile=place.certificate,
        ssl_keyfile=place.key,
    )

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            # uvicorn would raise the signal again after its shutdown; ending on one is no failure here.
            before = {s: signal.signal(s, self.handle_exit) for s in (signal.SIGINT, signal.SIGTERM)}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            # Ending cuts off the streams of open pages, which uvicorn would report as errors.
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
            super().handle_exit(sig, frame)

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            print(f"alignchat is at {address} (Ctrl-C ends it)", file=sys.stderr, flush=True)
            if open_browser:
                threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()

    Server(config).run(sockets=[listening])


def guard(app: App, api: App, place: Place) -> tuple[App, str]:
    """Put door and guard before the page, and the guard before an API.

    Return both as one application, and what the page's address ends in.
    """
    if place.accounts:
        door: App = LoginDoor(
            OwnSessions(app), place.accounts, port=place.port, secure=place.certificate is not None
        )
        query = "/"
    else:
        door = token = TokenDoor(app, port=place.port)
        query = f"/?token={token.token}"
    return Guard(_either(door, api), hosts=place.hosts, scheme=place.scheme), query


def _either(page: App, api: App) -> App:
    """Let an API answer its paths and the page all others."""

    async def either(scope: Message, receive: Receive, send: Send) -> None:
        of_api = scope["type"] == "http" and scope["path"].startswith(API)
        await (api if of_api else page)(scope, receive, send)

    return either


def application(loop: Loop) -> Any:
    """Return the page in all languages as one ASGI application, unguarded."""
    from fastapi import FastAPI, Request
    from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response

    from alignchat.ui import conversation_files, label_routes, votes

    app = FastAPI(openapi_url=None)

    @app.get("/")
    def first(request: Request) -> Response:
        language = request.cookies.get(COOKIE)
        if language not in LANGUAGES:
            language = choose(request.headers.get("accept-language"))
        return RedirectResponse(f"/{language}/")

    @app.get("/language/{language}")
    def switch(language: str) -> Response:
        if language not in LANGUAGES:
            return RedirectResponse("/")
        response = RedirectResponse(f"/{language}/")
        response.set_cookie(COOKIE, language, max_age=31_536_000, httponly=True, samesite="strict")
        return response

    @app.get("/{name}.js")
    def script(name: str) -> Response:
        file = SCRIPTS.get(name)
        return FileResponse(file, media_type="text/javascript") if file else Response(status_code=404)

    app.include_router(votes.router(loop))
    app.include_router(label_routes.router(loop))
    app.include_router(conversation_files.router(loop))

    @app.get("/manifest.json")
    def manifest() -> Response:
        return JSONResponse({"name": "alignchat", "start_url": "/", "display": "browser"})

    @app.get("/favicon.ico")
    def icon() -> Response:
        return Response(status_code=204)

    for language in LANGUAGES:
        app = _mounted(app, loop, language)
    return app


def _mounted(app: Any, loop: Loop, language: Language) -> Any:
    """Return the application with the page in one language in it."""
    import gradio as gr

    from alignchat.ui import build
    from alignchat.ui.theme import CSS, theme

    return gr.mount_gradio_app(
        app,
        build(loop, language),
        path=f"/{language}",
        theme=theme(),
        css=CSS,
        head="".join(f'<script src="/{name}.js" defer></script>' for name in SCRIPTS),
        footer_links=[],
        ssr_mode=False,
        show_error=False,
        enable_monitoring=False,
        mcp_server=False,
        run_history=False,
        pwa=False,
        root_path="",
    )
