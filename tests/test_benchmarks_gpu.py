"""The benchmark of training on a GPU, as far as it goes without one."""

import json
from typing import Any

import pytest
import torch

from benchmarks import gpu


def called(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["gpu.py", *arguments])
    return gpu.main()


def case(who: str, **facts: Any) -> gpu.Run:
    named = {"shape": "1B", "method": "dpo", "weights": "4bit", "who": who}
    measured = {"tokens": 1000, "seconds": 2.0, "allocated": 3e9, "reserved": 4e9, "device": "cpu"}
    return {**named, "outcome": "fits", "in_budget": "fits", **measured, **facts}


def test_without_a_gpu_one_sentence_says_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert called(monkeypatch) == 1
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert told.err.startswith("A CUDA GPU and a torch built for it are needed")


def test_a_rehearsal_trains_ours_and_trl_and_says_that_it_was_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        called(monkeypatch, "--rehearse", "--method", "dpo", "--weights", "bf16", "--steps", "1", "--json")
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert found["on"].startswith("On the CPU, so nothing of this holds for a GPU: ")
    assert [one["who"] for one in found["cases"]] == ["ours", "trl"]
    assert {(one["outcome"], one["device"], one["in_budget"]) for one in found["cases"]} == {
        ("fits", "cpu", "not tried")
    }
    ours, trl = found["cases"]
    assert ours["tokens"] == trl["tokens"] > 0


def test_too_little_memory_is_an_outcome_and_any_other_failure_is_none() -> None:
    def full() -> gpu.Run:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    def wrong() -> gpu.Run:
        raise ValueError("something else")

    assert gpu.fitting(full) == {"outcome": "does not fit"}
    with pytest.raises(ValueError, match="something else"):
        gpu.fitting(wrong)


def test_the_table_has_ours_beside_its_peer_and_what_does_not_fit() -> None:
    found = [
        case("ours", seconds=1.0, in_budget="recomputing"),
        case("trl"),
        {"shape": "1B", "method": "dpo", "weights": "4bit", "who": "liger"}
        | {"outcome": "does not fit", "in_budget": "does not fit"},
    ]
    named = ("1B", "DPO", "4bit")
    assert list(gpu.rows(found)) == [
        (*named, "alignchat", "1,000 (2.00 x TRL)", "3.00 GB", "4.00 GB", "recomputing"),
        (*named, "TRL", "500", "3.00 GB", "4.00 GB", "yes"),
        (*named, "TRL with Liger", "does not fit", "", "", "does not fit"),
    ]
