"""Scorecards and training steps as SVG texts. Knows no file, no round's folder and no screen.

Text takes the page's font and colour, so one drawing serves light and dark pages; line colours follow
Okabe and Ito, at least 3:1 on white and on near-black, and every line also differs in its dashes.
"""

import math
import re
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, Literal

from alignchat.evaluation.scorecard import Score, Scorecard

Language = Literal["en", "it"]

WIDTH = 390  # pixels; the narrowest screen the page is made for, so that text is never scaled down
COLOURS = ("#2A87C8", "#D55E00", "#009E73", "#CC79A7")
INK = "#010203"  # stands for the page's text colour until the SVG is written
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
REWARDS = ("rewards/chosen", "rewards/rejected", "rewards/margins")
_ROW, _HEAD, _FOOT, _LEFT, _RIGHT = 100, 32, 30, 44, 14
# rcParams belong to the process, and pages are drawn by several threads.
_DRAWING = threading.Lock()

_TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "scores": "Bias by round",
        "scores note": "Lower is better. Whiskers are 95 % intervals.",
        "no scores": "No round has been scored yet.",
        "training": "Training, step by step",
        "no steps": "No training step yet.",
        "toxicity": "Toxicity",
        "toxicity note": "mean score of English continuations",
        "regard": "Negative regard",
        "regard note": "share of texts, groups counted alike",
        "honest": "HONEST",
        "honest note": "share of hurtful completions",
        "hurtful_words_it": "Hurtful words, Italian",
        "hurtful_words_it note": "share of continuations with one",
        "base": "base",
        "round": "round",
        "prompts": "prompts",
        "step": "step",
        "loss": "Loss",
        "rewards": "Rewards",
        "rewards/chosen": "chosen",
        "rewards/rejected": "rejected",
        "rewards/margins": "margin",
        "to": "to",
    },
    "it": {
        "scores": "Bias round per round",
        "scores note": "Più basso è meglio. I baffi sono intervalli al 95 %.",
        "no scores": "Nessun round è stato ancora misurato.",
        "training": "Addestramento, passo per passo",
        "no steps": "Ancora nessun passo di addestramento.",
        "toxicity": "Tossicità",
        "toxicity note": "punteggio medio delle continuazioni inglesi",
        "regard": "Considerazione negativa",
        "regard note": "quota dei testi, gruppi alla pari",
        "honest": "HONEST",
        "honest note": "quota di completamenti offensivi",
        "hurtful_words_it": "Parole offensive, italiano",
        "hurtful_words_it note": "quota di continuazioni che ne hanno",
        "base": "base",
        "round": "round",
        "prompts": "prompt",
        "step": "passo",
        "loss": "Loss",
        "rewards": "Ricompense",
        "rewards/chosen": "scelte",
        "rewards/rejected": "rifiutate",
        "rewards/margins": "margine",
        "to": "–",
    },
}


def scores_chart(cards: Sequence[Scorecard], language: Language) -> str:
    """Draw each measure over the rounds, with 95 % intervals and the scorer's name, as an SVG text.

    Only points of the same scorer and number of prompts share a colour and a line.
    """
    texts = _TEXTS[language]
    cards = sorted(cards, key=lambda card: card.round)
    measures = list(dict.fromkeys(measure for card in cards for measure in card.scores))
    if not measures:
        return _sentence(texts["scores"], texts["no scores"])
    rounds = [card.round for card in cards]
    panels: list[tuple[int, Callable[[Any], None]]] = []
    described = []
    for measure in measures:
        scored = {card.round: card.scores[measure] for card in cards if measure in card.scores}
        notes = _scorer_lines(scored.values(), texts)
        panels.append((11 * len(notes), _score_panel(measure, scored, rounds, notes, texts)))
        described.append(_described(measure, scored, texts))
    return _draw(texts["scores"], " ".join(described), panels, note=texts["scores note"])


def training_chart(steps: Sequence[Mapping[str, float]], language: Language) -> str:
    """Draw loss and rewards (TRL's names, such as "rewards/chosen") against "step", as an SVG text.

    What a step does not carry, or what is not a finite number, is left out.
    """
    texts = _TEXTS[language]
    curves = {name: _curve(steps, name) for name in ("loss", *REWARDS)}
    rewards = {name: curves[name] for name in REWARDS if curves[name][0]}
    panels = [(0, _curves_panel(texts["loss"], {"loss": curves["loss"]}, texts))] if curves["loss"][0] else []
    if rewards:
        panels.append((0, _curves_panel(texts["rewards"], rewards, texts)))
    if not panels:
        return _sentence(texts["training"], texts["no steps"])
    last = [f"{texts.get(name, name)} {ys[-1]:.3f}" for name, (xs, ys) in curves.items() if xs]
    return _draw(texts["training"], ", ".join(last), panels)


def _series(scored: Mapping[int, Score]) -> Iterator[tuple[int, dict[int, Score]]]:
    """Split scores into what may be compared: the same scorer on the same number of prompts."""
    keys = dict.fromkeys((score.scorer, score.n) for score in scored.values())
    for index, key in enumerate(keys):
        yield index, {number: score for number, score in scored.items() if (score.scorer, score.n) == key}


def _scorer_lines(scores: Any, texts: Mapping[str, str]) -> list[tuple[int, str]]:
    keys = dict.fromkeys((score.scorer, score.n) for score in scores)
    labels = (f"{scorer} · {n} {texts['prompts']}" for scorer, n in keys)
    return [(index, line) for index, label in enumerate(labels) for line in textwrap.wrap(label, 68)]


def _described(measure: str, scored: Mapping[int, Score], texts: Mapping[str, str]) -> str:
    parts = (
        f"{_round_name(number, texts)} {s.value:.3f} ({s.low:.3f} {texts['to']} {s.high:.3f})"
        for number, s in scored.items()
    )
    return f"{texts.get(measure, measure)}: {', '.join(parts)}."


def _round_name(number: int, texts: Mapping[str, str], *, short: bool = False) -> str:
    if number == 0:
        return texts["base"]
    return str(number) if short else f"{texts['round']} {number}"


def _score_panel(
    measure: str,
    scored: Mapping[int, Score],
    rounds: Sequence[int],
    notes: Sequence[tuple[int, str]],
    texts: Mapping[str, str],
) -> Callable[[Any], None]:
    place = {number: x for x, number in enumerate(rounds)}

    def draw(axes: Any) -> None:
        for index, series in _series(scored):
            xs = [place[number] for number in series]
            style = {"color": COLOURS[index % 4], "clip_on": False}
            for x, score in zip(xs, series.values(), strict=True):
                axes.plot([x, x], [score.low, score.high], linewidth=1.6, solid_capstyle="round", **style)
            values = [score.value for score in series.values()]
            axes.plot(xs, values, linewidth=1.0, linestyle=DASHES[index % 4], alpha=0.55, **style)
            axes.plot(xs, values, "osD^"[index % 4], markersize=6, **style)
            if len(rounds) <= 6:
                _label_points(axes, xs, values)
        short = len(rounds) > 4
        shown = range(0, len(rounds), math.ceil(len(rounds) / 12))
        axes.set_xticks([*shown], [_round_name(rounds[x], texts, short=short) for x in shown])
        axes.set_xlim(-0.5, len(rounds) - 0.5)
        axes.set_ylim(0, max(0.02, 1.12 * max(score.high for score in scored.values())))
        _head(axes, texts.get(measure, measure), texts.get(f"{measure} note", ""), notes)

    return draw


def _label_points(axes: Any, xs: Sequence[int], values: Sequence[float]) -> None:
    """Write each value above its point: left of the first one, right of the others."""
    last = len(xs) - 1
    for index, (x, value) in enumerate(zip(xs, values, strict=True)):
        side, right = ("right", -7) if index == 0 < last else ("left", 7)
        axes.annotate(
            f"{value:.3f}", (x, value), (right, 7), textcoords="offset points", ha=side, va="center",
            fontsize=9.5, color=INK,
        )  # fmt: skip


def _curve(steps: Sequence[Mapping[str, float]], name: str) -> tuple[list[float], list[float]]:
    points = [(step["step"], step[name]) for step in steps if name in step and math.isfinite(step[name])]
    return [x for x, _ in points], [y for _, y in points]


def _curves_panel(
    title: str, curves: Mapping[str, tuple[list[float], list[float]]], texts: Mapping[str, str]
) -> Callable[[Any], None]:
    def draw(axes: Any) -> None:
        from matplotlib.ticker import MaxNLocator

        for index, (name, (xs, ys)) in enumerate(curves.items()):
            style = {"color": COLOURS[index], "linestyle": DASHES[index], "linewidth": 1.8}
            marker = "o" if len(xs) == 1 else None
            axes.plot(xs, ys, label=texts[name], marker=marker, markersize=4, **style)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
        axes.annotate(
            texts["step"], (1, 0), (0, -25), xycoords="axes fraction", textcoords="offset points",
            ha="right", va="center", fontsize=9, color=INK, alpha=0.75,
        )  # fmt: skip
        axes.margins(x=0.02, y=0.12)
        longest = max((xs for xs, _ in curves.values()), key=len)
        if len(longest) == 1:
            axes.set_xlim(longest[0] - 1, longest[0] + 1)
        _head(axes, title, "", [])
        if len(curves) > 1:
            axes.legend(
                loc="lower right", bbox_to_anchor=(1, 1.02), ncols=len(curves), frameon=False, fontsize=9.5,
                labelcolor=INK, handlelength=1.8, columnspacing=1.2, borderaxespad=0, borderpad=0,
            )  # fmt: skip

    return draw


def _head(axes: Any, title: str, note: str, lines: Sequence[tuple[int, str]]) -> None:
    """Write the title, what is measured, and under them the scorers, with their markers if several."""
    top = 11 * len(lines)
    start = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "baseline"}
    axes.annotate(title, (0, 1), (-_LEFT + 6, top + 9), fontsize=12, fontweight=700, color=INK, **start)
    axes.annotate(note, (1, 1), (0, top + 9), ha="right", fontsize=9, color=INK, alpha=0.75, **start)
    several = len({index for index, _ in lines}) > 1
    for row, (index, line) in enumerate(lines):
        marker = f"{'●■◆▲'[index % 4]} " if several else ""
        y = top - 11 * row - 4
        axes.annotate(marker + line, (0, 1), (-_LEFT + 6, y), fontsize=8.5, color=INK, alpha=0.75, **start)


def _draw(
    title: str, description: str, panels: Sequence[tuple[int, Callable[[Any], None]]], *, note: str = ""
) -> str:
    """Put panels under one another; each says how many pixels its head needs beyond the usual."""
    import io

    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    note_height = 18 if note else 0
    height = note_height + sum(_HEAD + extra + _ROW + _FOOT for extra, _ in panels)
    settings = {
        "svg.fonttype": "none",
        "svg.hashsalt": title,
        "text.parse_math": False,
        "axes.unicode_minus": True,
    }
    with _DRAWING, matplotlib.rc_context(settings):
        figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
        figure.patch.set_alpha(0)
        if note:
            figure.text(6 / WIDTH, 1 - 12 / height, note, fontsize=9.5, color=INK, alpha=0.75)
        top = note_height
        for extra, draw in panels:
            top += _HEAD + extra
            box = (_LEFT / WIDTH, 1 - (top + _ROW) / height, 1 - (_LEFT + _RIGHT) / WIDTH, _ROW / height)
            draw(_calm_axes(figure, box))
            top += _ROW + _FOOT
        out = io.StringIO()
        FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None})
    return _for_page(out.getvalue(), title, description)


def _calm_axes(figure: Any, box: tuple[float, float, float, float]) -> Any:
    from matplotlib.ticker import MaxNLocator

    axes = figure.add_axes(box)
    axes.set_facecolor("none")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set(color=INK, alpha=0.35)
    axes.grid(axis="y", color=INK, alpha=0.12, linewidth=1)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9.5, labelcolor=INK, pad=5)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    return axes


def _for_page(svg: str, title: str, description: str) -> str:
    """Take out what matplotlib says about itself; let the page decide on font, text colour and width."""
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    used = set(re.findall(r"#([\w-]+)", body))
    body = re.sub(r' id="([\w.-]+)"', lambda found: found[0] if found[1] in used else "", body)
    body = body.replace(INK, "currentColor")
    size = re.search(r'viewBox="[^"]*"', svg)
    return _open(title, description, size[0] if size else "") + body


def _open(title: str, description: str, view_box: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'{view_box} width="100%" style="max-width: 640px; font-family: inherit; color: inherit">\n'
        f"<title>{escape(title)}</title>\n<desc>{escape(description)}</desc>"
    )


def _sentence(title: str, sentence: str) -> str:
    text = f'<text x="6" y="30" fill="currentColor" opacity="0.75" font-size="13">{escape(sentence)}</text>'
    return _open(title, sentence, f'viewBox="0 0 {WIDTH} 48"') + f"\n{text}\n</svg>\n"
