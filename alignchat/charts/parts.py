"""Parts of a score by name, such as groups of people, as points with intervals. Knows no measure."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from alignchat.charts.frame import COLOURS, INK, MARKERS, MARKS, Drawing, Panel, head
from alignchat.charts.rounds import round_name, title
from alignchat.charts.texts import TEXTS, Language, decimal
from alignchat.evaluation.scorecard import Scorecard

_LEFT = 132


class Estimate(Protocol):
    """A value with its 95 % interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def groups_chart(cards: Sequence[Scorecard], language: Language) -> Drawing:
    """Draw negative regard by group of people, a panel an axis, the last round beside the first one."""
    return _of_score(cards, "regard", language, "groups", lambda name: ": " in name)


def categories_chart(cards: Sequence[Scorecard], language: Language) -> Drawing:
    """Draw the share of hurtful completions by the lexicon's category and by template group."""
    return _of_score(cards, "honest", language, "categories", lambda _: True)


def win_rates_chart(rates: Mapping[int, Estimate], language: Language) -> Drawing:
    """Draw each round's blind win rate against the base, with the line of one half."""
    texts = TEXTS[language]
    if not rates:
        return Drawing(title=texts["people"], description=texts["no people"])
    rows = {round_name(number, texts): {number: rate} for number, rate in rates.items()}
    draw = _panel(texts["people"], rows, [*rates], texts, single=True, middle=0.5)
    told = ", ".join(
        f"{name} {decimal(rate.value, '.2f', texts)} "
        f"({decimal(rate.low, '.2f', texts)} {texts['to']} {decimal(rate.high, '.2f', texts)})"
        for name, by_round in rows.items()
        for rate in by_round.values()
    )
    panel = Panel(draw=draw, height=24 * len(rows) + 6, left=_LEFT)
    return Drawing(
        title=texts["people"],
        description=told,
        panels=[panel],
        note=texts["people note"],
        decimal=texts["decimal"],
    )


def _of_score(
    cards: Sequence[Scorecard], measure: str, language: Language, key: str, wanted: Callable[[str], bool]
) -> Drawing:
    texts = TEXTS[language]
    scored = [card for card in sorted(cards, key=lambda card: card.round) if measure in card.scores]
    shown = _comparable(scored, measure)
    axes: dict[str, dict[str, dict[int, Estimate]]] = {}
    for card in shown:
        for name, part in card.scores[measure].groups.items():
            if wanted(name) and not name.startswith("difference"):
                axis, colon, rest = name.partition(": ")
                rows = axes.setdefault(axis if colon else "", {})
                rows.setdefault(rest if colon else name, {})[card.round] = part
    if not axes:
        return Drawing(title=texts[key], description=texts["no scores"])
    rounds = [card.round for card in shown]
    panels = [
        Panel(
            draw=_panel(_axis_name(axis, key, texts), rows, rounds, texts),
            height=20 * len(rows) + 8,
            left=_LEFT,
        )
        for axis, rows in axes.items()
    ]
    told = " ".join(_told(_axis_name(axis, key, texts), rows, texts) for axis, rows in axes.items())
    note = textwrap.shorten(title(shown[-1].scores[measure], texts), 74, placeholder=" …")
    return Drawing(title=texts[key], description=told, panels=panels, note=note, decimal=texts["decimal"])


def _comparable(cards: Sequence[Scorecard], measure: str) -> Sequence[Scorecard]:
    """Return the newest card, and before it the first one whose score was made alike."""
    if not cards:
        return []
    newest = cards[-1]
    alike = [card for card in cards if card.scores[measure].made_by == newest.scores[measure].made_by]
    return [newest] if alike[0] is newest else [alike[0], newest]


def _panel(
    title: str,
    rows: Mapping[str, Mapping[int, Estimate]],
    rounds: Sequence[int],
    texts: Mapping[str, str],
    *,
    single: bool = False,
    middle: float | None = None,
) -> Callable[[Any], None]:
    def draw(axes: Any) -> None:
        offsets = [0.0] if single or len(rounds) == 1 else [-0.17, 0.17]
        for y, by_round in enumerate(rows.values()):
            for number, part in by_round.items():
                index = 0 if single else rounds.index(number)
                at = y + offsets[index % len(offsets)]
                style = {"color": COLOURS[index % 4], "clip_on": False}
                axes.plot([part.low, part.high], [at, at], linewidth=1.6, solid_capstyle="round", **style)
                axes.plot([part.value], [at], MARKERS[index % 4], markersize=5, **style)
        if middle is not None:
            axes.axvline(middle, color=INK, alpha=0.5, linewidth=1)
            axes.set_xlim(0, 1)
        else:
            values = [part for by_round in rows.values() for part in by_round.values()]
            axes.set_xlim(min(0.0, *(p.low for p in values)), max(0.01, 1.05 * max(p.high for p in values)))
        names = [
            textwrap.shorten(texts.get(f"category {name}", name.replace("_", " ")), 22, placeholder="…")
            for name in rows
        ]
        axes.set_yticks(range(len(rows)), names)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", color=INK, alpha=0.12, linewidth=1)
        several = len(rounds) > 1 and not single
        marks = [f"{MARKS[i % 4]} {round_name(number, texts)}" for i, number in enumerate(rounds)]
        head(axes, title, "   ".join(marks) if several else "", [], left=_LEFT)

    return draw


def _axis_name(axis: str, key: str, texts: Mapping[str, str]) -> str:
    return texts.get(f"axis {axis}", axis) if axis else texts[f"{key} overall"]


def _told(title: str, rows: Mapping[str, Mapping[int, Estimate]], texts: Mapping[str, str]) -> str:
    parts = (
        f"{name}: "
        + ", ".join(
            f"{round_name(number, texts)} {decimal(part.value, '.3f', texts)}"
            for number, part in by_round.items()
        )
        for name, by_round in rows.items()
    )
    return f"{title}: {'; '.join(parts)}."
