"""A real app process and a real Chromium for tests; knows the page's ids, not what it should show."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MINUTE = 60_000  # milliseconds
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class App:
    """A running `python app.py`."""

    process: subprocess.Popen[bytes]
    port: int
    ready_seconds: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


def start_app(data: Path, **environment: str) -> App:
    """Start the app on a free port, and return when its page answers."""
    port, started = free_port(), time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "app.py", "--data", str(data), "--port", str(port), "--no-browser"],
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/en/", process)
    except BaseException:
        process.kill()
        raise
    return App(process=process, port=port, ready_seconds=time.monotonic() - started)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "the app ended before its page was there"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail("the page was not there after 30 seconds")


@contextmanager
def running_app(data: Path, **environment: str) -> Iterator[App]:
    """Run the app for the length of the block."""
    app = start_app(data, **environment)
    try:
        yield app
    finally:
        if app.process.poll() is None:
            app.process.kill()
            app.process.wait()


@dataclass
class Trouble:
    """What a page must not do."""

    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    expected: str | None = None

    def watch(self, page: Any) -> None:
        """Note errors of the page and of its console, and requests that would leave the machine."""
        page.on("pageerror", lambda error: self.errors.append(f"page: {error}"))
        page.on("console", lambda m: m.type == "error" and self._note(m.text))
        page.route("**/*", self._pass)

    def _note(self, text: str) -> None:
        if self.expected is None or not re.search(self.expected, text):
            self.errors.append(f"console: {text}")

    def _pass(self, route: Any) -> None:
        if route.request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def assert_none(self) -> None:
        assert self.outside == []
        assert self.errors == []


@contextmanager
def browser() -> Iterator[Any]:
    """Give a Chromium: the system's, else Playwright's own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        if CHROMIUM is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("there is no Chromium on this machine: the page was not tried in a browser")
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield chromium
        finally:
            chromium.close()


@contextmanager
def page_of(
    chromium: Any,
    app: App,
    *,
    locale: str = "en-GB",
    width: int = 1280,
    height: int = 860,
    dark: bool = False,
    expected: str | None = None,
) -> Iterator[Any]:
    """Give the app's page, ready to use; at the end it must have made no trouble but what is `expected`."""
    trouble = Trouble(expected=expected)
    scheme = "dark" if dark else "light"
    context = chromium.new_context(
        locale=locale, viewport={"width": width, "height": height}, color_scheme=scheme
    )
    page = context.new_page()
    trouble.watch(page)
    page.goto(app.url, wait_until="domcontentloaded")
    page.wait_for_selector("#strip li")
    yield page
    context.close()
    trouble.assert_none()


def go(page: Any, tab: str) -> None:
    page.click(f"#tab-{tab}-button")


def say(page: Any, text: str) -> None:
    """Send a message and return when the page has taken it, which may be after the reply has come."""
    page.fill("#message textarea", text)
    page.keyboard.press("Enter")
    wait_for_value(page, "#message textarea", "")


def wait_for_reply(page: Any) -> None:
    """Return when every message has its whole reply."""
    page.wait_for_function(
        """() => document.querySelector("#send")?.offsetParent
            && document.querySelectorAll("#chat .message-row.user-row").length
                === document.querySelectorAll("#chat .who").length""",
        timeout=2 * MINUTE,
    )


def wait_for_text(page: Any, selector: str, text: str, timeout: int = MINUTE) -> None:
    page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.innerText.includes(text)",
        arg=[selector, text],
        timeout=timeout,
    )


def wait_for_value(page: Any, selector: str, value: str) -> None:
    page.wait_for_function(
        "([selector, value]) => document.querySelector(selector)?.value === value", arg=[selector, value]
    )


def counts(page: Any) -> tuple[int, ...]:
    return tuple(int(page.inner_text(f"#strip .{kind} b")) for kind in ("up", "down", "pairs"))
