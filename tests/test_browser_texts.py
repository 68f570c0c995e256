"""Text from models, sets and imports is data, in every place it is shown: tried in a real browser."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from browser import Served, browser, go, page_of, say, served, wait_for_reply, wait_for_text
from scored import a_loop

from alignchat import config, dataset
from alignchat.engine import ScriptedEngine
from alignchat.files import write_json
from alignchat.loop import Loop
from alignchat.rounds import REPLIES_FILE
from alignchat.ui.label_routes import html
from feedback_store import Choice, Completion, Conversation, Edit, Message, Thumb

pytestmark = pytest.mark.browser

OUTSIDE = "http://198.51.100.1"
PIECES = (
    "<script>window.ran=1</script>",
    '<img src=x onerror="window.ran=2">',
    '<svg onload="window.ran=3"></svg><details open ontoggle="window.ran=4">x</details>',
    f'<form action="{OUTSIDE}/"><input name="OVER"><button>OVER</button></form>',
    '<iframe src="javascript:window.ran=5"></iframe><embed src=x>',
    '<object data="data:text/html,x"></object>',
    '<div style="position:fixed;inset:0;z-index:9999">OVER</div>',
    f'<style>body{{display:none}} @import "{OUTSIDE}/c.css";</style>',
    f'<link rel=stylesheet href="{OUTSIDE}/d.css">',
    f'<base href="{OUTSIDE}/"><meta http-equiv="refresh" content="0;url={OUTSIDE}/">',
    '[a](javascript:window.ran=6) [b](data:text/html,x) <a href="javascript:window.ran=7">c</a>',
    f"![d]({OUTSIDE}/p.png) <video src={OUTSIDE}/v.mp4 autoplay></video>",
    rf"$$\href{{javascript:window.ran=8}}{{x}}$$ $$\includegraphics{{{OUTSIDE}/q.png}}$$",
    r"\(\htmlStyle{position:fixed;inset:0}{OVER}\) $$\htmlClass{fixed}{OVER}$$",
    r"$$\url{javascript:window.ran=9}$$",
    '```mermaid\ngraph TD; A["<img src=x onerror=window.ran=10>"]; click A "javascript:window.ran=11"\n```',
    "</p></div></td></table></article>\"'><script>window.ran=12</script> &lt;script&gt;",
    "\u202egnp.exe\u202c zero\u200bwidth <|im_start|>system",
)
TEXT = "\n\n".join(PIECES)
LINE = " ".join(PIECES)

_HARM = """() => {
  const found = [];
  if (window.ran) found.push(`a script ran: ${window.ran}`);
  const shown = (e) => `${e.tagName} ${e.outerHTML.slice(0, 120)}`;
  const bad = "form, iframe, object, embed, video, base:not([href='./']), meta[http-equiv=refresh]";
  for (const e of document.querySelectorAll(bad)) found.push(shown(e));
  for (const e of document.querySelectorAll("*")) {
    for (const { name, value } of e.attributes) {
      if (name.startsWith("on")) found.push(shown(e));
      const leads = /^(href|src|action|data|xlink:href)$/.test(name);
      if (leads && /^\\s*(javascript|data:text|vbscript)/i.test(value)) found.push(shown(e));
      // A link that one would have to press is no request.
      const link = e.tagName === "A" && e.rel.includes("noreferrer") && e.target === "_blank";
      const asks = /^(src|srcset|href|poster)$/.test(name) && !link;
      if (asks && value.includes("198.51.100.1")) found.push(shown(e));
    }
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.includes("OVER"));
    if (own && ["fixed", "absolute"].includes(getComputedStyle(e).position)) found.push(shown(e));
    if (e.tagName === "STYLE" && e.textContent.includes("198.51.100.1")) found.push(shown(e));
  }
  if (getComputedStyle(document.body).display === "none") found.push("the page is hidden");
  return found;
}"""


def assert_harmless(page: Any, *shown: str) -> None:
    """Wait until the places show what was pushed there, then look for any harm in the whole page."""
    for selector in shown:
        page.wait_for_function(
            """selector => [...document.querySelectorAll(selector)].some((e) =>
                (e.value ?? e.textContent).includes("OVER"))""",
            arg=selector,
        )
    assert page.evaluate(_HARM) == []


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Iterator[Served]:  # noqa: ARG001 - skips first
    data = tmp_path_factory.mktemp("texts")
    with a_loop(data, lambda *_: LINE, lambda *_: f"{LINE} again") as loop:
        _fill(loop)
        dataset.save(dataset.Dataset(method="kto", train=(), test=(), removed={}), loop.rounds.folder(1))
        write_json(loop.rounds.folder(1) / REPLIES_FILE, [{"prompt": LINE, "base": LINE, "round": LINE}])
    numbers = count()
    engine = ScriptedEngine(lambda *_: f"{TEXT} {next(numbers)}")
    settings = config.load(data, training={"max_length": 8192, "test_share": 0.0})
    with Loop.open(settings, lambda: engine) as loop, served(loop) as running:
        yield running


def _fill(loop: Any) -> None:
    """Put the text into every field of every record."""
    store, talk = loop._store, Conversation(title=f"OVER {LINE[:200]}")
    prompt = (Message(role="system", content=TEXT), Message(role="user", content=TEXT))
    said = Completion(conversation_id=talk.id, prompt=prompt, text=TEXT, model=LINE, round=1)
    other = replace(said, id="0" * 32, text=f"{TEXT} other", sampling={"stop": [LINE], "seed": 1})
    thumb = Thumb(completion_id=said.id, up=True, tags=(LINE,), comment=LINE, annotator=LINE)
    choice = Choice(left_id=other.id, right_id=said.id, verdict="left", annotator=LINE)
    store.add_many([talk, said, other, thumb, choice, Edit(completion_id=said.id, text=f"{TEXT} edited")])
    queued = [
        replace(
            said,
            id=c * 32,
            conversation_id="q" * 32,
            text=f"{TEXT}{c}",
            sampling={"queue": True, "overlap": 1},
        )
        for c in "12"
    ]
    store.add_many(queued)


def test_no_text_does_anything_but_be_shown(chromium: Any, app: Served) -> None:
    errors = (
        "Failed to load resource|mermaid|reading 'getAttribute'"  # the last: mermaid, of what it cannot draw
    )
    # The narrow Italian page is the one whose texts and folded parts differ most from what is written first.
    with page_of(chromium, app, locale="it-IT", width=390, height=844, expected=errors) as page:
        assert page.evaluate("document.documentElement.lang") == "it"
        _in_the_chat(page)
        _in_comparing_and_labelling(page)
        _in_feedback_and_data(page)
        _in_rounds_and_scores(page)
        assert page.evaluate(_HARM) == []


def _in_the_chat(page: Any) -> None:
    page.click("#how button")
    page.click("#conversations label")
    wait_for_text(page, "#chat", "OVER")
    assert_harmless(
        page,
        "#chat .bot",
        "#chat .user",
        "#how-system textarea",
        "#conversation-title :is(input, textarea)",
        "#conversations",
    )
    page.click("#new-chat")
    page.wait_for_function("() => !document.querySelector('#chat .foot')")
    say(page, TEXT)
    wait_for_reply(page)
    assert_harmless(page, "#chat .bot", "#chat .user")
    foot = page.locator("#chat .foot[id^=reply-]").last
    foot.locator(".act.edit").click()
    foot.locator(".editor .text").fill(TEXT)
    foot.locator("[data-act=save]").click()
    page.wait_for_selector(".better")
    assert_harmless(page, "#chat .bot")
    page.fill("#conversation-title :is(input, textarea)", f"OVER again {LINE[:40]}")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('#conversations').textContent.includes('again')")
    vote = "id => alignchat.vote({ completion_id: id.slice(0, 60), up: true }).catch(() => 0)"
    page.evaluate(vote, LINE)
    page.wait_for_function("() => document.querySelector('#unsaved').textContent.includes('script')")
    act = {"act": "show", "id": LINE, "at": 1}
    page.locator("#chat-act textarea, #chat-act input").evaluate(
        """(box, text) => {
            Object.getOwnPropertyDescriptor(Object.getPrototypeOf(box), "value").set.call(box, text);
            box.dispatchEvent(new Event("input", { bubbles: true })); }""",
        json.dumps(act),
    )
    wait_for_text(page, "#chat-notice", "OVER")
    assert_harmless(page, "#chat-notice")


def _in_comparing_and_labelling(page: Any) -> None:
    go(page, "compare")
    page.fill("#compare-prompt textarea", TEXT)
    page.click("#compare")
    page.wait_for_selector("#verdict-left:not([disabled])")
    assert_harmless(page, "#left-reply", "#right-reply")
    assert "⟦U+202E⟧" in page.inner_text("#left-reply")
    go(page, "label")
    wait_for_text(page, "#label-left", "OVER")
    assert_harmless(page, "#label-left", "#label-right", "#label-prompt")
    for mark in ("⟦U+202E⟧gnp.exe", "zero⟦U+200B⟧width", "<|im_start|>system"):
        assert mark in page.inner_text("#label-left")


def _in_feedback_and_data(page: Any) -> None:
    go(page, "feedback")
    wait_for_text(page, "#feedback-table", "OVER")
    assert_harmless(page, "#feedback-table")
    for number in range(page.locator("#feedback-table [data-act=change]").count()):
        page.locator("#feedback-table [data-act=change]").nth(number).click()
        page.wait_for_selector("#change-about .whole")
        assert_harmless(page, "#change-about")
    go(page, "data")
    page.wait_for_selector("#data-rows article")
    told = page.text_content("#data-rows").replace("\u200b", "").replace("\xa0", " ")  # token by token
    assert PIECES[0] in told
    assert_harmless(page)
    page.fill("#data-set input", LINE[:200])
    page.keyboard.press("Enter")
    page.click("#data-add")
    page.wait_for_selector("#data-notice .notice")
    assert_harmless(page)


def _in_rounds_and_scores(page: Any) -> None:
    go(page, "rounds")
    page.wait_for_selector("#rounds-table table")
    page.locator("#which input").click()
    page.locator("#which [role=option], [role=option]").filter(has_text="1").first.click()
    wait_for_text(page, "#sample-replies", "OVER")
    assert_harmless(page, "#sample-replies")
    go(page, "scores")
    page.click("#scores-texts-button")
    page.check("#texts-show input")
    wait_for_text(page, "#texts", "OVER")
    assert_harmless(page, "#texts")
    go(page, "models")
    page.click("#model-add button")
    page.fill("#model-source textarea, #model-source input", f"{LINE[:150]}.gguf")
    page.click("#model-add-run")
    page.wait_for_selector("#transfer .notice, #models-notice .notice")
    assert_harmless(page)


def test_bidi_and_zero_width_characters_are_seen_in_labelling() -> None:
    hidden = "\u200b\u200e\u202a\u202e\u2066\u2069\ufeff\u00ad\U000e0041"
    shown = html(f"a{hidden}b <b>")
    assert not set(hidden) & set(shown)
    assert shown.count("⟦U+") == len(hidden)
    assert "&lt;b&gt;" in shown
    assert html("perché 日本 👍 è") == "<p>perché 日本 👍 è</p>\n"
