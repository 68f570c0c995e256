"""Turns a conversation into the text a model was trained on. Knows no tokenizer.

The same Jinja text serves llama.cpp and TRL. What a person or a model wrote is data: text in it that
looks like a control token (`<|im_end|>`) is kept apart, so that it is tokenised as plain text.
"""

import functools
import math
import re
import sys
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from types import BuiltinMethodType, GeneratorType
from typing import Any, NamedTuple

from jinja2 import Template, TemplateError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

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
MOST_WORK = 100_000_000  # characters that a call may run through or make before its result is looked at
LARGEST_NUMBER = 10_000  # bits
UNUSED_FILTERS = ("urlize", "wordwrap", "striptags", "pprint")  # slow by more than their operands' product


class _Running(threading.local):
    end = math.inf


_running = _Running()


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


class _Generator(CodeGenerator):
    """Lets the sandbox see each text and list that is put together outside operators and calls."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self._limited(super().visit_Concat, node, frame)

    def visit_List(self, node: nodes.List, frame: Frame) -> None:
        self._limited(super().visit_List, node, frame)

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:
        self._limited(super().visit_Dict, node, frame)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:
        if node.ctx == "load":
            self._limited(super().visit_Tuple, node, frame)
        else:
            super().visit_Tuple(node, frame)

    def _limited(self, visit: Callable[..., None], node: nodes.Expr, frame: Frame) -> None:
        self.write("environment.limited(")
        visit(node, frame)
        self.write(")")


def _concat(parts: Iterable[str]) -> str:
    """Join what a template, a macro or a block has put out, up to the limit."""
    kept, size = [], 0
    for part in parts:
        size += len(part)
        if size > LARGEST:
            raise TemplateError("it writes too long a text")
        kept.append(part)
    return "".join(kept)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, with limits for all that one step can make.

    No value weighs more than LARGEST, so a step makes twice that, or as much as its operands' product, which
    is limited before the step is taken; the time is seen to at each step. A list that holds another one
    twice weighs it twice, as it would be written.
    """

    code_generator_class = _Generator
    concat = staticmethod(_concat)
    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def limited(self, value: Any) -> Any:
        """Return a value, a generator as a list; raise TemplateError if it is too large or too late."""
        _require_time()
        if isinstance(value, GeneratorType):
            value = list(islice(value, LARGEST))
        if _weight(value) > LARGEST:
            raise TemplateError("it computes something too large")
        return value

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Compute, or raise TemplateError for a text or a number of a size that no template needs."""
        if _size(operator, left, right) > LARGEST:
            raise TemplateError("it computes something too large")
        return self.limited(super().call_binop(context, operator, left, right))

    def call(self, context: Any, called: Any, /, *given: Any, **named: Any) -> Any:
        """Call, or raise TemplateError if it is given what could only make something too large."""
        method = getattr(called, "__wrapped__", called)  # the sandbox has a function around `format`
        if isinstance(method, BuiltinMethodType) and isinstance(method.__self__, str):
            _require_small(method.__self__, *given, *named.values())
        else:
            _require_small(0, *given, *named.values())
        return self.limited(super().call(context, called, *given, **named))


def _bounded(sandbox: _Sandbox, function: Callable[..., Any]) -> Callable[..., Any]:
    passed = 1 if hasattr(function, "jinja_pass_arg") else 0  # Jinja's own argument, which comes first

    @functools.wraps(function)
    def filtered(*given: Any, **named: Any) -> Any:
        _require_small(*given[passed:], *named.values())
        return sandbox.limited(function(*given, **named))

    return filtered


def _require_small(first: Any, *others: Any) -> None:
    """Raise TemplateError if something that is repeated by a number, or for a text, becomes too large."""
    most = 1
    for value in others:
        if isinstance(value, int):
            if abs(value) > LARGEST:
                raise TemplateError("it asks for something too large")
            most = max(most, abs(value))
        else:
            most = max(most, _weight(value))
    if _weight(first) * most > MOST_WORK or (isinstance(first, str) and _widths(first) > LARGEST):
        raise TemplateError("it asks for something too large")


def _weight(value: Any) -> int:
    """Return about how many characters and items a value is written with, counted up to LARGEST."""
    found, left = 0, [value]
    while left and found <= LARGEST:
        item = left.pop()
        found += 1
        if isinstance(item, str | bytes):
            found += len(item)
        elif isinstance(item, int):
            found += item.bit_length() // 3 if item.bit_length() < LARGEST_NUMBER else LARGEST
        elif isinstance(item, Namespace):
            left += item._Namespace__attrs.values()  # all that it lets one read
        elif isinstance(item, Mapping):
            left += [*item.keys(), *item.values()]
        elif isinstance(item, Collection):
            left += item
    return found


def _widths(text: str) -> int:
    """Return what the widths and precisions come to if a text is a format."""
    return sum(map(int, re.findall(r"(?<=[%:.\d*+ #-])\d{1,20}", text))) if "%" in text or "{" in text else 0


def _size(operator: str, left: Any, right: Any) -> float:
    """Return about how many characters, items or digits a product, a format or a power has; 0 if few."""
    if operator == "**":
        return float(abs(right) * max(abs(left), 2).bit_length()) if isinstance(left, int) else 0.0
    if operator == "%" and isinstance(left, str):
        return float(max(sum(map(int, re.findall(r"\d{1,20}", left))), _weight(left) * _weight(right) / 100))
    lengths = [len(part) for part in (left, right) if isinstance(part, str | list | tuple)]
    times = [abs(part) for part in (left, right) if isinstance(part, int)]
    return float(lengths[0] * times[0]) if operator == "*" and lengths and times else 0.0


@contextmanager
def _time_limit() -> Iterator[None]:
    """Raise TemplateError within the block once a template has run for too long.

    A template is lines of Python to the interpreter, so each one can be timed, in any thread.
    """
    _running.end, before = time.monotonic() + SECONDS, sys.gettrace()

    def trace(frame: Any, event: str, argument: object) -> Any:  # noqa: ARG001 - the hook's fixed signature
        if frame.f_code.co_filename != "<template>":
            return None
        _require_time()
        return trace

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
        _running.end = math.inf


def _require_time() -> None:
    if time.monotonic() > _running.end:
        raise TemplateError(f"it runs for longer than {SECONDS:g} s")


@functools.lru_cache(maxsize=8)
def _compiled(template: str) -> Template:
    environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    environment.globals["raise_exception"] = _refuse
    environment.filters = {
        name: _bounded(environment, function)
        for name, function in environment.filters.items()
        if name not in UNUSED_FILTERS
    }
    return environment.from_string(template)


def _refuse(message: str) -> None:
    raise TemplateError(message)
