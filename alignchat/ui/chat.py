"""The tab Chat: talk, stop, ask again, edit, and keep conversations.

What is done to one reply comes from the page's script as an act with that reply's id, through a hidden box.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from html import escape
from typing import Any

import gradio as gr

from alignchat.accounts import LOCAL
from alignchat.errors import EXPECTED, DataError
from alignchat.talk.chat import Reply
from alignchat.talk.conversations import Conversations
from alignchat.ui import messages, people, views
from alignchat.ui.errors import Notices, Updates
from alignchat.ui.how import How
from alignchat.ui.offer import MinervaOffer
from alignchat.ui.shared import ACTIVE, AT_ONCE, BESIDE, Page, said
from alignchat.ui.stops import Stops
from alignchat.ui.texts.chat import WORDS

LISTED = 200  # conversations; older ones are found by searching


class ChatTab:
    """The components of the tab and their handlers; `head` is the reply that the shown branch ends in."""

    def __init__(self, page: Page) -> None:
        """Lay the tab out; call inside the tab's block."""
        self.page, self.texts, self.stops = page, page.texts, Stops()
        self.head = gr.BrowserState(None, storage_key="alignchat-head", secret="alignchat")
        self.deleted = gr.State(None)
        self.offer = MinervaOffer(page)
        with gr.Row(elem_id="chat-row"):
            with gr.Column(scale=1, min_width=220, elem_id="chat-side"):
                self._lay_side()
            with gr.Column(scale=3, min_width=300, elem_id="chat-main"):
                self._lay_main()
        self.notices = Notices(self.notice, page.language)
        self._wire()

    @property
    def conversations(self) -> Conversations:
        """The conversations of the person who asks."""
        return self.page.loop.conversations.of(people.here().talks_of)

    def _lay_side(self) -> None:
        texts = self.texts
        with gr.Row(elem_id="chat-begin"):
            self.new = gr.Button(texts["new_chat"], elem_id="new-chat", size="md", min_width=110, scale=2)
            gr.Button(
                texts["conversation_import"], elem_id="conversation-import", size="md", min_width=80, scale=1
            )
        self.search = gr.Textbox(
            label=texts["conversations_search"],
            placeholder=texts["conversations_search_hint"],
            show_label=False,
            container=False,
            elem_id="conversations-search",
        )
        self.list = gr.Radio(
            [], label=texts["conversations"], info=texts["conversations_empty"], elem_id="conversations"
        )

    def _lay_title(self) -> None:
        texts = self.texts
        with gr.Row(elem_id="conversation"):
            self.title = gr.Textbox(
                label=texts["conversation_title"],
                placeholder=texts["new_chat"],
                show_label=False,
                container=False,
                interactive=False,
                scale=3,
                min_width=140,
                elem_id="conversation-title",
            )
            self.files = gr.Markdown(sanitize_html=False, elem_id="conversation-files")
            self.delete = gr.Button(
                texts["conversation_delete"],
                size="sm",
                scale=0,
                min_width=80,
                interactive=False,
                elem_id="conversation-delete",
            )
        with gr.Row(visible=False, elem_id="conversation-deleted") as self.undo_row:
            self.undo_text = gr.Markdown(sanitize_html=False)
            self.undo = gr.Button(
                texts["conversation_undo"], size="sm", scale=0, min_width=90, elem_id="conversation-undo"
            )

    def _lay_main(self) -> None:
        texts = self.texts
        self._lay_title()
        with gr.Row(elem_id="chat-voice"):
            self.voice = gr.Dropdown(
                [("", ACTIVE)], value=ACTIVE, label=texts["talk_to"], elem_id="talk-to", filterable=False
            )
            self.how = How(self.page)
        self.chatbot = gr.Chatbot(
            label=texts["chat"],
            show_label=False,
            elem_id="chat",
            height="max(320px, calc(100dvh - 430px))",
            placeholder=texts["chat_empty"],
            buttons=[],
            latex_delimiters=messages.LATEX,
            feedback_options=None,
            group_consecutive_messages=False,
        )
        self._lay_entry()
        self.notice = gr.Markdown(elem_id="chat-notice", elem_classes="notices")
        hints = f"{texts['thumb_hint']} <span>{texts['chat_keys']}</span>"
        gr.Markdown(hints, elem_id="thumb-hint", elem_classes="hint")
        hidden = gr.InputHTMLAttributes(tabindex=-1)
        self.act = gr.Textbox(elem_id="chat-act", show_label=False, container=False, html_attributes=hidden)
        gr.Markdown(self._for_the_script(), sanitize_html=False, elem_id="chat-script")

    def _lay_entry(self) -> None:
        texts = self.texts
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

    def _for_the_script(self) -> str:
        """Return the words and the reasons that the script shows, as one element without any text."""
        words = {key: self.texts[f"chat_word_{key}"] for key in WORDS}
        settings = self.page.loop.settings.chat
        reasons = {"true": settings.reasons_up, "false": settings.reasons_down}
        values = {"words": words, "reasons": reasons}
        attributes = " ".join(f'data-{k}="{escape(json.dumps(v))}"' for k, v in values.items())
        return f'<div id="chat-words" {attributes}></div>'

    def _wire(self) -> None:
        guard, asking = self.notices.guard, [self.head, self.voice, *self.how.inputs()]
        streaming = [*self.opened(), self.box, self.send, self.stop, self.new]
        # The page drops what is sent before it has heard of the end of the reply, so it waits for that.
        ready = (lambda: self._busy(False), None, [self.send, self.stop, self.new])
        gr.on(
            [self.send.click, self.box.submit],
            guard(self._send, reset=lambda _, text, *__: {self.box: text}),
            [self.box, *asking],
            streaming,
            **BESIDE,
        ).then(*ready, **AT_ONCE)
        # The component tells of `input` only where a key was pressed, of `change` always.
        self.act.change(guard(self._act), [self.act, *asking], streaming, **BESIDE).then(*ready, **AT_ONCE)
        self.stop.click(self._stop, None, self.stop, **AT_ONCE)
        opened = self.opened()
        self.list.input(guard(self._chosen), self.list, opened, **AT_ONCE)
        self.new.click(guard(self._new), None, opened, **AT_ONCE)
        self.search.change(
            self._found, [self.search, self.head], self.list, trigger_mode="always_last", **AT_ONCE
        )
        renamed = [self.list, self.title, self.notice]
        gr.on(
            [self.title.submit, self.title.blur],
            guard(self._rename),
            [self.title, self.head],
            renamed,
            **AT_ONCE,
        )
        self.delete.click(guard(self._delete), self.head, opened, **AT_ONCE)
        self.undo.click(guard(self._undo), self.deleted, opened, **AT_ONCE)

    def _send(
        self, request: gr.Request, text: str, head: str | None, voice: str, *how: Any
    ) -> Iterator[Updates]:
        conversation = self.conversations.completion(head).conversation_id if head else None
        replies = self.page.loop.reply(conversation, text, after=head, **self._asked(voice, how))
        before = messages.asked(self._messages(head), text)
        yield from self._streamed(before, replies, request, {self.box: ""})

    def _act(
        self, request: gr.Request, act: str, head: str | None, voice: str, *how: Any
    ) -> Iterator[Updates]:
        wanted, loop = json.loads(act), self.page.loop
        id, text = wanted.get("id"), wanted.get("text")
        match wanted["act"]:
            case "again" | "ask":
                self.conversations.completion(id)
                replies = loop.again(id, text, **self._asked(voice, how))
                before = self._messages(id)[: -1 if text is None else -2]
                before = before if text is None else messages.asked(before, text)
                yield from self._streamed(before, replies, request)
            case "show":
                yield self.open(self.conversations.newest_below(id))
            case "edit":
                self.conversations.completion(id)
                edited = loop.edit(id, text, annotator=people.here().name)
                yield self.open(edited, asking=True)
            case "prefer":
                self.conversations.completion(id)
                loop.prefer(id, annotator=people.here().name)
                yield self.open(head) | {self.notice: said(self.texts["preferred"])}
            case "import":
                yield self._imported(text)

    def _asked(self, voice: str, how: Sequence[Any]) -> dict[str, Any]:
        model, round = self.page.voice(voice)
        return {"model": model, "round": round, "annotator": people.here().name, **self.how.asked(*how)}

    def _streamed(
        self, before: list[Any], replies: Any, request: gr.Request, first: Updates | None = None
    ) -> Iterator[Updates]:
        """Show a reply as it grows after the messages before it, and then the branch that ends in it."""
        reply: Reply | None = None
        with closing(self.stops.until(request.session_hash, replies)) as growing:
            try:
                shown = messages.growing(before, None, self.texts)
                yield {**(first or {}), self.chatbot: shown, **self._busy(True)}
            except GeneratorExit:
                next(growing, None)  # The page is gone already; what was asked is kept once it has begun.
                raise
            for reply in growing:
                yield {self.chatbot: messages.growing(before, reply, self.texts)}
        yield self.open(reply.completion_id if reply else None)

    def _stop(self, request: gr.Request) -> Updates:
        self.stops.stop(request.session_hash)
        return {self.stop: gr.Button(interactive=False)}

    def _new(self) -> Updates:
        return self.open(None)

    def _chosen(self, conversation: str) -> Updates:
        return self.open(self.conversations.latest(conversation), listing=False)

    def _found(self, text: str, head: str | None) -> Updates:
        found = self.conversations.search(text)
        choices = [(f"{self._name(f.conversation)}\n{f.excerpt}".strip(), f.conversation.id) for f in found]
        hint = None if choices else self.texts["conversations_not_found"]
        return {self.list: gr.Radio(choices=choices[:LISTED], value=self._where(head), info=hint)}

    def _rename(self, title: str, head: str | None) -> Updates:
        if not (id := self._where(head)) or title == self._name(self.conversations.get(id)):
            return {}
        renamed = self.conversations.rename(id, title)
        return {self.title: renamed.title, self.list: self._listed(id)}

    def _delete(self, head: str | None) -> Updates:
        if not (id := self._where(head)):
            return {}
        deleted = self.conversations.delete(id)
        sentence = self.texts["conversation_deleted"].format(title=self._name(deleted))
        undo = {self.undo_row: gr.Row(visible=True), self.undo_text: said(sentence), self.deleted: id}
        return self.open(None) | undo

    def _undo(self, deleted: str | None) -> Updates:
        restored = self.conversations.undelete(deleted or "")
        return self.open(self.conversations.latest(restored.id))

    def _imported(self, text: str | None) -> Updates:
        if text is None:
            raise DataError(self.texts["import_too_large"])
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(self.texts["import_no_json"]) from error
        person = people.here()
        annotator = None if person == LOCAL else person.name
        id = self.conversations.import_json(value, annotator=annotator)["conversation_id"]
        title = self._name(self.conversations.get(id))
        arrived = said(self.texts["conversation_imported"].format(title=title))
        return self.open(self.conversations.latest(id)) | {self.notice: arrived}

    def opened(self) -> list[Any]:
        """Return what `open` updates."""
        kept = [self.undo_row, self.undo_text, self.deleted]
        shown = [self.chatbot, self.list, self.search, self.title, self.files, self.delete, self.how.system]
        return [self.head, *shown, *kept, self.notice, self.page.strip]

    def open(self, head: str | None, *, asking: bool = False, listing: bool = True) -> Updates:
        """Return the updates that show the branch that ends in a reply, or an empty one."""
        id = self._where(head)
        title = self._name(self.conversations.get(id)) if id else ""
        system = {self.how.system: self.conversations.system(head)} if id and head else {}
        listed = (
            {self.list: self._listed(id), self.search: ""} if listing else {self.list: gr.Radio(value=id)}
        )
        return {
            self.head: head if id else None,
            self.chatbot: self._messages(head if id else None, asking=asking),
            self.title: gr.Textbox(value=title, interactive=id is not None),
            self.files: views.saving(head, self.texts) if id and head else "",
            self.delete: gr.Button(interactive=id is not None),
            self.undo_row: gr.Row(visible=False),
            self.page.strip: self.page.strip_now(),
            **system,
            **listed,
        }

    def refresh(self) -> Updates:
        """Return the updates that show which rounds there are."""
        return {self.voice: gr.Dropdown(choices=self.page.voices())}

    def _where(self, head: str | None) -> str | None:
        """Return the conversation of a reply, None if it is not there or was deleted."""
        try:
            return self.conversations.get(self.conversations.completion(head or "").conversation_id).id
        except EXPECTED:
            return None

    def _messages(self, head: str | None, *, asking: bool = False) -> list[Any]:
        if not head:
            return []
        id = self.conversations.completion(head).conversation_id
        return messages.messages(self.conversations.turns(id, head), self.texts, asking=asking)

    def _listed(self, conversation: str | None) -> gr.Radio:
        choices = [(self._name(c), c.id) for c in self.conversations.all()[:LISTED]]
        hint = None if choices else self.texts["conversations_empty"]
        return gr.Radio(choices=choices, value=conversation, info=hint)

    def _name(self, conversation: Any) -> str:
        title: str = conversation.title
        return title or self.texts["untitled"]

    def _busy(self, busy: bool) -> Updates:
        return {
            self.send: gr.Button(visible=not busy),
            self.stop: gr.Button(visible=busy, interactive=True),
            self.new: gr.Button(interactive=not busy),
        }
