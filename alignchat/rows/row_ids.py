"""Turns rows of text into the token ids of prompt and replies, as the chat reads them. Knows no library.

The prompt is tokenised as the chat does it, a reply as its continuation, up to and including the token that
ends the turn. TRL's own way, the whole text at once, would parse control tokens that somebody typed and
would train the line break after a turn, which the chat never generates.
"""

import re
from collections.abc import Callable, Sequence

from alignchat.catalog import Model
from alignchat.formats.template import Segment, render, segments
from feedback_store import Message

_REPLY = "\ue000reply\ue001"


class RowIds:
    """A chat template and a vocabulary, as one function from messages to ids."""

    def __init__(
        self, model: Model, plain: Callable[[str], list[int]], control: Callable[[str], int]
    ) -> None:
        """`plain` tokenises a text that holds no control token, `control` gives the id of one."""
        controls = sorted({*model.control_tokens, model.eos} - {""}, key=len, reverse=True)
        self._control = re.compile("(" + "|".join(map(re.escape, controls)) + ")")
        self._model = model
        self._plain_ids = plain
        self._control_id = control
        self._around: dict[tuple[str, ...], tuple[str, str]] = {}

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Return the ids of a conversation up to where the model's reply begins."""
        return self._joined(self._prompt(messages))

    def completion_ids(self, messages: Sequence[Message], text: str) -> list[int]:
        """Return the ids of a reply to `messages`, ended by the token that ends a turn."""
        _, (ids,) = self.row_ids(messages, [text])
        return ids

    def row_ids(self, messages: Sequence[Message], texts: Sequence[str]) -> tuple[list[int], list[list[int]]]:
        """Return the ids of a conversation and of several replies to it, as the two above do."""
        prompt = self._prompt(messages)
        lead_in, end = self._around_reply(messages)
        before = self._control.split(prompt[-1].text)[-1]
        alone, last = self._plain_ids(before), self._control_id(end)
        found = []
        for text in texts:
            together, start = self._plain_ids(before + lead_in + text), len(alone)
            if together[:start] != alone:  # The reply's first letters merge with the prompt's last.
                together, start = self._plain_ids(lead_in + text), 0
            found.append([*together[start:], last])
        return self._joined(prompt), found

    def _joined(self, prompt: Sequence[Segment]) -> list[int]:
        return [i for segment in prompt for i in self._segment_ids(segment)]

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
        """Return what the template puts between the prompt and a reply, and the token that ends it.

        That depends on whose turns there were, not on what was said in them.
        """
        roles = tuple(message.role for message in messages)
        if roles not in self._around:
            self._around[roles] = self._find_around(messages)
        return self._around[roles]

    def _find_around(self, messages: Sequence[Message]) -> tuple[str, str]:
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
            ids += [self._control_id(text)] if place % 2 else self._plain_ids(text)
        return ids
