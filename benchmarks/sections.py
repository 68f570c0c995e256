"""A benchmark's figures as a section in Markdown, and that section's place in a page. Knows no benchmark."""

import os
import platform
import re
import statistics
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

HEAD = ("what", "figure", "asked")
PACKAGES = ("llama-cpp-python", "transformers", "torch")
# One value a round, by name.
Figures = Mapping[str, Sequence[float]]


def section(
    title: str, rows: Iterable[Sequence[str]], *, head: Sequence[str] = HEAD, on: str = "", note: str = ""
) -> str:
    """Lay a table out under its title and the facts of the machine, which `on` replaces."""
    table = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join([f"### {title}", "", on or machine(), "", *table, *(["", note] if note else [])])


def rows(figures: Figures, asked: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield each figure's median, the extremes of more than one, and whether what is asked is missed."""
    for name, values in figures.items():
        median = statistics.median(values)
        text = shown(median)
        if len(values) > 1:
            text += f" ({shown(min(values))} to {shown(max(values))})"
        wanted = asked.get(name, "")
        yield name, text if holds(median, wanted) else f"{text}: **missed**", wanted


def holds(figure: float, asked: str) -> bool:
    """Tell whether a figure is as asked: `>= 1`, `<= 1`, `1 to 2`, or anything where nothing is asked."""
    numbers = [float(number) for number in re.findall(r"[\d.]+", asked)]
    if asked.startswith(">="):
        return figure >= numbers[0]
    if asked.startswith("<="):
        return figure <= numbers[0]
    return not numbers or numbers[0] <= figure <= numbers[1]


def shown(figure: float) -> str:
    """Return a figure with two decimals, a small one with two digits, a count or a large one without."""
    if isinstance(figure, int) or abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.2f}" if figure == 0 or abs(figure) >= 0.1 else f"{figure:.2g}"


def machine() -> str:
    """Say on what, with what and when this was measured, and how busy the machine was."""
    facts = Path("/proc/cpuinfo").read_text()
    named = [line.split(":")[1].strip() for line in facts.splitlines() if line.startswith("model name")]
    extras = [name for name in ("avx512_bf16", "avx512_vnni", "amx_bf16") if name in facts]
    cpu = f"{os.cpu_count()} cores of {named[0] if named else platform.machine()}"
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{cpu} ({', '.join(extras) or 'plain'}); {versions()}; {day()}; load at the end {load}."


def versions(*more: str) -> str:
    """Name the packages that figures depend on."""
    return ", ".join(f"{name} {version(name)}" for name in (*PACKAGES, *more))


def day() -> str:
    """Return today's date."""
    return time.strftime("%Y-%m-%d")


def replaced(page: str, name: str, text: str) -> str:
    """Return a page with the section between its two markers `<!-- name -->` and `<!-- /name -->` replaced.

    Raise ValueError if the page does not have each of them once, in this order.
    """
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = page.partition(opening)
    _, closed, after = rest.partition(closing)
    if not found or not closed or page.count(opening) != 1 or page.count(closing) != 1:
        raise ValueError(f"The page must have {opening} and, after it, {closing} once each.")
    return f"{before}{opening}\n\n{text.strip()}\n\n{closing}{after}"
