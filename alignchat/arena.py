"""Comparisons that can be blind, and how rounds stand by the choices made. Knows no engine and no screen.

A comparison is two completions of one conversation of its own; the one with the lesser id, which is
chance, is shown on the left. Whoever votes names the comparison and a side, so nothing that the page
holds tells whose reply it is; that the page hid it is written in the completions.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, TypeGuard, get_args

from alignchat.errors import DataError
from alignchat.judging.win_rates import ENOUGH, Duel, Outcome, Rate, Vote, against, duel
from feedback_store import (
    Choice,
    Completion,
    FeedbackStore,
    Verdict,
    new_id,
)

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
OUTCOMES: dict[Verdict, Outcome] = {
    "left": "first",
    "right": "second",
    "tie": "tie",
    "both_bad": "both_bad",
}


class Player(NamedTuple):
    """Who replied: a model's round, the base being round 0."""

    model: str
    round: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two replies to one prompt; `blind` if whose they are was hidden when they were shown."""

    id: str
    left: Completion
    right: Completion

    @property
    def blind(self) -> bool:
        """Tell whether both replies were shown without their makers."""
        return bool(self.left.sampling.get("blind") and self.right.sampling.get("blind"))

    @property
    def queued(self) -> bool:
        """Tell whether the replies were made for a label queue, which never says whose they are."""
        return bool(self.left.sampling.get("queue"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One round: its votes against all others, and its share of wins against the base."""

    player: Player
    wins: int
    ties: int
    losses: int
    both_bad: int
    against_base: Rate | None

    @property
    def n(self) -> int:
        """Count the votes that are in rates."""
        return self.wins + self.ties + self.losses


@dataclass(frozen=True, slots=True, kw_only=True)
class Standings:
    """All rounds by number, and each two that met; what was left out is counted.

    `ranked` are the rounds, the best first, once each has enough votes for that; empty before.
    """

    rounds: tuple[Standing, ...]
    duels: tuple[Duel[Player], ...]
    ranked: tuple[Player, ...]
    votes: int
    not_blind: int
    same_round: int

    def to_json(self) -> dict[str, Any]:
        """Return plain values, with `n` beside every rate."""
        return {
            "votes": self.votes,
            "left_out": {"not_blind": self.not_blind, "same_round": self.same_round},
            "ranked": [player._asdict() for player in self.ranked] or None,
            "rounds": [
                {
                    **_counts(standing),
                    **standing.player._asdict(),
                    "against_base": _plain(standing.against_base),
                }
                for standing in self.rounds
            ],
            "pairs": [
                {
                    "first": duel.first._asdict(),
                    "second": duel.second._asdict(),
                    **_counts(duel),
                    "win_rate": _plain(duel.rate),
                    "decided": duel.decided,
                    "votes_needed": duel.needed,
                }
                for duel in self.duels
            ],
        }


class Arena:
    """The comparisons in a store; safe to call from several threads."""

    def __init__(self, store: FeedbackStore) -> None:
        self._store = store

    def comparison(self, id: str) -> Comparison:
        """Return a comparison; raise DataError if there is none of that id with two replies to one prompt."""
        found = sorted(self._store.completions(conversation_id=id), key=lambda completion: completion.id)
        if len(found) != 2 or found[0].prompt != found[1].prompt:
            raise DataError("A choice is between two replies to the same prompt; compare them first.")
        return Comparison(id=id, left=found[0], right=found[1])

    def vote(
        self,
        comparison_id: str,
        verdict: Verdict | None,
        *,
        id: str | None = None,
        annotator: str = "local",
    ) -> Choice | None:
        """Say which side of a comparison is better; None takes back what this annotator said of it.

        `id` names this act: what may not have arrived can be sent again under it, and counts once. A vote
        is blind if the replies were shown so, and still are: in a queue always, else until the first vote.
        """
        shown = self.comparison(comparison_id)
        earlier = self._store.choices_ever(shown.left.id, annotator)
        if verdict is None:
            self._take_back(shown, annotator)
            return None
        if id is not None and id in earlier:
            return next(
                (choice for choice in self._store.choices(annotator=annotator) if choice.id == id), None
            )
        choice = Choice(
            id=id or new_id(),
            left_id=shown.left.id,
            right_id=shown.right.id,
            verdict=verdict,
            blind=shown.blind and (shown.queued or not earlier),
            annotator=annotator,
        )
        self._store.add(choice)
        return choice

    def makers(self, comparison_id: str, *, annotator: str = "local") -> tuple[Player, Player]:
        """Say whose the left and the right reply are, to one who has voted, or was told from the start."""
        shown = self.comparison(comparison_id)
        if shown.blind and (shown.queued or not self._store.choices_ever(shown.left.id, annotator)):
            raise DataError("Whose replies these are is told after the vote.")
        return player(shown.left), player(shown.right)

    def standings(self, model: str, *, all: bool = False) -> Standings:
        """Return how the rounds of a model stand against its base; `all` counts votes that were not blind."""
        counted: list[Vote[Player]] = []
        not_blind = same_round = 0
        for choice in self._store.choices():
            left, right = self._store.get(choice.left_id), self._store.get(choice.right_id)
            if not _made_here(left) or not _made_here(right):
                continue
            vote = Vote(player(left), player(right), OUTCOMES[choice.verdict])
            if vote.first == vote.second:
                same_round += 1
            elif all or choice.blind:
                counted.append(vote)
            else:
                not_blind += 1
        return _standings(counted, Player(model, 0), not_blind=not_blind, same_round=same_round)

    def _take_back(self, shown: Comparison, annotator: str) -> None:
        for id in self._store.choices_ever(shown.left.id, annotator):
            self._store.retract(id)


def player(completion: Completion) -> Player:
    """Return who made a completion."""
    return Player(completion.model, completion.round or 0)


def _made_here(record: object) -> TypeGuard[Completion]:
    return isinstance(record, Completion) and record.round is not None


def _standings(votes: Sequence[Vote[Player]], base: Player, *, not_blind: int, same_round: int) -> Standings:
    players = sorted({p for vote in votes for p in (vote.first, vote.second)})
    duels = tuple(duel(one, other, votes) for one, other in sorted({_later_first(vote) for vote in votes}))
    shares = _shares(players, base, votes, duels)
    rounds = tuple(_standing(p, duels, shares.get(p)) for p in players)
    told = len(rounds) > 1 and all(r.n >= ENOUGH and (r.player in shares or r.player == base) for r in rounds)
    order = sorted(players, key=lambda p: -shares[p].value if p in shares else -0.5) if told else []
    return Standings(
        rounds=rounds,
        duels=duels,
        ranked=tuple(order),
        votes=len(votes),
        not_blind=not_blind,
        same_round=same_round,
    )


def _later_first(vote: Vote[Player]) -> tuple[Player, Player]:
    later, earlier = sorted((vote.first, vote.second), key=lambda p: (p.round, p.model), reverse=True)
    return later, earlier


def _shares(
    players: Sequence[Player], base: Player, votes: Sequence[Vote[Player]], duels: Sequence[Duel[Player]]
) -> dict[Player, Rate]:
    """Return each one's share of wins against the base: by all votes if they allow it, else by their own."""
    decided = [vote for vote in votes if vote.outcome != "both_bad"]
    if len(players) > 2 and base in players and (fitted := against(players, base, decided)):
        return fitted
    own = {d.first: d.rate for d in duels if d.second == base}
    return {p: rate for p, rate in own.items() if rate}


def _standing(who: Player, duels: Sequence[Duel[Player]], share: Rate | None) -> Standing:
    own = [(d, True) for d in duels if d.first == who] + [(d, False) for d in duels if d.second == who]
    return Standing(
        player=who,
        wins=sum(d.wins if first else d.losses for d, first in own),
        ties=sum(d.ties for d, _ in own),
        losses=sum(d.losses if first else d.wins for d, first in own),
        both_bad=sum(d.both_bad for d, _ in own),
        against_base=share,
    )


def _counts(of: Standing | Duel[Player]) -> dict[str, int]:
    return {key: getattr(of, key) for key in ("n", "wins", "ties", "losses", "both_bad")}


def _plain(rate: Rate | None) -> dict[str, float] | None:
    return None if rate is None else {key: round(value, 6) for key, value in asdict(rate).items()}
