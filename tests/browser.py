"""A real app process and a real Chromium for tests; knows the page's ids, not what it should show."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import HTTPCookieProcessor

import pytest
import uvicorn

from alignchat.accounts import Accounts
from alignchat.api import Api
from alignchat.loop import Loop
from alignchat.ui import server

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
    url: str
    ready_seconds: float

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
        stderr=subprocess.PIPE,
    )
    try:
        url = address_of(process)
        with urllib.request.build_opener(HTTPCookieProcessor()).open(url, timeout=30):
            pass
    except BaseException:
        process.kill()
        raise
    return App(process=process, port=port, url=url, ready_seconds=time.monotonic() - started)


def address_of(process: subprocess.Popen[bytes]) -> str:
    """Return the address that the app tells when it serves; what it says goes on to our stderr."""
    assert process.stderr is not None
    for line in process.stderr:
        sys.stderr.write(line.decode())
        if told := re.search(rb"alignchat is at (\S+)", line):
            threading.Thread(target=_pass_on, args=[process.stderr], daemon=True).start()
            return told[1].decode()
    raise AssertionError("the app ended before its page was there")


def _pass_on(lines: Iterable[bytes]) -> None:
    for line in lines:
        sys.stderr.write(line.decode())


@dataclass
class Served:
    """The page over a scripted engine, served from this process."""

    loop: Loop
    port: int
    url: str


@contextmanager
def served(loop: Loop, accounts: Accounts | None = None) -> Iterator[Served]:
    """Serve a loop's page, guarded as the app is, for the length of the block."""
    port = free_port()
    place = server.Place(names=("127.0.0.1",), port=port, accounts=accounts)
    guarded, query = server.guard(server.application(loop), Api(loop), place)
    running = uvicorn.Server(uvicorn.Config(guarded, port=port, log_level="warning"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not running.started and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        yield Served(loop=loop, port=port, url=f"http://127.0.0.1:{port}{query}")
    finally:
        running.should_exit = running.force_exit = True
        thread.join(timeout=10)


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


# What Gradio writes into the console when a page is left, or loaded again, while an answer is on its way.
LEFT_WAITING = r"^AbortError: signal is aborted without reason(?s:.*)\.close "


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
        if not re.search("|".join(filter(None, (LEFT_WAITING, self.expected))), text):
            self.errors.append(f"console: {text}")

    def _pass(self, route: Any) -> None:
        if route.request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            route.continue_()
        else:
            self.outside.append(route.request.url)
            route.abort()

    def assert_none(self) -> None:
        assert not self.outside, self.outside
        assert not self.errors, self.errors


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
    app: App | Served,
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


def reload(page: Any) -> None:
    """Load the page again, and return when it can be used."""
    page.reload(wait_until="domcontentloaded")
    page.wait_for_selector("#strip li")


def go(page: Any, tab: str) -> None:
    page.locator(f"#tab-{tab}-button:visible").first.click()


def say(page: Any, text: str) -> None:
    """Send a message and return when the page shows it, which may be after the reply has come."""
    sent = page.locator("#chat .user-row").count()
    page.fill("#message textarea", text)
    page.keyboard.press("Enter")
    page.wait_for_function(
        "sent => document.querySelectorAll('#chat .user-row').length > sent", arg=sent, timeout=MINUTE
    )


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


def picture(page: Any, name: str) -> None:
    """Keep a screenshot under artefacts/, named with the page's language."""
    folder = ROOT / "artefacts"
    folder.mkdir(exist_ok=True)
    page.screenshot(path=folder / f"{name}-{page.evaluate('document.documentElement.lang')}.png")


_CONTRASTS = """(selector) => {
  const numbers = (colour) => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    return (over) => {
      for (const fill of [...over, colour]) { canvas.fillStyle = fill; canvas.fillRect(0, 0, 1, 1); }
      return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
  };
  const light = (rgb) => rgb.map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    const found = [];
    for (let e = element; e; e = e.parentElement) found.unshift(getComputedStyle(e).backgroundColor);
    return ["white", ...found];
  };
  return [...document.querySelectorAll(selector)]
    .filter((e) => e.checkVisibility() && !e.disabled && (e.innerText?.trim() || e.querySelector("svg")))
    .map((e) => {
      const [over, style] = [behind(e), getComputedStyle(e)];
      const [a, b] = [light(numbers(style.color)(over)), light(numbers("transparent")(over))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      return [ratio, e.className || e.tagName, e.innerText?.trim() ? 4.5 : 3];
    })
    .filter(([ratio, , needed]) => ratio < needed);
}"""


def low_contrasts(page: Any, selector: str) -> list[Any]:
    """Return [ratio, name, needed] of what is shown with less contrast than WCAG 2.2 AA asks for.

    Text needs 4.5, a mark without text 3 (success criteria 1.4.3 and 1.4.11).
    """
    found: list[Any] = page.evaluate(_CONTRASTS, selector)
    return found


_SHIFTS = """() => {
  window.shifted = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.hadRecentInput) continue;
      window.shifted.push([entry.value, ...entry.sources.map((s) => s.node?.className ?? s.node?.nodeName)]);
    }
  }).observe({ type: "layout-shift", buffered: false });
}"""


def watch_shifts(page: Any) -> None:
    """Note in `window.shifted` what moves on the page from now on, without a key or a click before it."""
    page.evaluate(_SHIFTS)
