"""The table of a round: base, parent and round on each source's held-out rows."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from alignchat import catalog
from alignchat.catalog import Model
from alignchat.training.report import Measured, Report
from tests.test_training import SETTINGS, pairs, run, stop_at, thumbs, weights_of
from tests.tiny_models import write_llama

TEST = [*pairs(13)[10:], *(replace(row, source="other") for row in pairs(15)[13:])]
BETA = 0.1


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return catalog.find(str(write_llama(tmp_path_factory.mktemp("model") / "tiny.gguf")))


@pytest.fixture(scope="module")
def rounds(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Report, Path]:
    """A round from the base, and one that goes on from it, on the same held-out rows."""
    folder = tmp_path_factory.mktemp("rounds")
    parent, _ = run(tiny, folder / "1", test_rows=TEST)
    child, _ = run(tiny, folder / "2", test_rows=TEST, parent_adapter=folder / "1" / "adapter")
    return parent.report, child.report, folder


def row(report: Report, source: str, model: str) -> Measured:
    (found,) = [m for m in report.table if (m.source, m.model) == (source, model)]
    return found


def test_every_source_has_a_row_for_base_parent_and_round(rounds: tuple[Report, Report, Path]) -> None:
    found = [(m.source, m.model, m.n) for m in rounds[1].table]
    assert sorted(found) == sorted(
        (source, model, n)
        for source, n in (("test", 3), ("other", 2))
        for model in ("base", "parent", "round")
    )
    wanted = {f"{what}/{side}" for what in ("logits", "logps", "rewards") for side in ("chosen", "rejected")}
    assert {*wanted, "rewards/margins", "rewards/accuracies", "loss"} <= rounds[1].table[0].metrics.keys()


def test_the_base_has_no_reward_and_a_loss_of_ln_2(rounds: tuple[Report, Report, Path]) -> None:
    for report in rounds[:2]:
        base = row(report, "test", "base").metrics
        assert base["loss"] == pytest.approx(math.log(2), abs=1e-6)
        assert base["rewards/margins"] == pytest.approx(0, abs=1e-6)


def test_the_parents_row_is_what_its_own_report_says(rounds: tuple[Report, Report, Path]) -> None:
    for source in ("test", "other"):
        own, as_parent = row(rounds[0], source, "round").metrics, row(rounds[1], source, "parent").metrics
        assert as_parent == pytest.approx(own, rel=1e-5, abs=1e-5)


def test_the_gain_is_the_mean_rise_of_the_margins(rounds: tuple[Report, Report, Path]) -> None:
    first, second, _ = rounds
    for report, before in ((first, "base"), (second, "parent")):
        assert report.gain is not None
        rise = sum(
            m.n * (m.metrics["rewards/margins"] - row(report, m.source, before).metrics["rewards/margins"])
            for m in report.table
            if m.model == "round"
        )
        # The one is summed by TRL in its batches, the other row by row; both in bf16.
        assert report.gain.value == pytest.approx(rise / report.gain.n, rel=0.05, abs=0.05)
        assert report.gain.low <= report.gain.value <= report.gain.high
    assert first.gain is not None
    assert first.gain.value > 0


def test_measuring_leaves_the_adapter_as_it_was_trained(
    rounds: tuple[Report, Report, Path], tiny: Model, tmp_path: Path
) -> None:
    run(tiny, tmp_path, test_rows=[])
    assert weights_of(tmp_path) == weights_of(rounds[2] / "1")


def test_a_run_stopped_while_it_is_measured_is_measured_again(tiny: Model, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="Stopped"):
        run(tiny, tmp_path, test_rows=TEST, should_stop=stop_at(3 + 5 + 1))
    summary, steps = run(tiny, tmp_path, test_rows=TEST)
    assert steps == []
    assert len(summary.report.table) == 4


def test_thumbs_have_signed_rewards_and_a_kl(tiny: Model, tmp_path: Path) -> None:
    summary, _ = run(tiny, tmp_path, method="kto", rows=thumbs(9), test_rows=thumbs(15)[9:])
    own = row(summary.report, "test", "round").metrics
    assert {"kl", "rewards/margins", "loss"} <= own.keys()
    assert summary.report.gain is not None
    assert summary.report.gain.n == 6


def test_no_more_rows_of_a_source_are_measured_than_asked_for(tiny: Model, tmp_path: Path) -> None:
    few = SETTINGS.model_copy(update={"test_rows": 2})
    summary, _ = run(tiny, tmp_path, test_rows=TEST, settings=few)
    assert {m.n for m in summary.report.table} == {2}
