"""Serves the page on this machine, until told to stop. Port, model and folder are looked at first.

One page a language is mounted under `/en` and `/it`; `/` leads to the one that the browser prefers.
"""

import contextlib
import logging
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from alignchat.config import Settings
from alignchat.errors import SettingsError
from alignchat.loop import Loop
from alignchat.ui.guard import Guard
from alignchat.ui.i18n import LANGUAGES, choose

LOOPBACK = {
    "127.0.0.1": ("127.0.0.1", "localhost"),
    "localhost": ("localhost", "127.0.0.1"),
    "::1": ("[::1]", "localhost"),
}
# All must end within ten, and the open pages and replies take some of them.
CHECKPOINT_SECONDS = 4.0
COOKIE = "alignchat-language"
SCRIPTS = {path.stem: path for path in sorted(Path(__file__).parent.glob("*.js"))}


def serve(settings: Settings, *, open_browser: bool) -> int:
    """Serve until SIGTERM or Ctrl-C and return 0; raise one of `errors.EXPECTED` if it cannot begin."""
    host, port = settings.server.host, settings.server.port
    if host not in LOOPBACK:
        raise SettingsError(
            f"The setting server.host cannot be {host}: there are no accounts yet, so only this machine is "
            "served; use 127.0.0.1."
        )
    with _interruptible(), _listen(host, port) as listening, Loop.open(settings) as loop:
        loop.warm_up()
        _run(loop, listening, LOOPBACK[host], port, open_browser=open_browser)
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


def _run(
    loop: Loop, listening: socket.socket, names: tuple[str, ...], port: int, *, open_browser: bool
) -> None:
    import uvicorn

    address = f"http://{names[0]}:{port}"
    guarded = Guard(application(loop), hosts=frozenset(f"{name}:{port}" for name in names))
    config = uvicorn.Config(
        guarded, log_level="warning", access_log=False, proxy_headers=False, timeout_graceful_shutdown=1
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


def application(loop: Loop) -> Any:
    """Return the page in all languages as one ASGI application, unguarded."""
    import gradio as gr
    from fastapi import FastAPI, Request
    from fastapi.responses import FileResponse, JSONResponse, RedirectResponse, Response

    from alignchat.ui import build, conversation_files, label_routes, votes
    from alignchat.ui.theme import CSS, theme

    app = FastAPI(openapi_url=None)

    @app.get("/")
    def first(request: Request) -> Response:
        language = request.cookies.get(COOKIE)
        if language not in LANGUAGES:
            language = choose(request.headers.get("accept-language"))
        return RedirectResponse(f"/{language}/")

    @app.get("/language/{language}")
    def switch(language: str) -> Response:
        response = RedirectResponse(f"/{language}/" if language in LANGUAGES else "/")
        if language in LANGUAGES:
            response.set_cookie(COOKIE, language, max_age=31_536_000, httponly=True, samesite="strict")
        return response

    @app.get("/{name}.js")
    def script(name: str) -> Response:
        if name not in SCRIPTS:
            return Response(status_code=404)
        return FileResponse(SCRIPTS[name], media_type="text/javascript")

    app.include_router(votes.router(loop))
    app.include_router(label_routes.router(loop))
    app.include_router(conversation_files.router(loop))

    @app.get("/manifest.json")
    def manifest() -> Response:
        return JSONResponse({"name": "alignchat", "start_url": "/", "display": "browser"})

    for language in LANGUAGES:
        app = gr.mount_gradio_app(
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
        )
    return app
