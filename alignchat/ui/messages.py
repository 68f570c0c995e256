"""Turns as messages for the chat component, with the model's text shown as text. Knows no component.

The component renders Markdown and lets some HTML through (forms, overlays, remote images), so `<` of
a model's or a person's text is written as `&lt;` outside code, where Markdown shows it as it is.
"""

import re
from collections.abc import Sequence
from typing import Any

from alignchat.chat import Reply
from alignchat.conversations import Turn
from alignchat.ui.i18n import Texts, round_name

# A fenced block, closed or still growing, or a code span on one line.
_CODE = re.compile(
    r"(^ {0,3}(```+|~~~+)[^\n]*\n.*?(?:^ {0,3}\2[`~]*[ \t]*$|\Z))|(?<!`)(`+)(?!`)[^\n]*?(?<!`)\3(?!`)",
    re.MULTILINE | re.DOTALL,
)
_IMAGE = re.compile(r"!(?=\[)")


def escape(text: str) -> str:
    """Return Markdown in which `<` outside code is text, and an image is a link."""
    out, end = [], 0
    for code in _CODE.finditer(text):
        out += [_plain(text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*out, _plain(text[end:])])


def shown(turns: Sequence[Turn]) -> list[Turn]:
    """Return the turns that the page shows, by whose positions it speaks of them."""
    return [turn for turn in turns if turn.message.role != "system"]


def messages(turns: Sequence[Turn], texts: Texts) -> list[dict[str, Any]]:
    """Return a conversation as the chat component takes it, each reply with who gave it."""
    return [_message(turn, texts) for turn in shown(turns)]


def asked(before: Sequence[Any], text: str) -> list[Any]:
    """Return the messages before, and a person's new text."""
    return [*before, {"role": "user", "content": escape(text)}]


def growing(before: Sequence[Any], reply: Reply | None) -> list[Any]:
    """Return the messages before, and the reply to them as far as it has come."""
    return [*before, {"role": "assistant", "content": escape(reply.text) if reply else "…"}]


def thumbs(turns: Sequence[Turn]) -> list[str | None]:
    """Return the thumb of each reply in the component's words."""
    words = {True: "Like", False: "Dislike", None: None}
    replies = [turn for turn in shown(turns) if turn.message.role == "assistant"]
    return [words[turn.thumb.up if turn.thumb else None] for turn in replies]


def last_reply(turns: Sequence[Turn]) -> str | None:
    """Return the id of the last reply, if the conversation ends in one."""
    return _id(turns[-1]) if turns else None


def reply_at(turns: Sequence[Turn], position: int) -> str | None:
    """Return the id of the reply at a position among the shown messages, if there is one."""
    visible = shown(turns)
    return _id(visible[position]) if 0 <= position < len(visible) else None


def _id(turn: Turn) -> str | None:
    return turn.completion.id if turn.completion else None


def _plain(text: str) -> str:
    return _IMAGE.sub("", text.replace("&", "&amp;").replace("<", "&lt;"))


def _message(turn: Turn, texts: Texts) -> dict[str, Any]:
    content = escape(turn.message.content)
    if turn.completion:
        who = round_name(turn.completion.round or 0, texts)
        notes = who if turn.completion.finished else f"{who} · {texts['stopped']}"
        content = f'{content}\n\n<small class="who">{notes}</small>'
    return {"role": turn.message.role, "content": content}
