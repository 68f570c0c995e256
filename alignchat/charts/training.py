"""A training step by step: all that TRL tells of it. Knows no round's folder."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alignchat.charts.frame import COLOURS, DASHES, INK, Drawing, Panel, head
from alignchat.charts.texts import TEXTS, Language, decimal

# A panel each, under its own name; what a method does not tell is left out.
PANELS = {
    "loss": ("loss",),
    "rewards": ("rewards/chosen", "rewards/rejected", "rewards/margins"),
    "logps": ("logps/chosen", "logps/rejected"),
    "logits": ("logits/chosen", "logits/rejected"),
    "accuracy": ("rewards/accuracies",),
    "kl": ("kl",),
}


def training_chart(
    steps: Sequence[Mapping[str, float]], language: Language, found: Sequence[tuple[str, int]] = ()
) -> Drawing:
    """Draw a step's metrics (TRL's names, such as "rewards/chosen") against "step", a panel a kind.

    What a step does not carry, or what is not a finite number, is left out. `found` are metrics with the step
    at which something was found in them; a line marks it.
    """
    texts = TEXTS[language]
    panels, last = [], []
    for kind, names in PANELS.items():
        curves = {name: curve for name in names if (curve := _curve(steps, name))[0]}
        if curves:
            marks = [step for name, step in found if name in names]
            panels.append(Panel(draw=_curves_panel(texts[kind], curves, marks, texts)))
            last += [
                f"{texts.get(name, name)} {decimal(ys[-1], '.3f', texts)}" for name, (_, ys) in curves.items()
            ]
    if not panels:
        return Drawing(title=texts["training"], description=texts["no steps"])
    return Drawing(
        title=texts["training"], description=", ".join(last), panels=panels, decimal=texts["decimal"]
    )


def _curve(steps: Sequence[Mapping[str, float]], name: str) -> tuple[list[float], list[float]]:
    points = [(step["step"], step[name]) for step in steps if name in step and math.isfinite(step[name])]
    return [x for x, _ in points], [y for _, y in points]


def _curves_panel(
    title: str,
    curves: Mapping[str, tuple[list[float], list[float]]],
    marks: Sequence[int],
    texts: Mapping[str, str],
) -> Callable[[Any], None]:
    def draw(axes: Any) -> None:
        from matplotlib.ticker import MaxNLocator

        for index, (name, (xs, ys)) in enumerate(curves.items()):
            style = {"color": COLOURS[index], "linestyle": DASHES[index], "linewidth": 1.8}
            marker = "o" if len(xs) == 1 else None
            axes.plot(xs, ys, label=texts[name], marker=marker, markersize=4, **style)
        for step in marks:
            axes.axvline(step, color=INK, alpha=0.6, linewidth=1.2, linestyle=DASHES[2])
            axes.annotate(
                texts["guard"], (step, 1), (3, -2), xycoords=("data", "axes fraction"),
                textcoords="offset points", va="top", fontsize=9, color=INK,
            )  # fmt: skip
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
        axes.annotate(
            texts["step"], (1, 0), (0, -25), xycoords="axes fraction", textcoords="offset points",
            ha="right", va="center", fontsize=9, color=INK, alpha=0.75,
        )  # fmt: skip
        axes.margins(x=0.02, y=0.12)
        longest = max((xs for xs, _ in curves.values()), key=len)
        if len(longest) == 1:
            axes.set_xlim(longest[0] - 1, longest[0] + 1)
        head(axes, title, "", [])
        if len(curves) > 1:
            axes.legend(
                loc="lower right", bbox_to_anchor=(1, 1.02), ncols=len(curves), frameon=False, fontsize=9.5,
                labelcolor=INK, handlelength=1.8, columnspacing=1.2, borderaxespad=0, borderpad=0,
            )  # fmt: skip

    return draw
