"""The part of Scores that tells what is measured with, and gets the authors' prompt sets and lexicon."""

from functools import partial
from typing import Any

import gradio as gr

from alignchat.errors import Cancelled, DataError
from alignchat.shelf.bias_sets import SETS
from alignchat.ui import model_views, score_views
from alignchat.ui.errors import Notices, Updates, tell
from alignchat.ui.shared import AT_ONCE, BESIDE, Page, said, stamp

POLL_SECONDS = 1.0


class BiasData:
    """The components of the part and their handlers; `ended` changes when a transfer has."""

    def __init__(self, page: Page) -> None:
        """Lay the part out; call inside its block."""
        self.page, self.texts = page, page.texts
        texts = self.texts
        self.timer, self.ended = gr.Timer(POLL_SECONDS, active=False), gr.State(0)
        gr.Markdown(texts["bias_data_about"], elem_id="bias-data-about", elem_classes="hint")
        self.table = gr.Markdown(elem_id="bias-data-table", sanitize_html=False)
        with gr.Row(visible=False, elem_id="bias-data-row") as self.row:
            self.which = gr.Dropdown(
                self._names(list(SETS)),
                label=texts["bias_data_set"],
                filterable=False,
                min_width=180,
                elem_id="bias-data-set",
            )
            self.get = gr.Button(
                texts["model_get"], variant="primary", scale=0, min_width=130, elem_id="bias-data-get"
            )
        self.agreed = gr.Checkbox(
            False, label=texts["bias_data_agreed"], visible=False, elem_id="bias-data-agreed"
        )
        with gr.Row(elem_id="bias-data-transfer-row"):
            self.progress = gr.Markdown(elem_id="bias-data-transfer", sanitize_html=False)
            self.cancel = gr.Button(
                texts["cancel"], visible=False, scale=0, min_width=110, elem_id="bias-data-cancel"
            )

    def wire(self, notices: Notices) -> None:
        """Let the part answer; what goes wrong is shown by `notices`."""
        self.place = notices.place
        guard = partial(notices.guard, owner=True)
        asked, going = [self.which, self.agreed], [self.timer, self.progress, self.cancel]
        self.which.input(guard(self._chosen), self.which, [self.place, self.agreed], **AT_ONCE)
        self.get.click(guard(self._get), asked, [self.place, *going], **BESIDE)
        self.cancel.click(guard(self._cancel), None, [self.place, *going], **AT_ONCE)
        self.timer.tick(self._tick, None, [*going, self.ended], **BESIDE)
        self.ended.change(guard(self._end), self.which, [self.place, *self.shown()], **BESIDE)

    def shown(self) -> list[Any]:
        """Return what `refresh` updates."""
        return [self.table, self.row, self.which, self.agreed, self.timer, self.progress, self.cancel]

    def refresh(self, which: str | None) -> Updates:
        """Return the updates that show what is here, what is on its way, and what can be had."""
        loop = self.page.loop
        reports, folder = loop.bias_sets.reports(), loop.settings.evaluation.bias_data
        missing = [report.name for report in reports if not report.here and folder is None]
        chosen = which if which in missing else next(iter(missing), None)
        return {
            self.table: score_views.measured_with(reports, folder, self.texts),
            self.row: gr.Row(visible=bool(missing)),
            self.which: gr.Dropdown(self._names(missing), value=chosen),
            self.agreed: self._agreement(chosen),
            **self.follow(),
        }

    def follow(self) -> Updates:
        """Return the updates that show what is on its way, and go on showing it."""
        transfer = self.page.loop.bias_sets_under_way.now()
        running = transfer is not None and transfer.running
        return {
            self.timer: gr.Timer(active=running),
            self.progress: model_views.under_way(transfer, self.page.language, self.texts),
            self.cancel: gr.Button(visible=running, interactive=not (transfer and transfer.stopping)),
        }

    def _names(self, names: list[str]) -> list[tuple[str, str]]:
        return [(self.texts[f"bias_set_{name}"], name) for name in names]

    def _agreement(self, name: str | None) -> gr.Checkbox:
        return gr.Checkbox(visible=name is not None and SETS[name].non_commercial)

    def _chosen(self, name: str) -> Updates:
        return {self.agreed: self._agreement(name)}

    def _get(self, name: str, agreed: bool) -> Updates:
        if SETS[name].non_commercial and not agreed:
            raise DataError(self.texts["bias_data_first"])
        loop = self.page.loop
        bring = partial(loop.bias_sets.get, name, accept_licence=agreed)
        loop.bias_sets_under_way.begin(self.texts[f"bias_set_{name}"], bring)
        # Also what has come at once is seen by the timer, which then tells of its end.
        return {**self.follow(), self.timer: gr.Timer(active=True)}

    def _cancel(self) -> Updates:
        self.page.loop.bias_sets_under_way.stop()
        return self.follow()

    def _tick(self) -> Updates:
        transfer, going = self.page.loop.bias_sets_under_way.now(), self.follow()
        return going if transfer and transfer.running else {**going, self.ended: stamp()}

    def _end(self, which: str | None) -> Updates:
        transfer, shown = self.page.loop.bias_sets_under_way.now(), self.refresh(which)
        if transfer and transfer.report:
            return {**shown, self.place: said(self.texts["bias_data_came"].format(name=transfer.name))}
        if transfer and not isinstance(transfer.error, Cancelled):
            sentence = model_views.failure(transfer, self.page.language, self.texts)
            tell(gr.Warning, sentence, self.texts["tab_scores"])
        return shown
