"""Signing in and out in a real browser, and what an annotator's page shows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import browser, counts, picture, say, served, wait_for_reply

from alignchat import config
from alignchat.accounts import Accounts
from alignchat.engine import ScriptedEngine
from alignchat.loop import Loop
from alignchat.ui.i18n import TEXTS

pytestmark = pytest.mark.browser

SECRET = "a good password"
HIDDEN = ("data", "rounds", "models")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.mark.parametrize(("locale", "width", "name"), [("en-GB", 1280, "bruno"), ("it-IT", 390, "anna")])
def test_who_signs_in_sees_what_answers_them(
    chromium: Any, tmp_path: Path, locale: str, width: int, name: str
) -> None:
    users, texts = Accounts(tmp_path), TEXTS["it" if locale == "it-IT" else "en"]
    users.add("anna", "owner", SECRET)
    users.add("bruno", "annotator", SECRET)
    with (
        Loop.open(config.load(tmp_path), lambda: ScriptedEngine(lambda *_: "one two")) as loop,
        served(loop, users) as app,
    ):
        context = chromium.new_context(locale=locale, viewport={"width": width, "height": 860})
        page = context.new_page()
        page.goto(app.url, wait_until="domcontentloaded")
        for password in ("a wrong password", SECRET):
            page.fill("[name=name]", name)
            page.fill("[name=password]", password)
            page.click("button")
            if password != SECRET:
                page.wait_for_selector(".error")
                assert page.inner_text(".error") == texts["sign_in_wrong"]
                picture(page, f"team-sign-in-{name}")
        page.wait_for_selector("#sign-out")
        assert page.inner_text(".who-is-here b") == name
        say(page, "hello")
        wait_for_reply(page)
        for tab in HIDDEN:
            assert (page.locator(f"#tab-{tab}-button:visible").count() > 0) == (name == "anna"), tab
        page.locator("#chat .foot[id^=reply-] .act.up").click()
        page.wait_for_selector("#chat .act.up[aria-pressed=true]")
        assert counts(page)[0] == 1
        strip, who = (page.locator(part).bounding_box() for part in ("#strip", "#who"))
        assert strip["width"] > 250
        assert strip["height"] < 120
        assert strip["x"] + strip["width"] <= who["x"] or strip["y"] + strip["height"] <= who["y"]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        picture(page, f"team-{name}")
        (thumb,) = loop._store.thumbs()
        assert thumb.annotator == name
        page.click("#sign-out")
        page.wait_for_selector("[name=password]")
        assert page.url.endswith("/login")
        context.close()
