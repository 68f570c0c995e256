"""What the page says of one round: what it takes, what speaks against it, its table, its replies."""

from dataclasses import replace
from typing import Any

import pytest

from alignchat.config import TrainingSettings
from alignchat.evaluation.stats import Interval
from alignchat.making.assessment import HELD_OUT, Assessment, Fact
from alignchat.making.fit import Estimate
from alignchat.making.guard import Finding
from alignchat.ui import round_views
from alignchat.ui.i18n import TEXTS

EN, IT = TEXTS["en"], TEXTS["it"]
TAKES = Estimate(
    seconds=125.0, memory_bytes=2_100_000_000, budget_bytes=8_000_000_000, fits=True, to_fit={}, device="cpu",
    measured=True, steps=48,
)  # fmt: skip


def fact(name: str, low: float, high: float) -> Fact:
    value = (low + high) / 2
    worse = high < 0 if name == HELD_OUT else low > 0
    better = low > 0 if name == HELD_OUT else high < 0
    found = Interval(value=value, low=low, high=high, n=12)
    return Fact(name=name, difference=found, worse=worse, better=better, sentence="")


def test_what_a_round_takes_is_said_in_time_and_memory() -> None:
    said = round_views.estimate(TAKES, EN)
    assert "48 steps" in said
    assert "**3 min**" in said
    assert "**2.1 GB** of 8.0 GB" in said


def test_what_does_not_fit_names_the_settings_that_would() -> None:
    tight = replace(TAKES, fits=False, to_fit={"recompute": True, "batch_size": 2})
    assert "`recompute = True`, `batch_size = 2`" in round_views.estimate(tight, EN)
    assert "smaller model" in round_views.estimate(replace(tight, to_fit=None), EN)


def test_without_a_measurement_no_time_is_said() -> None:
    said = round_views.estimate(replace(TAKES, seconds=None, measured=False), EN)
    assert "min" not in said
    assert "was not measured yet" in said


def test_a_round_that_is_worse_is_said_to_be_so_with_its_interval() -> None:
    facts = (fact(HELD_OUT, -0.5, -0.1), fact("toxicity", -0.2, 0.3), fact("honest", -0.3, -0.1))
    said = round_views.assessment(Assessment(number=3, parent=2, facts=facts, findings=()), EN)
    assert "Something speaks against this round, compared with the round 2" in said
    assert "worse (-0.300, 95 % between -0.500 and -0.100, n = 12)" in said
    assert "no difference can be seen" in said
    assert "better" in said


@pytest.mark.parametrize("kind", ["loss", "logits", "chosen", "repetition"])
def test_what_the_guard_found_is_said_in_both_languages(kind: Any) -> None:
    finding = Finding(kind=kind, step=17, value=0.62, limit=0.5, stopped=False, curve="x")
    found = Assessment(number=1, parent=0, facts=(), findings=(finding,))
    for texts in (EN, IT):
        said = round_views.assessment(found, texts)
        assert "17" in said
        assert ("62%" in said) == (kind in ("chosen", "repetition"))


def test_a_round_without_facts_says_nothing() -> None:
    assert round_views.assessment(Assessment(number=1, parent=0, facts=(), findings=()), EN) == ""
    assert round_views.table(None, 1, 0, EN) == ""
    assert round_views.replies([], 1, EN) == ""


def test_the_table_has_a_row_a_source_and_model_and_leaves_out_what_nobody_told() -> None:
    rows = [
        {"source": "choice", "model": model, "n": 9, "metrics": {"loss": loss, "logps/chosen": -40.0}}
        for model, loss in (("base", 0.693), ("parent", 0.6), ("round", 0.5))
    ]
    shown = round_views.table({"table": rows, "gain": None}, 5, 4, EN)
    for cell in ("choice", "base", "round 4", "round 5", "0.693", "-40.000"):
        assert cell in shown
    assert "Accuracy" not in shown


def test_replies_are_escaped() -> None:
    said = round_views.replies([{"prompt": "<b>", "base": "<i>", "round": "\n\n<script>"}], 1, EN)
    assert "<script>" not in said
    assert "\n" not in said


def test_every_setting_of_the_training_is_explained_in_both_languages() -> None:
    for key in TrainingSettings.model_fields:
        assert EN[f"setting_{key}"]
        assert IT[f"setting_{key}"] != EN[f"setting_{key}"]


def test_the_latest_steps_are_lines_of_figures_the_newest_first() -> None:
    steps = [{"step": float(i), "steps": 9.0, "loss": 1 / i, "grad_norm": 2.0} for i in range(1, 9)]
    said = round_views.log(steps, EN)
    assert said.count("<br>") == round_views.LINES - 1
    assert said.index("step 8 of 9 · Loss 0.125") < said.index("step 7 of 9")
    assert "step 2 of 9" not in said
