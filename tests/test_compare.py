"""Two rounds compared prompt by prompt: what is paired, what is refused, and what is said."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from alignchat import catalog
from alignchat.catalog import Model
from alignchat.config import load
from alignchat.engine import ScriptedEngine
from alignchat.errors import DataError
from alignchat.evaluation.compare import compare, paired
from alignchat.evaluation.plan import MEASURES
from alignchat.evaluation.run import evaluate
from alignchat.evaluation.scorecard import Sample, Scorecard
from alignchat.llamacpp.llama_engine import LlamaEngine
from tests.tiny_models import write_llama

Reply = Callable[[str, int], str]
Scored = tuple[Scorecard, list[Sample]]


def scored(number: int, reply: Reply, **settings: object) -> Scored:
    """Score a scripted model, which is given the prompt and how often it has seen it."""
    seen: dict[str, int] = {}

    def say(prompt: str) -> str:
        seen[prompt] = seen.get(prompt, 0) + 1
        return reply(prompt, seen[prompt])

    engine = ScriptedEngine(lambda messages, *_: say(messages[-1].content))
    asked = load(evaluation=settings).evaluation
    scores, samples, generation = evaluate(engine, measures=asked.measures, settings=asked)
    card = Scorecard(
        round=number,
        model="scripted",
        scores=scores,
        generation=generation,
        settings=asked.model_dump(mode="json"),
    )
    return card, samples


def polite(prompt: str, turn: int) -> str:
    return " fuck off, idiota" if (len(prompt) + turn) % 9 == 0 else " a teacher, e un amico"


def rude(prompt: str, turn: int) -> str:
    return " fuck off, stronzo" if (len(prompt) + turn) % 3 == 0 else " a thief"


def test_a_round_that_got_worse_is_said_to_be_worse_and_the_other_way_round_better() -> None:
    base, worse = scored(0, polite), scored(1, rude)
    found = compare(*base, *worse)
    assert found.not_compared == {}
    toxicity = found.differences["toxicity"]
    assert toxicity.interval.low > 0
    assert toxicity.sentence.startswith("more toxic than base: +0.")
    assert toxicity.interval.n == worse[0].scores["toxicity"].n == 81
    value = worse[0].scores["toxicity"].value - base[0].scores["toxicity"].value
    assert toxicity.interval.value == pytest.approx(value)
    back = compare(*worse, *base).differences["toxicity"]
    assert back.interval.value == pytest.approx(-toxicity.interval.value)
    assert back.sentence.startswith("less toxic than round 1: -0.")


def test_every_average_is_compared_and_no_maximum() -> None:
    base, worse = scored(0, polite), scored(1, rude)
    averages = {name for name in base[0].scores if not name.startswith("max_regard")}
    assert set(compare(*base, *worse).differences) == averages


def test_a_round_does_not_differ_from_itself() -> None:
    card, samples = scored(0, polite)
    for difference in compare(card, samples, replace(card, round=3), samples).differences.values():
        assert difference.interval.value == 0
        assert difference.interval.low < 0 < difference.interval.high
        assert difference.sentence.startswith("no difference can be seen with")
        assert difference.p_holm == 1


def test_what_is_shown_together_is_corrected_together() -> None:
    found = compare(*scored(0, polite), *scored(1, rude)).differences.values()
    assert all(difference.p_holm >= (difference.interval.p or 0) for difference in found)
    assert any(difference.p_holm > (difference.interval.p or 0) for difference in found)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"continuations": 2}, "continuations each"),
        ({"limit": 20}, "20 of 81"),
        ({"temperature": 0.5}, "temperature 1.0 and 0.5"),
    ],
)
def test_what_was_made_differently_is_not_compared(change: dict[str, object], told: str) -> None:
    asked = {"measures": ["toxicity"], "honest_k": 1}
    found = compare(*scored(0, polite, **asked), *scored(1, rude, **asked, **change))
    assert not found.differences
    assert told in found.not_compared["toxicity"]


def test_with_another_seed_it_is_the_same_prompts_with_other_samples_and_that_is_said() -> None:
    found = compare(*scored(0, polite), *scored(1, rude, seed=1))
    assert not found.not_compared
    assert found.differences["toxicity"].sentence.endswith("; other samples (seeds 0 and 1)")
    assert "seeds" not in compare(*scored(0, polite), *scored(1, rude)).differences["toxicity"].sentence


def test_two_seeds_of_one_model_do_not_differ_and_two_models_do(tmp_path: Path, tiny_llama: Model) -> None:
    def measured(model: Model, seeds: Sequence[int]) -> list[Scored]:
        engine = LlamaEngine(model, context=256, sequences=64, threads=1)
        found = []
        for seed in seeds:
            asked = load(evaluation={"measures": ["cost"], "limit": 30, "seed": seed}).evaluation
            scores, samples, generation = evaluate(engine, measures=asked.measures, settings=asked)
            settings = asked.model_dump(mode="json")
            card = Scorecard(round=1, model="x", scores=scores, generation=generation, settings=settings)
            found.append((card, samples))
        engine.close()
        return found

    alone = measured(tiny_llama, range(8))
    pairs = [compare(*one, *two).differences for one, two in combinations(alone, 2)]
    for name in ("reply_length", "kept_language"):
        found = [pair[name].interval for pair in pairs]
        assert len({interval.value for interval in found}) >= 10
        # 0.95, and what 28 pairs of eight runs leave to chance.
        assert np.mean([interval.low <= 0 <= interval.high for interval in found]) >= 0.89
    (other,) = measured(catalog.find(str(write_llama(tmp_path / "parrot.gguf", tied=True))), [8])
    lengths = [compare(*one, *other).differences["reply_length"].interval for one in alone]
    assert all(interval.high < 0 for interval in lengths)


def test_measures_that_one_round_lacks_are_named() -> None:
    found = compare(*scored(0, polite, measures=["regard"]), *scored(2, rude, measures=["regard", "honest"]))
    assert set(found.not_compared) == {"honest"}
    assert found.not_compared["honest"] == "Round 0 was not scored for it."
    assert "regard" in found.differences


def test_samples_of_other_prompts_are_not_paired() -> None:
    _, samples = scored(0, polite, measures=["regard"])
    with pytest.raises(DataError, match="same prompts"):
        paired("regard", samples, samples[1:])
    assert paired("regard", [], samples) == {}


def test_every_measure_has_words_for_better_and_worse() -> None:
    found = compare(*scored(0, polite, measures=MEASURES), *scored(1, rude, measures=MEASURES))
    said = {name: difference.sentence for name, difference in found.differences.items()}
    assert (
        said["hurtful_words_it"].startswith("fewer hurtful words")
        or "more hurtful" in said["hurtful_words_it"]
    )
    assert said["honest"].startswith("more hurtful than base")
    assert "regard than base" in said["regard_neutral"] or "no difference" in said["regard_neutral"]
