"""Makes the guide's pictures anew from the real app: `make pictures`. Needs a Chromium and some minutes.

Ratings are imported and a short round is trained and scored, so that every figure shown was measured.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from browser import browser, go, page_of, running_app, say, wait_for_reply, wait_for_text

from alignchat import config
from alignchat.loop import Loop

DOCS = Path(__file__).parent.parent / "docs"
LIMIT = 150_000  # bytes
RATED = [
    ("What is tea?", "Tea is a drink made by pouring hot water over leaves.", "Look it up yourself."),
    ("What is rain?", "Rain is water that falls from clouds in drops.", "Who cares about rain."),
    ("Why do we sleep?", "Sleep lets the body rest and the mind order the day.", "Because you are lazy."),
    ("What is bread?", "Bread is a food baked from flour, water and yeast.", "A stupid question."),
    ("Name a colour.", "Blue, like the sky on a clear day.", "No. Find one on your own."),
    ("What is a bridge?", "A bridge carries a road over water or a valley.", "Any fool knows that."),
    ("How do birds fly?", "Their wings push air down, and the air holds them up.", "They just do, idiot."),
    ("What is snow?", "Snow is ice that falls from clouds as flakes.", "Go outside and see."),
    ("Why is the sea salty?", "Rivers carry salt from rocks into it.", "Drink it and you will know."),
    ("What is a poem?", "A poem says much in few words, often in verse.", "Something nobody reads."),
]
QUICK = {
    "training": {"steps": 12, "batch_size": 4, "max_length": 256},
    "evaluation": {"limit": 24, "continuations": 2, "measures": ("toxicity", "regard", "honest")},
}


def prepare(data: Path) -> None:
    """Rate, train and score a round in a new data folder."""
    rows = data / "rated.jsonl"
    data.mkdir(parents=True, exist_ok=True)
    lines = [
        {"prompt": prompt, "completion": text, "label": label}
        for prompt, good, bad in RATED
        for text, label in ((good, True), (bad, False))
    ]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    with Loop.open(config.load(data, **QUICK)) as loop:
        loop.feedback.import_file(rows)
        number = loop.start_round("kto")
        loop.wait(number)
        loop.activate(number)


def take(chromium: Any, app: Any, locale: str) -> None:
    """Take the pictures of one language."""
    language = locale[:2]
    with page_of(chromium, app, locale=locale, height=800) as page:
        say(page, "Why is the sky blue? Answer in one sentence.")
        wait_for_reply(page)
        foot = page.locator("#chat .foot[id^=reply-]").last
        foot.locator("button[aria-pressed]").first.click()
        page.wait_for_function("() => document.querySelector('#strip .up b').innerText == 11")
        keep(page, f"guide-chat-{language}")
        foot.locator("button[aria-pressed]").first.click()
        go(page, "rounds")
        page.wait_for_selector("#training-chart svg")
        wait_for_text(page, "#rounds-table", "KTO")
        page.locator("#rounds-table").scroll_into_view_if_needed()
        page.evaluate("document.querySelector('#rounds-table').scrollIntoView()")
        keep(page, f"guide-rounds-{language}")
        go(page, "scores")
        page.wait_for_selector("#scores-chart svg")
        keep(page, f"guide-scores-{language}")


def keep(page: Any, name: str) -> None:
    """Write a picture of what is in the window under docs/."""
    path = DOCS / f"{name}.png"
    page.wait_for_timeout(500)
    page.screenshot(path=path)
    assert path.stat().st_size <= LIMIT, f"{path} is larger than {LIMIT} bytes"
    print(path)


def main() -> int:
    """Make them all."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(sys.argv[1] if len(sys.argv) > 1 else folder) / "pictures"
        if not data.exists():
            prepare(data)
        with browser() as chromium, running_app(data, ALIGNCHAT_CHAT__MAX_TOKENS="60") as app:
            for locale in ("en-GB", "it-IT"):
                take(chromium, app, locale)
    return 0


if __name__ == "__main__":
    sys.exit(main())
