"""The embedded probes and scorers, and scoring a model with them from end to end."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignchat.config import EvaluationSettings, load
from alignchat.engine import Adapter, ScriptedEngine
from alignchat.errors import Cancelled, DataError
from alignchat.evaluation import prompts
from alignchat.evaluation.compare import paired
from alignchat.evaluation.honest import load_lexicon
from alignchat.evaluation.kept import KeptTexts
from alignchat.evaluation.plan import MEASURES
from alignchat.evaluation.run import evaluate
from alignchat.evaluation.scorecard import Sample, Score, Scorecard
from alignchat.evaluation.scorers import (
    OWN_LEXICONS,
    EnglishProfanity,
    EnglishSentiment,
    HurtfulCompletion,
    HurtfulWords,
    Scorer,
)
from alignchat.evaluation.stats import Interval
from alignchat.talk.starters import STARTERS
from feedback_store import Message

BIAS = ("toxicity", "regard", "honest")
PROBES = [("toxicity", "en"), ("toxicity", "it"), ("regard", "en"), ("honest", "en"), ("honest", "it")]


def settings(**values: object) -> EvaluationSettings:
    return load(evaluation=values).evaluation


def engine_saying(reply: Callable[[str], str]) -> ScriptedEngine:
    return ScriptedEngine(lambda messages, _sampling, _adapter: reply(messages[-1].content))


@pytest.mark.parametrize(("kind", "language"), PROBES)
def test_every_group_has_the_same_number_of_probes(kind: str, language: str) -> None:
    found = prompts.load(kind, language)
    assert len(set(Counter(prompt.group for prompt in found).values())) == 1
    assert len({prompt.text for prompt in found}) == len(found) >= 80


@pytest.mark.parametrize(("kind", "language"), PROBES)
def test_probes_end_where_a_model_can_go_on(kind: str, language: str) -> None:
    for prompt in prompts.load(kind, language):
        assert prompt.text == prompt.text.strip()
        assert not prompt.text.endswith((".", "!", "?"))
        assert "{" not in prompt.text


def test_both_languages_are_probed_alike() -> None:
    for kind in ("toxicity", "honest"):
        english, italian = (
            Counter(p.group for p in prompts.load(kind, language)) for language in ("en", "it")
        )
        assert english == italian


def test_regard_openings_say_nothing_good_or_bad_themselves() -> None:
    texts = [prompt.text for prompt in prompts.load("regard", "en")]
    assert all(judged.labels["neutral"] == 1 for judged in EnglishSentiment().judge(texts))


@pytest.mark.parametrize(("kind", "language"), PROBES)
def test_no_probe_contains_a_hurtful_word(kind: str, language: str) -> None:
    texts = [prompt.text for prompt in prompts.load(kind, language)]
    assert not any(HurtfulWords(language)(texts))


@given(st.integers(1, 300))
def test_a_limit_is_shared_evenly_by_groups_and_languages(limit: int) -> None:
    both = prompts.load("honest", "en") + prompts.load("honest", "it")
    chosen = prompts.evenly(both, limit)
    counts = Counter((p.language, p.group) for p in chosen)
    assert len(chosen) == len(set(chosen)) == min(limit, len(both))
    assert max(counts.values()) - min(counts.values()) <= 1
    assert chosen == prompts.evenly(both, limit)


@pytest.mark.parametrize("language", ["en", "it"])
def test_the_word_lists_are_clean_and_of_the_size_they_say(language: str) -> None:
    rows = [line.split("\t") for line in OWN_LEXICONS[language].read_text("utf-8").splitlines()[1:]]
    lemmas = [row[0] for row in rows]
    assert len(set(lemmas)) == len(lemmas)
    assert all(len(row) == 5 and row[3] in ("yes", "no") for row in rows)
    assert f"{len(lemmas)}" in (prompts.PROBES / "README.md").read_text("utf-8")
    assert "" not in load_lexicon(OWN_LEXICONS[language], language)


def test_every_scorer_says_what_it_is() -> None:
    scorers: list[Scorer] = [
        EnglishProfanity(),
        EnglishSentiment(),
        HurtfulWords("it"),
        HurtfulCompletion("en"),
    ]
    assert "profanity" in scorers[0].name
    assert "sentiment" in scorers[1].name
    assert "toxic" not in scorers[2].name
    for scorer in scorers:
        assert scorer([]) == []
        assert all(0 <= score <= 1 for score in scorer(["", " hello", " ciao, stronzo", "🙂"]))


def test_the_stand_ins_tell_plain_cases_apart() -> None:
    rude, kind = EnglishProfanity()([" you fucking idiot", " have a lovely day"])
    assert rude > 0.9 > 0.2 > kind
    assert EnglishProfanity()([" ... \n"]) == [0.0]
    assert EnglishSentiment()(["The man was a horrible criminal", "The man was a kind friend"]) == [1, 0]
    assert HurtfulWords("it")([" sei uno stronzo!", " sei un amico", " gli stronzi"]) == [1, 0, 1]
    assert HurtfulCompletion("it")([" una ladra, si sa", " la cuoca e ladra", " Puttana."]) == [1, 0, 1]


def test_one_run_scores_every_measure_and_keeps_every_text() -> None:
    engine = engine_saying(lambda prompt: f" fucking thief, {len(prompt)}")
    seen: list[tuple[int, int]] = []
    scores, samples, generation = evaluate(
        engine,
        measures=BIAS,
        settings=settings(),
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert {"toxicity", "hurtful_words_it", "regard", "honest"} <= set(scores)
    assert generation["continuations"] == len(samples)
    assert generation["prompts"] == sum(scores[s].n for s in {sample.measure for sample in samples})
    assert generation["tokens"] == 4 * len(samples)  # the script counts an empty word before the space
    assert seen[-1] == (len(samples), len(samples))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    for score in scores.values():
        assert 0 <= score.low <= score.value <= score.high <= 1
        assert score.scorer
        assert score.prompts == "embedded probes"
    assert scores["toxicity"].value > 0.9
    assert scores["hurtful_words_it"].value == 0


def test_scores_are_repeated_exactly() -> None:
    engine = engine_saying(lambda prompt: " bad" if len(prompt) % 3 else " good")
    first = evaluate(engine, measures=["honest", "regard"], settings=settings(seed=4))
    again = evaluate(engine, measures=["regard", "honest"], settings=settings(seed=4))
    assert first[:2] == again[:2]


def test_swapping_what_is_said_of_women_and_men_mirrors_honest() -> None:
    women = {
        p.text for language in ("en", "it") for p in prompts.load("honest", language) if p.group == "female"
    }
    of_women = engine_saying(lambda prompt: " idiota" if prompt in women else " medico")
    of_men = engine_saying(lambda prompt: " medico" if prompt in women else " idiota")
    ours, theirs = (
        evaluate(engine, measures=["honest"], settings=settings())[0]["honest"]
        for engine in (of_women, of_men)
    )
    assert ours.value == theirs.value == 0.25
    assert ours.groups["it female"].value == theirs.groups["it male"].value == 1
    assert (ours.groups["en"].value, ours.groups["it"].value) == (0, 0.5)


def test_honest_is_given_for_fewer_completions_and_by_category_and_as_published_when_asked() -> None:
    turn: Counter[str] = Counter()

    def say(prompt: str) -> str:
        turn[prompt] += 1
        return " thief" if turn[prompt] == 1 else " Whore," if turn[prompt] == 4 else " nurse"

    asked = settings(honest_k=6, published_honest=True)
    scores, samples, _ = evaluate(engine_saying(say), measures=["honest"], settings=asked)
    english = {name: score.groups["en"].value for name, score in scores.items()}
    assert english == pytest.approx(
        {"honest": 2 / 6, "honest_k1": 1, "honest_k5": 2 / 5, "honest_evaluate": 2 / 6}
    )
    assert {name: score.k for name, score in scores.items()} == {
        "honest": 6, "honest_k1": 1, "honest_k5": 5, "honest_evaluate": 6
    }  # fmt: skip
    categories = {sample.category for sample in samples if sample.category}
    assert {f"category: {category}" for category in categories} <= set(scores["honest"].groups)
    assert "honest_evaluate" not in evaluate(engine_saying(say), measures=["honest"], settings=settings())[0]


def test_regard_reads_the_prompt_with_its_continuation_and_compares_groups_within_an_axis() -> None:
    muslims = engine_saying(lambda prompt: " a terrible criminal" if "Muslim" in prompt else " a friend")
    score = evaluate(muslims, measures=["regard"], settings=settings())[0]["regard"]
    assert score.groups["religion: Muslim"].value == 1
    assert score.groups["difference: religion"].value == 1
    assert score.groups["difference: gender"].value == 0
    assert score.value == pytest.approx(1 / 18)


@pytest.mark.parametrize("limit", [1, 7, 50])
def test_a_limit_holds_for_each_measure(limit: int) -> None:
    scores, _, _ = evaluate(engine_saying(lambda _: " x"), measures=MEASURES, settings=settings(limit=limit))
    assert {score.n for name, score in scores.items() if "perplexity" not in name} == {limit}
    assert scores["perplexity_it"].n == min(limit, 40)


@pytest.mark.parametrize("measures", [[], "toxicity", ["toxicity", "charm"]])
def test_unknown_measures_are_refused(measures: list[str]) -> None:
    with pytest.raises(DataError):
        evaluate(engine_saying(lambda _: ""), measures=measures, settings=settings())


def test_an_evaluation_stops_when_told_to() -> None:
    with pytest.raises(Cancelled):
        evaluate(
            engine_saying(lambda _: ""), measures=MEASURES, settings=settings(), should_stop=lambda: True
        )


def test_a_stopped_evaluation_goes_on_where_it_was_and_gives_the_same_scores(tmp_path: Path) -> None:
    asked: list[str] = []

    def say(prompt: str) -> str:
        asked.append(prompt)
        return f" fool {len(prompt)}"

    def run(kept: KeptTexts | None, stop_after: int = 10**6) -> tuple[object, ...]:
        return evaluate(
            engine_saying(say),
            measures=MEASURES,
            settings=settings(),
            kept=kept,
            should_stop=lambda: len(asked) >= stop_after,
        )

    whole = run(None)
    everything = len(asked)
    asked.clear()
    kept = KeptTexts(tmp_path, "model, adapter 1")
    with pytest.raises(Cancelled):
        run(kept, stop_after=500)
    before_the_stop = len(asked)
    assert 0 < before_the_stop < everything
    for _ in range(2):
        assert run(kept)[:2] == whole[:2]
        assert len(asked) == everything
    run(KeptTexts(tmp_path, "model, adapter 2"))
    assert len(asked) == 2 * everything


def test_a_silent_model_is_scored_and_harmless() -> None:
    scores, _, _ = evaluate(engine_saying(lambda _: ""), measures=BIAS, settings=settings())
    harms = {name: score for name, score in scores.items() if "neutral" not in name and "max_" not in name}
    assert {score.value for score in harms.values()} == {0}
    assert all(0 < score.high < 0.05 for score in harms.values())
    assert scores["regard_neutral"].value == 1


def test_cost_is_perplexity_length_repetition_and_language() -> None:
    def say(prompt: str) -> str:
        italian = prompt in STARTERS["it"]
        return "Questa è una risposta in italiano." if italian or "?" not in prompt else "a b c d a b c d"

    scores, samples, _ = evaluate(engine_saying(say), measures=["cost"], settings=settings())
    assert scores["perplexity_en"].value == pytest.approx(2)  # the script finds every word one of two
    asked = len(STARTERS["en"]) + len(STARTERS["it"])
    english = sum("?" in prompt for prompt in STARTERS["en"])
    assert scores["kept_language"].n == asked
    assert scores["kept_language"].groups["it"].value == 1
    assert scores["repetition"].value == pytest.approx(english * (1 - 4 / 5) / asked)
    assert scores["reply_length"].value == pytest.approx((8 * english + 6 * (asked - english)) / asked)
    assert {sample.measure for sample in samples} == {"replies", "perplexity_en", "perplexity_it"}
    assert {score.measure for score in scores.values()} == {"cost"}


def test_what_a_round_learned_by_heart_is_set_beside_the_base() -> None:
    learned = "the quick brown fox jumps over the lazy dog"
    trained = [((Message(role="user", content=f"question {i}"),), f"{learned} {i}") for i in range(30)]
    adapter = Adapter(path=Path("a round"), sha256="")
    engine = ScriptedEngine(lambda _messages, _sampling, using: learned if using else "something else at all")
    scores, samples, _ = evaluate(
        engine, measures=["memorization"], settings=settings(), adapter=adapter, trained=trained
    )
    assert scores["training_ngrams"].value == 1
    assert scores["training_longest_run"].value == 9
    assert scores["training_ngrams_base"].value == 0
    assert {sample.word for sample in samples if sample.measure == "training"} == {learned}
    assert paired_training(samples)["training_ngrams"].low > 0.5


def paired_training(samples: Sequence[Sample]) -> dict[str, Interval]:
    with_, without = ([s for s in samples if s.measure == f"training{end}"] for end in ("", "_base"))
    return paired("training", without, with_)


def test_a_scorecard_survives_json() -> None:
    part = Interval(value=0.2, low=0.1, high=0.3, n=5)
    score = Score(
        measure="toxicity", value=0.1, low=0.0, high=0.3, n=10, scorer="none, a test", groups={"it": part}
    )
    card = Scorecard(
        round=1,
        model="starter",
        scores={"toxicity": score},
        generation={"prompts": 10, "seconds": 0.5},
        settings={"seed": 0},
    )
    assert Scorecard.from_json(json.loads(json.dumps(card.to_json()))) == card
    sample = Sample(measure="regard", language="en", group="g", prompt="The man", text=" ran", score=0.0)
    assert Sample.from_json(json.loads(json.dumps(sample.to_json()))) == sample


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"scores": {}},
        {"format": 2, "scores": {"toxicity": {"value": 1}}},
        {"format": 2, "scores": {"toxicity": 1}},
        {"format": 2, "scores": {}, "new": 1},
    ],
)
def test_what_is_no_scorecard_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(DataError):
        Scorecard.from_json(document)
