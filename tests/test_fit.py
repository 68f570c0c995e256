"""Will it fit, how long will it take: the estimate's arithmetic, on shapes and lines that are known."""

from dataclasses import replace
from pathlib import Path

import pytest

from alignchat.config import TrainingSettings
from alignchat.making import fit
from alignchat.making.fit import Calibration, Load, Point, Shape
from tests.tiny_models import write_llama

SMALL = Shape(
    layers=30, width=576, vocabulary=49152, linear=106_168_320, lora_sides=302_400, attention_sides=86_400
)
LARGE = Shape(
    layers=32,
    width=4096,
    vocabulary=51200,
    linear=6_979_321_856,
    lora_sides=2_359_296,
    attention_sides=851_968,
)
LOAD = Load(prompt=40, reply=60, longest=200, rows=64, steps=48, batch_size=4)
SETTINGS = TrainingSettings()
LINE = Calibration(
    device="cpu",
    memory_bytes=8 * 10**9,
    short=Point(tokens=400, operations=1e11, seconds=0.5, peak_bytes=2 * 10**9),
    long=Point(tokens=2000, operations=5e11, seconds=1.5, peak_bytes=3 * 10**9),
)


def test_a_shape_is_read_off_the_models_file(tmp_path: Path) -> None:
    shape = fit.shape_of(write_llama(tmp_path / "tiny.gguf"))
    kv, ffn = 32, 128
    a_layer = 2 * 64 * 64 + 2 * 64 * kv + 3 * 64 * ffn
    assert (shape.layers, shape.width, shape.linear) == (2, 64, 2 * a_layer)
    assert shape.lora_sides == 2 * (2 * 128 + 2 * (64 + kv) + 3 * (64 + ffn))
    assert shape.attention_sides == 2 * (2 * 128 + 2 * (64 + kv))


def test_both_measured_runs_are_on_the_line_and_others_between() -> None:
    assert LINE.seconds(1e11) == pytest.approx(0.5)
    assert LINE.seconds(5e11) == pytest.approx(1.5)
    assert LINE.seconds(3e11) == pytest.approx(1.0)
    assert LINE.bytes(1200) == pytest.approx(2.5e9)


def test_a_short_run_that_was_disturbed_gives_the_long_runs_rate() -> None:
    disturbed = replace(LINE, short=replace(LINE.short, seconds=9.0))
    assert disturbed.seconds(2.5e11) == pytest.approx(0.75)


def test_a_pair_holds_its_prompt_once_and_without_a_reference_twice() -> None:
    assert fit.step_tokens("dpo", LOAD) == 4 * (40 + 120)
    assert fit.step_tokens("orpo", LOAD) == 4 * (80 + 120)
    assert fit.step_tokens("kto", LOAD) == 4 * 100


def test_the_reference_is_asked_only_for_rows_that_the_steps_reach() -> None:
    def seconds(rows: int) -> float | None:
        load = replace(LOAD, rows=rows, steps=8)
        return fit.estimate(SMALL, "dpo", load, SETTINGS, calibration=LINE, budget_bytes=8 * 10**9).seconds

    assert seconds(1000) == seconds(32)


def test_time_grows_with_steps_and_with_what_is_computed_twice() -> None:
    def seconds(load: Load = LOAD, **changes: object) -> float:
        settings = SETTINGS.model_copy(update=changes)
        found = fit.estimate(SMALL, "dpo", load, settings, calibration=LINE, budget_bytes=8 * 10**9).seconds
        assert found
        return found

    assert seconds(recompute=True) > 1.2 * seconds()
    assert seconds(replace(LOAD, steps=96)) > 1.5 * seconds()


def test_nothing_is_said_of_time_before_the_machine_was_measured() -> None:
    found = fit.estimate(SMALL, "kto", LOAD, SETTINGS, calibration=None, budget_bytes=8 * 10**9)
    assert (found.seconds, found.measured, found.fits) == (None, False, True)


def test_what_does_not_fit_is_told_what_would_make_it_fit() -> None:
    long = replace(LOAD, longest=1024)
    needed = fit.memory(SMALL, "dpo", long, SETTINGS, None)
    tight = fit.estimate(SMALL, "dpo", long, SETTINGS, calibration=None, budget_bytes=int(0.8 * needed))
    assert not tight.fits
    assert tight.to_fit
    smaller = SETTINGS.model_copy(update=dict(tight.to_fit))
    load = replace(long, batch_size=smaller.batch_size, longest=min(1024, smaller.max_length))
    assert fit.memory(SMALL, "dpo", load, smaller, None) <= 0.8 * needed


def test_four_bits_are_proposed_on_an_nvidia_gpu_only() -> None:
    short, long = replace(LINE.short, peak_bytes=30 * 10**9), replace(LINE.long, peak_bytes=31 * 10**9)
    gpu = replace(LINE, device="cuda", short=short, long=long)
    on_gpu = fit.estimate(LARGE, "dpo", LOAD, SETTINGS, calibration=gpu, budget_bytes=8 * 10**9)
    assert on_gpu.to_fit
    assert on_gpu.to_fit["weights"] == "4bit"
    cpu = replace(gpu, device="cpu")
    assert fit.estimate(LARGE, "dpo", LOAD, SETTINGS, calibration=cpu, budget_bytes=8 * 10**9).to_fit is None


def test_what_fits_needs_no_change() -> None:
    found = fit.estimate(SMALL, "dpo", LOAD, SETTINGS, calibration=LINE, budget_bytes=8 * 10**9)
    assert found.fits
    assert found.to_fit == {}
