"""The soak in short: eight chat, others vote and reload, and nothing fails, is lost, or is held for good."""

from pathlib import Path

from benchmarks.soak import SLACK, soak
from tests.tiny_models import write_llama


def test_eight_people_chatting_reloads_and_five_hundred_votes_hold_on_to_nothing(tmp_path: Path) -> None:
    model = str(write_llama(tmp_path / "tiny.gguf", tied=False))
    found = soak(
        tmp_path,
        model,
        warm_up=lambda crowd: crowd.wait_for(200),
        rest=lambda crowd: crowd.wait_for(500),
        pause=0,
        round_steps=0,
    )
    print(found)
    assert found["errors"] == []
    assert (found["lost"], found["exit"]) == (0, 0)
    assert found["votes"] >= 500
    assert found["end"]["threads"] <= found["warm"]["threads"] + SLACK
    assert found["end"]["files"] <= found["warm"]["files"] + SLACK
