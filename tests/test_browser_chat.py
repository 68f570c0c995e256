"""The tab Chat in a real browser over a scripted engine: every part, in both languages."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from browser import (
    MINUTE,
    Served,
    browser,
    low_contrasts,
    page_of,
    picture,
    reload,
    running_app,
    say,
    served,
    wait_for_reply,
    wait_for_text,
    watch_shifts,
)
from browser import wait_for_value as has_value

from alignchat import config
from alignchat.engine import Adapter, Sampling, ScriptedEngine
from alignchat.loop import Loop
from alignchat.ui.i18n import TEXTS, Texts
from feedback_store import Message

pytestmark = pytest.mark.browser

LOCALES = ["en-GB", "it-IT"]
CUT_OFF = "signal is aborted|Connection errored out"  # gradio says so when a reload cuts off its stream
RICH = r"""Here is **bold**, $a_1 < b$, and money: $5 or $6.

```html
<form action="x"><b>hi</b></form>
```

$$\int_0^1 x^2 \, dx = \frac{1}{3}$$

<form action="http://127.0.0.1:1/"><input></form><img src=x onerror=alert(1)>
![p](http://198.51.100.1/p.png) `<i>` <div style="position:fixed;inset:0">over</div>

```
left open <b>"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Iterator[Served]:  # noqa: ARG001 - skips first
    made = count(1)

    def reply(messages: Sequence[Message], _: Sampling, __: Adapter | None) -> str:
        return RICH if messages[-1].content == "rich" else f"reply {next(made)} to {messages[-1].content}"

    settings = config.load(tmp_path_factory.mktemp("data"), chat={"reasons_up": ("helpful", "rhymes")})
    with Loop.open(settings, lambda: ScriptedEngine(reply)) as loop, served(loop) as running:
        yield running


@pytest.fixture(params=LOCALES)
def page(request: pytest.FixtureRequest, chromium: Any, app: Served) -> Iterator[Any]:
    with page_of(chromium, app, locale=request.param, expected=CUT_OFF) as opened:
        opened.set_default_timeout(15_000)
        yield opened
        picture(opened, "chat-" + request.node.originalname.removeprefix("test_"))


@pytest.fixture
def texts(page: Any) -> Texts:
    return TEXTS["it" if page.evaluate("navigator.language").startswith("it") else "en"]


def ask(page: Any, text: str) -> Any:
    """Send a message and return the foot of its reply."""
    say(page, text)
    wait_for_reply(page)
    return foot(page, -1)


def shows(page: Any, selector: str, text: str) -> None:
    wait_for_text(page, selector, text, timeout=15_000)


def begin_anew(page: Any) -> None:
    page.click("#new-chat")
    eventually(page, "() => !document.querySelector('#chat .foot')")


def foot(page: Any, position: int) -> Any:
    feet = page.locator("#chat .foot[id^=reply-]")
    return feet.last if position < 0 else feet.nth(position)


def said(page: Any) -> list[str]:
    """Return the texts of all messages, without what is under them."""
    return page.evaluate(
        """() => [...document.querySelectorAll("#chat .message-content .md")].map((md) =>
            [...md.children].filter((e) => !e.matches(".foot")).map((e) => e.innerText).join(" ").trim())"""
    )


def eventually(page: Any, condition: str, arg: Any = None) -> None:
    page.wait_for_function(condition, arg=arg)


def version(page: Any, shown: str) -> None:
    shows(page, "#chat .versions span", shown)


def pressed(page: Any, act: str, value: bool, position: int = -1) -> None:
    eventually(
        page,
        """([act, value, at]) => [...document.querySelectorAll(`#chat .act.${act}`)].at(at)
            ?.ariaPressed === value""",
        [act, str(value).lower(), position],
    )


def thumb_of(app: Served, page: Any, position: int = -1) -> Any:
    """Return the thumb that the store has on a reply of the page."""
    id = foot(page, position).get_attribute("id").removeprefix("reply-")
    conversation = app.loop.conversations.completion(id).conversation_id
    turns = app.loop.conversations.turns(conversation, id)
    return turns[-1].thumb


def test_asking_again_keeps_the_version_before_and_one_can_go_back_to_it(page: Any, texts: Texts) -> None:
    ask(page, "one")
    first = said(page)[-1]
    foot(page, -1).locator(f'button[aria-label="{texts["chat_word_again"]}"]').click()
    version(page, "2/2")
    assert said(page)[-1] != first
    foot(page, -1).locator(".act.earlier").click()
    version(page, "1/2")
    assert said(page)[-1] == first
    assert foot(page, -1).locator(".act.earlier").is_disabled()
    ask(page, "two")
    assert said(page)[:3] == ["one", first, "two"]
    foot(page, 0).locator(".act.later").click()
    version(page, "2/2")
    assert len(said(page)) == 2
    foot(page, 0).locator(".act.earlier").click()
    eventually(page, "() => document.querySelectorAll('#chat .foot[id^=reply-]').length === 2")
    reload(page)
    page.wait_for_selector("#chat .bar")
    assert said(page)[:3] == ["one", first, "two"]


def test_editing_ones_own_message_makes_a_branch(page: Any, texts: Texts) -> None:
    ask(page, "first words")
    ask(page, "more")
    page.locator("#chat .act.ask").first.click()
    editor = page.locator("#chat .editor .text")
    assert editor.input_value() == "first words"
    editor.fill("other words")
    page.locator("#chat .chip.primary", has_text=texts["chat_word_resend"]).click()
    version(page, "2/2")
    assert said(page)[0] == "other words"
    assert len(said(page)) == 2
    foot(page, 0).locator(".act.earlier").click()
    eventually(page, "() => document.querySelectorAll('#chat .foot[id^=reply-]').length === 2")
    assert said(page)[::2] == ["first words", "more"]


def test_an_edited_reply_asks_once_whether_it_is_better(page: Any, app: Served, texts: Texts) -> None:
    before = app.loop.feedback.stats()
    ask(page, "edit me")
    foot(page, -1).locator(".act.edit").click()
    page.locator("#chat .editor .text").fill("my **own** words")
    page.keyboard.press("Control+Enter")
    shows(page, "#chat .better", texts["chat_word_better"])
    assert said(page)[-1] == "my own words"
    assert app.loop.feedback.stats()["edits"] == before["edits"]
    picture(page, "chat-better")
    page.locator("#chat .better button", has_text=texts["chat_word_better_yes"]).click()
    shows(page, "#chat-notice", texts["preferred"])
    assert app.loop.feedback.stats()["edits"] == before["edits"] + 1
    assert app.loop.feedback.stats()["down"] == before["down"]
    assert page.locator("#chat .better").count() == 0
    shows(page, "#chat .who", texts["edited_by_you"])
    foot(page, -1).locator(".act.edit").click()
    page.locator("#chat .editor .text").fill("still other words")
    page.locator("#chat [data-act=save]").click()
    page.locator("#chat .better button", has_text=texts["chat_word_better_no"]).last.click()
    reload(page)
    page.wait_for_selector("#chat .bar")
    assert said(page)[-1] == "still other words"
    assert page.locator("#chat .better").count() == 0
    assert app.loop.feedback.stats()["edits"] == before["edits"] + 1


def test_a_thumb_its_reasons_and_its_comment_are_kept_shown_again_and_taken_back(
    page: Any, app: Served, texts: Texts
) -> None:
    ask(page, "judge this")
    foot(page, -1).locator(f'button[aria-label="{texts["chat_word_good"]}"]').click()
    pressed(page, "up", True)
    chips = page.locator("#chat .reasons .chip")
    assert chips.all_inner_texts() == [texts["chat_word_reason_helpful"], "rhymes"]
    for chip in chips.all():
        chip.click()
    page.fill("#chat .reasons .comment", "just so")
    picture(page, "chat-reasons")
    page.keyboard.press("Enter")
    shows(page, "#chat .act.said", "“just so”")
    eventually(page, "() => alignchat.unsaved().length === 0")
    kept = thumb_of(app, page)
    assert (kept.up, kept.tags, kept.comment) == (True, ("helpful", "rhymes"), "just so")
    begin_anew(page)
    page.locator("#conversations label", has_text="judge this").first.click()
    pressed(page, "up", True)
    assert texts["chat_word_reason_helpful"] in foot(page, -1).locator(".act.said").inner_text()
    foot(page, -1).locator(f'button[aria-label="{texts["chat_word_bad"]}"]').click()
    pressed(page, "down", True)
    wrong = texts["chat_word_reason_wrong"]
    page.locator("#chat .reasons .chip", has_text=re.compile(f"^{wrong}$")).click()
    eventually(page, "() => alignchat.unsaved().length === 0")
    assert (thumb_of(app, page).up, thumb_of(app, page).tags) == (False, ("wrong",))
    foot(page, -1).locator(".act.down").click()
    pressed(page, "down", False)
    eventually(page, "() => alignchat.unsaved().length === 0")
    assert thumb_of(app, page) is None
    assert page.locator("#chat .reasons").count() == 0


def test_everything_on_a_reply_is_done_by_keyboard_and_focus_is_seen(page: Any, app: Served) -> None:
    ask(page, "by keyboard")
    ask(page, "again by keyboard")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == foot(page, -1).get_attribute("id")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("+")
    pressed(page, "up", True)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.matches('#chat .act.up')")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("-")
    pressed(page, "down", True)
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("-")
    pressed(page, "down", True, 0)
    page.keyboard.press("-")
    pressed(page, "down", False, 0)
    page.keyboard.press("r")
    version(page, "2/2")
    eventually(page, "() => document.activeElement.closest('.foot')")
    page.keyboard.press("ArrowLeft")
    version(page, "1/2")
    eventually(page, "() => document.activeElement.closest('.foot')")
    page.keyboard.press("e")
    page.wait_for_selector("#chat .editor .text:focus")
    page.keyboard.press("Escape")
    assert page.locator("#chat .editor").count() == 0
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.matches('#message textarea')")
    eventually(page, "() => alignchat.unsaved().length === 0")
    assert thumb_of(app, page).up is False


def test_conversations_are_named_searched_deleted_and_brought_back(page: Any, texts: Texts) -> None:
    name = f"Perché {texts['untitled']}"
    ask(page, f"what about the zebra {texts['untitled']}")
    ask(page, "and its stripes")
    page.fill("#conversation-title :is(input, textarea)", name)
    page.keyboard.press("Enter")
    shows(page, "#conversations label.selected", name)
    begin_anew(page)
    page.locator("#conversations-search :is(input, textarea)").fill("STRIPES")
    shows(page, "#conversations label", "stripes")
    page.locator("#conversations label", has_text=name).click()
    has_value(page, "#conversation-title :is(input, textarea)", name)
    assert said(page)[2] == "and its stripes"
    picture(page, "chat-found")
    page.locator("#conversations-search :is(input, textarea)").fill("no such thing")
    shows(page, "#conversations", texts["conversations_not_found"])
    page.click("#conversation-delete")
    shows(page, "#conversation-deleted", name)
    assert page.locator("#conversations label", has_text=name).count() == 0
    page.click("#conversation-undo")
    shows(page, "#conversations label.selected", name)
    assert said(page)[2] == "and its stripes"
    assert not page.locator("#conversation-deleted").is_visible()


def test_a_conversation_is_saved_as_a_file_and_comes_back_from_it(
    page: Any, app: Served, texts: Texts, tmp_path: Path
) -> None:
    ask(page, "to be saved")
    ask(page, "all of it")
    names = {}
    for kind in ("Markdown", "JSON"):
        with page.expect_download() as download:
            page.locator("#conversation-files a", has_text=kind).click()
        names[kind] = download.value.suggested_filename
        download.value.save_as(tmp_path / kind)
    assert names == {"Markdown": "to-be-saved.md", "JSON": "to-be-saved.json"}
    assert "## User\n\nall of it" in (tmp_path / "Markdown").read_text("utf-8")
    saved = json.loads((tmp_path / "JSON").read_text("utf-8"))
    app.loop.conversations.delete(saved["conversation"]["id"])
    begin_anew(page)
    for name, sentence in (("Markdown", texts["import_no_json"]), ("JSON", "to be saved")):
        with page.expect_file_chooser() as chooser:
            page.click("#conversation-import")
        chooser.value.set_files(tmp_path / name)
        shows(page, "#chat-notice", sentence)
    assert said(page)[2] == "all of it"


def test_how_it_replies_is_asked_for_kept_and_reset(page: Any, app: Served) -> None:
    page.click("#how > button")
    has_value(page, "#how-seed input", "")
    page.locator("#how-seed input").fill("7")
    page.locator("#how-temperature input[type=number]").fill("0.3")
    page.locator("#how-max-tokens input").fill("3")
    page.locator("#how-system textarea").fill("Be brief.")
    page.keyboard.press("Tab")
    reply = ask(page, "how do you reply")
    made = app.loop.conversations.completion(reply.get_attribute("id").removeprefix("reply-"))
    assert [m.content for m in made.prompt] == ["Be brief.", "how do you reply"]
    assert (made.sampling["seed"], made.sampling["temperature"], made.sampling["max_tokens"]) == (7, 0.3, 3)
    # A reload at the very moment of a reply's end would come before the page remembers where it is.
    has_value(page, "#conversation-title :is(input, textarea)", "how do you reply")
    reload(page)
    page.wait_for_selector("#chat .bar")
    page.click("#how > button")
    has_value(page, "#how-seed input", "7")
    has_value(page, "#how-system textarea", "Be brief.")
    picture(page, "chat-how")
    page.click("#how-reset")
    has_value(page, "#how-seed input", "")
    has_value(page, "#how-temperature input[type=number]", "0.7")
    has_value(page, "#how-system textarea", "")


def test_a_replys_facts_are_told_when_it_is_pointed_at_or_focused(page: Any, app: Served) -> None:
    reply = ask(page, "facts")
    made = app.loop.conversations.completion(reply.get_attribute("id").removeprefix("reply-"))
    who = reply.locator(".who")
    who.hover()
    shows(page, "#chat-tip:popover-open", str(made.sampling["seed"]))
    assert re.search(r"token(s a second| al secondo)", page.inner_text("#chat-tip"))
    page.keyboard.press("Escape")
    assert page.locator("#chat-tip:popover-open").count() == 0
    page.mouse.move(0, 0)
    who.focus()
    shows(page, "#chat-tip:popover-open", "starter")


def test_what_a_model_writes_is_shown_and_can_do_nothing(page: Any) -> None:
    ask(page, "rich")
    page.wait_for_selector("#chat .katex")
    message = page.locator("#chat .bot .message-content").last
    assert message.locator(".katex").count() == 2
    assert message.locator("form, img, input, [style*=fixed]").count() == 0
    assert message.locator("strong").inner_text() == "bold"
    codes = [code.strip() for code in message.locator("code").all_text_contents()]
    assert codes == ['<form action="x"><b>hi</b></form>', "<i>", "left open <b>"]
    shown = message.inner_text()
    for literal in (
        "$5 or $6",
        "<form action=",
        "<img src=x onerror=alert(1)>",
        '<div style="position:fixed',
    ):
        assert literal in shown.replace("\u2060", "")
    assert foot(page, -1).locator(".bar").count() == 1


def test_a_draft_survives_a_reload_and_is_gone_once_sent(page: Any) -> None:
    eventually(page, "() => document.querySelector('#talk-to input')?.value")
    page.locator("#message textarea").press_sequentially("half a th")
    reload(page)
    has_value(page, "#message textarea", "half a th")
    page.keyboard.press("End")
    page.locator("#message textarea").press_sequentially("ought")
    page.keyboard.press("Enter")
    has_value(page, "#message textarea", "")
    eventually(page, "() => document.querySelector('#chat .user-row')")
    wait_for_reply(page)
    assert said(page)[-2] == "half a thought"
    reload(page)
    page.wait_for_selector("#chat .bar")
    assert page.input_value("#message textarea") == ""


def test_copy_gives_the_reply_as_it_was_written(page: Any, texts: Texts) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    ask(page, "rich")
    foot(page, -1).locator(f'button[aria-label="{texts["chat_word_copy"]}"]').click()
    shows(page, "#chat-tip", texts["chat_word_copied"])
    assert page.evaluate("navigator.clipboard.readText()") == RICH


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("locale", LOCALES)
def test_the_chat_fits_a_telephone_and_has_the_contrast_of_wcag_aa(
    chromium: Any, app: Served, locale: str, dark: bool
) -> None:
    with page_of(chromium, app, locale=locale, width=390, height=844, dark=dark) as page:
        ask(page, "rich")
        foot(page, -1).locator(".act.again").click()
        version(page, "2/2")
        foot(page, -1).locator(".act.down").click()
        page.wait_for_selector("#chat .reasons")
        pressed(page, "down", True)
        page.mouse.move(0, 0)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        spoken = "#chat .foot :is(button, .who, input), #chat .md > p, #thumb-hint p, .files a"
        assert low_contrasts(page, spoken) == []
        picture(page, f"chat-390-{'dark' if dark else 'light'}")


def test_nothing_on_the_page_moves_while_a_reply_streams(chromium: Any, tmp_path: Path) -> None:
    with running_app(tmp_path, ALIGNCHAT_CHAT__MAX_TOKENS="60") as app, page_of(chromium, app) as page:
        ask(page, "Tell me about the sea.")
        say(page, "And about salt?")
        page.wait_for_timeout(600)  # what moves within half a second of a key is the key's doing
        watch_shifts(page)
        page.wait_for_selector("#send", state="visible", timeout=MINUTE)
        wait_for_reply(page)
        page.wait_for_timeout(300)
        shifted = page.evaluate("window.shifted")
        print(f"layout shift while streaming: {sum(s[0] for s in shifted):.4f}")
        assert sum(s[0] for s in shifted) < 0.01, shifted
