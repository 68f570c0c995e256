"""The tab Compare: one prompt, two replies side by side, and which of them is better."""

import random
from collections.abc import Iterator
from typing import Any

import gradio as gr

from alignchat.errors import DataError
from alignchat.loop import VERDICTS
from alignchat.starters import STARTERS
from alignchat.ui import messages
from alignchat.ui.errors import Handler, Notices, Updates
from alignchat.ui.shared import ACTIVE, Page, round_or_none, said
from alignchat.ui.stops import Stops


class ArenaTab:
    """The components of the tab and their handlers; `pair` holds the ids of the two replies."""

    def __init__(self, page: Page) -> None:
        """Lay the tab out; call inside the tab's block."""
        self.page, self.texts, self.stops = page, page.texts, Stops()
        self.pair = gr.State(None)
        self._lay_prompt()
        with gr.Row(elem_id="arena-sides", equal_height=True):
            self.voices, self.replies = zip(
                *(self._lay_side(side) for side in ("left", "right")), strict=True
            )
        with gr.Column(elem_id="verdict-bar"):
            self.notice = gr.Markdown(elem_id="compare-notice")
            with gr.Row(elem_id="verdicts"):
                self.verdicts = {verdict: self._lay_verdict(verdict) for verdict in VERDICTS}
        hints = f"<span>{self.texts['verdict_keys']}</span> {self.texts['same_model']}"
        gr.Markdown(hints, elem_id="verdict-keys", elem_classes="hint")
        self.notices = Notices(self.notice, page.language)
        self._wire()

    def _lay_prompt(self) -> None:
        texts = self.texts
        with gr.Row(elem_id="arena-entry"):
            self.box = gr.Textbox(
                label=texts["compare_prompt"],
                show_label=False,
                placeholder=texts["compare_hint"],
                lines=1,
                max_lines=8,
                scale=5,
                container=False,
                elem_id="compare-prompt",
            )
            self.suggest = gr.Button(texts["suggest"], scale=0, min_width=190, elem_id="suggest")
            self.run = gr.Button(
                texts["compare_run"], variant="primary", scale=0, min_width=170, elem_id="compare"
            )
            self.stop = gr.Button(
                texts["stop"], variant="stop", visible=False, scale=0, min_width=170, elem_id="compare-stop"
            )

    def _lay_side(self, side: str) -> tuple[gr.Dropdown, gr.Markdown]:
        with gr.Column(min_width=300, elem_id=f"arena-{side}", elem_classes="side"):
            voice = gr.Dropdown(
                [("", ACTIVE)],
                value=ACTIVE,
                label=self.texts[side],
                elem_id=f"{side}-voice",
                filterable=False,
            )
            reply = gr.Markdown(
                f"*{self.texts['compare_empty']}*",
                label=self.texts[f"{side}_reply"],
                elem_id=f"{side}-reply",
                elem_classes="reply",
                latex_delimiters=[],
            )
        return voice, reply

    def _lay_verdict(self, verdict: str) -> gr.Button:
        label, name = self.texts[f"verdict_{verdict}"], verdict.replace("_", "-")
        return gr.Button(label, interactive=False, min_width=140, elem_id=f"verdict-{name}")

    def _wire(self) -> None:
        guard, buttons = self.notices.guard, list(self.verdicts.values())
        gr.on(
            [self.run.click, self.box.submit],
            guard(self._compare, reset=lambda *_: self._state(busy=False)),
            [self.box, *self.voices],
            [self.notice, self.pair, *self.replies, *buttons, self.run, self.stop],
            show_progress="hidden",
            concurrency_limit=None,
        )
        self.stop.click(self._stop, None, self.stop, queue=False, show_progress="hidden")
        self.suggest.click(self._suggest, None, self.box, queue=False, show_progress="hidden")
        outputs = [self.notice, self.box, self.page.strip, self.pair, *buttons]
        for verdict, button in self.verdicts.items():
            button.click(
                guard(self._chooser(verdict)), self.pair, outputs, queue=False, show_progress="hidden"
            )

    def _compare(self, text: str, left: int, right: int, request: gr.Request) -> Iterator[Updates]:
        growing = self.page.loop.compare(text, left=round_or_none(left), right=round_or_none(right))
        pair: list[str | None] = [None, None]
        yield {**dict.fromkeys(self.replies, "…"), self.pair: None, **self._state(busy=True)}
        for replies in self.stops.until(request.session_hash, growing):
            pair = [reply.completion_id if reply else None for reply in replies]
            texts = [messages.escape(reply.text) if reply else "…" for reply in replies]
            yield dict(zip(self.replies, texts, strict=True))
        yield {self.pair: pair, **self._state(busy=False, choosable=None not in pair)}

    def _chooser(self, verdict: Any) -> Handler:
        def choose(pair: list[str] | None) -> Updates:
            if pair is None:
                raise DataError(self.texts["choose_first"])
            self.page.loop.choose(pair[0], pair[1], verdict)
            sentence = f"{self.texts[f'saved_{verdict}']} {self.texts['next_prompt']}"
            spent = {button: gr.Button(interactive=False) for button in self.verdicts.values()}
            strip = {self.page.strip: self.page.strip_now()}
            return {self.notice: said(sentence), self.box: "", self.pair: None} | strip | spent

        return choose

    def _stop(self, request: gr.Request) -> Updates:
        self.stops.stop(request.session_hash)
        return {self.stop: gr.Button(interactive=False)}

    def _suggest(self) -> Updates:
        return {self.box: random.choice(STARTERS[self.page.language])}

    def refresh(self) -> Updates:
        """Return the updates that put the round in use beside the base model, if they are two."""
        choices, (left, right) = self.page.voices(), self.voices
        other = 0 if self.page.active() else ACTIVE
        return {left: gr.Dropdown(choices, value=ACTIVE), right: gr.Dropdown(choices, value=other)}

    def _state(self, *, busy: bool, choosable: bool = False) -> Updates:
        return {
            self.run: gr.Button(visible=not busy),
            self.stop: gr.Button(visible=busy, interactive=True),
            **{button: gr.Button(interactive=choosable) for button in self.verdicts.values()},
        }
