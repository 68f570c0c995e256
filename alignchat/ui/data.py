"""The tab Data: preference sets to mix in, and what the next round would be trained on, row by row."""

import json
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import gradio as gr

from alignchat import charts
from alignchat.config import Method
from alignchat.errors import Cancelled, DataError
from alignchat.ui import data_views, views
from alignchat.ui.errors import Notices, Updates, tell
from alignchat.ui.i18n import Language
from alignchat.ui.shared import AT_ONCE, BESIDE, Page, said, stamp

POLL_SECONDS = 1.0
PAGE = 5
ROWS = "500"


class DataTab:
    """The components of the tab and their handlers; `first` is the first of the rows that are shown."""

    def __init__(self, page: Page) -> None:
        """Lay the tab out; call inside the tab's block."""
        self.page, self.texts = page, page.texts
        self.timer, self.ended, self.first = gr.Timer(POLL_SECONDS, active=False), gr.State(0), gr.State(0)
        gr.Markdown(self.texts["data_intro"], elem_id="data-intro", elem_classes="hint")
        self._lay_sets()
        self.notice = gr.Markdown(elem_id="data-notice", elem_classes="notices")
        with gr.Row(elem_id="data-facts"):
            with gr.Column(scale=3, min_width=300):
                methods = [(self.texts[f"method_{name}"], name) for name in ("kto", "dpo")]
                self.method = gr.Radio(
                    methods, value="kto", label=self.texts["method"], elem_id="data-method"
                )
                self.summary = gr.Markdown(elem_id="data-summary")
                self.sources = gr.Markdown(elem_id="data-sources", sanitize_html=False)
                self.facts = gr.Markdown(elem_id="data-more", sanitize_html=False)
            with gr.Column(scale=2, min_width=300):
                self.chart = gr.Markdown(elem_id="data-chart", sanitize_html=False)
        self._lay_rows()
        self.notices = Notices(self.notice, page.language)
        self._wire()

    def _lay_sets(self) -> None:
        texts = self.texts
        with gr.Row(elem_id="data-set-row"):
            self.name = gr.Dropdown(
                data_views.known_sets(texts),
                value=None,
                allow_custom_value=True,
                label=texts["data_set"],
                info=texts["data_set_hint"],
                scale=4,
                min_width=260,
                elem_id="data-set",
            )
            self.amount = gr.Textbox(
                ROWS,
                label=texts["data_amount"],
                info=texts["data_amount_hint"],
                min_width=120,
                elem_id="data-amount",
            )
            self.weight = gr.Number(
                1, minimum=0.01, label=texts["data_weight"], info=texts["data_weight_hint"], min_width=120,
                elem_id="data-weight",
            )  # fmt: skip
            self.add = gr.Button(texts["data_add"], variant="primary", min_width=150, elem_id="data-add")
        with gr.Row(elem_id="data-transfer-row"):
            self.progress = gr.Markdown(elem_id="data-transfer", sanitize_html=False)
            self.cancel = gr.Button(
                texts["cancel"], visible=False, scale=0, min_width=110, elem_id="data-cancel"
            )
        self.chosen = gr.CheckboxGroup(label=texts["data_chosen"], visible=False, elem_id="data-chosen")

    def _lay_rows(self) -> None:
        texts = self.texts
        gr.Markdown(f"## {texts['data_rows_title']}", elem_id="data-rows-title")
        with gr.Row(elem_id="data-which-row"):
            self.which = gr.Dropdown(
                self._kinds({}),
                value="train",
                label=texts["data_which"],
                filterable=False,
                elem_id="data-which",
            )
            self.earlier = gr.Button(texts["data_earlier"], scale=0, min_width=130, elem_id="data-earlier")
            self.later = gr.Button(texts["data_later"], scale=0, min_width=130, elem_id="data-later")
        self.rows = gr.Markdown(elem_id="data-rows", sanitize_html=False)

    @property
    def _slow(self) -> Any:
        """How a handler is called that reads tens of thousands of rows, half a minute long."""
        return {**BESIDE, "show_progress": "minimal", "show_progress_on": self.summary}

    def _wire(self) -> None:
        guard, sets = self.notices.guard, self.page.sets
        seen = [self.notice, *self.shown()]
        self.add.click(
            guard(self._add, owner=True),
            [self.name, self.amount, self.weight],
            [self.notice, *self.going()],
            **BESIDE,
        )
        self.cancel.click(
            guard(self._cancel, owner=True),
            None,
            [self.notice, *self.going()],
            **AT_ONCE,
        )
        asked = [self.chosen, self.method]
        self.method.input(guard(self.refresh, owner=True), self.chosen_now(), seen, **self._slow)
        self.chosen.input(guard(self._choose, owner=True), asked, [sets, *seen], **self._slow)
        self.timer.tick(self._tick, None, [*self.going(), self.ended], **BESIDE)
        self.ended.change(guard(self._end, owner=True), [sets, self.method], [sets, *seen], **self._slow)
        paging = [self.method, sets, self.which, self.first]
        shown = [self.notice, self.rows, self.first, self.earlier, self.later]
        for button, step in ((self.which.input, None), (self.earlier.click, -PAGE), (self.later.click, PAGE)):
            button(guard(partial(self._turn, step), owner=True), paging, shown, **BESIDE)

    def opened_by(self, tab: gr.Tab) -> None:
        """Show what is new whenever the tab is opened."""
        refresh = self.notices.guard(self.refresh, owner=True)
        tab.select(refresh, self.chosen_now(), [self.notice, *self.shown()], **self._slow)

    def chosen_now(self) -> list[Any]:
        """Return what `refresh` reads."""
        return [self.method, self.page.sets]

    def shown(self) -> list[Any]:
        """Return what `refresh` updates."""
        facts = [self.summary, self.sources, self.facts, self.chart, self.chosen]
        return [*facts, self.which, self.rows, self.first, self.earlier, self.later, *self.going()]

    def going(self) -> list[Any]:
        """Return what `follow` updates."""
        return [self.timer, self.progress, self.cancel]

    def refresh(self, method: Method, sets: list[str]) -> Updates:
        """Return the updates that show what a round would be trained on now."""
        here = self.page.loop.data.here(sets)
        manifest = self.page.loop.preview(method, sets=here)
        chosen = gr.CheckboxGroup(here, value=here, visible=bool(here))
        return {
            self.summary: views.preview(method, manifest, self.texts),
            self.sources: data_views.sources(manifest, self.texts),
            self.facts: data_views.facts(manifest, self.texts),
            self.chart: _chart(json.dumps(manifest), self.page.language),
            self.chosen: chosen,
            self.which: gr.Dropdown(self._kinds(manifest["removed"]), value="train"),
            **self._turn(None, method, here, "train", 0),
            **self.follow(),
        }

    def follow(self) -> Updates:
        """Return the updates that show what is on its way, and go on showing it."""
        transfer = self.page.loop.sets_under_way.now()
        running = transfer is not None and transfer.running
        return {
            self.timer: gr.Timer(active=running),
            self.progress: data_views.under_way(transfer, self.page.language, self.texts),
            self.cancel: gr.Button(visible=running, interactive=not (transfer and transfer.stopping)),
        }

    def _kinds(self, removed: dict[str, int]) -> list[tuple[str, str]]:
        texts = self.texts
        kinds = [(texts[f"data_which_{side}"], side) for side in ("train", "test")]
        reasons = [(views.removed(reason, n, texts), reason) for reason, n in removed.items()]
        return kinds + [(texts["data_which_out"].format(reason=said), reason) for said, reason in reasons]

    def _turn(self, step: int | None, method: Method, sets: list[str], which: str, first: int) -> Updates:
        start = 0 if step is None else max(0, first + step)
        here = self.page.loop.data.here(sets)
        rows, total = self.page.loop.preview_page(method, here, which, start, PAGE)
        return {
            self.rows: data_views.shown_rows(rows, start, total, self.texts),
            self.first: start,
            self.earlier: gr.Button(interactive=start > 0),
            self.later: gr.Button(interactive=start + PAGE < total),
        }

    def _add(self, name: str | None, amount: str, weight: float | None) -> Updates:
        if not (name or "").strip():
            raise DataError(self.texts["data_first"])
        asked = f"{name}".strip() + (f":{amount.strip()}" if amount.strip() else "")
        text = f"{asked}*{weight:g}" if weight and weight != 1 else asked
        loop = self.page.loop
        loop.data.check(text)
        loop.sets_under_way.begin(text, partial(loop.data.get, text))
        # It is followed even if it has ended by now, or its end would be shown by nobody.
        return {**self.follow(), self.timer: gr.Timer(active=True)}

    def _cancel(self) -> Updates:
        self.page.loop.sets_under_way.stop()
        return self.follow()

    def _choose(self, sets: list[str], method: Method) -> Updates:
        return {self.page.sets: sets, **self.refresh(method, sets)}

    def _tick(self) -> Updates:
        transfer, going = self.page.loop.sets_under_way.now(), self.follow()
        return going if transfer and transfer.running else {**going, self.ended: stamp()}

    def _end(self, sets: list[str], method: Method) -> Iterator[Updates]:
        """Show how a set has come; it takes the place of the same one in another amount."""
        transfer = self.page.loop.sets_under_way.now()
        if transfer is None or transfer.report is None:
            if transfer and not isinstance(transfer.error, Cancelled):
                sentence = data_views.failure(transfer, self.page.language, self.texts)
                tell(gr.Warning, sentence, self.texts["tab_data"])
            yield self.follow()
            return
        mixed = self.page.loop.data.with_set(sets, transfer.report)
        arrived = said(self.texts["data_added"].format(name=transfer.report))
        yield {self.page.sets: mixed, **self.refresh(method, mixed), self.notice: arrived}


@lru_cache(maxsize=16)
def _chart(manifest: str, language: Language) -> str:
    return views.drawing(charts.data_chart(json.loads(manifest), language).svg())
