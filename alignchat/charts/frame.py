"""The frame of every drawing: panels under one another, as an SVG that takes the page's font and colour, or
as a PNG. Knows no score.

One SVG serves light and dark pages; line colours follow Okabe and Ito, at least 3:1 on white and on
near-black, and what they tell apart also differs in dashes, marks or hatching.
"""

import io
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

WIDTH = 390  # pixels; the narrowest screen the page is made for, so that text is never scaled down
COLOURS = ("#2A87C8", "#D55E00", "#009E73", "#CC79A7")
INK = "#010203"  # stands for the page's text colour until the SVG is written
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
MARKS, MARKERS = "●■◆▲", "osD^"
LEFT = 44
_HEAD, _FOOT, _RIGHT = 32, 30, 14
# rcParams belong to the process, and pages are drawn by several threads.
_DRAWING = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A part of a drawing: what draws it on axes, their height and left margin, and what its head needs."""

    draw: Callable[[Any], None]
    height: int = 100
    left: int = LEFT
    head: int = 0
    foot: int = _FOOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A chart with its title, and a description for those who do not see it; without panels, a sentence."""

    title: str
    description: str
    panels: Sequence[Panel] = ()
    note: str = ""
    decimal: str = "."

    def svg(self) -> str:
        """Return the drawing as an SVG text for a page; the same drawing gives the same text."""
        if not self.panels:
            return _sentence(self.title, self.description)
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        out = io.StringIO()
        with _DRAWING, _settings(self.title):
            FigureCanvasSVG(self._figure()).print_svg(out, metadata={"Date": None})
        return _for_page(out.getvalue(), self.title, self.description)

    def png(self) -> bytes:
        """Return the drawing as a PNG on white, three pixels for one; without panels, no bytes."""
        if not self.panels:
            return b""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        out = io.BytesIO()
        with _DRAWING, _settings(self.title):
            figure = self._figure()
            figure.patch.set(facecolor="white", alpha=1)
            figure.set_dpi(216)
            FigureCanvasAgg(figure).print_png(out, metadata={"Software": None})
        return out.getvalue()

    def _figure(self) -> Any:
        from matplotlib.figure import Figure

        note_height = 18 if self.note else 0
        height = note_height + sum(_HEAD + panel.head + panel.height + panel.foot for panel in self.panels)
        figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
        figure.patch.set_alpha(0)
        if self.note:
            figure.text(6 / WIDTH, 1 - 12 / height, self.note, fontsize=9.5, color=INK, alpha=0.75)
        top = note_height
        for panel in self.panels:
            top += _HEAD + panel.head
            left, width = panel.left / WIDTH, 1 - (panel.left + _RIGHT) / WIDTH
            box = (left, 1 - (top + panel.height) / height, width, panel.height / height)
            panel.draw(_calm_axes(figure, box, self.decimal))
            top += panel.height + panel.foot
        return figure


def head(axes: Any, title: str, note: str, lines: Sequence[tuple[int, str]], left: int = LEFT) -> None:
    """Write the title, what is measured, and under them the scorers, with their markers if several."""
    top = 11 * len(lines)
    start = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "baseline"}
    axes.annotate(title, (0, 1), (-left + 6, top + 9), fontsize=12, fontweight=700, color=INK, **start)
    axes.annotate(note, (1, 1), (0, top + 9), ha="right", fontsize=9, color=INK, alpha=0.75, **start)
    several = len({index for index, _ in lines}) > 1
    for row, (index, line) in enumerate(lines):
        marker = f"{MARKS[index % 4]} " if several else ""
        y = top - 11 * row - 4
        axes.annotate(marker + line, (0, 1), (-left + 6, y), fontsize=8.5, color=INK, alpha=0.75, **start)


def _settings(title: str) -> Any:
    import matplotlib

    return matplotlib.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": title,
            "text.parse_math": False,
            "axes.unicode_minus": True,
            "hatch.linewidth": 1.2,
        }
    )


def _calm_axes(figure: Any, box: tuple[float, float, float, float], decimal: str) -> Any:
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    class Written(ScalarFormatter):
        def __call__(self, x: float, pos: int | None = None) -> str:
            return str(super().__call__(x, pos)).replace(".", decimal)

    axes = figure.add_axes(box)
    axes.set_facecolor("none")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set(color=INK, alpha=0.35)
    axes.grid(axis="y", color=INK, alpha=0.12, linewidth=1)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9.5, labelcolor=INK, pad=5)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(Written())
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
