"""What the guard sees in a training's steps, and what it lets pass."""

import math
from collections.abc import Callable

import pytest

from alignchat.making.guard import Finding, Guard, repeated, repetition, sentence

Step = dict[str, float]


def steps(count: int, **metrics: Callable[[int], float]) -> list[Step]:
    return [{"step": i, **{name: at(i) for name, at in metrics.items()}} for i in range(1, count + 1)]


def found(run: list[Step], *, beta: float | None = 0.1) -> list[Finding]:
    guard = Guard(beta=beta)
    return [finding for step in run for finding in guard.see(step)]


def healthy(count: int = 40) -> list[Step]:
    return [
        {
            "step": i,
            "loss": math.log(2) * math.exp(-i / 20) + (0.1 if i % 2 else 0),
            "logits/chosen": -1 + 0.02 * i,
            "logps/chosen": -90 + 20 * (i % 3) - i,
            "rewards/chosen": -0.1 * i * 0.5,
        }
        for i in range(1, count + 1)
    ]


def test_a_healthy_run_passes() -> None:
    assert found(healthy()) == []


def test_a_loss_that_rises_is_marked_and_one_that_runs_away_stops_the_round() -> None:
    risen = found(steps(20, loss=lambda i: 0.7 + 0.05 * i))
    assert [(f.kind, f.stopped) for f in risen] == [("loss", False)]
    away = found(steps(30, loss=lambda i: 0.7 * 1.2**i))
    assert [(f.kind, f.stopped) for f in away] == [("loss", False), ("loss", True)]
    assert away[0].step < away[1].step < 30


def test_a_small_loss_that_doubles_is_nothing() -> None:
    assert found(steps(30, loss=lambda i: 0.01 + 0.001 * i)) == []


def test_exploding_logits_are_seen_whichever_side_and_direction() -> None:
    for name in ("logits/chosen", "logits/rejected"):
        for way in (1, -1):
            seen = found(steps(30, **{"loss": lambda _: 0.5, name: lambda i, w=way: w * 2.0 * i}))
            assert [(f.kind, f.curve, f.stopped) for f in seen] == [
                ("logits", name, False),
                ("logits", name, True),
            ]


def collapsing(i: int) -> float:
    return -10.0 * max(0, i - 5)


def test_chosen_replies_that_become_unlikely_are_seen_against_the_reference() -> None:
    run = steps(
        40,
        loss=lambda _: 0.3,
        **{"logps/chosen": lambda i: -100 + collapsing(i), "rewards/chosen": lambda i: 0.1 * collapsing(i)},
    )
    assert [(f.kind, f.stopped) for f in found(run)] == [("chosen", False), ("chosen", True)]
    longer = steps(
        40, loss=lambda _: 0.3, **{"logps/chosen": lambda i: -9.0 * i, "rewards/chosen": lambda _: 0.0}
    )
    assert found(longer) == []  # longer rows are no collapse


def test_without_a_reference_rewards_are_log_probabilities_and_say_nothing() -> None:
    run = steps(
        40, loss=lambda _: 0.3, **{"logps/chosen": lambda i: -5.0 * i, "rewards/chosen": lambda i: -0.5 * i}
    )
    assert found(run) == []


def test_what_was_found_before_a_resumption_does_not_stop_it_again() -> None:
    run = steps(40, loss=lambda i: 0.7 * 1.2**i)
    cut = Guard(beta=0.1, known=[("loss", False), ("loss", True)], earlier=run[:20])
    assert [finding for step in run[20:] for finding in cut.see(step)] == []


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0),
        ("one two three", 0),
        ("a b c d e f g h", 0),
        ("no no no no no no no no", 0.8),
        ("ab " * 100, 96 / 97),
    ],
)
def test_repetition_is_the_share_of_four_words_said_before(text: str, share: float) -> None:
    assert repetition(text) == pytest.approx(share)


def test_a_round_that_repeats_itself_more_than_the_base_is_marked() -> None:
    fresh, stuck = "a b c d e f g h i j k l", "no " * 30
    assert repeated([fresh] * 4, [stuck] * 4, 10)
    assert repeated([fresh] * 4, [fresh] * 4, 10) is None
    assert repeated([stuck] * 4, [stuck] * 4, 10) is None  # the base does it too


def test_each_finding_is_one_sentence_with_its_step_and_figure() -> None:
    for finding in found(steps(30, loss=lambda i: 0.7 * 1.2**i, **{"logits/chosen": lambda i: 2.0 * i})):
        said = sentence(finding)
        assert f"step {finding.step}" in said
        assert f"{finding.value:.1f}" in said
        assert ("resume goes on" in said) == finding.stopped
