"""Reads one row of a preference set, in any of TRL's shapes, into the one shape that is kept here.

Paired: "prompt", "chosen", "rejected", or without "prompt" where both replies begin with it. Unpaired:
"prompt", "completion", "label". Each text may be plain or a list of messages. The same rules as TRL's
`maybe_extract_prompt` and `unpair_preference_dataset`, without its four seconds of imports. Knows no files.
"""

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

from alignchat.config import UNPAIRED, Method
from alignchat.rows.preferences import PairedRow, Row, UnpairedRow
from feedback_store import Message

Turn = dict[str, str]


class ShapeError(ValueError):
    """Why a row cannot be used, in a few words that can be counted."""


def canonical(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as {"prompt": [messages], "chosen", "rejected"} or {..., "completion", "label"}, as texts.

    "images" is set where the row held images, which are left out. Raise ShapeError.
    """
    seen = _Images()
    if row.get("chosen") is not None and row.get("rejected") is not None:
        row = _with_prompt(row)
        prompt = seen.turns(row["prompt"], "user")
        chosen, rejected = (_reply(seen.turns(row[key], "assistant")) for key in ("chosen", "rejected"))
        if chosen == rejected:
            raise ShapeError("same text on both sides")
        made: dict[str, Any] = {"chosen": chosen, "rejected": rejected}
    elif row.get("completion") is not None:
        prompt = seen.turns(_asked(row), "user")
        made = {"completion": _reply(seen.turns(row["completion"], "assistant")), "label": _label(row)}
    else:
        raise ShapeError("no pair and no labelled reply")
    if not any(turn["content"].strip() for turn in prompt):
        raise ShapeError("no prompt")
    return {"prompt": prompt, **made, **({"images": True} if seen.found else {})}


def rows_for(method: Method, row: Mapping[str, Any], source: str, weight: float) -> list[Row]:
    """Return what a canonical row gives a method: a pair two rows to KTO, a labelled reply none to DPO."""
    prompt = tuple(Message(**turn) for turn in row["prompt"])
    if "chosen" not in row:
        text, label = row["completion"], row["label"]
        one = UnpairedRow(prompt=prompt, completion=text, label=label, source=source, weight=weight)
        return [one] if method in UNPAIRED else []
    if method not in UNPAIRED:
        chosen, rejected = row["chosen"], row["rejected"]
        return [PairedRow(prompt=prompt, chosen=chosen, rejected=rejected, source=source, weight=weight)]
    return [
        UnpairedRow(prompt=prompt, completion=row[key], label=key == "chosen", source=source, weight=weight)
        for key in ("chosen", "rejected")
    ]


def _asked(row: Mapping[str, Any]) -> Any:
    """Return the prompt; efederici/evol-dpo-ita and its kin call it "question"."""
    return row.get("prompt") if row.get("prompt") is not None else row.get("question")


def _with_prompt(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Take the prompt out of two replies that both begin with it, where it is not given in their own form.

    A plain prompt beside whole conversations repeats their beginning, so it is not needed.
    """
    prompt, chosen, rejected = _asked(row), row["chosen"], row["rejected"]
    if not isinstance(prompt, str | list | NoneType) or not isinstance(chosen, str | list):
        raise ShapeError("a text that is neither text nor messages")
    if prompt is not None and isinstance(prompt, str) == isinstance(chosen, str):
        return {"prompt": prompt, "chosen": chosen, "rejected": rejected}
    if type(chosen) is not type(rejected):
        raise ShapeError("a text that is neither text nor messages")
    # Where one reply is the beginning of the other, TRL cuts one place too early; here nothing is cut off.
    pairs = zip(chosen, rejected, strict=False)
    shared = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(chosen), len(rejected)))
    if isinstance(chosen, str) and shared and shared < len(chosen) and chosen[shared - 1] == " ":
        shared -= 1  # Most tokenizers put the space at the beginning of the next word.
    return {"prompt": chosen[:shared], "chosen": chosen[shared:], "rejected": rejected[shared:]}


def _label(row: Mapping[str, Any]) -> bool:
    label = row.get("label")
    if not isinstance(label, bool | int | float) or label not in (0, 1):
        raise ShapeError("a label that is neither true nor false")
    return bool(label)


def _reply(turns: Sequence[Turn]) -> str:
    if len(turns) != 1 or turns[0]["role"] != "assistant":
        raise ShapeError("a reply of several turns")
    if not turns[0]["content"].strip():
        raise ShapeError("empty reply")
    return turns[0]["content"]


class _Images:
    """Reads messages, leaving out images and remembering that there were some."""

    def __init__(self) -> None:
        self.found = False

    def turns(self, value: Any, role: str) -> list[Turn]:
        if isinstance(value, str):
            return [{"role": role, "content": value}]
        if not isinstance(value, list) or not all(isinstance(turn, dict) for turn in value):
            raise ShapeError("a text that is neither text nor messages")
        return [self._turn(turn) for turn in value]

    def _turn(self, turn: Mapping[str, Any]) -> Turn:
        role, content = turn.get("role"), turn.get("content")
        if isinstance(content, list):
            content = self._text(content)
        if not isinstance(role, str) or not isinstance(content, str):
            raise ShapeError("a text that is neither text nor messages")
        if turn.get("tool_calls"):
            raise ShapeError("tool calls")
        return {"role": role, "content": content}

    def _text(self, parts: Sequence[Any]) -> str | None:
        if not all(isinstance(part, dict) for part in parts):
            return None
        texts = [part["text"] for part in parts if isinstance(part.get("text"), str)]
        self.found = self.found or any(part.get("type") == "image" for part in parts)
        return "".join(texts)
