"""Turns rows of text into token ids as llama.cpp reads them in the chat. Knows no trainer.

The prompt is tokenised as the chat does it, the completion as its continuation, up to and including the
token that ends the turn. TRL's own way, the whole text at once, would parse control tokens that somebody
typed and would train the line break after a turn, which the chat never generates.
"""

import re
from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from alignchat.catalog import Model
from alignchat.dataset import PairedRow, UnpairedRow
from alignchat.template import Segment, render, segments
from feedback_store import Message

Columns = dict[str, Any]

_REPLY = "\ue000reply\ue001"
_SPACE = "\u2581"


class RowTokenizer:
    """A tokenizer and a chat template, as one function from messages to ids."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, model: Model) -> None:
        controls = sorted({*model.control_tokens, model.eos} - {""}, key=len, reverse=True)
        self._control = re.compile("(" + "|".join(map(re.escape, controls)) + ")")
        self.tokenizer = tokenizer
        self._model = model
        self._prefixed = False
        first = tokenizer.convert_ids_to_tokens(self._plain_ids("a"))[0]
        self._prefixed = first.startswith(_SPACE)

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Return the ids of a conversation up to where the model's reply begins."""
        return [i for segment in self._prompt(messages) for i in self._segment_ids(segment)]

    def completion_ids(self, messages: Sequence[Message], text: str) -> list[int]:
        """Return the ids of a reply to `messages`, ended by the token that ends a turn."""
        lead_in, end = self._around_reply(messages)
        before = self._control.split(self._prompt(messages)[-1].text)[-1]
        together, alone = self._plain_ids(before + lead_in + text), self._plain_ids(before)
        if together[: len(alone)] != alone:  # The reply's first letters merge with the prompt's last.
            together, alone = self._plain_ids(lead_in + text), []
        return [*together[len(alone) :], self.tokenizer.convert_tokens_to_ids(end)]

    def columns(self, row: PairedRow | UnpairedRow) -> Columns:
        """Return a row in the columns that the collators of DPOTrainer and KTOTrainer read."""
        prompt = {"prompt_ids": self.prompt_ids(row.prompt)}
        if isinstance(row, UnpairedRow):
            ids = self.completion_ids(row.prompt, row.completion)
            return {**prompt, "completion_ids": ids, "label": row.label}
        return {
            **prompt,
            "chosen_ids": self.completion_ids(row.prompt, row.chosen),
            "rejected_ids": self.completion_ids(row.prompt, row.rejected),
        }

    def _prompt(self, messages: Sequence[Message]) -> list[Segment]:
        model = self._model
        return segments(
            model.template,
            messages,
            bos=model.bos,
            eos=model.eos,
            control_tokens=model.control_tokens,
            add_generation_prompt=True,
        )

    def _around_reply(self, messages: Sequence[Message]) -> tuple[str, str]:
        """Return what the template puts between the prompt and a reply, and the token that ends it."""
        model = self._model
        turns = [*messages, Message(role="assistant", content=_REPLY)]
        prompt = render(model.template, messages, bos=model.bos, eos=model.eos, add_generation_prompt=True)
        whole = render(model.template, turns, bos=model.bos, eos=model.eos, add_generation_prompt=False)
        lead, _, rest = whole.partition(_REPLY)
        end = self._control.search(rest)
        lead_in = lead.removeprefix(prompt) if lead.startswith(prompt) else ""
        return lead_in, end.group() if end else model.eos

    def _segment_ids(self, segment: Segment) -> list[int]:
        if not segment.parse_control:
            return self._plain_ids(segment.text)
        # Stretch by stretch between control tokens, as llama.cpp goes about it.
        ids: list[int] = []
        for place, text in enumerate(self._control.split(segment.text)):
            ids += [self.tokenizer.convert_tokens_to_ids(text)] if place % 2 else self._plain_ids(text)
        return ids

    def _plain_ids(self, text: str) -> list[int]:
        # SentencePiece vocabularies put a space before a text: llama.cpp always, transformers only
        # where there is none.
        if self._prefixed and text.startswith(" "):
            text = f" {text}"
        # An option of fast tokenizers that leaves control tokens unparsed.
        return list(self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))


def length(columns: Columns) -> int:
    """Return the tokens of a row's longest sequence."""
    replies = [columns[key] for key in ("chosen_ids", "rejected_ids", "completion_ids") if key in columns]
    return len(columns["prompt_ids"]) + max(map(len, replies))


def tokens(columns: Columns) -> int:
    """Return the tokens of all of a row's sequences, without padding; a pair holds its prompt twice."""
    replies = [columns[key] for key in ("chosen_ids", "rejected_ids", "completion_ids") if key in columns]
    return sum(len(columns["prompt_ids"]) + len(reply) for reply in replies)


def with_mismatched(rows: list[Columns], batch_size: int) -> list[Columns]:
    """Give each row the completion of the row before it in its batch, for the KL term of KTO.

    Section 4.1 of https://arxiv.org/abs/2402.01306: the KL is estimated from mismatched pairs, with the
    same completions as the batch's own, so each batch is rotated by one.
    """
    starts = range(0, len(rows), batch_size)
    batches = [rows[start : start + batch_size] for start in starts]
    return [
        {**row, "KL_completion_ids": batch[place - 1]["completion_ids"]}
        for batch in batches
        for place, row in enumerate(batch)
    ]
