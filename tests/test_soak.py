"""The soak in short: eight chat, others vote and reload, and nothing fails, is lost, or is held for good."""

from pathlib import Path
from typing import Any

from starlette.routing import Mount

from alignchat import config
from alignchat.engine import ScriptedEngine
from alignchat.loop import Loop
from alignchat.ui import server
from alignchat.ui.page import MOST_PAGES
from benchmarks.soak import SLACK, soak
from tests.tiny_models import write_llama


def test_eight_people_chatting_reloads_and_five_hundred_votes_hold_on_to_nothing(tmp_path: Path) -> None:
    model = str(write_llama(tmp_path / "tiny.gguf", tied=False))
    found = soak(
        tmp_path,
        model,
        warm_up=lambda crowd: crowd.wait_for(200),
        rest=lambda crowd: crowd.wait_for(500),
        pause=0,
        round_steps=0,
    )
    print(found)
    assert found["errors"] == []
    assert (found["lost"], found["exit"]) == (0, 0)
    assert found["votes"] >= 500
    assert found["end"]["threads"] <= found["warm"]["threads"] + SLACK
    assert found["end"]["files"] <= found["warm"]["files"] + SLACK


def test_what_is_kept_of_opened_pages_is_that_of_the_newest(tmp_path: Path) -> None:
    with Loop.open(config.load(tmp_path), lambda: ScriptedEngine(lambda *_: "one")) as loop:
        app = server.application(loop)
        mounts = [route for route in app.routes if isinstance(route, Mount) and route.path == "/en"]
        pages: Any = mounts[0].app.state_holder  # type: ignore[attr-defined]  # Gradio's, a page's sessions
        for number in range(MOST_PAGES + 20):
            pages[str(number)]
        assert list(pages.session_data) == [str(number) for number in range(20, MOST_PAGES + 20)]
