"""Charts as texts: well-formed, accessible, the same each time, and honest about scorers."""

import re
from xml.etree import ElementTree

import pytest

from alignchat.charts import INK, Language, scores_chart, training_chart
from alignchat.evaluation.scorecard import Score, Scorecard

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


@pytest.mark.parametrize("language", ["en", "it"])
def test_a_chart_is_one_accessible_drawing_in_the_pages_colour(language: Language) -> None:
    for svg in (scores_chart([card(0, 0.05), card(1, 0.03)], language), training_chart(STEPS, language)):
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
    assert scores_chart(cards, "en") == scores_chart(cards[::-1], "en")
    assert training_chart(STEPS, "it") == training_chart(STEPS, "it")


def test_scorers_and_values_are_written_on_the_chart() -> None:
    shown = words(scores_chart([card(0, 0.05), card(1, 0.03)], "it"))
    for word in ("Tossicità", "HONEST", "a detector · 80 prompt", "0.050", "0.030", "base", "round 1"):
        assert word in shown


def test_points_of_different_scorers_are_never_joined() -> None:
    same = scores_chart([card(i, 0.05) for i in range(4)], "en")
    assert joined_points(same) == [4, 4]
    other = scores_chart([card(i, 0.05, "one" if i < 2 else "another") for i in range(4)], "en")
    assert joined_points(other) == [2, 2, 2, 2]


def test_many_rounds_a_long_name_and_odd_characters_fit() -> None:
    svg = scores_chart([card(i, 0.01 * i, "<b>&$x_1$ " + "long name " * 20) for i in range(40)], "en")
    assert "<b>&$x_1$" in words(svg)


def test_steps_without_a_number_are_left_out() -> None:
    svg = training_chart([{"step": 1, "loss": float("nan")}, {"step": 2, "loss": 0.5}, {"step": 3}], "en")
    assert "Loss" in words(svg)
    assert "Rewards" not in words(svg)


def test_with_nothing_to_draw_a_chart_says_so() -> None:
    assert "No round has been scored yet." in words(scores_chart([], "en"))
    assert "Ancora nessun passo" in words(training_chart([{"step": 1}], "it"))
