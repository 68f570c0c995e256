"""Turns a conversation into the text a model was trained on. Knows no tokenizer.

The same Jinja text serves llama.cpp and TRL. What a person or a model wrote is data: text in it that
looks like a control token (`<|im_end|>`) is kept apart, so that it is tokenised as plain text.
"""

import re
import uuid
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from alignchat.errors import ModelError
from feedback_store import Message

# For base models, which have no template of their own.
PLAIN_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message.role == 'system' %}{{ message.content + '\n\n' }}"
    "{% elif message.role == 'user' %}{{ '### Utente:\n' + message.content + '\n\n' }}"
    "{% else %}{{ '### Assistente:\n' + message.content + eos_token + '\n\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '### Assistente:\n' }}{% endif %}"
)
PLAIN_STOP = ("###",)


class Segment(NamedTuple):
    """A stretch of text; control tokens are recognised in it only if `parse_control` is set."""

    text: str
    parse_control: bool


def render(
    template: str, messages: Iterable[Message], *, bos: str, eos: str, add_generation_prompt: bool
) -> str:
    """Render a conversation as one text; raise ModelError if the template cannot."""
    turns = [{"role": message.role, "content": message.content} for message in messages]
    try:
        return _compiled(template).render(
            messages=turns, bos_token=bos, eos_token=eos, add_generation_prompt=add_generation_prompt
        )
    except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as error:
        raise ModelError(f"The model's chat template refuses this conversation: {error}.") from error


def segments(
    template: str,
    messages: Sequence[Message],
    *,
    bos: str,
    eos: str,
    control_tokens: Sequence[str],
    add_generation_prompt: bool,
) -> list[Segment]:
    """Render a conversation as stretches to tokenise one by one and join.

    Texts without look-alikes give one segment, so that tokens merge across turns as in training.
    """
    held: dict[str, str] = {}
    guarded = [Message(role=m.role, content=_guard(m.content, control_tokens, held)) for m in messages]
    text = render(template, guarded, bos=bos, eos=eos, add_generation_prompt=add_generation_prompt)
    if not held:
        return [Segment(text, True)]
    parts = re.split("(" + "|".join(map(re.escape, held)) + ")", text)
    return [Segment(held.get(part, part), part not in held) for part in parts if part]


def _guard(content: str, control_tokens: Sequence[str], held: dict[str, str]) -> str:
    def hold(match: re.Match[str]) -> str:
        mark = f"\ue000{uuid.uuid4().hex}\ue001"
        held[mark] = match.group()
        return mark

    return _look_alikes(tuple(control_tokens)).sub(hold, content) if control_tokens else content


@lru_cache(maxsize=8)
def _look_alikes(control_tokens: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(control_tokens, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)))


@lru_cache(maxsize=8)
def _compiled(template: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = _refuse
    return environment.from_string(template)


def _refuse(message: str) -> None:
    raise TemplateError(message)
