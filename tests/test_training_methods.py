"""Every method and loss trains on a tiny real model; what a round is held to; the presets."""

import math
import shutil
import sys
from pathlib import Path
from typing import get_args

import pytest

from alignchat import catalog
from alignchat.catalog import Model
from alignchat.config import Method, TrainingSettings
from alignchat.errors import DiskError, SettingsError
from alignchat.making import presets
from alignchat.training.trainer import REFERENCE_FREE, TrainSummary, train
from tests.test_training import SETTINGS, pairs, stop_at, thumbs, weights_of
from tests.tiny_models import write_llama

SHORT = SETTINGS.model_copy(update={"steps": 3})
DPO_LOSSES = get_args(TrainingSettings.model_fields["dpo_loss"].annotation)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return catalog.find(str(write_llama(tmp_path_factory.mktemp("model") / "tiny.gguf")))


def run(
    model: Model, folder: Path, method: Method = "dpo", *, parent: Path | None = None, stop: int = 10_000,
    test: int = 0, **changes: object,
) -> tuple[TrainSummary, list[dict[str, float]]]:  # fmt: skip
    steps: list[dict[str, float]] = []
    rows = thumbs if method == "kto" else pairs
    summary = train(
        model=model,
        method=method,
        rows=rows(10),
        test_rows=rows(10 + test)[10:],
        settings=SHORT.model_copy(update=changes),
        folder=folder,
        parent_adapter=parent / "adapter" if parent else None,
        on_step=steps.append,
        should_stop=stop_at(stop),
    )
    return summary, steps


# What each loss is where the policy is the reference, from its formula with beta 0.1 and smoothing 0.1.
AT_THE_REFERENCE = {
    "sigmoid": math.log(2),
    "ipo": 25.0,
    "hinge": 1.0,
    "robust": math.log(2),
    "exo_pair": 0.5 * (math.log(0.5) - math.log(0.9)) + 0.5 * (math.log(0.5) - math.log(0.1)),
    "nca_pair": 2 * math.log(2),
    "bco_pair": 2 * math.log(2),
    "sppo_hard": 50.0,
    "aot": math.log(2),
    "aot_unpaired": math.log(2),
    "apo_zero": 1.0,
    "apo_down": 1.0,
    "sigmoid_norm": math.log(2),
}


@pytest.mark.parametrize("loss", DPO_LOSSES)
def test_every_dpo_loss_begins_where_its_formula_says_and_parts_the_pairs(
    loss: str, tiny: Model, tmp_path: Path
) -> None:
    summary, steps = run(tiny, tmp_path, dpo_loss=loss)
    assert summary.first_loss == pytest.approx(AT_THE_REFERENCE[loss], rel=1e-5)
    assert steps[0]["rewards/margins"] == pytest.approx(0, abs=1e-6)
    assert steps[-1]["rewards/margins"] > 0


@pytest.mark.parametrize("loss", ["kto", "apo_zero_unpaired"])
def test_both_kto_losses_begin_at_one_half_and_part_the_two_kinds(
    loss: str, tiny: Model, tmp_path: Path
) -> None:
    summary, steps = run(tiny, tmp_path, "kto", kto_loss=loss)
    weighted = 0.5 * max(summary.desirable_weight or 1, summary.undesirable_weight or 1)
    assert 0.5 - 1e-6 <= summary.first_loss <= weighted + 1e-6
    assert steps[-1]["rewards/margins"] > 0


@pytest.mark.parametrize("method", REFERENCE_FREE)
def test_methods_without_a_reference_train_resume_and_are_measured(
    method: Method, tiny: Model, tmp_path: Path
) -> None:
    whole, steps = run(tiny, tmp_path / "whole", method, test=3)
    assert steps[-1]["logps/chosen"] > steps[0]["logps/chosen"]
    assert {"loss", "rewards/margins", "rewards/accuracies", "logps/rejected"} <= steps[0].keys()
    base, own = whole.report.table
    assert (base.n, own.model) == (3, "round")
    assert {"loss", "rewards/accuracies", "logps/chosen"} <= own.metrics.keys()
    assert own.metrics["loss"] < base.metrics["loss"]
    with pytest.raises(Exception, match="after step 2 of 3"):
        run(tiny, tmp_path / "cut", method, test=3, stop=1)
    run(tiny, tmp_path / "cut", method, test=3)
    assert weights_of(tmp_path / "cut") == weights_of(tmp_path / "whole")


def test_a_child_is_held_to_its_parent_or_to_the_base_as_asked(tiny: Model, tmp_path: Path) -> None:
    run(tiny, tmp_path / "parent")
    to_parent, _ = run(tiny, tmp_path / "a", parent=tmp_path / "parent")
    to_base, steps = run(tiny, tmp_path / "b", parent=tmp_path / "parent", reference="base", test=3)
    assert to_parent.first_loss == pytest.approx(math.log(2), abs=1e-6)
    assert to_base.first_loss < math.log(2) - 1e-3
    assert steps[0]["rewards/margins"] > 0
    assert not (tmp_path / "b/adapter/ref").exists()


def test_fewer_matrices_are_trained_where_only_attention_is_asked_for(tiny: Model, tmp_path: Path) -> None:
    run(tiny, tmp_path / "all")
    run(tiny, tmp_path / "few", lora_targets="attention")
    assert len(weights_of(tmp_path / "few")) < len(weights_of(tmp_path / "all"))


@pytest.mark.parametrize("method", get_args(Method))
def test_presets_differ_by_how_far_a_round_may_move(method: Method) -> None:
    settings = [presets.resolved(method, TrainingSettings(preset=preset)) for preset in presets.PRESETS]
    rates = [setting.learning_rate or 0 for setting in settings]
    assert rates == sorted(set(rates))
    asked = presets.resolved(method, TrainingSettings(preset="strong", learning_rate=1e-6))
    assert asked.learning_rate == 1e-6
    assert asked.beta == settings[-1].beta


def test_activations_computed_twice_give_the_same_adapter(tiny: Model, tmp_path: Path) -> None:
    run(tiny, tmp_path / "kept")
    run(tiny, tmp_path / "twice", recompute=True)
    assert weights_of(tmp_path / "twice") == weights_of(tmp_path / "kept")


def test_four_bits_without_bitsandbytes_are_refused_with_what_to_install(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes.nn", None)
    with pytest.raises(SettingsError, match=r"training\.weights .* requirements-gpu\.txt"):
        run(tiny, tmp_path, weights="4bit")


def test_a_checkpoint_that_would_not_fit_is_not_begun(tiny: Model, tmp_path: Path) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=10_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: full)
        with pytest.raises(DiskError, match="free some space"):
            run(tiny, tmp_path, stop=3)
    assert list(tmp_path.glob("checkpoints/*")) == []
