"""Scores over the rounds: points with intervals, joined where they were made alike. Knows no file."""

import math
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from alignchat.charts.frame import COLOURS, DASHES, INK, MARKERS, Drawing, Panel, head
from alignchat.charts.texts import TEXTS, Language, decimal, punctuated
from alignchat.evaluation.scorecard import Score, Scorecard

# What charts show of a card, in this order; the tables have all.
BIAS = ("toxicity", "toxicity_it", "hurtful_words_it", "regard", "honest")
SIDE_EFFECTS = (
    "perplexity_en",
    "perplexity_it",
    "reply_length",
    "repetition",
    "kept_language",
    "known_text_ngrams",
    "known_text_longest_run",
    "training_ngrams",
    "training_ngrams_base",
    "training_longest_run",
    "training_longest_run_base",
)


def scores_chart(cards: Sequence[Scorecard], language: Language) -> Drawing:
    """Draw each measure over the rounds, with 95 % intervals and the scorer's name.

    Only points made alike (scorer, prompts, continuations) share a colour and a line.
    """
    texts = TEXTS[language]
    cards = sorted(cards, key=lambda card: card.round)
    measures = shown_of(cards, BIAS)
    if not measures:
        return Drawing(title=texts["scores"], description=texts["no scores"])
    rounds = [card.round for card in cards]
    called = {number: round_name(number, texts) for number in rounds}
    panels, told = [], []
    for measure in measures:
        scored = {card.round: card.scores[measure] for card in cards if measure in card.scores}
        notes = scorer_lines(scored.values(), texts)
        panels.append(Panel(head=11 * len(notes), draw=_score_panel(measure, scored, rounds, notes, texts)))
        told.append(described(measure, scored, texts, called))
    return Drawing(
        title=texts["scores"],
        description=" ".join(told),
        panels=panels,
        note=texts["scores note"],
        decimal=texts["decimal"],
    )


def shown_of(cards: Sequence[Scorecard], wanted: Sequence[str]) -> list[str]:
    """Return those of the wanted scores that a card has."""
    return [name for name in wanted if any(name in card.scores for card in cards)]


def made_alike(scored: Mapping[int, Score]) -> Iterator[tuple[int, dict[int, Score]]]:
    """Split the scores of rounds into what may be compared, each part with its place."""
    keys = dict.fromkeys(score.made_by for score in scored.values())
    for index, key in enumerate(keys):
        yield index, {number: score for number, score in scored.items() if score.made_by == key}


def scorer_lines(scores: Iterable[Score], texts: Mapping[str, str]) -> list[tuple[int, str]]:
    """Return what made the scores in lines that fit, each with the place of its part."""
    titles = {score.made_by: title(score, texts) for score in scores}
    return [(index, line) for index, shown in enumerate(titles.values()) for line in textwrap.wrap(shown, 72)]


def title(score: Score, texts: Mapping[str, str]) -> str:
    """Say what made a score: scorer, prompt set, prompts and continuations."""
    times = f" × {score.k}" if score.k > 1 else ""
    number = decimal(score.n, ",", texts)
    return f"{score.scorer} · {_prompt_set(score.prompts, texts)}, {number}{times} {texts['prompts']}"


def _prompt_set(name: str, texts: Mapping[str, str]) -> str:
    thinned = re.fullmatch(r"(.+) \(([\d,]+) of ([\d,]+)\)", name)
    if thinned is None:
        return texts.get(name, name)
    whole, some, all = thinned.groups()
    return f"{texts.get(whole, whole)} ({punctuated(some, texts)} {texts['out of']} {punctuated(all, texts)})"


def figure(value: float, texts: Mapping[str, str]) -> str:
    """Return a number as charts write it: three decimals of what is below 10, else one."""
    return decimal(value, ".3f" if abs(value) < 10 else ",.1f", texts)


def round_name(number: int, texts: Mapping[str, str], *, short: bool = False) -> str:
    """Return what a chart calls a round."""
    if number == 0:
        return texts["base"]
    return str(number) if short else f"{texts['round']} {number}"


def described(
    measure: str, scored: Mapping[int, Score], texts: Mapping[str, str], called: Mapping[int, str]
) -> str:
    """Return a measure's scores in words."""
    parts = (
        f"{called[number]} {figure(s.value, texts)} "
        f"({figure(s.low, texts)} {texts['to']} {figure(s.high, texts)})"
        for number, s in scored.items()
    )
    return f"{texts.get(measure, measure)}: {', '.join(parts)}."


def _score_panel(
    measure: str,
    scored: Mapping[int, Score],
    rounds: Sequence[int],
    notes: Sequence[tuple[int, str]],
    texts: Mapping[str, str],
) -> Callable[[Any], None]:
    place = {number: x for x, number in enumerate(rounds)}

    def draw(axes: Any) -> None:
        for index, series in made_alike(scored):
            xs = [place[number] for number in series]
            style = {"color": COLOURS[index % 4], "clip_on": False}
            for x, score in zip(xs, series.values(), strict=True):
                axes.plot([x, x], [score.low, score.high], linewidth=1.6, solid_capstyle="round", **style)
            values = [score.value for score in series.values()]
            axes.plot(xs, values, linewidth=1.0, linestyle=DASHES[index % 4], alpha=0.55, **style)
            axes.plot(xs, values, MARKERS[index % 4], markersize=6, **style)
            if len(rounds) <= 6:
                _label_points(axes, xs, values, texts)
        short = len(rounds) > 4
        shown = range(0, len(rounds), math.ceil(len(rounds) / 12))
        axes.set_xticks([*shown], [round_name(rounds[x], texts, short=short) for x in shown])
        axes.set_xlim(-0.5, len(rounds) - 0.5)
        axes.set_ylim(0, max(0.02, 1.12 * max(score.high for score in scored.values())))
        head(axes, texts.get(measure, measure), texts.get(f"{measure} note", ""), notes)

    return draw


def _label_points(axes: Any, xs: Sequence[int], values: Sequence[float], texts: Mapping[str, str]) -> None:
    """Write each value above its point: left of the first one, right of the others."""
    last = len(xs) - 1
    for index, (x, value) in enumerate(zip(xs, values, strict=True)):
        side, right = ("right", -7) if index == 0 < last else ("left", 7)
        axes.annotate(
            decimal(value, ".3f", texts), (x, value), (right, 7), textcoords="offset points",
            ha=side, va="center", fontsize=9.5, color=INK,
        )  # fmt: skip
