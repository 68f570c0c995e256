"""The page for those who do not see it: axe-core finds nothing to mend in any tab."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import Served, browser, go, page_of, say, served, wait_for_reply
from scored import a_loop, saying

pytestmark = pytest.mark.browser

# A tab, and what is there once it is filled.
TABS = {
    "chat": "#chat .foot",
    "compare": "#standings h2",
    "label": "#label-stage",
    "feedback": ".coach h2",
    "data": "#data-rows article",
    "rounds": "#rounds-table table",
    "scores": "#scores-chart svg",
    "models": "#model h2",
}
STILL = """() => !document.querySelector("#tabs .pending, #tabs .generating")
    && document.getAnimations().every((animation) => animation.playState !== "running")"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("scored")
    with a_loop(folder, saying(2), saying(7), continuations=2, honest_k=1) as loop, served(loop) as running:
        loop.rate([*loop.reply(None, "hello")][-1].completion_id, True)
        yield running


@pytest.mark.parametrize(("locale", "width", "dark"), [("en-GB", 1280, False), ("it-IT", 390, True)])
def test_axe_finds_nothing_to_mend_in_any_tab(app: Served, locale: str, width: int, dark: bool) -> None:
    found: list[str] = []
    with browser() as chromium, page_of(chromium, app, locale=locale, width=width, dark=dark) as page:
        say(page, "Hello.")
        wait_for_reply(page)
        for tab, filled in TABS.items():
            go(page, tab)
            page.wait_for_selector(filled)
            page.wait_for_function(STILL)
            violations: list[dict[str, Any]] = Axe().run(page).response["violations"]
            found += [
                f"{tab}: {v['id']} {n['html']} {n['failureSummary']}" for v in violations for n in v["nodes"]
            ]
    assert "\n".join(found) == ""
