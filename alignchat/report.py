"""A report of all rounds of a model: one HTML file that opens offline, tables, plots, settings, versions.

The same scores give the same files byte for byte, but for the one date at which the report was made.
"""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from alignchat import charts, report_tables
from alignchat.charts import Drawing
from alignchat.errors import RoundError
from alignchat.evaluation import stats
from alignchat.evaluation.scorecard import Scorecard
from alignchat.evaluation.side_by_side import Row, chosen, rows
from alignchat.files import publish_folder
from alignchat.loop import Loop
from alignchat.report_tables import Table

TEMPLATE = Path(__file__).parent / "report.html"
# So many changes of each measure and round are shown, the worst and the best.
SHOWN = 5
LIBRARIES = (
    "alt-profanity-check",
    "gguf",
    "llama-cpp-python",
    "matplotlib",
    "numpy",
    "peft",
    "scikit-learn",
    "torch",
    "transformers",
    "trl",
    "vaderSentiment",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The texts of one measure whose scores changed most from the base to a round."""

    title: str
    worst: Sequence[Row]
    best: Sequence[Row]


def write(loop: Loop, out: Path, *, replace: bool = False) -> dict[str, Any]:
    """Write the report into a folder, a new one or in its place, and return where its parts are.

    Raise RoundError if there are no scores yet, or if the folder is there already and not to be replaced.
    """
    cards = loop.scorecards()
    if not cards:
        raise RoundError("There are no scores to report yet: evaluate --round 0, then report.")
    if out.exists() and not replace:
        raise RoundError(f"{out} is there already; give another --out, nothing was written.")
    tables, plots = _tables(loop, cards), _plots(loop, cards)
    facts = _facts(loop, cards)
    with publish_folder(out, replace=replace) as folder:
        _write(folder / "index.html", _html(loop, tables, plots, facts))
        _write(folder / "report.json", json.dumps(facts, indent=2, sort_keys=True) + "\n")
        for table in tables:
            _write(folder / "tables" / f"{table.name}.csv", table.csv())
            _write(folder / "tables" / f"{table.name}.md", table.markdown())
        for name, plot in plots.items():
            _write(folder / "plots" / f"{name}.svg", standalone(plot))
            (folder / "plots" / f"{name}.png").write_bytes(plot.png())
    return {
        "report": str(out / "index.html"),
        "tables": [str(out / "tables" / f"{table.name}.csv") for table in tables],
        "plots": [str(out / "plots" / f"{name}.png") for name in plots],
    }


def standalone(plot: Drawing) -> str:
    """Return a drawing as an SVG file of its own, in ink for light paper."""
    return plot.svg().replace("currentColor", "#1c1917")


def _tables(loop: Loop, cards: Sequence[Scorecard]) -> list[Table]:
    numbers = [card.round for card in cards]
    compared = [loop.compare_rounds(0, number) for number in numbers if number] if 0 in numbers else []
    found = [
        report_tables.scores(cards),
        report_tables.differences(compared),
        report_tables.parts(cards),
        report_tables.people(loop.arena.standings(loop.model.name)),
        report_tables.rounds(loop.list_rounds()),
        report_tables.held_out(loop.list_rounds()),
        report_tables.costs(cards),
    ]
    return [table for table in found if table.rows]


def _plots(loop: Loop, cards: Sequence[Scorecard]) -> dict[str, Drawing]:
    standings = loop.arena.standings(loop.model.name)
    rates = {s.player.round: s.against_base for s in standings.rounds if s.against_base}
    drawn = {
        "bars": charts.bars_chart(cards, "en"),
        "rounds": charts.scores_chart(cards, "en"),
        "regard_by_group": charts.groups_chart(cards, "en"),
        "honest_by_category": charts.categories_chart(cards, "en"),
        "side_effects": charts.side_effects_chart(cards, "en"),
        "win_rates": charts.win_rates_chart(rates, "en"),
    }
    return {name: drawing for name, drawing in drawn.items() if drawing.panels}


def _texts(loop: Loop, cards: Sequence[Scorecard]) -> list[Texts]:
    samples = {card.round: loop.samples(card.round) for card in cards}
    if 0 not in samples:
        return []
    found = []
    for number in [number for number in samples if number]:
        paired = rows(samples, base=0, other=number)
        for measure in dict.fromkeys(sample.measure for sample in samples[number]):
            worst = chosen(paired, order="worst", measure=measure)
            worse = [row for row in worst[:SHOWN] if row.change > 0]
            better = [row for row in worst[: -SHOWN - 1 : -1] if row.change < 0]
            found.append(Texts(title=f"{measure}, base to round {number}", worst=worse, best=better))
    return [texts for texts in found if texts.worst or texts.best]


def _facts(loop: Loop, cards: Sequence[Scorecard]) -> dict[str, Any]:
    """Return what the numbers depend on: model, settings and seeds of every round, data, versions."""
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": {"name": loop.model.name, "file": loop.model.path.name, "sha256": loop.model.sha256},
        "rounds": {
            str(number): {
                "settings": _plain(loop.rounds.get(number).settings),
                "dataset_sha256": loop.rounds.get(number).dataset_sha256,
                "dataset": _plain(loop.round(number).dataset),
            }
            for number in loop.rounds.numbers()
        },
        "scores": {
            str(card.round): {
                "settings": _plain(card.settings),
                "made_at": card.created_at,
                "prompt_sets": {
                    name: {"name": score.prompts, "sha256": score.prompts_sha256}
                    for name, score in card.scores.items()
                },
            }
            for card in cards
        },
        "intervals": {"level": stats.LEVEL, "resamples": stats.RESAMPLES},
        "versions": {"python": platform.python_version()} | dict(sorted(_versions().items())),
    }


def _versions() -> Mapping[str, str]:
    here = {dist.name.lower(): dist.version for dist in metadata.distributions() if dist.name}
    return {name: here[name.lower()] for name in LIBRARIES if name.lower() in here}


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def _html(loop: Loop, tables: Sequence[Table], plots: Mapping[str, Drawing], facts: Mapping[str, Any]) -> str:
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(
        facts=facts,
        settings=json.dumps({**facts, "made_at": None}, indent=2, sort_keys=True),
        tables=tables,
        plots={name: (plot.title, plot.svg()) for name, plot in plots.items()},
        texts=_texts(loop, loop.scorecards()),
        rounds=len(loop.rounds.numbers()) - 1,
    )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
