"""The tab Compare: one prompt, two replies side by side, blind unless one asks, and how rounds stand.

The vote itself goes from compare.js to `/votes`. Until then the page holds the comparison's id and the
texts; who replied is asked for afterwards.
"""

import random
from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr

from alignchat.errors import DataError
from alignchat.loop import VERDICTS
from alignchat.talk.starters import STARTERS
from alignchat.ui import messages, people, standings
from alignchat.ui.errors import Notices, Updates
from alignchat.ui.shared import ACTIVE, AT_ONCE, BASE, BESIDE, Page, said
from alignchat.ui.stops import Stops

SIDES = ("left", "right")


class ArenaTab:
    """The components of the tab and their handlers; `pair` holds the comparison's id."""

    def __init__(self, page: Page) -> None:
        """Lay the tab out; call inside the tab's block."""
        self.page, self.texts, self.stops = page, page.texts, Stops()
        self.pair = gr.State(None)
        self._lay_prompt()
        self._lay_voices()
        with gr.Row(elem_id="arena-sides", equal_height=True):
            self.replies, self.makers = zip(*(self._lay_side(side) for side in SIDES), strict=True)
        with gr.Column(elem_id="verdict-bar"):
            self.notice = gr.Markdown(elem_id="compare-notice", sanitize_html=False)
            self._lay_verdicts()
        gr.Markdown(self.texts["verdict_keys"], elem_id="verdict-keys", elem_classes="hint")
        self.all = gr.Checkbox(False, label=self.texts["standings_all"], elem_id="standings-all")
        self.standings = gr.Markdown(elem_id="standings", sanitize_html=False)
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

    def _lay_voices(self) -> None:
        with gr.Row(elem_id="arena-voices"):
            self.voices = tuple(
                gr.Dropdown(
                    [("", ACTIVE)],
                    value=ACTIVE,
                    label=self.texts[f"voice_{which}"],
                    elem_id=f"{which}-voice",
                    filterable=False,
                    min_width=150,
                )
                for which in ("first", "second")
            )
            self.blind = gr.Checkbox(
                True,
                label=self.texts["blind"],
                info=self.texts["blind_about"],
                elem_id="blind",
                min_width=150,
            )

    def _lay_side(self, side: str) -> tuple[gr.Markdown, gr.Markdown]:
        with gr.Column(min_width=300, elem_id=f"arena-{side}", elem_classes="side"):
            maker = gr.Markdown(elem_id=f"{side}-maker", elem_classes="maker", sanitize_html=False)
            reply = gr.Markdown(
                f"*{self.texts['compare_empty']}*",
                label=self.texts[f"{side}_reply"],
                elem_id=f"{side}-reply",
                elem_classes="reply",
                latex_delimiters=[],
            )
        return reply, maker

    def _lay_verdicts(self) -> None:
        texts = self.texts
        with gr.Row(elem_id="verdicts"):
            self.verdicts = [
                gr.Button(
                    texts[f"verdict_{verdict}"],
                    interactive=False,
                    min_width=120,
                    elem_id=f"verdict-{verdict.replace('_', '-')}",
                )
                for verdict in VERDICTS
            ]
            self.skip = gr.Button(
                texts["verdict_skip"], interactive=False, min_width=90, elem_id="verdict-skip"
            )
            self.undo = gr.Button(
                texts["verdict_undo"], interactive=False, min_width=90, elem_id="verdict-undo"
            )
        # Pressed by compare.js once the server has the vote on its disk.
        self.voted = gr.Button(elem_id="compare-voted", elem_classes="pressed-by-script")
        self.taken_back = gr.Button(elem_id="compare-taken-back", elem_classes="pressed-by-script")

    def _wire(self) -> None:
        guard = self.notices.guard
        buttons = [*self.verdicts, self.skip, self.undo]
        gr.on(
            [self.run.click, self.box.submit],
            guard(self._compare),
            [self.box, *self.voices, self.blind],
            [self.notice, self.pair, *self.replies, *self.makers, *buttons, self.run, self.stop],
            **BESIDE,
        ).then(self._ready, self.pair, [*buttons, self.run, self.stop], **AT_ONCE)
        self.stop.click(self._stop, None, self.stop, **AT_ONCE)
        self.suggest.click(self._suggest, None, self.box, **AT_ONCE)
        self.skip.click(guard(self._skip), None, [self.notice, self.box, self.pair, *buttons], **AT_ONCE)
        told = [self.notice, self.box, self.standings, *self.makers, *buttons]
        for button, act in {self.voted: self._voted, self.taken_back: self._taken_back}.items():
            button.click(guard(act), [self.pair, self.all], told, **AT_ONCE)
        self.all.input(lambda all: self.stand(all), self.all, self.standings, **AT_ONCE)

    def _compare(
        self, text: str, first: str, second: str, blind: bool, request: gr.Request
    ) -> Iterator[Updates]:
        (left_model, left), (right_model, right) = self.page.voice(first), self.page.voice(second)
        growing = self.page.loop.compare(
            text,
            left=left,
            right=right,
            left_model=left_model,
            right_model=right_model,
            blind=blind,
            annotator=people.here().name,
        )
        pair = None
        empty = dict.fromkeys(self.replies, "…") | dict.fromkeys(self.makers, "")
        yield {**empty, self.pair: None, **self._state(busy=True)}
        for replies in self.stops.until(request.session_hash, growing):
            pair = replies[0].conversation_id if None not in replies and replies[0] else None
            texts = [
                messages.escape(messages.visible(messages.so_far(reply, self.texts))) for reply in replies
            ]
            yield dict(zip(self.replies, texts, strict=True))
        # The script finds the comparison's id here; it says nothing else.
        held = {self.notice: _mark(pair) if pair else ""}
        makers = {} if blind or pair is None else self._makers(pair)
        yield {self.pair: pair, **held, **makers}

    def _ready(self, pair: str | None) -> Updates:
        """Return the updates for when the page has heard of the end; before, it drops the next request."""
        return self._state(busy=False, choosable=pair is not None)

    def _voted(self, pair: str | None, all: bool) -> Updates:
        if pair is None:
            raise DataError(self.texts["choose_first"])
        sentence = said(f"{self.texts['vote_saved']} {self.texts['next_prompt']}")
        return {
            self.notice: _mark(pair) + sentence,
            self.box: "",
            **self._makers(pair),
            **self.stand(all),
            **self._buttons(choosable=False, undoable=True),
        }

    def _taken_back(self, pair: str | None, all: bool) -> Updates:
        return {
            self.notice: _mark(pair or "") + said(self.texts["vote_taken_back"]),
            **self.stand(all),
            **self._buttons(choosable=True),
        }

    def _makers(self, pair: str) -> Updates:
        told = [
            standings.name(maker, self.page.loop.model.name, self.texts)
            for maker in self.page.loop.arena.makers(pair, annotator=people.here().name)
        ]
        return dict(zip(self.makers, map(escape, told), strict=True))

    def _skip(self) -> Updates:
        return {
            self.notice: said(self.texts["skipped"]),
            self.box: "",
            self.pair: None,
            **self._buttons(choosable=False),
        }

    def _stop(self, request: gr.Request) -> Updates:
        self.stops.stop(request.session_hash)
        return {self.stop: gr.Button(interactive=False)}

    def _suggest(self) -> Updates:
        return {self.box: random.choice(STARTERS[self.page.language])}

    def opened_by(self, tab: gr.Tab) -> None:
        """Show what is new whenever the tab is opened."""
        tab.select(self.stand, self.all, self.standings, **BESIDE)

    def refresh(self) -> Updates:
        """Return the updates that put the round in use beside the base model, if they are two."""
        choices, (first, second) = self.page.voices(), self.voices
        other = BASE if self.page.active() else ACTIVE
        return {first: gr.Dropdown(choices, value=ACTIVE), second: gr.Dropdown(choices, value=other)}

    def stand(self, all: bool) -> Updates:
        """Return the updates that show how the rounds stand."""
        home = self.page.loop.model.name
        told = self.page.loop.arena.standings(home, all=all)
        return {self.standings: standings.shown(told, home, self.texts)}

    def _state(self, *, busy: bool, choosable: bool = False) -> Updates:
        return {
            self.run: gr.Button(visible=not busy),
            self.stop: gr.Button(visible=busy, interactive=True),
            **self._buttons(choosable=choosable),
        }

    def _buttons(self, *, choosable: bool, undoable: bool = False) -> Updates:
        choices: dict[Any, Any] = dict.fromkeys([*self.verdicts, self.skip], gr.Button(interactive=choosable))
        return choices | {self.undo: gr.Button(interactive=undoable)}


def _mark(pair: str) -> str:
    return f'<div id="comparison" data-id="{escape(pair)}"></div>'
