"""The tab Data in a real browser: a set is mixed in, looked through, kept by the browser, and taken out."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Served, browser, go, page_of, reload, served

from alignchat import config
from alignchat.engine import ScriptedEngine
from alignchat.loop import Loop
from feedback_store import Choice, Completion, FeedbackStore, Message, Thumb

pytestmark = pytest.mark.browser
WORDS = [
    "il",
    "mare",
    "racconta",
    "di",
    "pescatori",
    "che",
    "partono",
    "prima",
    "dell'alba",
    "e",
    "tornano",
    "con",
    "il",
    "sole",
    "alto",
    "sopra",
    "il",
    "porto",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


def text(draw: random.Random, words: int) -> str:
    return " ".join(draw.choices(WORDS, k=words)).capitalize() + "."


def rated(folder: Path) -> None:
    draw = random.Random(3)
    with FeedbackStore.open(folder / "feedback") as store:
        for i in range(60):
            prompt = (Message(role="user", content=f"{text(draw, 12)}\nPerché?"),)
            left, right = (
                Completion(conversation_id=str(i), prompt=prompt, text=text(draw, n), model="m", round=0)
                for n in (30, 25)
            )
            name = ("anna", "local")[i % 2]
            store.add_many([left, right, Choice(left_id=left.id, right_id=right.id, verdict="left")])
            store.add(Thumb(completion_id=left.id, up=i % 3 > 0, annotator=name))
            store.add(Thumb(completion_id=right.id, up=False))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Iterator[Served]:  # noqa: ARG001 - skips first
    folder = tmp_path_factory.mktemp("data")
    rated(folder)
    with (
        Loop.open(config.load(folder), lambda: ScriptedEngine(lambda *_: "sì")) as loop,
        served(loop) as running,
    ):
        yield running


def test_a_set_is_mixed_in_looked_through_kept_and_taken_out(
    chromium: Any, app: Served, tmp_path: Path
) -> None:
    draw = random.Random(5)
    rows = [
        {"question": text(draw, 14), "chosen": text(draw, 60), "rejected": text(draw, 40)} for _ in range(90)
    ]
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with page_of(chromium, app) as page:
        go(page, "data")
        page.wait_for_selector("article.row")
        page.locator("#data-set input").fill(str(path))
        page.keyboard.press("Enter")
        page.locator("#data-amount input, #data-amount textarea").fill("40")
        page.locator("#data-add").click()
        page.wait_for_selector("#data-chosen input:checked")
        page.wait_for_selector("#data-sources td:has-text('mine.jsonl')")
        assert "1–5 of" in page.locator("#data-rows").inner_text()
        first = page.locator("article.row").first.inner_text()
        page.locator("#data-later").click()
        page.wait_for_function(
            "first => document.querySelector('article.row').innerText !== first", arg=first
        )
        assert page.locator("#data-chart svg title").first.text_content() == "What a round is trained on"

        reload(page)
        go(page, "data")
        page.wait_for_selector("#data-sources td:has-text('mine.jsonl')")
        go(page, "rounds")
        page.wait_for_selector("#preview:has-text('replies')")
        go(page, "data")
        page.locator("#data-chosen input").first.click()
        page.wait_for_function(
            "() => !document.querySelector('#data-sources').innerText.includes('mine.jsonl')"
        )
