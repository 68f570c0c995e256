"""One quiet line above the chat that offers Minerva while one talks to the starter; it can be sent away."""

import gradio as gr

from alignchat.catalog import MINERVA, STARTER
from alignchat.ui import model_views, people
from alignchat.ui.errors import Updates
from alignchat.ui.shared import AT_ONCE, Page


class MinervaOffer:
    """The line's components; `dismissed` is kept by the browser."""

    def __init__(self, page: Page) -> None:
        """Lay the line out; call at the top of the tab Chat."""
        self.page, texts = page, page.texts
        self.dismissed = gr.BrowserState(False, storage_key="alignchat-no-minerva", secret="alignchat")
        with gr.Row(visible=False, elem_id="minerva") as self.row:
            self.text = gr.Markdown(elem_id="minerva-text", elem_classes="hint")
            self.get = gr.Button(
                texts["minerva_get"], size="sm", scale=0, min_width=120, elem_id="minerva-get"
            )
            self.no = gr.Button(texts["minerva_no"], size="sm", scale=0, min_width=100, elem_id="minerva-no")
        self.no.click(
            lambda: (gr.Row(visible=False), True),
            None,
            [self.row, self.dismissed],
            **AT_ONCE,
        )

    def shown(self) -> list[gr.blocks.Block]:
        """Return what `refresh` updates."""
        return [self.row, self.text]

    def refresh(self, dismissed: bool | None) -> Updates:
        """Return the updates that show the line where there is something to offer."""
        loop = self.page.loop
        report = next(report for report in loop.models.reports() if report.name == MINERVA)
        owner = people.here().role == "owner"
        wanted = (
            owner
            and loop.model.name == STARTER
            and report.state in ("available", "partial")
            and not dismissed
        )
        size = model_views.size(report.bytes, self.page.texts)
        text = self.page.texts["minerva_offer"].format(size=size, licence=report.licence)
        return {self.row: gr.Row(visible=wanted), self.text: text}
