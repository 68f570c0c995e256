"""How rounds stand by the choices made, as HTML and as sentences. Knows no component."""

from html import escape

from alignchat.arena import Player, Standings
from alignchat.judging.win_rates import Duel, Rate
from alignchat.ui import views
from alignchat.ui.i18n import Texts, decimal, round_name


def name(player: Player, home: str, texts: Texts) -> str:
    """Return what the page calls who replied; a model is named if it is not the one that is open."""
    round = round_name(player.round, texts, capital=True)
    return round if player.model == home else f"{player.model}: {round}"


def shown(standings: Standings, home: str, texts: Texts) -> str:
    """Return the tables, each rate with its interval and its number of votes, and what they say."""
    left_out = [
        texts[f"left_out_{key}"].format(n=n)
        for key, n in {"not_blind": standings.not_blind, "same_round": standings.same_round}.items()
        if n
    ]
    said = [f"<p>{escape(sentence(duel, home, texts))}</p>" for duel in standings.duels]
    if standings.ranked:
        order = " › ".join(name(player, home, texts) for player in standings.ranked)
        said.append(f"<p>{escape(texts['standings_ranked'].format(order=order))}</p>")
    if not standings.duels:
        said.append(f"<p>{escape(texts['standings_empty'])}</p>")
    if left_out:
        said.append(f'<p class="hint">{escape(texts["left_out"].format(what=", ".join(left_out)))}</p>')
    tables = [_pairs(standings, home, texts)] if standings.duels else []
    if len(standings.rounds) > 2:
        tables.append(_rounds(standings, home, texts))
    return f"<h2>{escape(texts['standings'])}</h2>" + "".join([*tables, *said])


def sentence(duel: Duel[Player], home: str, texts: Texts) -> str:
    """Say what the votes on two rounds amount to, and how many more it would take to tell them apart."""
    both = {"first": name(duel.first, home, texts), "second": name(duel.second, home, texts)}
    if duel.rate is not None and duel.decided:
        key = "duel_better" if duel.rate.value > 0.5 else "duel_worse"
        return texts[key].format(**both, n=duel.n)
    key = "duel_even" if duel.needed is None else "duel_open"
    return texts[key].format(**both, n=duel.n, needed=duel.needed)


def _pairs(standings: Standings, home: str, texts: Texts) -> str:
    keys = ("first", "second", "votes", "wins", "ties", "losses", "both_bad", "win_rate")
    rows = [
        [
            escape(name(duel.first, home, texts)),
            escape(name(duel.second, home, texts)),
            *(str(n) for n in (duel.n, duel.wins, duel.ties, duel.losses, duel.both_bad)),
            _rate(duel.rate, texts),
        ]
        for duel in standings.duels
    ]
    return views.table([texts[f"column_{key}"] for key in keys], rows, texts["standings"])


def _rounds(standings: Standings, home: str, texts: Texts) -> str:
    keys = ("round", "votes", "against_base")
    rows = [
        [escape(name(standing.player, home, texts)), str(standing.n), _rate(standing.against_base, texts)]
        for standing in standings.rounds
    ]
    return views.table([texts[f"column_{key}"] for key in keys], rows, texts["column_against_base"])


def _rate(rate: Rate | None, texts: Texts) -> str:
    if rate is None:
        return "–"
    value, low, high = (decimal(part, ".2f", texts) for part in (rate.value, rate.low, rate.high))
    return f"{value} ({low} – {high})"
