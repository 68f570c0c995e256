"""Scores as bars with intervals, measure by measure, as the paper's Figure 6. Knows no file."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alignchat.charts.frame import COLOURS, INK, Drawing, Panel, head
from alignchat.charts.rounds import (
    BIAS,
    SIDE_EFFECTS,
    described,
    figure,
    made_alike,
    round_name,
    scorer_lines,
    shown_of,
)
from alignchat.charts.texts import TEXTS, Language
from alignchat.evaluation.scorecard import Score, Scorecard

HATCHES = ("", "//", "..", "xx")


def bars_chart(
    cards: Sequence[Scorecard], language: Language, names: Mapping[int, str] | None = None
) -> Drawing:
    """Draw a bar a round for each measure, the base first, with 95 % intervals and what made the scores.

    Bars of scores that were not made alike differ in colour and hatching. `names` are what to call rounds.
    """
    return _bars(cards, language, BIAS, "bars", "scores note", names or {})


def side_effects_chart(cards: Sequence[Scorecard], language: Language) -> Drawing:
    """Draw what alignment cost and what is known by heart, as `bars_chart` draws bias."""
    return _bars(cards, language, SIDE_EFFECTS, "side effects", "side effects note", {})


def _bars(
    cards: Sequence[Scorecard],
    language: Language,
    wanted: Sequence[str],
    title: str,
    note: str,
    names: Mapping[int, str],
) -> Drawing:
    texts = TEXTS[language]
    cards = sorted(cards, key=lambda card: card.round)
    measures = shown_of(cards, wanted)
    if not measures:
        return Drawing(title=texts[title], description=texts["no scores"])
    called = {card.round: names.get(card.round, round_name(card.round, texts)) for card in cards}
    panels, told = [], []
    for measure in measures:
        scored = {card.round: card.scores[measure] for card in cards if measure in card.scores}
        notes = scorer_lines(scored.values(), texts)
        draw = _panel(measure, scored, called, notes, texts)
        panels.append(Panel(draw=draw, height=20 * len(scored) + 6, left=86, head=11 * len(notes), foot=34))
        told.append(described(measure, scored, texts, called))
    return Drawing(
        title=texts[title],
        description=" ".join(told),
        panels=panels,
        note=texts[note],
        decimal=texts["decimal"],
    )


def _panel(
    measure: str,
    scored: Mapping[int, Score],
    called: Mapping[int, str],
    notes: Sequence[tuple[int, str]],
    texts: Mapping[str, str],
) -> Callable[[Any], None]:
    place = {number: y for y, number in enumerate(scored)}

    def draw(axes: Any) -> None:
        for index, part in made_alike(scored):
            for number, score in part.items():
                colour = COLOURS[index % 4]
                axes.barh(
                    place[number], score.value, height=0.62, color=colour, alpha=0.45 if number else 0.8,
                    hatch=HATCHES[index % 4], edgecolor=colour,
                )  # fmt: skip
                y = place[number]
                axes.plot([score.low, score.high], [y, y], color=INK, linewidth=1.5, clip_on=False)
                axes.annotate(
                    figure(score.value, texts), (score.high, y), (6, 0), textcoords="offset points",
                    va="center", fontsize=9.5, color=INK,
                )  # fmt: skip
        axes.set_yticks([*place.values()], [called[number] for number in place])
        axes.set_ylim(len(place) - 0.4, -0.6)
        lowest = min(0.0, *(score.low for score in scored.values()))
        # Room for the value after the longest whisker.
        axes.set_xlim(lowest * 1.1, max(0.01, 1.22 * max(score.high for score in scored.values())))
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", color=INK, alpha=0.12, linewidth=1)
        title, note = texts.get(measure, measure), texts.get(f"{measure} note", "")
        head(axes, title, note, notes, left=86)

    return draw
