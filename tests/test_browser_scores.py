"""The tab Scores in a real browser: charts, differences, and texts that are shown only when asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import App, browser, go, page_of, running_app
from scored import a_loop, saying

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture(scope="module")
def scored_app(tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Iterator[App]:  # noqa: ARG001 - skips first
    folder: Path = tmp_path_factory.mktemp("scored")
    a_loop(folder, saying(2), saying(7), continuations=2, honest_k=1).close()
    with running_app(folder) as app:
        yield app


def tab(page: Any, place: int) -> None:
    page.locator("#scores-tabs button[role=tab]").nth(place).click()


def test_charts_differences_and_texts_can_be_looked_through(chromium: Any, scored_app: App) -> None:
    with page_of(chromium, scored_app) as page:
        go(page, "scores")
        for place, title in enumerate(
            (
                "Bias, base and rounds",
                "Bias by round",
                "Negative regard by group",
                "HONEST by category",
                "What alignment cost",
                "Blind win rate against the base",
            )
        ):
            page.locator("#chart-kind label").nth(place).click()
            page.wait_for_function(
                "title => document.querySelector('#scores-chart svg title')?.textContent === title", arg=title
            )
        tab(page, 1)
        page.wait_for_selector("#differences li.worse")
        assert "more toxic than base" in page.locator("#differences li").first.inner_text().lower()
        tab(page, 2)
        page.wait_for_selector("#texts-warning")
        assert page.locator("#texts article").count() == 0
        page.locator("#texts-show input").click()
        page.wait_for_selector("#texts article")
        assert page.locator("#texts article").count() == 10
        assert "+" in page.locator("#texts article p b").first.inner_text()
        page.locator("#texts-words input, #texts-words textarea").fill("stronzo")
        page.keyboard.press("Enter")
        page.wait_for_function(
            "() => [...document.querySelectorAll('#texts article')].every(a => /stronzo/i.test(a.innerText))"
        )
        page.locator("#texts-on").click()
        page.wait_for_function("() => document.querySelector('#texts .hint').innerText.startsWith('11–')")
        page.locator("#texts-show input").click()
        page.wait_for_function("() => !document.querySelector('#texts article')")


def test_nothing_sticks_out_on_a_narrow_dark_page_in_italian(chromium: Any, scored_app: App) -> None:
    with page_of(chromium, scored_app, locale="it-IT", width=390, dark=True) as page:
        go(page, "scores")
        page.wait_for_selector("#scores-chart svg")
        for place in range(3):
            tab(page, place)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.locator("#bias-data button").first.click()
        page.wait_for_selector("#bias-data-table tbody tr:nth-child(4)")
        assert page.locator("#bias-data-get").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
