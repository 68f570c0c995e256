"""What a round is trained on: rows by source, the balance of labels, lengths in tokens. Knows no row."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alignchat.charts.frame import COLOURS, DASHES, INK, Drawing, Panel, head
from alignchat.charts.texts import TEXTS, Language

LONGEST_NAME = 34


def data_chart(manifest: Mapping[str, Any], language: Language) -> Drawing:
    """Draw the manifest of a round's rows: sources, balance where replies are labelled, and lengths."""
    texts = TEXTS[language]
    if not manifest["train"] + manifest["test"]:
        return Drawing(title=texts["data"], description=texts["no rows"])
    sources = {
        texts.get(f"source {name}", name): facts["train"] + facts["test"]
        for name, facts in manifest["sources"].items()
    }
    labels = {texts[key]: manifest[key] for key in ("desirable", "undesirable")}
    bars = [(texts["rows by source"], sources)]
    if manifest["method"] == "kto":
        bars.append((texts["balance"], labels))
    panels = [_bars(title, counts) for title, counts in bars]
    panels.append(Panel(draw=_lengths(manifest["tokens"], manifest["method"], texts), foot=34))
    row = manifest["tokens"]["row"]
    told = [f"{title}: " + ", ".join(f"{name} {n}" for name, n in counts.items()) for title, counts in bars]
    told.append(f"{texts['lengths']}: {texts['median']} {row['median']:.0f}, {texts['longest']} {row['max']}")
    return Drawing(title=texts["data"], description=". ".join(told), panels=panels)


def _bars(title: str, counts: Mapping[str, int]) -> Panel:
    names = [_short(name) for name in counts]
    left = max(60, min(200, 12 + max(map(len, names)) * 6))

    def draw(axes: Any) -> None:
        for place, count in enumerate(counts.values()):
            axes.barh(place, count, height=0.62, color=COLOURS[place % 2], alpha=0.8)
            axes.annotate(
                str(count), (count, place), (6, 0), textcoords="offset points", va="center", fontsize=9.5,
                color=INK,
            )  # fmt: skip
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlim(0, max(1, 1.2 * max(counts.values())))
        axes.set_xticks([])
        axes.grid(axis="y", visible=False)
        head(axes, title, "", [], left=left)

    return Panel(draw=draw, height=22 * len(names) + 6, left=left, foot=12)


def _lengths(tokens: Mapping[str, Any], method: str, texts: Mapping[str, str]) -> Callable[[Any], None]:
    histogram = tokens["histogram"]
    names = ("desirable", "undesirable") if method == "kto" else ("chosen", "rejected")
    sides: Sequence[tuple[str, Sequence[int]]] = [
        (texts[name], histogram[key]) for name, key in zip(names, ("better", "worse"), strict=True)
    ]

    def draw(axes: Any) -> None:
        from matplotlib.ticker import MaxNLocator

        for index, (name, counts) in enumerate(sides):
            axes.stairs(
                counts, histogram["edges"], label=name, color=COLOURS[index], linestyle=DASHES[index],
                linewidth=1.8,
            )  # fmt: skip
        axes.set_xlim(0, tokens["limit"])
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
        axes.annotate(
            texts["tokens"], (1, 0), (0, -25), xycoords="axes fraction", textcoords="offset points",
            ha="right", va="center", fontsize=9, color=INK, alpha=0.75,
        )  # fmt: skip
        head(axes, texts["lengths"], "", [])
        axes.legend(
            loc="lower right", bbox_to_anchor=(1, 1.02), ncols=2, frameon=False, fontsize=9.5,
            labelcolor=INK, handlelength=1.8, columnspacing=1.2, borderaxespad=0, borderpad=0,
        )  # fmt: skip

    return draw


def _short(name: str) -> str:
    short = name.rpartition("/")[2]
    return short if len(short) <= LONGEST_NAME else f"{short[: LONGEST_NAME - 1]}…"
