"""Chat templates: what people typed stays text, whatever it looks like."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignchat.errors import ModelError
from alignchat.formats.template import PLAIN_TEMPLATE, Segment, render, segments
from feedback_store import Message

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTROLS = ("<|im_start|>", "<|im_end|>", "<unk>", "<|im_end|>x")
pieces = st.sampled_from([*CONTROLS, "<|im_", "end|>", "<", "a b", "\n", "\ue000", "\ue001", "{{ 1 }}", "è"])
contents = st.lists(pieces | st.text(max_size=3), max_size=6).map("".join)
turns = st.lists(contents, min_size=1, max_size=4)


def conversation(texts: list[str]) -> list[Message]:
    roles = ("user", "assistant")
    return [Message(role=roles[i % 2], content=text) for i, text in enumerate(texts)]


def cut(template: str, messages: list[Message]) -> list[Segment]:
    return segments(
        template, messages, bos="<s>", eos="</s>", control_tokens=CONTROLS, add_generation_prompt=True
    )


@given(turns)
def test_the_segments_together_are_the_rendered_text(texts: list[str]) -> None:
    messages = conversation(texts)
    for template in (CHATML, PLAIN_TEMPLATE):
        whole = render(template, messages, bos="<s>", eos="</s>", add_generation_prompt=True)
        assert "".join(segment.text for segment in cut(template, messages)) == whole


@given(turns)
def test_every_typed_control_token_is_in_a_segment_that_does_not_parse_them(texts: list[str]) -> None:
    messages = conversation(texts)
    parsed = "".join(segment.text for segment in cut(CHATML, messages) if segment.parse_control)
    plain = [segment.text for segment in cut(CHATML, messages) if not segment.parse_control]
    assert all(text in CONTROLS for text in plain)
    assert parsed.count("<|im_start|>") == len(messages) + 1
    assert parsed.count("<|im_end|>") == len(messages)
    assert "<unk>" not in parsed


@given(st.text("abè <>|{}%\n", max_size=30))
def test_a_conversation_without_look_alikes_is_one_segment(text: str) -> None:
    assert len(cut(CHATML, conversation([text]))) == 1


def test_typed_jinja_is_text() -> None:
    text = "{{ 7 * 7 }}{% raw %}{# no #}"
    rendered = render(
        "{{ messages[0].content }}", conversation([text]), bos="", eos="", add_generation_prompt=1
    )
    assert rendered == text


def test_loops_that_break_work_as_published_templates_use_them() -> None:
    template = (
        "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}{{ m.content }}{% endfor %}"
    )
    assert render(template, conversation(["a", "b"]), bos="", eos="", add_generation_prompt=False) == "a"


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('system messages are not supported') }}",
        "{% if %}",
        "{{ messages[9].content }}",
        "{{ missing.thing }}",
        "{{ 1 // 0 }}",
        "{{ 'a' + 1 }}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{% include 'other' %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ 'a' * 10 ** 10 }}",
        "{{ [1] * 10 ** 10 }}",
        "{{ 'a'.ljust(10000000000) }}",
        "{{ 'a'.zfill(width=10000000000) }}{{ 'a'.center(10000000000) }}",
        "{{ 'a' | center(10000000000) }}",
        "{{ 'a\nb' | indent(width=10000000000) }}",
        "{{ [1] | batch(10000000000, 0) | list }}",
        "{{ 9 ** (9 ** 9) }}",
        "{{ '%9999999999d' % 1 }}",
        "{{ messages.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{{ lipsum.__globals__.os }}",
        "{{ ''|attr('__class__') }}{{ self.__init__() }}",
    ],
)
def test_a_template_that_cannot_render_is_one_sentence(template: str) -> None:
    with pytest.raises(ModelError, match="chat template refuses this conversation"):
        render(template, conversation(["hello"]), bos="", eos="", add_generation_prompt=True)


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{% for a in range(99999) %}{{ m(n - 1) if n }}{% endfor %}{% endmacro %}{{ m(9) }}",
    ],
)
def test_a_template_that_does_not_end_is_ended(template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alignchat.formats.template.SECONDS", 0.2)
    with pytest.raises(ModelError, match="it runs for longer than"):
        render(template, conversation(["hello"]), bos="", eos="", add_generation_prompt=True)


GROWING = {
    "plus": "{% set s.x = s.x + s.x %}",
    "tilde": "{% set s.x = s.x ~ s.x %}",
    "join": "{% set s.x = [s.x, s.x] | join(s.x) %}",
    "join as a method": "{% set s.x = s.x.join([s.x, s.x]) %}",
    "replace": "{% set s.x = s.x | replace('a', s.x) ~ 'a' %}",
    "replace as a method": "{% set s.x = s.x.replace('a', s.x) ~ 'a' %}",
    "format": "{% set s.x = ('{0}{0}').format(s.x) %}",
    "percent": "{% set s.x = '%s%s' % (s.x, s.x) %}",
    "lists within lists": "{% set s.x = [s.x, s.x] %}",
    "dictionaries": "{% set s.x = {'a': s.x, 'b': s.x} %}",
    "views": "{% set s.x = {'a': s.x, 'b': s.x}.items() %}",
    "tuples compared": "{% set s.x = (s.x, s.x) %}{% set s.y = (s.y, s.y) %}{% if s.x == s.y %}{% endif %}",
    "namespaces": "{% set s.x = namespace(a=s.x, b=s.x) %}",
    "a block": "{% set y %}{{ s.x }}{{ s.x }}{% endset %}{% set s.x = y %}",
    "a macro": "{% macro m(t) %}{{ t }}{{ t }}{% endmacro %}{% set s.x = m(s.x) %}",
    "numbers": "{% set s.n = s.n * s.n %}",
    "map": "{% set s.x = ['a' * 999] | map('replace', 'a', s.x) | join ~ 'a' %}",
    "output": "{{ 'a' * 999999 }}",
    "tabs": "{% set s.x = ('\t' * 999999).expandtabs(999999) %}",
    "indent": "{% set s.x = ('a\n' * 99999) | indent(99999) %}",
    "widths": "{% set s.x = ('%999999d' * 2) % (1, 1) %}",
    "format widths": "{% set s.x = ('{0:999999}' * 99).format(1) %}",
    "search": "{% set s.x = ('a' * 999999).rfind('b' ~ 'a' * 500000) %}",
}


@pytest.mark.parametrize("step", GROWING.values(), ids=GROWING.keys())
def test_a_template_that_grows_what_it_has_is_ended_before_it_takes_time_or_memory(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alignchat.formats.template.LARGEST", 10_000)
    monkeypatch.setattr("alignchat.formats.template.MOST_WORK", 1_000_000)
    start = "{% set s = namespace(x='aa', y='aa', n=3) %}"
    template = f"{start}{{% for i in range(99) %}}{step}{{% endfor %}}{{{{ s.x }}}}"
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match="chat template refuses this conversation: it"):
            render(template, conversation(["hello"]), bos="", eos="", add_generation_prompt=True)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 20_000_000


def test_a_chain_that_could_be_computed_while_it_is_compiled_is_ended() -> None:
    template = "{{ 'a'" + "|replace('a', 'aa')" * 25 + " }}"
    with pytest.raises(ModelError, match="something too large"):
        render(template, [], bos="", eos="", add_generation_prompt=True)


def test_arithmetic_of_published_templates_works() -> None:
    template = "{{ 1700000000 % 60 }} {{ loop or 7 * 3 }} {{ '%05d' % 7 }} {{ '-' * 3 }} {{ 2 ** 10 }}"
    assert render(template, [], bos="", eos="", add_generation_prompt=False) == "20 21 00007 --- 1024"
