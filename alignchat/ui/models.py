"""The tab Models: which there are, bringing one here, and which one opens at the next start."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import gradio as gr

from alignchat.catalog import ENTRIES, MINERVA, STARTER
from alignchat.errors import Cancelled, ModelError
from alignchat.llamacpp.llama_child import QUANTISATIONS, Quantisation
from alignchat.shelf.models import ModelReport
from alignchat.ui import model_views, views
from alignchat.ui.errors import Notices, Updates, tell
from alignchat.ui.i18n import translated
from alignchat.ui.shared import AT_ONCE, BESIDE, Page, said, stamp

POLL_SECONDS = 1.0
USUAL = "usual"
TO_GET = ("available", "partial", "missing", "damaged")


class ModelsTab:
    """The components of the tab and their handlers; `ended` changes when a transfer has."""

    def __init__(self, page: Page) -> None:
        """Lay the tab out; call inside the tab's block."""
        self.page, self.texts = page, page.texts
        self.timer, self.ended = gr.Timer(POLL_SECONDS, active=False), gr.State(0)
        gr.Markdown(self.texts["models_intro"], elem_id="models-intro", elem_classes="hint")
        self._lay_transfer()
        with gr.Row(elem_id="models-row"):
            with gr.Column(scale=3, min_width=300):
                self.which = gr.Radio(
                    list(ENTRIES), value=MINERVA, label=self.texts["models"], elem_id="models"
                )
            with gr.Column(scale=2, min_width=300, elem_id="models-side"):
                self._lay_chosen()
                self._lay_add()
        self.notices = Notices(self.notice, page.language)
        self._wire()

    def _lay_transfer(self) -> None:
        with gr.Row(elem_id="transfer-row"):
            self.progress = gr.Markdown(elem_id="transfer", sanitize_html=False)
            self.cancel = gr.Button(
                self.texts["cancel"], visible=False, scale=0, min_width=110, elem_id="transfer-cancel"
            )

    def _lay_chosen(self) -> None:
        texts = self.texts
        with gr.Column(elem_id="model"):
            self.facts = gr.Markdown(elem_id="model-facts", sanitize_html=False)
            self.missing = gr.Markdown(elem_id="model-missing", elem_classes="notices")
            self.terms = gr.Markdown(visible=False, elem_id="model-terms-address", sanitize_html=False)
            self.accept = gr.Checkbox(
                False, label=texts["terms_accept"], visible=False, elem_id="model-terms"
            )
            self.format = self._formats("model-format", visible=False)
            with gr.Row(elem_id="model-actions"):
                self.talk = gr.Button(
                    texts["model_talk"], variant="primary", min_width=120, visible=False, elem_id="model-talk"
                )
                self.get = gr.Button(
                    texts["model_get"], variant="primary", min_width=120, visible=False, elem_id="model-get"
                )
                self.default = gr.Button(
                    texts["model_use"], min_width=120, visible=False, elem_id="model-default"
                )
                self.remove = gr.Button(
                    texts["model_remove"], min_width=110, visible=False, elem_id="model-remove"
                )
            with gr.Column(visible=False, elem_id="model-confirm") as self.confirm:
                self.question = gr.Markdown(elem_id="model-question")
                with gr.Row():
                    self.really = gr.Button(
                        texts["model_really"], variant="stop", min_width=110, elem_id="model-really"
                    )
                    self.keep = gr.Button(texts["model_keep"], min_width=110, elem_id="model-keep")
            self.notice = gr.Markdown(elem_id="models-notice", elem_classes="notices")
            self.reload = gr.Markdown(elem_id="reload", sanitize_html=False)

    def _lay_add(self) -> None:
        texts = self.texts
        with gr.Accordion(texts["model_add"], open=False, elem_id="model-add"):
            gr.Markdown(texts["model_add_about"], elem_classes="hint", elem_id="model-add-about")
            self.source = gr.Textbox(
                label=texts["model_source"], placeholder=texts["model_source_hint"], elem_id="model-source"
            )
            self.name = gr.Textbox(
                label=texts["model_name"], placeholder=texts["model_name_hint"], elem_id="model-name"
            )
            self.add_format = self._formats("model-add-format", visible=True)
            self.add = gr.Button(texts["model_add_run"], elem_id="model-add-run")

    def _formats(self, elem_id: str, *, visible: bool) -> gr.Dropdown:
        usual = (self.texts["format_usual"], USUAL)
        return gr.Dropdown(
            [usual, *((name, name) for name in QUANTISATIONS)],
            value=USUAL,
            label=self.texts["format"],
            info=self.texts["format_about"],
            filterable=False,
            visible=visible,
            elem_id=elem_id,
        )

    def _wire(self) -> None:
        guard, seen = self.notices.guard, [self.notice, *self.shown()]
        self.which.input(guard(self.refresh), self.which, seen, trigger_mode="multiple", **BESIDE)
        self.get.click(guard(self._get, owner=True), [self.which, self.accept, self.format], seen, **BESIDE)
        adding = [self.source, self.name, self.add_format, self.which]
        self.add.click(guard(self._add, owner=True), adding, seen, **BESIDE)
        self.talk.click(guard(self._talk, owner=True), self.which, [self.notice, self.reload], **BESIDE)
        self.cancel.click(
            guard(self._cancel, owner=True), None, [self.notice, self.progress, self.cancel], **AT_ONCE
        )
        self.default.click(guard(self._use, owner=True), self.which, seen, **BESIDE)
        asking = [self.notice, self.confirm, self.question]
        self.remove.click(guard(self._ask, owner=True), self.which, asking, **AT_ONCE)
        self.keep.click(lambda: gr.Column(visible=False), None, self.confirm, **AT_ONCE)
        self.really.click(guard(self._remove, owner=True), self.which, seen, **BESIDE)
        self.timer.tick(self._tick, None, [self.timer, self.progress, self.cancel, self.ended], **BESIDE)
        self.ended.change(guard(self._end), self.which, [self.source, self.name, *seen], **BESIDE)

    def opened_by(self, tab: gr.Tab) -> None:
        """Show what is new whenever the tab is opened."""
        refresh = self.notices.guard(self.refresh)
        tab.select(refresh, self.which, [self.notice, *self.shown()], **BESIDE)

    def shown(self) -> list[gr.blocks.Block]:
        """Return what `refresh` updates."""
        offered = [
            self.facts,
            self.missing,
            self.terms,
            self.accept,
            self.format,
            self.get,
            self.talk,
            self.default,
        ]
        return [self.which, *self.going(), *offered, self.remove, self.confirm]

    def going(self) -> list[gr.components.Component]:
        """Return what `follow` updates."""
        return [self.timer, self.progress, self.cancel]

    def refresh(self, which: str) -> Iterator[Updates]:
        """Yield the updates that show all models and the chosen one, then what it would take to get it."""
        reports = {report.name: self._as_seen(report) for report in self.page.loop.models.reports()}
        report = reports.get(which) or reports[MINERVA]
        lines = [(model_views.line(r, self._in_use(r), self.texts), r.name) for r in reports.values()]
        chosen = gr.Radio(lines, value=report.name)
        yield {self.which: chosen, **self.follow(), **self._chosen(report)}
        if report.state in TO_GET and report.name in ENTRIES:
            yield {self.missing: views.notice(self._obstacle(report))}

    def follow(self) -> Updates:
        """Return the updates that show what is on its way, and go on showing it."""
        transfer = self.page.loop.under_way.now()
        running = transfer is not None and transfer.running
        return {
            self.timer: gr.Timer(active=running),
            self.progress: model_views.under_way(transfer, self.page.language, self.texts),
            self.cancel: gr.Button(visible=running, interactive=not (transfer and transfer.stopping)),
        }

    def _chosen(self, report: ModelReport) -> Updates:
        in_use = self._in_use(report)
        to_get = report.name in ENTRIES and report.state in TO_GET
        asks = bool(to_get and report.terms and report.path is None)
        removable = report.name != STARTER and not in_use and report.state not in ("available", "fetching")
        label = self.texts["resume" if report.state == "partial" else "model_get"]
        open_name = self.page.loop.model.name
        return {
            self.facts: model_views.standing(report, in_use, open_name, self.texts),
            self.missing: "",
            self.terms: gr.Markdown(
                model_views.terms(report.terms, self.texts) if asks else "", visible=asks
            ),
            self.accept: gr.Checkbox(False, visible=asks),
            self.format: gr.Dropdown(value=USUAL, visible=to_get and ENTRIES[report.name].package is None),
            self.get: gr.Button(label, visible=to_get),
            self.talk: gr.Button(visible=report.state == "ready" and not in_use),
            self.default: gr.Button(visible=report.state == "ready" and not report.default),
            self.remove: gr.Button(visible=removable),
            self.confirm: gr.Column(visible=False),
        }

    def _obstacle(self, report: ModelReport) -> str:
        obstacle = self.page.loop.models.offer(report.name, ask=False).obstacle
        asked_by_the_box = report.terms and obstacle.endswith(report.terms)
        return "" if asked_by_the_box else translated(obstacle, self.page.language)

    def _talk(self, which: str) -> Updates:
        """Open a model at once; every part of the page is another then, so it is loaded anew."""
        self.page.loop.use_model(which)
        return {self.reload: '<span class="now"></span>'}

    def _get(self, which: str, accepted: bool, format: str) -> Iterator[Updates]:
        loop = self.page.loop
        terms = next(report.terms for report in loop.models.reports() if report.name == which)
        if terms and not accepted:
            raise ModelError(self.texts["terms_first"])
        bring = partial(loop.models.get, which, quantisation(format), accept_terms=accepted)
        loop.under_way.begin(which, bring)
        yield from self._begun(which)

    def _add(self, source: str, name: str, format: str, which: str) -> Iterator[Updates]:
        if not source.strip():
            raise ModelError(self.texts["model_source_first"])
        loop, place = self.page.loop, source.strip()
        bring = partial(loop.models.add, place, name=name.strip() or None, quantisation=quantisation(format))
        loop.under_way.begin(place.rstrip("/").rpartition("/")[2], bring)
        yield from self._begun(which)

    def _begun(self, which: str) -> Iterator[Updates]:
        """Show that something is on its way, even if it has come by now, or nobody would show its end."""
        updates = self.refresh(which)
        yield {**next(updates), self.timer: gr.Timer(active=True)}
        yield from updates

    def _cancel(self) -> Updates:
        self.page.loop.under_way.stop()
        going = self.follow()
        return {self.progress: going[self.progress], self.cancel: going[self.cancel]}

    def _use(self, which: str) -> Iterator[Updates]:
        self.page.loop.models.set_default(which)
        chosen = said(self.texts["model_chosen"].format(name=which, open=self.page.loop.model.name))
        for updates in self.refresh(which):
            yield {**updates, self.notice: chosen}

    def _ask(self, which: str) -> Updates:
        return {
            self.confirm: gr.Column(visible=True),
            self.question: self.texts["model_remove_ask"].format(name=which),
        }

    def _remove(self, which: str) -> Iterator[Updates]:
        self.page.loop.remove_model(which)
        for updates in self.refresh(which):
            yield {**updates, self.notice: said(self.texts["model_removed"].format(name=which))}

    def _tick(self) -> Updates:
        transfer, going = self.page.loop.under_way.now(), self.follow()
        return going if transfer and transfer.running else {**going, self.ended: stamp()}

    def _end(self, which: str) -> Iterator[Updates]:
        """Show how a transfer has ended; a model that has come is chosen."""
        transfer = self.page.loop.under_way.now()
        if transfer is None:
            return
        if transfer.report is None:
            if not isinstance(transfer.error, Cancelled):
                sentence = model_views.failure(transfer, self.page.language, self.texts)
                tell(gr.Warning, sentence, self.texts["tab_models"])
            yield from self.refresh(which)
            return
        arrived = self.texts["model_arrived"].format(name=transfer.report.name)
        tell(gr.Info, arrived, self.texts["tab_models"])
        for updates in self.refresh(transfer.report.name):
            yield {**updates, self.notice: said(arrived), self.source: "", self.name: ""}

    def _in_use(self, report: ModelReport) -> bool:
        return report.path == str(self.page.loop.model.path)

    def _as_seen(self, report: ModelReport) -> ModelReport:
        """Return the report; what was begun a moment ago may not have its folder yet."""
        transfer = self.page.loop.under_way.now()
        coming = transfer is not None and transfer.running and transfer.name == report.name
        return replace(report, state="fetching") if coming else report


def quantisation(format: str) -> Quantisation | None:
    """Return the quantisation chosen, None for the model's usual one."""
    return next((known for known in QUANTISATIONS if known == format), None)
