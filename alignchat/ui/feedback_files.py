"""Feedback files in and out, by their paths on the machine that serves: the page takes no uploads."""

from pathlib import Path

import gradio as gr

from alignchat.errors import DataError
from alignchat.judging.feedback import EXPORT_FORMATS, IMPORT_FORMATS, ExportFormat, ImportFormat
from alignchat.ui.errors import Notices, Updates
from alignchat.ui.i18n import Texts
from alignchat.ui.shared import Page, said, stamp


class FeedbackFiles:
    """The components and their handlers; `imported` changes when something came in."""

    def __init__(self, page: Page) -> None:
        """Lay it out, folded up."""
        self.page, self.texts = page, page.texts
        self.imported = gr.State(0)
        texts = self.texts
        with gr.Accordion(texts["files"], open=False, elem_id="feedback-files"):
            self.path = gr.Textbox(
                label=texts["files_path"], placeholder=texts["files_path_hint"], elem_id="files-path"
            )
            with gr.Row(elem_id="files-in"):
                formats = [(texts[f"format_{name}"], name) for name in IMPORT_FORMATS]
                self.coming = gr.Dropdown(
                    formats,
                    value="trl",
                    label=texts["files_import_as"],
                    filterable=False,
                    elem_id="import-as",
                )
                self.look = gr.Button(texts["files_try"], elem_id="import-look")
                self.bring = gr.Button(texts["files_import"], elem_id="import")
            with gr.Row(elem_id="files-out"):
                ways = [(texts[f"format_{name}"], name) for name in EXPORT_FORMATS]
                self.going = gr.Dropdown(
                    ways,
                    value="native",
                    label=texts["files_export_as"],
                    filterable=False,
                    elem_id="export-as",
                )
                self.export = gr.Button(texts["files_export"], elem_id="export")
            self.notice = gr.Markdown(elem_id="files-notice", elem_classes="notices")
        guard = Notices(self.notice, page.language).guard
        given, outcome = [self.path, self.coming], [self.notice, self.imported]
        self.look.click(guard(self._look, owner=True), given, self.notice)
        self.bring.click(guard(self._bring, owner=True), given, outcome)
        self.export.click(guard(self._export, owner=True), [self.path, self.going], self.notice)

    def _look(self, path: str, format: ImportFormat) -> Updates:
        report = self.page.loop.feedback.import_file(_named(path, self.texts), format=format, dry_run=True)
        counts = {"imported": sum(report["added"].values()), "skipped": report["known"]}
        sentence = self.texts["files_looked"].format(**counts, refused=len(report["refused"]))
        return {self.notice: said(sentence)}

    def _bring(self, path: str, format: ImportFormat) -> Updates:
        report = self.page.loop.feedback.import_file(_named(path, self.texts), format=format)
        sentence = self.texts["files_imported"].format(
            imported=sum(report["added"].values()), skipped=report["known"]
        )
        return {self.notice: said(sentence), self.imported: stamp()}

    def _export(self, path: str, format: ExportFormat) -> Updates:
        report = self.page.loop.feedback.export_file(_named(path, self.texts), format)
        return {
            self.notice: said(self.texts["files_exported"].format(rows=report["rows"], path=report["path"]))
        }


def _named(path: str, texts: Texts) -> Path:
    if not path.strip():
        raise DataError(texts["files_missing"])
    return Path(path.strip()).expanduser()
