"""Turns a conversation into the text a model was trained on. Knows no tokenizer.

The same Jinja text serves llama.cpp and TRL. What a person or a model wrote is data: text in it that
looks like a control token (`<|im_end|>`) is kept apart, so that it is tokenised as plain text.
"""

import functools
import re
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from alignchat.errors import PromptError
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
SECONDS = 5.0
LARGEST = 1_000_000  # characters, items or a product


class Segment(NamedTuple):
    """A stretch of text; control tokens are recognised in it only if `parse_control` is set."""

    text: str
    parse_control: bool


def render(
    template: str, messages: Iterable[Message], *, bos: str, eos: str, add_generation_prompt: bool
) -> str:
    """Render a conversation as one text; raise PromptError if the template cannot."""
    turns = [{"role": message.role, "content": message.content} for message in messages]
    try:
        compiled = _compiled(template)
        with _time_limit():
            return compiled.render(
                messages=turns, bos_token=bos, eos_token=eos, add_generation_prompt=add_generation_prompt
            )
    except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as error:
        raise PromptError(f"The model's chat template refuses this conversation: {error}.") from error


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


@functools.lru_cache(maxsize=8)
def _look_alikes(control_tokens: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(control_tokens, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)))


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, which limits ranges, with limits for what one operator can make too."""

    intercepted_binops = frozenset(("*", "**", "%"))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Compute, or raise TemplateError for a text or a number of a size that no template needs."""
        if _size(operator, left, right) > LARGEST:
            raise TemplateError("it computes something too large")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, called: Any, /, *given: Any, **named: Any) -> Any:
        """Call, or raise TemplateError if it is given a number that could only make something too large."""
        _require_small(*given, *named.values())
        return super().call(context, called, *given, **named)


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def filtered(*given: Any, **named: Any) -> Any:
        _require_small(*given, *named.values())
        return function(*given, **named)

    return filtered


def _require_small(*given: Any) -> None:
    if any(isinstance(value, int) and abs(value) > LARGEST for value in given):
        raise TemplateError("it asks for something too large")


def _size(operator: str, left: Any, right: Any) -> float:
    """Return about how many characters, items or digits a product, a format or a power has; 0 if few."""
    if operator == "**":
        return float(abs(right) * max(abs(left), 2).bit_length()) if isinstance(left, int) else 0.0
    if operator == "%":
        return (
            float(max(map(int, re.findall(r"\d{1,20}", left)), default=0)) if isinstance(left, str) else 0.0
        )
    lengths = [len(part) for part in (left, right) if isinstance(part, str | list | tuple)]
    times = [abs(part) for part in (left, right) if isinstance(part, int)]
    return float(lengths[0] * times[0]) if lengths and times else 0.0


@contextmanager
def _time_limit() -> Iterator[None]:
    """Raise TemplateError within the block once a template has run for too long.

    A template is lines of Python to the interpreter, so each one can be timed, in any thread.
    """
    end, before = time.monotonic() + SECONDS, sys.gettrace()

    def trace(frame: Any, event: str, argument: object) -> Any:  # noqa: ARG001 - the hook's fixed signature
        if frame.f_code.co_filename != "<template>":
            return None
        if time.monotonic() > end:
            raise TemplateError(f"it runs for longer than {SECONDS:g} s")
        return trace

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


@functools.lru_cache(maxsize=8)
def _compiled(template: str) -> Template:
    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    environment.globals["raise_exception"] = _refuse
    for name in ("center", "indent", "wordwrap", "batch", "slice", "truncate"):
        environment.filters[name] = _bounded(environment.filters[name])
    return environment.from_string(template)


def _refuse(message: str) -> None:
    raise TemplateError(message)
