"""The tab Scores: bias round by round, with intervals, and what the numbers are and are not."""

import gradio as gr

from alignchat import charts
from alignchat.reports import RoundReport
from alignchat.ui import views
from alignchat.ui.errors import Notices, Updates
from alignchat.ui.i18n import round_name
from alignchat.ui.shared import Page, said


class ScoresTab:
    """The components of the tab and their handlers."""

    def __init__(self, page: Page) -> None:
        """Lay the tab out; call inside the tab's block."""
        self.page, self.texts = page, page.texts
        texts = self.texts
        gr.Markdown(texts["scores_intro"], elem_id="scores-intro", elem_classes="hint")
        with gr.Row(elem_id="measure-row"):
            self.which = gr.Dropdown(
                [(texts["Base"], 0)],
                value=0,
                label=texts["measure_which"],
                elem_id="measure-which",
                filterable=False,
            )
            self.measure = gr.Button(texts["measure"], scale=0, min_width=160, elem_id="measure")
        self.notice = gr.Markdown(elem_id="scores-notice", elem_classes="notices")
        self.progress = gr.Markdown(elem_id="scores-progress", sanitize_html=False)
        self.chart = gr.Markdown(texts["scores_empty"], elem_id="scores-chart", sanitize_html=False)
        self.table = gr.Markdown(elem_id="scores-table", sanitize_html=False)
        with gr.Accordion(texts["about_scores"], open=False, elem_id="scores-about"):
            gr.Markdown(texts["about_scores_text"], elem_id="scores-about-text")
        self.notices = Notices(self.notice, page.language)
        self._wire()

    def _wire(self) -> None:
        self.measure.click(
            self.notices.guard(self._measure),
            self.which,
            [self.notice, *self.page.followed()],
            show_progress="hidden",
        )

    def shown(self) -> list[gr.components.Component]:
        """Return what `refresh` updates."""
        return [self.which, self.progress, self.chart, self.table]

    def refresh(self) -> Updates:
        """Return the updates that show all scores."""
        cards, running = self.page.loop.scorecards(), self.page.running()
        rounds = [(round_name(n, self.texts, capital=True), n) for n in self.page.loop.talkable()]
        chart = views.drawing(charts.scores_chart(cards, self.page.language).svg()) if cards else None
        return {
            self.which: gr.Dropdown(rounds),
            self.progress: views.progress(running, self.texts),
            self.chart: chart or self.texts["scores_empty"],
            self.table: views.scores_table(cards, self.texts) if cards else "",
        }

    def tick(self, running: RoundReport) -> Updates:
        """Return the updates that a running round asks for."""
        return {self.progress: views.progress(running, self.texts)}

    def _measure(self, number: int) -> Updates:
        self.page.loop.evaluate(number)
        begun = self.texts["measuring"].format(round=round_name(number, self.texts, capital=True))
        return {self.notice: said(begun)} | self.page.follow(number)
