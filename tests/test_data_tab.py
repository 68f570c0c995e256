"""The tab Data without a browser: what is mixed in, what is shown, what is left out, in both languages."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from alignchat import config
from alignchat.engine import ScriptedEngine
from alignchat.errors import AlignchatError, DataError
from alignchat.loop import Loop
from alignchat.rows.lengths import TokenizedRow
from alignchat.rows.preferences import PairedRow, UnpairedRow
from alignchat.shelf.transfer import Progress
from alignchat.shelf.under_way import Transfer
from alignchat.ui import data_views, i18n
from alignchat.ui.data import DataTab
from alignchat.ui.shared import Page
from feedback_store import Message

EN, IT = i18n.TEXTS["en"], i18n.TEXTS["it"]


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    with Loop.open(
        config.load(tmp_path / "data"), lambda: ScriptedEngine(lambda *_: "one two three")
    ) as opened:
        for i in range(8):
            *_, reply = opened.reply(None, f"question {i} about {i * 7919}")
            opened.rate(reply.completion_id, i % 2 == 0)
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = [{"prompt": f"other {i * 104729}", "chosen": f"yes {i}", "rejected": f"no {i}"} for i in range(30)]
    path = tmp_path / "others.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def tab(loop: Loop) -> DataTab:
    with gr.Blocks():
        page = Page(
            loop=loop,
            texts=EN,
            language="en",
            strip=gr.Markdown(),
            timer=gr.Timer(active=False),
            changed=gr.State(0),
            watched=gr.State(None),
            sets=gr.BrowserState([]),
        )
        return DataTab(page)


def test_a_file_is_mixed_in_by_rows_and_weight_and_takes_its_own_place_again(
    tab: DataTab, loop: Loop, file: Path
) -> None:
    sets: list[str] = []
    for amount, weight in (("10", 1), ("5", 0.5)):
        tab._add(str(file), amount, weight)
        loop.sets_under_way.wait(20)
        (updates,) = tab._end(sets, "kto")
        sets = updates[tab.page.sets]
    assert sets == [f"{file}:5*0.5"]
    assert "others.jsonl" in updates[tab.sources]
    assert "is mixed in" in updates[tab.notice]


def test_rows_are_shown_page_by_page_with_their_tokens(tab: DataTab, file: Path) -> None:
    sets = [str(file)]
    first = tab.refresh("dpo", sets)
    assert first[tab.rows].count("<article") == 5
    assert "1–5 of" in first[tab.rows]
    later = tab._turn(5, "dpo", sets, "train", 0)
    assert "6–10 of" in later[tab.rows]
    assert later[tab.first] == 5
    assert tab._turn(-5, "dpo", sets, "train", 5)[tab.rows] == first[tab.rows]
    assert tab._turn(None, "dpo", sets, "test", 5)[tab.first] == 0


def test_a_set_that_is_gone_is_no_longer_mixed_in(tab: DataTab, file: Path) -> None:
    before = tab.refresh("kto", [])
    file_gone = [str(file.parent / "gone.jsonl"), "kto-mix-14k:5", "nothing"]
    assert tab.refresh("kto", file_gone)[tab.facts] == before[tab.facts]


@pytest.mark.parametrize("asked", ["", "nothing", "a/b:many", "/no/such/file.jsonl"])
def test_what_cannot_be_got_is_a_sentence_in_both_languages(tab: DataTab, asked: str) -> None:
    with pytest.raises(AlignchatError) as refused:
        tab._add(asked, "10", 1)
    assert str(refused.value)
    if asked:
        assert i18n.error_sentence(refused.value, "it") != str(refused.value)


@pytest.mark.parametrize("texts", [EN, IT])
def test_what_models_and_people_wrote_cannot_become_a_part_of_the_page(texts: Any) -> None:
    row = PairedRow(
        prompt=(Message(role="user", content="x"),),
        chosen="y",
        rejected="z",
        source="<script>alert(1)</script>",
    )
    read = TokenizedRow(prompt=("<img src=x>", "\n\n", "a"), replies=(("<b>",), ("&",)))
    shown = data_views.shown_rows([(row, read)], 0, 1, texts)
    assert "\n" not in shown
    for tag in ("<script", "<img", "<b>"):
        assert tag not in shown


def test_of_a_long_row_the_middle_is_left_out_and_counted() -> None:
    row = UnpairedRow(prompt=(Message(role="user", content="x"),), completion="y", label=True, source="thumb")
    read = TokenizedRow(prompt=tuple(f"w{i} " for i in range(1000)), replies=(("y",),))
    shown = data_views.shown_rows([(row, read)], 0, 1, EN)
    assert "1000 tokens" in shown
    assert f"{1000 - data_views.SHOWN_TOKENS} tokens more" in shown
    assert "w0&nbsp;" in shown
    assert "w999&nbsp;" in shown
    assert "w500" not in shown


def test_the_manifest_is_told_in_both_languages(loop: Loop, file: Path) -> None:
    manifest = loop.preview("kto", sets=[f"{file}:10*2"])
    for texts in (EN, IT):
        told = data_views.facts(manifest, texts)
        assert manifest["sha256"] in told
        assert str(manifest["kto_weights"]["desirable_rows"]) in told
        table = data_views.sources(manifest, texts)
        assert "others.jsonl" in table
        assert "10 (10)" in table


def test_a_set_on_its_way_shows_how_far_it_is_and_why_it_did_not_come() -> None:
    half = Progress(what="x", done=50, total=100, rate=10.0, seconds_left=5.0)
    going: Transfer[str] = Transfer(
        name="x", running=True, stopping=False, progress=half, report=None, error=None
    )
    assert 'aria-valuenow="50"' in data_views.under_way(going, "en", EN)
    failed: Transfer[str] = Transfer(
        name="x",
        running=False,
        stopping=False,
        progress=None,
        report=None,
        error=DataError("x is asked for twice; no."),
    )
    assert "due volte" in data_views.under_way(failed, "it", IT)
