"""The tab Label: work through pairs of replies that were made ahead. Keys and pairs are label.js's."""

import json
from html import escape

import gradio as gr

from alignchat.errors import EXPECTED
from alignchat.hub_sets import KNOWN
from alignchat.talk.replies_ahead import Prompt
from alignchat.ui import views
from alignchat.ui.errors import Notices, Updates
from alignchat.ui.i18n import Texts, error_sentence
from alignchat.ui.shared import AT_ONCE, BESIDE, Page

POLL_SECONDS = 1.0
DECISIONS = {"left": "1", "right": "2", "tie": "T", "both_bad": "B"}
OTHERS = {"skip": "S", "edit": "E", "discard": "D", "undo": "U"}


class LabelTab:
    """The stage, which label.js fills, and the components that prepare pairs."""

    def __init__(self, page: Page) -> None:
        """Lay the tab out; call inside the tab's block."""
        self.page, self.texts = page, page.texts
        gr.Markdown(stage(page.texts), sanitize_html=False, elem_id="label")
        with gr.Accordion(self.texts["prepare"], open=False, elem_id="prepare") as self.panel:
            self._lay_prepare()
        self.timer = gr.Timer(POLL_SECONDS, active=False)
        self.notices = Notices(self.notice, page.language)
        self._wire()

    def _lay_prompts(self) -> None:
        texts = self.texts
        sources = ["it", "en"] if self.page.language == "it" else ["en", "it"]
        self.source = gr.Radio(
            [(texts[f"source_{source}"], source) for source in (*sources, "history", "own", "set")],
            value=sources[0],
            label=texts["prepare_source"],
            elem_id="prepare-source",
        )
        with gr.Column(visible=False, elem_id="prepare-own") as self.own:
            self.list = gr.Textbox(label=texts["prepare_own"], lines=4, max_lines=12, elem_id="prepare-list")
            gr.Markdown(
                f'<label class="file">{escape(texts["prepare_file"])} '
                '<input type="file" id="prepare-file" accept=".txt,.jsonl,.json,.csv,text/plain"></label>',
                sanitize_html=False,
            )
        self.set = gr.Dropdown(
            list(KNOWN),
            value=next(iter(KNOWN)),
            label=texts["prepare_set"],
            allow_custom_value=True,
            visible=False,
            elem_id="prepare-set",
        )

    def _lay_prepare(self) -> None:
        texts = self.texts
        gr.Markdown(texts["prepare_about"], elem_classes="hint")
        self._lay_prompts()
        with gr.Row(elem_id="prepare-row"):
            self.count = gr.Slider(
                1, 500, value=20, step=1, label=texts["prepare_count"], elem_id="prepare-count"
            )
            self.overlap = gr.Radio(
                [(texts["overlap_1"], 1), (texts["overlap_2"], 2)],
                value=1,
                label=texts["prepare_overlap"],
                elem_id="prepare-overlap",
            )
        self.notice = gr.Markdown(elem_id="prepare-notice", elem_classes="notices")
        self.progress = gr.Markdown(elem_id="prepare-progress", sanitize_html=False)
        with gr.Row(elem_id="prepare-actions"):
            self.run = gr.Button(texts["prepare_run"], variant="primary", elem_id="prepare-run")
            self.stop = gr.Button(texts["prepare_stop"], visible=False, elem_id="prepare-stop")
            self.go_on = gr.Button("", visible=False, elem_id="prepare-go-on")
            self.forget = gr.Button(texts["prepare_forget"], visible=False, elem_id="prepare-forget")

    def _wire(self) -> None:
        self.source.change(
            lambda source: (gr.Column(visible=source == "own"), gr.Dropdown(visible=source == "set")),
            self.source,
            [self.own, self.set],
            **AT_ONCE,
        )
        guard, outputs = self.notices.guard, [self.notice, *self.shown()]
        asked = [self.source, self.list, self.set, self.count, self.overlap]
        self.run.click(guard(self._prepare, owner=True), asked, outputs, **AT_ONCE)
        for button, act in {
            self.go_on: self._go_on,
            self.forget: self._forget,
            self.stop: self._stop,
        }.items():
            button.click(guard(act, owner=True), None, outputs, **AT_ONCE)
        self.timer.tick(self.refresh, None, self.shown(), **BESIDE)

    def shown(self) -> list[gr.blocks.Block]:
        """Return what `refresh` updates."""
        return [self.progress, self.run, self.stop, self.go_on, self.forget, self.timer]

    def refresh(self) -> Updates:
        """Return the updates that show how the making stands."""
        now, texts = self.page.loop.labelling.ahead.now(), self.texts
        waits = not now.running and now.waiting > 0
        said = []
        if now.error:
            known = isinstance(now.error, EXPECTED)
            said.append(
                views.notice(error_sentence(now.error, self.page.language) if known else texts["unexpected"])
            )
        if now.running:
            share = 100 * now.made // max(now.made + now.waiting, 1)
            told = texts["preparing"].format(made=now.made, waiting=now.waiting)
            said.append(views.bar(share, texts["prepare"], told))
        elif now.made:
            said.append(f"<p>{escape(texts['prepared'].format(made=now.made))}</p>")
        if now.useless:
            said.append(f"<p>{escape(texts['prepared_useless'].format(n=now.useless))}</p>")
        if waits:
            said.append(f"<p>{escape(texts['prepare_waiting'].format(n=now.waiting))}</p>")
        return {
            self.progress: "".join(said),
            self.run: gr.Button(visible=not now.running),
            self.stop: gr.Button(visible=now.running),
            self.go_on: gr.Button(texts["prepare_go_on"].format(n=now.waiting), visible=waits),
            self.forget: gr.Button(visible=waits),
            self.timer: gr.Timer(active=now.running),
        }

    def opened_by(self, tab: gr.Tab) -> None:
        """Show what is new whenever the tab is opened."""
        tab.select(self._open, None, [self.panel, *self.shown()], **BESIDE)

    def _open(self) -> Updates:
        """Return the updates for when the tab is opened: with nothing to label, preparing is at hand."""
        return {self.panel: gr.Accordion(open=not self.page.loop.labelling.state().left), **self.refresh()}

    def _prepare(self, source: str, text: str, name: str | None, count: int, overlap: int) -> Updates:
        labelling = self.page.loop.labelling
        labelling.prepare(self._prompts(source, text, name), count=int(count), overlap=int(overlap))
        return self.refresh()

    def _prompts(self, source: str, text: str, name: str | None) -> list[Prompt]:
        labelling = self.page.loop.labelling
        if source == "own":
            return labelling.read(text or "")
        if source == "set":
            return labelling.of_set(name or "")
        return labelling.history() if source == "history" else labelling.starters(source)

    def _go_on(self) -> Updates:
        self.page.loop.labelling.go_on()
        return self.refresh()

    def _forget(self) -> Updates:
        self.page.loop.labelling.ahead.forget()
        return self.refresh()

    def _stop(self) -> Updates:
        self.page.loop.labelling.ahead.stop()
        return {self.stop: gr.Button(visible=False), self.progress: self.texts["prepare_stopping"]}


def stage(texts: Texts) -> str:
    """Return the stage in one line of HTML: where a pair is shown and decided on."""
    said = {key.removeprefix("label_"): text for key, text in texts.items() if key.startswith("label_")}
    sides = "".join(
        f'<section class="label-side" aria-labelledby="label-{side}-name">'
        f'<h2 id="label-{side}-name">{escape(texts[f"label_{side}"])}</h2>'
        f'<div id="label-{side}" class="reply"></div></section>'
        for side in ("left", "right")
    )
    return (
        f'<div id="label-stage" tabindex="-1" role="group" aria-label="{escape(texts["label_stage"])}" '
        f'data-texts="{escape(json.dumps(said), quote=True)}">'
        '<div id="label-head"><p id="label-state"><span id="label-progress"></span>'
        '<span id="label-pace"></span><span id="label-agreement"></span></p>'
        '<p id="label-message" role="status"></p></div>'
        '<div id="label-pair" hidden>'
        f'<section aria-label="{escape(texts["label_prompt"])}" id="label-prompt"></section>'
        f'<div id="label-sides">{sides}</div>'
        f"{_editor(texts)}"
        f'<div id="label-decisions">{_buttons(DECISIONS, texts)}</div></div>'
        f'<div id="label-others">{_buttons(OTHERS, texts)}</div>'
        f'<p class="hint"><span class="keys">{escape(texts["label_keys"])}</span> '
        f"{escape(texts['label_hidden'])}</p></div>"
    )


def _buttons(keys: dict[str, str], texts: Texts) -> str:
    return "".join(
        f'<button type="button" data-act="{act}" aria-keyshortcuts="{key}">'
        f"{escape(texts[f'label_{act}'])} <kbd>{key}</kbd></button>"
        for act, key in keys.items()
    )


def _editor(texts: Texts) -> str:
    sides = "".join(
        f'<label><input type="radio" name="label-edit-side" value="{side}"> '
        f"{escape(texts[f'label_edit_{side}'])}</label>"
        for side in ("left", "right")
    )
    return (
        '<div id="label-editor" hidden>'
        f"<p>{escape(texts['label_edit_which'])} {sides}</p>"
        '<textarea id="label-edit-text" rows="8" '
        f'aria-label="{escape(texts["label_edit_which"])}"></textarea>'
        f'<button type="button" data-act="edit_save">{escape(texts["label_edit_save"])}</button>'
        f'<button type="button" data-act="edit_cancel">{escape(texts["label_edit_cancel"])}</button></div>'
    )
