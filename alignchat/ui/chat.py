"""The tab Chat: talk, stop, ask again, and mark replies with thumbs."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from alignchat.errors import DataError
from alignchat.ui import messages
from alignchat.ui.errors import Notices, Updates
from alignchat.ui.offer import MinervaOffer
from alignchat.ui.shared import ACTIVE, Page, round_or_none
from alignchat.ui.stops import Stops

LISTED = 200  # conversations; older ones are in the data folder and not in the list


class ChatTab:
    """The components of the tab and their handlers."""

    def __init__(self, page: Page) -> None:
        """Lay the tab out; call inside the tab's block."""
        self.page, self.texts, self.stops = page, page.texts, Stops()
        self.conversation = gr.BrowserState(None, storage_key="alignchat-conversation", secret="alignchat")
        self.offer = MinervaOffer(page)
        with gr.Row(elem_id="chat-row"):
            with gr.Column(scale=1, min_width=220, elem_id="chat-side"):
                self._lay_side()
            with gr.Column(scale=3, min_width=300, elem_id="chat-main"):
                self._lay_main()
        self.notices = Notices(self.notice, page.language)
        self._wire()

    def _lay_side(self) -> None:
        texts = self.texts
        self.new = gr.Button(texts["new_chat"], elem_id="new-chat", size="md")
        self.list = gr.Radio(
            [], label=texts["conversations"], info=texts["conversations_empty"], elem_id="conversations"
        )

    def _lay_main(self) -> None:
        texts = self.texts
        self.voice = gr.Dropdown(
            [("", ACTIVE)], value=ACTIVE, label=texts["talk_to"], elem_id="talk-to", filterable=False
        )
        self.chatbot = gr.Chatbot(
            label=texts["chat"],
            show_label=False,
            elem_id="chat",
            height="max(320px, calc(100dvh - 400px))",
            placeholder=texts["chat_empty"],
            buttons=[],
            latex_delimiters=[],
            feedback_options=("Like", "Dislike"),
            group_consecutive_messages=False,
        )
        with gr.Row(elem_id="chat-entry"):
            self.box = gr.Textbox(
                label=texts["message"],
                show_label=False,
                placeholder=texts["message_hint"],
                lines=1,
                max_lines=8,
                scale=5,
                container=False,
                autofocus=True,
                elem_id="message",
            )
            self.send = gr.Button(texts["send"], variant="primary", scale=0, min_width=96, elem_id="send")
            self.stop = gr.Button(
                texts["stop"], variant="stop", visible=False, scale=0, min_width=96, elem_id="stop"
            )
        self.notice = gr.Markdown(elem_id="chat-notice", elem_classes="notices")
        with gr.Row(elem_id="chat-more"):
            self.again = gr.Button(
                texts["again"], size="sm", scale=0, min_width=150, elem_id="again", interactive=False
            )
            gr.Markdown(texts["thumb_hint"], elem_id="thumb-hint", elem_classes="hint")

    def _wire(self) -> None:
        guard, shown = self.notices.guard, [self.chatbot, self.list, self.again, self.page.strip]
        streaming = [*shown, self.conversation, self.notice, self.box, self.send, self.stop, self.new]
        gr.on(
            [self.send.click, self.box.submit],
            guard(self._send, reset=lambda text, *_: {self.box: text, **self._idle()}),
            [self.box, self.conversation, self.voice],
            streaming,
            show_progress="hidden",
            concurrency_limit=None,
        )
        self.again.click(
            guard(self._again, reset=lambda *_: self._idle()),
            [self.conversation, self.voice],
            streaming,
            show_progress="hidden",
            concurrency_limit=None,
        )
        self.stop.click(self._stop, None, self.stop, queue=False, show_progress="hidden")
        self.chatbot.like(
            guard(self._vote),
            self.conversation,
            [self.notice, self.page.strip],
            queue=False,
            show_progress="hidden",
        )
        opened = [*shown, self.conversation, self.notice]
        self.list.input(guard(self.open), self.list, opened, queue=False, show_progress="hidden")
        self.new.click(guard(self._new), None, opened, queue=False, show_progress="hidden")

    def _send(
        self, text: str, conversation: str | None, voice: int, request: gr.Request
    ) -> Iterator[Updates]:
        replies = self.page.loop.reply(conversation, text, round=round_or_none(voice))
        before = messages.asked(self._messages(conversation), text)
        yield {self.box: "", self.chatbot: messages.growing(before, None), **self._busy()}
        for reply in self.stops.until(request.session_hash, replies):
            conversation = reply.conversation_id
            yield {self.chatbot: messages.growing(before, reply)}
        yield self.open(conversation) | self._idle()

    def _again(self, conversation: str | None, voice: int, request: gr.Request) -> Iterator[Updates]:
        last = messages.last_reply(self._turns(conversation))
        if last is None:
            raise DataError(self.texts["nothing_again"])
        replies = self.page.loop.again(last, round=round_or_none(voice))
        before = self._messages(conversation)[:-1]
        yield {self.chatbot: messages.growing(before, None), **self._busy()}
        for reply in self.stops.until(request.session_hash, replies):
            yield {self.chatbot: messages.growing(before, reply)}
        yield self.open(conversation) | self._idle()

    def _stop(self, request: gr.Request) -> Updates:
        self.stops.stop(request.session_hash)
        return {self.stop: gr.Button(interactive=False)}

    def _vote(self, conversation: str | None, data: gr.LikeData) -> Updates:
        position = data.index if isinstance(data.index, int) else data.index[0]
        reply = messages.reply_at(self._turns(conversation), position)
        if reply is None:
            raise DataError(self.texts["thumb_too_soon"])
        self.page.loop.rate(reply, data.liked if isinstance(data.liked, bool) else None)
        return {self.page.strip: self.page.strip_now()}

    def _new(self) -> Updates:
        return self.open(None)

    def open(self, conversation: str | None) -> Updates:
        """Return the updates that show a conversation, or an empty one."""
        turns = self._turns(conversation)
        value: Any = messages.messages(turns, self.texts)
        return {
            self.conversation: conversation if turns else None,
            self.chatbot: gr.Chatbot(value=value, feedback_value=messages.thumbs(turns)),
            self.list: self._listed(conversation if turns else None),
            self.again: gr.Button(interactive=bool(turns)),
            self.page.strip: self.page.strip_now(),
        }

    def refresh(self) -> Updates:
        """Return the updates that show which rounds there are."""
        return {self.voice: gr.Dropdown(choices=self.page.voices())}

    def _turns(self, conversation: str | None) -> list[Any]:
        return self.page.loop.conversations.turns(conversation) if conversation else []

    def _messages(self, conversation: str | None) -> list[Any]:
        return messages.messages(self._turns(conversation), self.texts)

    def _listed(self, conversation: str | None) -> gr.Radio:
        listed = self.page.loop.conversations.all()[:LISTED]
        choices = [(c.title or self.texts["untitled"], c.id) for c in listed]
        hint = None if choices else self.texts["conversations_empty"]
        return gr.Radio(choices=choices, value=conversation, info=hint)

    def _busy(self) -> Updates:
        return self._state(busy=True)

    def _idle(self) -> Updates:
        return self._state(busy=False)

    def _state(self, *, busy: bool) -> Updates:
        return {
            self.send: gr.Button(visible=not busy),
            self.stop: gr.Button(visible=busy, interactive=True),
            self.new: gr.Button(interactive=not busy),
        }
