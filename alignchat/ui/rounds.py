"""The tab Rounds: retrain, watch it, and choose which round the chat uses."""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import gradio as gr

from alignchat import charts
from alignchat.config import Method, TrainingSettings
from alignchat.errors import EXPECTED
from alignchat.judging import coach
from alignchat.making import presets
from alignchat.making.presets import PRESETS, Preset
from alignchat.making.reports import RoundReport
from alignchat.ui import feedback_views, round_views, views
from alignchat.ui.advanced import Advanced
from alignchat.ui.errors import Notices, Updates, tell
from alignchat.ui.i18n import Language, error_sentence, punctuated, round_name, translated
from alignchat.ui.shared import AT_ONCE, BESIDE, Page, said, stamp

STEPS = (10, 20, 40, 80, 160, 320)
RESUMABLE = ("cancelled", "interrupted", "failed")


class RoundsTab:
    """The components of the tab and their handlers; `drawn` says what the chart shows by now."""

    def __init__(self, page: Page) -> None:
        """Lay the tab out; call inside the tab's block."""
        self.page, self.texts = page, page.texts
        self.drawn = gr.State(None)
        gr.Markdown(self.texts["rounds_intro"], elem_id="rounds-intro", elem_classes="hint")
        with gr.Row(elem_id="new-round"):
            self._lay_method()
            self._lay_start()
        self.advanced = Advanced(self.page.loop.settings.training, self.texts)
        self.notice = gr.Markdown(elem_id="rounds-notice", elem_classes="notices")
        self.progress = gr.Markdown(elem_id="rounds-progress", sanitize_html=False)
        self._lay_rounds()
        self.notices = Notices(self.notice, page.language)
        self._wire()

    def _lay_method(self) -> None:
        texts = self.texts
        with gr.Column(scale=2, min_width=300):
            choices = [(texts[f"method_{name}"], name) for name in ("kto", "dpo", "orpo", "cpo")]
            self.method = gr.Radio(choices, value="kto", label=texts["method"], elem_id="method")
            self.about = gr.Markdown(texts["method_kto_about"], elem_id="method-about", elem_classes="hint")
            self.preview = gr.Markdown(elem_id="preview")
            self.estimate = gr.Markdown(elem_id="estimate", elem_classes="hint")

    def _lay_start(self) -> None:
        texts = self.texts
        with gr.Column(scale=1, min_width=260):
            self.parent = gr.Dropdown(
                [(texts["Base"], 0)], value=0, label=texts["parent"], elem_id="parent", filterable=False
            )
            counts = [(texts["steps_auto"], 0), *((str(n), n) for n in STEPS)]
            self.steps = gr.Dropdown(counts, value=0, label=texts["steps"], elem_id="steps", filterable=False)
            far = [(texts[f"preset_{name}"], name) for name in PRESETS]
            usual = self.page.loop.settings.training.preset
            self.preset = gr.Radio(far, value=usual, label=texts["preset"], elem_id="preset")
            self.measure = gr.Button(texts["measure_machine"], size="sm", elem_id="measure-machine")
            self.start = gr.Button(texts["retrain"], variant="primary", size="lg", elem_id="retrain")

    def _lay_rounds(self) -> None:
        texts = self.texts
        self.table = gr.Markdown(elem_id="rounds-table", sanitize_html=False)
        with gr.Row(elem_id="round-actions"):
            self.which = gr.Dropdown(
                [(texts["Base"], 0)], value=0, label=texts["which_round"], elem_id="which", filterable=False
            )
            self.use = gr.Button(texts["use"], min_width=130, elem_id="use")
            self.cancel = gr.Button(texts["cancel"], min_width=110, elem_id="cancel")
            self.resume = gr.Button(texts["resume"], min_width=110, elem_id="resume")
        self.failure = gr.Markdown(elem_id="round-failure", elem_classes="notices")
        self.assessment = gr.Markdown(elem_id="assessment", sanitize_html=False)
        self.chart = gr.Markdown(elem_id="training-chart", sanitize_html=False)
        self.report = gr.Markdown(elem_id="held-out", sanitize_html=False)
        self.replies = gr.Markdown(elem_id="sample-replies", sanitize_html=False)

    def _wire(self) -> None:
        guard = self.notices.guard
        for choice in (self.method, self.preset):
            choice.change(
                guard(self._explain, owner=True),
                [self.method, self.page.sets, self.preset],
                [self.notice, self.about, self.preview],
                **AT_ONCE,
            )
        asked = [self.method, self.page.sets, self.steps, self.preset, *self.advanced.components]
        self.measure.click(
            guard(self._measure, owner=True),
            asked,
            [self.notice, self.estimate, self.measure],
            show_progress="hidden",
        )
        self.page.changed.change(self.refresh, self.chosen(), self.shown(), show_progress="hidden")
        self.which.input(self._select, self.which, self._selected(), **AT_ONCE)
        said_and_begun = [self.notice, *self.page.followed(), self.which]
        self.start.click(
            guard(self._start, owner=True),
            [self.parent, *asked],
            said_and_begun,
            show_progress="hidden",
        )
        outcomes = [self.notice, self.page.strip, self.page.changed]
        self.use.click(guard(self._use, owner=True), self.which, outcomes, show_progress="hidden")
        self.cancel.click(guard(self._cancel, owner=True), self.which, [self.notice], show_progress="hidden")
        self.resume.click(guard(self._resume, owner=True), self.which, said_and_begun, show_progress="hidden")

    def opened_by(self, tab: gr.Tab) -> None:
        """Show what is new whenever the tab is opened."""
        tab.select(self.refresh, self.chosen(), self.shown(), **BESIDE)

    def chosen(self) -> list[gr.components.Component]:
        """Return what `refresh` reads."""
        return [self.method, self.which, self.page.sets, self.preset]

    def shown(self) -> list[gr.components.Component]:
        """Return what `refresh` updates."""
        above = [self.about, self.preview, self.parent, self.table, self.progress, self.which]
        return [*above, *self._selected()]

    def _selected(self) -> list[gr.components.Component]:
        facts = [self.assessment, self.report, self.replies]
        return [self.use, self.cancel, self.resume, self.failure, self.chart, self.drawn, *facts]

    def _explain(self, method: Method, sets: list[str], preset: Preset) -> Updates:
        manifest = self.page.loop.preview(method, sets=self.page.loop.data.here(sets))
        held = presets.resolved(method, TrainingSettings(preset=preset))
        rate, beta = (punctuated(f"{value:g}", self.texts) for value in (held.learning_rate, held.beta))
        far = self.texts["preset_about"].format(rate=rate, beta=beta)
        return {
            self.about: f"{self.texts[f'method_{method}_about']} {far}",
            self.preview: views.preview(method, manifest, self.texts)
            + feedback_views.missing(coach.of_rows(method, manifest), self.page.language),
        }

    def _training(self, steps: int, preset: Preset, values: tuple[Any, ...]) -> dict[str, Any]:
        return {**self.advanced.asked(values), "steps": steps or None, "preset": preset}

    def _measure(
        self, method: Method, sets: list[str], steps: int, preset: Preset, *values: Any
    ) -> Iterator[Updates]:
        yield {self.estimate: self.texts["measuring_machine"], self.measure: gr.Button(interactive=False)}
        try:
            found = self.page.loop.estimate_round(
                method,
                sets=self.page.loop.data.here(sets),
                calibrate=True,
                **self._training(steps, preset, values),
            )
            yield {self.estimate: round_views.estimate(found, self.texts)}
        except EXPECTED:
            yield {self.estimate: "", self.measure: gr.Button(interactive=True)}
            raise
        yield {self.measure: gr.Button(interactive=True)}

    def _start(
        self, parent: int, method: Method, sets: list[str], steps: int, preset: Preset, *values: Any
    ) -> Updates:
        here = self.page.loop.data.here(sets)
        training = self._training(steps, preset, values)
        number = self.page.loop.start_round(method, sets=here, parent=parent, **training)
        begun = said(self.texts["started"].format(round=self._name(number)))
        return {self.notice: begun, self.which: self.rounds(number)} | self.page.follow(number)

    def _use(self, number: int) -> Iterator[Updates]:
        yield {self.notice: said(self.texts["trying"])}
        self.page.loop.activate(number)
        using = said(self.texts["using"].format(round=self._name(number)))
        yield {self.notice: using, self.page.strip: self.page.strip_now(), self.page.changed: stamp()}

    def _cancel(self, number: int) -> Updates:
        self.page.loop.cancel_round(number)
        return {self.notice: said(self.texts["cancelling"].format(round=self._name(number)))}

    def _resume(self, number: int) -> Updates:
        self.page.loop.resume_round(number)
        resumed = said(self.texts["resumed"].format(round=self._name(number)))
        return {self.notice: resumed} | self.page.follow(number)

    def refresh(self, method: Method, number: int, sets: list[str], preset: Preset) -> Updates:
        """Return the updates that show how everything in the tab stands now."""
        reports, running = self.page.loop.list_rounds(), self.page.running()
        try:
            about = self._explain(method, sets, preset)
        except EXPECTED as error:  # Such as the lost rows of an earlier round.
            about = {self.preview: views.notice(error_sentence(error, self.page.language))}
        parents = [(round_name(n, self.texts, capital=True), n) for n in self.page.loop.talkable()]
        return {
            **about,
            self.parent: gr.Dropdown(parents),
            self.table: views.rounds_table(reports, self.texts),
            self.progress: views.progress(running, self.texts),
            self.which: self.rounds(number),
            **self._select(number),
        }

    def tick(self, running: RoundReport, drawn: str | None) -> Updates:
        """Return the updates that a running round asks for; the chart only if there is a new step."""
        updates: Updates = {self.progress: views.progress(running, self.texts)}
        steps = self.page.loop.steps(running.number)
        now = f"{running.number}:{len(steps)}"
        if steps and now != drawn:
            updates |= {self.chart: self._draw(running.number), self.drawn: now}
        return updates

    def ended(self, number: int) -> Updates:
        """Return the update that says how a round that was watched has ended."""
        report = self.page.loop.round(number)
        key = "ended_base" if number == 0 and not report.error else f"ended_{report.status}"
        sentence = self.texts[key].format(round=self._name(number))
        tell(gr.Info, sentence, self.texts["tab_rounds"])
        return {self.notice: views.notice(sentence, "error" if report.error else "done")}

    def _select(self, number: int) -> Updates:
        report = self.page.loop.round(number)
        in_use = report.active and not self.page.loop.rounds.active_fault()
        failure = translated(report.error or "", self.page.language)
        if failure and report.status == "failed":
            failure = self.texts["failed"].format(round=self._name(number), error=failure)
        try:
            shown = {self.chart: self._draw(number), **self._facts(report)}
        except EXPECTED as error:
            shown = dict.fromkeys((self.chart, self.assessment, self.report, self.replies), "")
            failure = error_sentence(error, self.page.language)
        return {
            self.use: gr.Button(interactive=report.has_adapter and not in_use),
            self.cancel: gr.Button(interactive=report.status == "running"),
            self.resume: gr.Button(interactive=report.status in RESUMABLE),
            self.failure: views.notice(failure),
            self.drawn: None,
            **shown,
        }

    def _facts(self, report: RoundReport) -> Updates:
        number, loop = report.number, self.page.loop
        found = round_views.assessment(loop.assess(number), self.texts) if number else ""
        return {
            self.assessment: found,
            self.report: round_views.table(report.report, number, report.parent or 0, self.texts),
            self.replies: round_views.replies(loop.sample_replies(number), number, self.texts),
        }

    def _draw(self, number: int) -> str:
        steps = self.page.loop.steps(number)
        found = [[finding.curve, finding.step] for finding in self.page.loop.round(number).guard]
        if not steps:
            return ""
        return _chart(json.dumps([steps, found]), self.page.language) + round_views.log(steps, self.texts)

    def rounds(self, number: int) -> gr.Dropdown:
        """Return the choice of rounds with one of them chosen."""
        reports = self.page.loop.list_rounds()[::-1]
        choices = [(self._name(report.number), report.number) for report in reports]
        return gr.Dropdown(choices=choices, value=number)

    def _name(self, number: int) -> str:
        return round_name(number, self.texts, capital=True)


@lru_cache(maxsize=16)
def _chart(drawn: str, language: Language) -> str:
    steps, found = json.loads(drawn)
    return views.drawing(charts.training_chart(steps, language, found).svg())
