"""The tab Scores: bias round by round, with intervals, and what the numbers are and are not."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from alignchat import charts
from alignchat.charts import Drawing
from alignchat.evaluation.scorecard import Scorecard
from alignchat.making.reports import RoundReport
from alignchat.ui import score_views, views
from alignchat.ui.bias_data import BiasData
from alignchat.ui.errors import Notices, Updates
from alignchat.ui.i18n import round_name
from alignchat.ui.judged_texts import JudgedTexts
from alignchat.ui.shared import BESIDE, Choices, Page, said

KINDS = ("bars", "rounds", "groups", "categories", "cost", "people")


class ScoresTab:
    """The components of the tab and their handlers."""

    def __init__(self, page: Page) -> None:
        """Lay the tab out; call inside the tab's block."""
        self.page, self.texts = page, page.texts
        texts = self.texts
        gr.Markdown(texts["scores_intro"], elem_id="scores-intro", elem_classes="hint")
        with gr.Row(elem_id="measure-row"):
            self.which = self._rounds("measure_which", "measure-which")
            self.measure = gr.Button(texts["measure"], scale=0, min_width=160, elem_id="measure")
        self.notice = gr.Markdown(elem_id="scores-notice", elem_classes="notices")
        self.progress = gr.Markdown(elem_id="scores-progress", sanitize_html=False)
        with gr.Tabs(elem_id="scores-tabs"):
            with gr.Tab(texts["scores_charts"], elem_id="scores-charts"):
                self._lay_charts()
            with gr.Tab(texts["differences"], elem_id="scores-differences"):
                self._lay_differences()
            with gr.Tab(texts["judged_texts"], elem_id="scores-texts"):
                self.judged = JudgedTexts(page)
        with gr.Accordion(texts["bias_data"], open=False, elem_id="bias-data"):
            self.bias_data = BiasData(page)
        with gr.Accordion(texts["about_scores"], open=False, elem_id="scores-about"):
            gr.Markdown(texts["about_scores_text"], elem_id="scores-about-text")
        self.notices = Notices(self.notice, page.language)
        self._wire()

    def _lay_charts(self) -> None:
        kinds = [(self.texts[f"chart_{kind}"], kind) for kind in KINDS]
        self.kind = gr.Radio(kinds, value="bars", show_label=False, container=False, elem_id="chart-kind")
        self.chart = gr.Markdown(self.texts["scores_empty"], elem_id="scores-chart", sanitize_html=False)
        self.table = gr.Markdown(elem_id="scores-table", sanitize_html=False)

    def _lay_differences(self) -> None:
        gr.Markdown(self.texts["differences_about"], elem_id="differences-about", elem_classes="hint")
        with gr.Row(elem_id="differences-row"):
            self.earlier = self._rounds("difference_from", "difference-from")
            self.later = self._rounds("difference_to", "difference-to")
        self.differences = gr.Markdown(
            self.texts["differences_none"], elem_id="differences", sanitize_html=False
        )

    def _rounds(self, label: str, id: str) -> gr.Dropdown:
        base = [(self.texts["Base"], 0)]
        return gr.Dropdown(
            base, value=0, label=self.texts[label], elem_id=id, min_width=150, filterable=False
        )

    def _wire(self) -> None:
        self.measure.click(
            self.notices.guard(self._measure, owner=True),
            self.which,
            [self.notice, *self.page.followed()],
            show_progress="hidden",
        )
        draw = self.notices.guard(lambda kind: {self.chart: self._drawn(kind)})
        self.kind.input(draw, self.kind, [self.notice, self.chart], show_progress="hidden")
        compare = self.notices.guard(self._compare)
        for which in (self.earlier, self.later):
            which.input(
                compare,
                [self.earlier, self.later],
                [self.notice, self.differences],
                show_progress="hidden",
            )
        self.judged.wire(self.notices)
        self.bias_data.wire(self.notices)

    def opened_by(self, tab: gr.Tab) -> None:
        """Show what is new whenever the tab is opened."""
        tab.select(self.refresh, self.chosen(), self.shown(), **BESIDE)

    def chosen(self) -> list[gr.components.Component]:
        """Return what `refresh` reads."""
        return [self.kind, self.earlier, self.later, self.bias_data.which]

    def shown(self) -> list[Any]:
        """Return what `refresh` updates."""
        return [
            self.which,
            self.progress,
            self.chart,
            self.table,
            self.earlier,
            self.later,
            self.differences,
            *self.bias_data.shown(),
        ]

    def refresh(self, kind: str, earlier: int, later: int, which: str | None) -> Updates:
        """Return the updates that show all scores."""
        cards, running = self.page.loop.scorecards(), self.page.running()
        scored = [card.round for card in cards]
        updates = {
            self.which: gr.Dropdown(self._named(self.page.loop.talkable())),
            self.progress: views.progress(running, self.texts),
            self.chart: self._drawn(kind),
            self.table: score_views.scores_table(cards, self.texts, self.page.language) if cards else "",
            self.differences: self.texts["differences_none"],
            **self.bias_data.refresh(which),
        }
        if len(scored) < 2:
            return updates
        if earlier == later or not {earlier, later} <= set(scored):
            earlier, later = scored[0], scored[-1]
        named = self._named(scored)
        return updates | {
            self.earlier: gr.Dropdown(named, value=earlier),
            self.later: gr.Dropdown(named, value=later),
            **self._compare(earlier, later),
        }

    def tick(self, running: RoundReport) -> Updates:
        """Return the updates that a running round asks for."""
        return {self.progress: views.progress(running, self.texts)}

    def _named(self, numbers: Sequence[int]) -> Choices:
        return [(round_name(number, self.texts, capital=True), number) for number in numbers]

    def _drawn(self, kind: str) -> str:
        loop, language = self.page.loop, self.page.language
        if kind == "people":
            standings = loop.arena.standings(loop.model.name)
            rates = {s.player.round: s.against_base for s in standings.rounds if s.against_base}
            return views.drawing(charts.win_rates_chart(rates, language).svg())
        cards = loop.scorecards()
        if not cards:
            return self.texts["scores_empty"]
        draws: dict[str, Callable[[Sequence[Scorecard], charts.Language], Drawing]] = {
            "bars": charts.bars_chart,
            "rounds": charts.scores_chart,
            "groups": charts.groups_chart,
            "categories": charts.categories_chart,
            "cost": charts.side_effects_chart,
        }
        return views.drawing(draws[kind](cards, language).svg())

    def _compare(self, earlier: int, later: int) -> Updates:
        if earlier == later:
            return {self.differences: self.texts["differences_same"]}
        found = self.page.loop.compare_rounds(earlier, later)
        return {self.differences: score_views.differences(found, self.texts, self.page.language)}

    def _measure(self, number: int) -> Updates:
        self.page.loop.evaluate(number)
        begun = self.texts["measuring"].format(round=round_name(number, self.texts, capital=True))
        return {self.notice: said(begun)} | self.page.follow(number)
