"""Charts as texts: well-formed, accessible, the same each time, and honest about scorers."""

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from alignchat.charts import (
    Language,
    bars_chart,
    categories_chart,
    data_chart,
    groups_chart,
    scores_chart,
    side_effects_chart,
    training_chart,
    win_rates_chart,
)
from alignchat.charts.frame import INK
from alignchat.evaluation.scorecard import Score, Scorecard
from alignchat.evaluation.stats import Interval

SVG = "{http://www.w3.org/2000/svg}"


def card(number: int, value: float, scorer: str = "a detector") -> Scorecard:
    score = Score(
        measure="toxicity", value=value, low=max(0, value - 0.02), high=value + 0.02, n=80, scorer=scorer
    )
    return Scorecard(
        round=number, model="starter", scores={"toxicity": score, "honest": score}, generation={}, settings={}
    )


def words(svg: str) -> str:
    return " ".join(text.text or "" for text in ElementTree.fromstring(svg).iter(f"{SVG}text"))


def joined_points(svg: str) -> list[int]:
    """Count the points of every line that joins values (they are drawn half transparent)."""
    paths = re.findall(r'<path d="([^"]*)"[^>]*stroke-opacity: 0\.55', svg)
    return [len(re.findall(r"[ML]", path)) for path in paths]


STEPS = [
    {
        "step": i,
        "loss": 0.7 - i / 50,
        "rewards/chosen": i / 10,
        "rewards/rejected": -i / 10,
        "rewards/margins": i / 5,
    }
    for i in range(1, 21)
]


PARTS = {
    "regard": ["gender: men", "gender: women", "religion: Hindu", "religion: none", "difference: gender"],
    "honest": ["en female", "en male", "category: an", "category: crime"],
}


def with_parts(number: int, shift: float = 0.0, scorer: str = "a detector") -> Scorecard:
    """A card whose regard and HONEST have groups and categories."""
    scores = {
        measure: Score(
            measure=measure,
            value=0.1,
            low=0.05,
            high=0.2,
            n=80,
            scorer=scorer,
            groups={
                name: Interval(value=0.1 * i + shift, low=0.05 * i, high=0.12 * i + 0.1, n=20)
                for i, name in enumerate(names)
            },
        )
        for measure, names in PARTS.items()
    }
    return Scorecard(round=number, model="starter", scores=scores, generation={}, settings={})


RATES = {
    1: Interval(value=0.62, low=0.51, high=0.7, n=90),
    2: Interval(value=0.4, low=0.2, high=0.6, n=12),
}


def drawings(language: Language) -> list[str]:
    cards, parts = [card(0, 0.05), card(1, 0.03)], [with_parts(0), with_parts(1)]
    found = [
        scores_chart(cards, language),
        bars_chart(cards, language),
        groups_chart(parts, language),
        categories_chart(parts, language),
        win_rates_chart(RATES, language),
        training_chart(STEPS, language),
    ]
    return [drawing.svg() for drawing in found]


@pytest.mark.parametrize("language", ["en", "it"])
def test_a_chart_is_one_accessible_drawing_in_the_pages_colour(language: Language) -> None:
    for svg in drawings(language):
        root = ElementTree.fromstring(svg)
        assert root.get("role") == "img"
        assert root.get("width") == "100%"
        assert root.get("viewBox", "").startswith("0 0 390 ")
        assert root.find(f"{SVG}title") is not None
        assert (root.findtext(f"{SVG}desc") or "").strip()
        assert "currentColor" in svg
        assert not re.search(f"{INK}|#000000|#ffffff|DejaVu|matplotlib|metadata", svg, re.IGNORECASE)


def test_the_same_scores_are_drawn_the_same() -> None:
    cards = [card(0, 0.05), card(1, 0.03)]
    assert scores_chart(cards, "en").svg() == scores_chart(cards[::-1], "en").svg()
    assert training_chart(STEPS, "it").svg() == training_chart(STEPS, "it").svg()


def test_scorers_and_values_are_written_on_the_chart() -> None:
    shown = words(scores_chart([card(0, 0.05), card(1, 0.03)], "it").svg())
    for word in (
        "Tossicità",
        "HONEST",
        "a detector · domande incluse, 80 prompt",
        "0,050",
        "0,030",
        "base",
        "round 1",
    ):
        assert word in shown


def test_points_of_different_scorers_are_never_joined() -> None:
    same = scores_chart([card(i, 0.05) for i in range(4)], "en").svg()
    assert joined_points(same) == [4, 4]
    other = scores_chart([card(i, 0.05, "one" if i < 2 else "another") for i in range(4)], "en").svg()
    assert joined_points(other) == [2, 2, 2, 2]


@pytest.mark.parametrize("other", [{"k": 25}, {"prompts": "BOLD"}, {"prompts_sha256": "0" * 64}])
def test_points_of_another_k_or_prompt_set_are_never_joined(other: dict[str, Any]) -> None:
    cards = [card(i, 0.05) for i in range(4)]
    cards[2:] = [
        replace(c, scores={name: replace(score, **other) for name, score in c.scores.items()})
        for c in cards[2:]
    ]
    assert joined_points(scores_chart(cards, "en").svg()) == [2, 2, 2, 2]


def test_a_thinned_prompt_set_is_named_in_the_language_of_the_chart() -> None:
    whole = card(0, 0.05)
    thinned = {n: replace(s, prompts="embedded probes (24 of 81)") for n, s in whole.scores.items()}
    assert "domande incluse (24 su 81)" in words(scores_chart([replace(whole, scores=thinned)], "it").svg())


def test_many_rounds_a_long_name_and_odd_characters_fit() -> None:
    svg = scores_chart([card(i, 0.01 * i, "<b>&$x_1$ " + "long name " * 20) for i in range(40)], "en").svg()
    assert "<b>&$x_1$" in words(svg)


def test_steps_without_a_number_are_left_out() -> None:
    svg = training_chart(
        [{"step": 1, "loss": float("nan")}, {"step": 2, "loss": 0.5}, {"step": 3}], "en"
    ).svg()
    assert "Loss" in words(svg)
    assert "Rewards" not in words(svg)


def test_with_nothing_to_draw_a_chart_says_so() -> None:
    assert "No round has been scored yet." in words(scores_chart([], "en").svg())
    assert "Ancora nessun passo" in words(training_chart([{"step": 1}], "it").svg())


def test_the_same_drawing_is_a_png_of_the_same_bytes() -> None:
    first, second = (bars_chart([card(0, 0.05), card(1, 0.03)], "en").png() for _ in range(2))
    assert first.startswith(b"\x89PNG")
    assert first == second


def test_a_bar_of_another_scorer_differs_in_colour_and_hatching() -> None:
    same = bars_chart([card(0, 0.05), card(1, 0.04)], "en").svg()
    other = bars_chart([card(0, 0.05), card(1, 0.04, "another")], "en").svg()
    assert "<pattern" not in same
    assert "<pattern" in other
    assert "D55E00" not in same.upper()
    assert "D55E00" in other.upper()


def test_bias_and_what_it_cost_are_drawn_apart() -> None:
    def named(name: str, measure: str, value: float) -> tuple[str, Score]:
        score = Score(measure=measure, value=value, low=value / 2, high=value * 2, n=9, scorer="a detector")
        return name, score

    scores = dict(
        [
            named("toxicity", "toxicity", 0.1),
            named("toxicity_ratio", "toxicity", 0.2),
            named("perplexity_it", "cost", 1234.56),
        ]
    )
    one = Scorecard(round=0, model="starter", scores=scores, generation={}, settings={})
    bias, cost = (words(draw([one], "it").svg()) for draw in (bars_chart, side_effects_chart))
    assert "Tossicità" in bias
    assert "toxicity_ratio" not in bias
    assert "Perplessità" not in bias
    assert "Perplessità, italiano" in cost
    assert "1.234,6" in cost


def test_groups_stand_by_axis_without_their_differences() -> None:
    shown = words(groups_chart([with_parts(0), with_parts(3)], "it").svg())
    for word in ("Genere", "uomini", "donne", "Religione", "induista", "round 3"):
        assert word in shown
    assert "difference" not in shown
    assert "All groups" not in shown


def test_parts_of_a_score_made_otherwise_are_not_set_beside_the_newest() -> None:
    shown = words(categories_chart([with_parts(0), with_parts(2, scorer="another")], "en").svg())
    assert "another" in shown
    assert "animals" in shown
    assert "crime" in shown
    assert "base" not in shown


def test_win_rates_are_told_with_their_intervals() -> None:
    svg = win_rates_chart(RATES, "en").svg()
    assert "round 1 0.62 (0.51 to 0.70), round 2 0.40 (0.20 to 0.60)" in svg
    assert "No round has been compared blind yet." in win_rates_chart({}, "en").svg()
    assert win_rates_chart({}, "en").png() == b""


def manifest(method: str, sources: dict[str, int]) -> dict[str, object]:
    rows = sum(sources.values())
    return {
        "method": method,
        "train": rows,
        "test": 0,
        "desirable": rows - 3,
        "undesirable": 3,
        "sources": {name: {"train": n, "test": 0} for name, n in sources.items()},
        "tokens": {
            "limit": 1024,
            "row": {"median": 80.0, "max": 700},
            "histogram": {
                "edges": [64 * i for i in range(17)],
                "better": [rows - 3] + [0] * 15,
                "worse": [3] + [0] * 15,
            },
        },
    }


@pytest.mark.parametrize("language", ["en", "it"])
@pytest.mark.parametrize("method", ["kto", "dpo"])
def test_what_a_round_is_trained_on_is_drawn_with_its_counts(language: Language, method: str) -> None:
    long = "owner/" + "a-very-long-name-of-a-preference-set-" * 3
    drawing = data_chart(manifest(method, {"thumb": 12, long: 5000}), language)
    shown = words(drawing.svg())
    assert "5000" in shown
    assert "12" in shown
    assert ("5009" in shown) is (method == "kto")  # the balance of labels
    assert "700" in drawing.description
    assert long not in shown


def test_without_rows_there_is_a_sentence_and_no_drawing() -> None:
    empty = data_chart({**manifest("kto", {}), "train": 0}, "it")
    assert not empty.panels
    assert empty.description == "Non ci sono ancora righe."


def test_a_training_shows_every_kind_of_curve_its_method_tells() -> None:
    kto = [{"step": i, "loss": 0.5, "kl": 0.1 * i, "logps/chosen": -50.0 + i} for i in range(1, 5)]
    said = words(training_chart(kto, "en").svg())
    for name in ("Loss", "Log-probability", "KL estimate"):
        assert name in said
    for name in ("Accuracy", "Rewards", "Mean logit"):
        assert name not in said
    dpo = [{"step": 1, "loss": 0.5, "rewards/accuracies": 0.5, "logits/chosen": 1.0}]
    assert "Accuratezza" in words(training_chart(dpo, "it").svg())


def test_what_the_guard_found_is_marked_on_its_curve_only() -> None:
    steps = [{"step": i, "loss": 0.5, "logits/chosen": 1.0 * i} for i in range(1, 9)]
    plain = training_chart(steps, "en").svg()
    marked = training_chart(steps, "en", [("logits/chosen", 6)]).svg()
    assert "guard" not in words(plain)
    assert words(marked).count("guard") == 1
    assert words(training_chart(steps, "en", [("replies", 6)]).svg()) == words(plain)
