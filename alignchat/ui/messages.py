"""Turns as messages for the chat component, with the model's text shown as text. Knows no component.

The component renders Markdown and lets some HTML through (forms, overlays, remote images). What is code and
what is not is its parser's to say, so no guess of ours decides: whatever could begin a tag, an entity or an
image is followed by a word joiner, which cannot be seen, in code too; the page's script takes it out there.
Under each message is a foot with its facts, of which the page's script makes the bar of actions; the
component drops unknown attributes, so they travel in the title, quoted so that no Markdown is in them.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from alignchat.talk.chat import Reply
from alignchat.talk.conversations import Turn
from alignchat.ui.i18n import Texts, decimal, round_name

LATEX: list[dict[str, str | bool]] = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": r"\[", "right": r"\]", "display": True},
    {"left": r"\(", "right": r"\)", "display": False},
]
_JOINER = "\u2060"
_OPENER = re.compile(r"<(?=[A-Za-z/!?])|&(?=#?\w+;)|!(?=\[)")
# One dollar opens a formula as Pandoc has it, so that "$5 or $6" is money.
_DOLLARS = re.compile(r"(?<![\\$])\$(?=[^\s$])([^$\n]*?[^\s$\\])\$(?![\d$])")
_FORMULA = re.compile(r"\$\$.+?\$\$|\\\[.+?\\\]|\\\(.+?\\\)", re.DOTALL)
_CODE = re.compile(r"(?<!`)(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_FENCE = re.compile(r"( {0,3})(`{3,}(?=[^`]*$)|~{3,})(.*)")
_UNSEEN = re.compile(
    "[\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\U000e0000-\U000e007f]"
)
_EMPTY_FOOT = '<div class="foot"></div>'


def visible(text: str) -> str:
    """Return a text in which characters that hide or turn others around (UAX 9) are seen, as in ⟦U+202E⟧."""
    return _UNSEEN.sub(lambda found: f"⟦U+{ord(found[0]):04X}⟧", text)


def escape(text: str) -> str:
    """Return Markdown that shows a text with its formulas and code, and in which no HTML and no image is."""
    text = _with_formulas(text)
    out, end = [], 0
    for formula in _FORMULA.finditer(text):
        out.append(_OPENER.sub(rf"\g<0>{_JOINER}", text[end : formula.start()]))
        out.append(_OPENER.sub(r"\g<0> ", formula[0]))  # a space means nothing in a formula
        end = formula.end()
    return "".join([*out, _OPENER.sub(rf"\g<0>{_JOINER}", text[end:])])


def messages(turns: Sequence[Turn], texts: Texts, *, asking: bool = False) -> list[dict[str, Any]]:
    """Return a branch as the chat component takes it; `asking` whether its last reply is the better one."""
    shown: list[dict[str, Any]] = []
    for turn, following in zip(turns, [*turns[1:], None], strict=True):
        if turn.message.role == "system":
            continue
        foot = _EMPTY_FOOT
        if turn.completion:
            facts = _reply_facts(turn, texts) | {"asking": asking and following is None}
            foot = _foot(f"reply-{turn.completion.id}", facts)
        elif following and following.completion:
            foot = _foot(f"ask-{following.completion.id}", {"id": following.completion.id})
        shown.append(_message(turn.message.role, turn.message.content, foot))
    return shown


def asked(before: Sequence[Any], text: str) -> list[Any]:
    """Return the messages before, and a person's new text."""
    return [*before, _message("user", text)]


def growing(before: Sequence[Any], reply: Reply | None, texts: Texts) -> list[Any]:
    """Return the messages before, and the reply to them as far as it has come."""
    return [*before, _message("assistant", so_far(reply, texts))]


def so_far(reply: Reply | None, texts: Texts) -> str:
    """Return the text of a reply as far as it has come; while it waits for its turn, how many are before."""
    if reply is None:
        return "…"
    if reply.waiting is None:
        return reply.text
    counted = {0: "waiting_next", 1: "waiting_one"}.get(reply.waiting, "waiting")
    return f"… {texts[counted].format(n=reply.waiting)}"


def _message(role: str, text: str, foot: str = _EMPTY_FOOT) -> dict[str, Any]:
    return {"role": role, "content": f"{escape(text)}{_closing(text)}\n\n{foot}"}


def _foot(id: str, facts: Mapping[str, Any]) -> str:
    return f'<div class="foot" id="{id}" title="{quote(json.dumps(facts), safe="")}"></div>'


def _reply_facts(turn: Turn, texts: Texts) -> dict[str, Any]:
    reply, thumb, versions = turn.completion, turn.thumb, turn.versions
    assert reply is not None
    at = versions.index(reply.id)
    who = texts["edited_by_you"] if reply.round is None else round_name(reply.round, texts)
    return {
        "id": reply.id,
        "up": thumb.up if thumb else None,
        "tags": list(thumb.tags) if thumb else [],
        "comment": thumb.comment if thumb else "",
        "version": at + 1,
        "versions": len(versions),
        "earlier": versions[at - 1] if at else None,
        "later": versions[at + 1] if at + 1 < len(versions) else None,
        "who": who if reply.finished else f"{who} · {texts['stopped']}",
        "facts": " · ".join([who, reply.model, *_sampling_facts(reply.sampling, texts)]),
    }


def _sampling_facts(known: Mapping[str, Any], texts: Texts) -> list[str]:
    facts = []
    if "tokens" in known:
        facts.append(texts["fact_tokens"].format(n=known["tokens"]))
    for key, name, form in (("rate", "tokens_per_second", ".1f"), ("temperature", "temperature", "g")):
        if name in known:
            facts.append(texts[f"fact_{key}"].format(**{key: decimal(known[name], form, texts)}))
    if "seed" in known:
        facts.append(texts["fact_seed"].format(seed=known["seed"]))
    return facts


def _with_formulas(text: str) -> str:
    """Write formulas between single dollars as the component knows them, but not in code."""
    out, end = [], 0
    for code in _CODE.finditer(text):
        out += [_DOLLARS.sub(r"\\(\1\\)", text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*out, _DOLLARS.sub(r"\\(\1\\)", text[end:])])


def _closing(text: str) -> str:
    """Return what closes a block of code that was left open, so that it does not swallow the foot."""
    fence, indent = "", ""
    for line in text.split("\n"):
        found = _FENCE.fullmatch(line)
        if not fence:
            if found:
                indent, fence = found[1], found[2]
        elif (found and found[2].startswith(fence) and not found[3].strip()) or (
            line.strip() and not line.startswith(indent)  # the list that it stood in has ended
        ):
            fence = ""
    return f"\n{fence}" if fence and not indent else ""
