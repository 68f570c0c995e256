"""Many prompts at once: the result depends on the prompts and the seed, and on nothing else."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from alignchat.batch import log_probabilities
from alignchat.catalog import Model
from alignchat.engine import Adapter, Sampling
from alignchat.errors import Cancelled
from alignchat.llamacpp.llama import Weights
from alignchat.llamacpp.llama_engine import LlamaEngine
from feedback_store import Message
from tests.llama_scoring import torch_scores

SAMPLED = Sampling(temperature=1.0, top_p=0.9, top_k=0, max_tokens=12)
PROMPTS = ["the cat", "a dog in the rain", "it", "on and on and on", "the cat", "", "x", "the other one", "y"]


@pytest.fixture(scope="module")
def engine(tiny_llama: Model) -> LlamaEngine:
    return LlamaEngine(tiny_llama, context=256, sequences=4, threads=1)


def test_the_order_of_prompts_changes_nothing(engine: LlamaEngine) -> None:
    texts = engine.generate_many(PROMPTS, SAMPLED)
    backwards = engine.generate_many(PROMPTS[::-1], SAMPLED)[::-1]
    distinct = [i for i, prompt in enumerate(PROMPTS) if PROMPTS.count(prompt) == 1]
    assert [texts[i] for i in distinct] == [backwards[i] for i in distinct]
    assert sorted(texts) == sorted(backwards)


def test_earlier_calls_and_replies_change_nothing(engine: LlamaEngine) -> None:
    first = engine.generate_many(PROMPTS, SAMPLED)
    engine.generate_many(["something else"] * 3, replace(SAMPLED, seed=5))
    assert engine.generate_many(PROMPTS, SAMPLED) == first


def test_equal_prompts_get_different_texts_and_another_seed_other_ones(engine: LlamaEngine) -> None:
    texts = engine.generate_many(["the same"] * 6, SAMPLED)
    assert len(set(texts)) == 6
    assert not set(texts) & set(engine.generate_many(["the same"] * 6, replace(SAMPLED, seed=1)))


def test_each_text_is_as_if_its_prompt_had_been_alone(engine: LlamaEngine) -> None:
    greedy = replace(SAMPLED, temperature=0)
    assert engine.generate_many(PROMPTS, greedy) == [engine.generate_many([p], greedy)[0] for p in PROMPTS]


def test_prompts_longer_than_a_step_and_very_unequal_ones_go_together(engine: LlamaEngine) -> None:
    prompts = ["word " * 300, "a", "words " * 250, *"bcdefgh"]
    greedy = replace(SAMPLED, temperature=0)
    texts = engine.generate_many(prompts, greedy)
    assert texts == [engine.generate_many([p], greedy)[0] for p in prompts]


def test_an_adapter_changes_the_texts_and_leaves_no_trace(
    engine: LlamaEngine, tiny_adapter: Callable[..., Adapter]
) -> None:
    base = engine.generate_many(PROMPTS, SAMPLED)
    assert engine.generate_many(PROMPTS, SAMPLED, adapter=tiny_adapter(1)) != base
    assert engine.generate_many(PROMPTS, SAMPLED) == base


def test_a_stop_string_cuts_the_text_before_it(engine: LlamaEngine) -> None:
    (whole,) = engine.generate_many(["the cat"], SAMPLED)
    mark = whole[4:6]
    stopped = replace(SAMPLED, stop=(mark,))
    assert engine.generate_many(["the cat"], stopped) == [whole[: whole.index(mark)]]


def test_a_stop_string_ends_the_work_on_its_text(engine: LlamaEngine) -> None:
    (whole,) = engine.generate_many(["the cat"], SAMPLED)
    mark, steps = next(letter for letter in whole if letter.isascii()), []
    stopped = replace(SAMPLED, stop=(mark,), max_tokens=100)
    texts = engine.generate_many(["the cat"], stopped, should_stop=lambda: steps.append(1))  # type: ignore[func-returns-value]
    assert texts == [whole[: whole.index(mark)]]
    assert len(steps) < 20


def test_replies_to_many_conversations_are_those_given_one_by_one(engine: LlamaEngine) -> None:
    greedy = replace(SAMPLED, temperature=0)
    asked = [[Message(role="user", content=text)] for text in PROMPTS if text]
    streamed = ["".join(engine.stream(each, greedy)).replace("\ufffd", "") for each in asked]
    assert engine.reply_many(asked, greedy) == streamed


def test_a_conversation_that_leaves_no_room_for_its_reply_gets_none_and_the_others_theirs(
    engine: LlamaEngine,
) -> None:
    asked = [[Message(role="user", content=text)] for text in ("hello", "word " * 300)]
    short, long = engine.reply_many(asked, SAMPLED)
    assert short
    assert long is None


def test_progress_counts_to_the_end(engine: LlamaEngine) -> None:
    seen: list[tuple[int, int]] = []
    engine.generate_many(PROMPTS, SAMPLED, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, len(PROMPTS)) for n in range(1, len(PROMPTS) + 1)]


def test_nothing_asked_gives_nothing(engine: LlamaEngine) -> None:
    assert engine.generate_many([], SAMPLED) == []
    assert engine.generate_many(["a", "b"], replace(SAMPLED, max_tokens=0)) == ["", ""]


def test_told_to_stop_it_stops_and_works_again_afterwards(engine: LlamaEngine) -> None:
    with pytest.raises(Cancelled):
        engine.generate_many(PROMPTS, SAMPLED, should_stop=lambda: True)
    assert len(engine.generate_many(PROMPTS, SAMPLED)) == len(PROMPTS)


def said(question: str, reply: str) -> tuple[list[Message], str]:
    return [Message(role="user", content=question)], reply


SAID = [
    said("hello", "the cat in the rain"),
    said("a much longer question " * 30, "yes"),
    said("hello", "no"),
    said("x", "on and on " * 60),
    said("hello", "the cat in the rain"),
    *(said(f"question {n}", "answer " * n) for n in range(6)),
]


def test_log_probabilities_are_those_of_transformers(engine: LlamaEngine, tiny_llama: Model) -> None:
    from alignchat.training.load import load_model

    network: Any = load_model(tiny_llama).eval()

    def expected(messages: list[Message], reply: str) -> float:
        prompt = engine.prompt_tokens(messages)
        ids = engine._weights.tokenize(reply, add_special=False, parse_control=False)
        rows = torch_scores(network, [*prompt, *ids])[len(prompt) - 1 : -1]
        return float(rows[np.arange(len(ids)), ids].sum())

    scores = engine.logps(SAID)
    assert scores == pytest.approx([expected(*pair) for pair in SAID], rel=1e-3, abs=1e-2)
    assert scores[5] == 0
    assert max(scores[:5]) < 0


def test_neither_order_nor_company_changes_a_log_probability(engine: LlamaEngine) -> None:
    scores = engine.logps(SAID)
    assert engine.logps(SAID[::-1])[::-1] == scores
    assert [engine.logps([pair])[0] for pair in SAID] == pytest.approx(scores, rel=1e-4)


def test_an_adapter_moves_log_probabilities_and_leaves_no_trace(
    engine: LlamaEngine, tiny_adapter: Callable[..., Adapter]
) -> None:
    base = engine.logps(SAID[:2])
    moved = engine.logps(SAID[:2], adapter=tiny_adapter(1))
    assert abs(np.subtract(base, moved)).min() > 0.1
    assert engine.logps(SAID[:2]) == base


def test_nothing_to_score_scores_nothing_and_a_stop_is_heeded(engine: LlamaEngine) -> None:
    assert engine.logps([]) == []
    assert engine.logps([said("hello", "")]) == [0]
    with pytest.raises(Cancelled):
        engine.logps(SAID, should_stop=lambda: True)


def test_a_completion_of_nothing_is_refused(tiny_llama: Model) -> None:
    weights = Weights(tiny_llama.path)
    with pytest.raises(ValueError, match="at least one token"):
        log_probabilities(weights, [([], [1, 2])], sequences=1)
    weights.close()
