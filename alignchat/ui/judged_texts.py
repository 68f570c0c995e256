"""The part of Scores that shows the generated texts: base beside rounds, behind a notice, filtered."""

from typing import Any, get_args

import gradio as gr

from alignchat.errors import RoundError
from alignchat.evaluation.side_by_side import Order, chosen, rows
from alignchat.ui import score_views
from alignchat.ui.errors import Notices, Updates
from alignchat.ui.i18n import decimal, round_name
from alignchat.ui.shared import Page

PAGE_SIZE = 10


class JudgedTexts:
    """The components of the part and their handlers; nothing is shown before it is asked for."""

    def __init__(self, page: Page) -> None:
        """Lay the part out; call inside its block."""
        self.page, self.texts = page, page.texts
        texts = self.texts
        self.first = gr.State(0)
        gr.Markdown(texts["texts_warning"], elem_id="texts-warning", elem_classes="hint")
        self.agreed = gr.Checkbox(label=texts["texts_show"], value=False, elem_id="texts-show")
        with gr.Column(visible=False, elem_id="texts-part") as self.part:
            self._lay_filters()
            self.shown = gr.Markdown(elem_id="texts", sanitize_html=False)
            with gr.Row(elem_id="texts-turn"):
                self.back = gr.Button(texts["earlier"], min_width=110, elem_id="texts-back")
                self.on = gr.Button(texts["later"], min_width=110, elem_id="texts-on")

    def _lay_filters(self) -> None:
        texts = self.texts
        with gr.Row(elem_id="texts-filters"):
            self.other = gr.Dropdown(
                [], label=texts["texts_other"], min_width=150, elem_id="texts-other", filterable=False
            )
            orders = [(texts[f"order_{order}"], order) for order in get_args(Order)]
            self.order = gr.Dropdown(
                orders,
                value="worst",
                label=texts["order"],
                min_width=170,
                elem_id="texts-order",
                filterable=False,
            )
            self.measure = gr.Dropdown(
                [], label=texts["column_measure"], min_width=170, elem_id="texts-measure", filterable=False
            )
            self.words = gr.Textbox(
                "", label=texts["words"], max_lines=1, min_width=170, elem_id="texts-words"
            )

    def wire(self, notices: Notices) -> None:
        """Let the part answer; what goes wrong is shown by `notices`."""
        shown = [notices.place, self.shown, self.back, self.on, self.first]
        filters = [self.other, self.order, self.measure, self.words]
        hidden: Any = {"show_progress": "hidden"}
        agree = notices.guard(self._agree)
        self.agreed.input(
            agree, [self.agreed, *filters], [*shown, self.part, self.other, self.measure], **hidden
        )
        anew = notices.guard(lambda *chosen: self._page(0, *chosen))
        for component in (self.other, self.order, self.measure):
            component.input(anew, filters, shown, **hidden)
        self.words.submit(anew, filters, shown, **hidden)
        turns = {self.back: -PAGE_SIZE, self.on: PAGE_SIZE}
        for button, step in turns.items():
            turn = notices.guard(lambda first, *chosen, step=step: self._page(first + step, *chosen))
            button.click(turn, [self.first, *filters], shown, **hidden)

    def _agree(
        self, agreed: bool, other: int | None, order: Order, measure: str | None, words: str
    ) -> Updates:
        if not agreed:
            return {self.part: gr.Column(visible=False), self.shown: ""}
        cards = self.page.loop.scorecards()
        rounds = [(round_name(c.round, self.texts, capital=True), c.round) for c in cards if c.round]
        known = [number for _, number in rounds]
        other = other if other in known else (known or [0])[-1]
        measures = list(dict.fromkeys(sample.measure for sample in self.page.loop.samples(other)))
        if not known or cards[0].round or not measures:
            raise RoundError("There is no scored round to set beside the base: score both first.")
        named = [(score_views.measure_name(name, self.texts), name) for name in measures]
        measure = measure if measure in measures else measures[0]
        return {
            self.part: gr.Column(visible=True),
            self.other: gr.Dropdown(rounds, value=other),
            self.measure: gr.Dropdown(named, value=measure),
            **self._page(0, other, order, measure, words),
        }

    def _page(self, first: int, other: int, order: Order, measure: str, words: str) -> Updates:
        """Return the updates that show a page of texts from a place on."""
        samples = {number: self.page.loop.samples(number) for number in (0, other)}
        found = chosen(rows(samples, base=0, other=other), order=order, measure=measure, words=words)
        first = max(0, min(first, len(found) - 1) // PAGE_SIZE * PAGE_SIZE)
        last = min(first + PAGE_SIZE, len(found))
        place = self.texts["texts_place"].format(
            first=first + 1 if found else 0, last=last, n=decimal(len(found), ",", self.texts)
        )
        return {
            self.shown: score_views.side_by_side(found[first:last], place, self.texts),
            self.back: gr.Button(interactive=first > 0),
            self.on: gr.Button(interactive=last < len(found)),
            self.first: first,
        }
