"""Comparisons through the application: blindness, votes that come twice, undo, and the standings."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_rounds import add_round

from alignchat import config
from alignchat.arena import Player
from alignchat.engine import Adapter, Sampling, ScriptedEngine
from alignchat.errors import DataError
from alignchat.judging.win_rates import ENOUGH
from alignchat.loop import Loop
from feedback_store import Choice, Completion, FeedbackStore, Message, Verdict


def echo(messages: Sequence[Message], _: Sampling, adapter: Adapter | None) -> str:
    return f"{'tuned' if adapter else 'base'} says {messages[-1].content}"


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    with Loop.open(config.load(tmp_path), lambda: ScriptedEngine(echo)) as loop:
        add_round(loop)
        yield loop


def compared(loop: Loop, *, blind: bool = True, left: int = 1, right: int = 0) -> str:
    """Return the id of a comparison of two rounds."""
    *_, replies = loop.compare("hello", left=left, right=right, blind=blind)
    assert all(replies)
    return replies[0].conversation_id  # type: ignore[union-attr]


def side_of(loop: Loop, id: str, round: int) -> Verdict:
    return "left" if loop.arena.comparison(id).left.round == round else "right"


def prefer(loop: Loop, round: int, **how: bool) -> None:
    id = compared(loop, **how)
    loop.arena.vote(id, side_of(loop, id, round))


def test_sides_are_as_asked_for_unless_blind_and_then_by_chance(loop: Loop) -> None:
    shown = [loop.arena.comparison(compared(loop, blind=False)) for _ in range(8)]
    assert {(c.left.round, c.right.round, c.blind) for c in shown} == {(1, 0, False)}
    hidden = [loop.arena.comparison(compared(loop)) for _ in range(40)]
    assert {(c.left.round, c.right.round, c.blind) for c in hidden} == {(1, 0, True), (0, 1, True)}


def test_replies_stream_in_the_order_in_which_they_are_shown(loop: Loop) -> None:
    for _ in range(8):
        pictures = list(loop.compare("hello", left=1, right=0, blind=True))
        assert all(None not in picture for picture in pictures)  # neither side begins before the other
        left, right = pictures[-1]
        assert left is not None
        shown = loop.arena.comparison(left.conversation_id)
        assert right is not None
        assert (left.text, right.text) == (shown.left.text, shown.right.text)
        assert ("tuned" in left.text) == (shown.left.round == 1)


def test_a_vote_is_blind_by_what_the_server_knows_and_tells_who_it_was_only_afterwards(loop: Loop) -> None:
    id = compared(loop)
    with pytest.raises(DataError, match="after the vote"):
        loop.arena.makers(id)
    choice = loop.arena.vote(id, "left")
    assert choice is not None
    assert choice.blind
    makers = loop.arena.makers(id)
    assert {maker.round for maker in makers} == {0, 1}
    assert choice.chosen_id == loop.arena.comparison(id).left.id
    with pytest.raises(DataError, match="after the vote"):
        loop.arena.makers(id, annotator="anna")


def test_after_an_undo_the_replies_are_known_so_a_second_vote_is_not_blind(loop: Loop) -> None:
    id = compared(loop)
    loop.arena.vote(id, "left")
    assert loop.arena.vote(id, None) is None
    assert loop.feedback.stats()["choices"] == 0
    again = loop.arena.vote(id, "right")
    assert again is not None
    assert not again.blind
    other = loop.arena.vote(id, "right", annotator="anna")
    assert other is not None
    assert other.blind


def test_a_vote_sent_twice_counts_once_and_keeps_being_blind(loop: Loop) -> None:
    id = compared(loop)
    first = loop.arena.vote(id, "left", id="a" * 32)
    assert loop.arena.vote(id, "left", id="a" * 32) == first
    assert first is not None
    assert first.blind
    assert loop.feedback.stats()["choices"] == 1
    loop.arena.vote(id, None)
    loop.arena.vote(id, None)
    assert loop.feedback.stats()["choices"] == 0


def test_a_comparison_of_a_chat_or_of_nothing_is_refused(loop: Loop) -> None:
    *_, reply = loop.reply(None, "hello")
    for id in (reply.conversation_id, "nothing"):
        with pytest.raises(DataError, match="two replies to the same prompt"):
            loop.arena.vote(id, "left")


def test_standings_count_blind_votes_and_others_only_if_asked(loop: Loop) -> None:
    for _ in range(3):
        prefer(loop, 1)
    prefer(loop, 0)
    prefer(loop, 1, blind=False)
    loop.arena.vote(compared(loop), "tie")
    loop.arena.vote(compared(loop), "both_bad")
    loop.arena.vote(compared(loop, left=0, right=0), "left")
    told = loop.arena.standings(loop.model.name).to_json()
    assert (told["votes"], told["left_out"]) == (6, {"not_blind": 1, "same_round": 1})
    (pair,) = told["pairs"]
    assert (pair["first"]["round"], pair["second"]["round"]) == (1, 0)
    assert [pair[key] for key in ("n", "wins", "ties", "losses", "both_bad")] == [5, 3, 1, 1, 1]
    assert pair["win_rate"]["value"] == 0.7
    assert (pair["decided"], pair["votes_needed"], told["ranked"]) == (False, ENOUGH - 5, None)
    base, tuned = told["rounds"]
    assert base["against_base"] is None
    assert tuned["against_base"] == pair["win_rate"]
    assert loop.arena.standings(loop.model.name, all=True).duels[0].n == 6


def test_nothing_said_gives_no_standings_and_no_error(loop: Loop) -> None:
    told = loop.arena.standings(loop.model.name).to_json()
    assert (told["rounds"], told["pairs"], told["ranked"], told["votes"]) == ([], [], None, 0)


def votes_in(store: FeedbackStore, *results: tuple[int, int, Verdict]) -> None:
    for left, right, verdict in results:
        ids = []
        for round in (left, right):
            made = Completion(conversation_id="c", prompt=(), text="", model="starter", round=round)
            ids.append(store.add(made))
        store.add(Choice(left_id=ids[0], right_id=ids[1], verdict=verdict, blind=True))


def test_rounds_are_ranked_only_with_enough_votes_each(loop: Loop) -> None:
    store = loop._store
    votes_in(store, *[(1, 0, "left")] * 20, *[(1, 0, "right")] * 5)
    assert loop.arena.standings("starter").ranked == ()
    votes_in(store, *[(2, 1, "right")] * 20, *[(2, 1, "left")] * 15)
    assert loop.arena.standings("starter").ranked == ()
    votes_in(store, *[(2, 0, "left")] * 10)
    ranked = loop.arena.standings("starter").ranked
    assert ranked == (Player("starter", 1), Player("starter", 2), Player("starter", 0))


RESULTS = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.sampled_from(["left", "right", "tie", "both_bad"])),
    min_size=1,
    max_size=20,
)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RESULTS)
def test_swapping_the_two_rounds_mirrors_the_standings_exactly(
    tmp_path_factory: pytest.TempPathFactory, results: list[tuple[int, Verdict]]
) -> None:
    duels = []
    for base in (0, 1):
        with Loop.open(config.load(tmp_path_factory.mktemp("data"))) as loop:
            votes_in(loop._store, *((one ^ base, one ^ base ^ 1, verdict) for one, verdict in results))
            duels += loop.arena.standings("starter").duels
    one, other = duels
    assert (one.wins, one.ties, one.losses, one.both_bad) == (
        other.losses,
        other.ties,
        other.wins,
        other.both_bad,
    )
    assert (one.rate and one.rate.mirrored()) == other.rate
