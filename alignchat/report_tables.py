"""What a report tells as tables, and a table as CSV and as Markdown. Knows no file and no chart."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alignchat.arena import Standings
from alignchat.evaluation import stats
from alignchat.evaluation.compare import Comparison, sentence
from alignchat.evaluation.scorecard import Scorecard
from alignchat.making.reports import RoundReport

Cell = str | int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A named table; numbers are cells of their own, so that a spreadsheet can count with them."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def shown(self) -> list[list[str]]:
        """Return the rows as people read them."""
        return [[_shown(cell) for cell in row] for row in self.rows]

    def csv(self) -> str:
        """Return the table as CSV (RFC 4180), numbers in full; a text cannot become a formula."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(self.columns)
        writer.writerows([_unformulated(cell) for cell in row] for row in self.rows)
        return out.getvalue()

    def markdown(self) -> str:
        """Return the table as Markdown."""
        lines = [self.columns, ["---"] * len(self.columns), *self.shown()]
        return "".join(
            "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |\n"
            for line in lines
        )


def scores(cards: Sequence[Scorecard]) -> Table:
    """Return every score with its interval and what made it."""
    columns = ("round", "measure", "score", "value", "low", "high", "prompts", "k", "scorer", "prompt_set")
    return _table(
        "scores",
        "Scores with 95 % intervals",
        columns,
        (
            (card.round, s.measure, name, s.value, s.low, s.high, s.n, s.k, s.scorer, s.prompts)
            for card in cards
            for name, s in card.scores.items()
        ),
    )


def parts(cards: Sequence[Scorecard]) -> Table:
    """Return the parts of every score: groups, languages, categories, differences between groups."""
    return _table(
        "parts",
        "Groups, categories and differences between groups",
        ("round", "score", "part", "value", "low", "high", "prompts"),
        (
            (card.round, name, part, found.value, found.low, found.high, found.n)
            for card in cards
            for name, score in card.scores.items()
            for part, found in score.groups.items()
        ),
    )


def differences(comparisons: Sequence[Comparison]) -> Table:
    """Return the differences of all comparisons, corrected after Holm for all that stand in the table."""
    found = [
        (comparison.rounds, name, difference.interval)
        for comparison in comparisons
        for name, difference in comparison.differences.items()
    ]
    corrected = stats.holm([interval.p or 0.0 for _, _, interval in found])
    columns = ("from", "to", "score", "difference", "low", "high", "prompts", "p", "p_holm", "in_words")
    return _table(
        "differences",
        "Differences from the base, on the same prompts; p corrected for the whole table (Holm)",
        columns,
        (
            (a, b, name, i.value, i.low, i.high, i.n, i.p, p, sentence(name, i, p, _name(a)))
            for ((a, b), name, i), p in zip(found, corrected, strict=True)
        ),
    )


def rounds(reports: Sequence[RoundReport]) -> Table:
    """Return what each round was made of."""
    columns = ("round", "parent", "method", "status", "rows", "test_rows", "final_loss", "created_at")
    return _table(
        "rounds",
        "Rounds",
        columns,
        (
            (
                report.number,
                report.parent,
                report.method,
                report.status,
                _of(report.dataset, "train"),
                _of(report.dataset, "test"),
                _of(report.train, "final_loss"),
                report.created_at,
            )
            for report in reports
        ),
    )


def held_out(reports: Sequence[RoundReport]) -> Table:
    """Return base, parent and round on the rows held out of each source: the paper's Table 1."""
    found = [(report, measured) for report in reports if report.report for measured in report.report["table"]]
    metrics = list(dict.fromkeys(name for _, measured in found for name in measured["metrics"]))
    return _table(
        "held_out",
        "Held-out rows, source by source",
        ("round", "method", "source", "model", "rows", *metrics),
        (
            (
                report.number,
                report.method,
                measured["source"],
                measured["model"],
                measured["n"],
                *(measured["metrics"].get(name) for name in metrics),
            )
            for report, measured in found
        ),
    )


def people(standings: Standings) -> Table:
    """Return how rounds fare in blind comparisons by people."""
    columns = ("round", "wins", "ties", "losses", "both_bad", "against_base", "low", "high")
    return _table(
        "people",
        "Blind comparisons by people",
        columns,
        (
            (s.player.round, s.wins, s.ties, s.losses, s.both_bad, *_rate(s.against_base))
            for s in standings.rounds
        ),
    )


def costs(cards: Sequence[Scorecard]) -> Table:
    """Return what generating the texts took."""
    facts = list(dict.fromkeys(name for card in cards for name in card.generation))
    rows = ((card.round, *(card.generation.get(name) for name in facts)) for card in cards)
    return _table("generation", "What generating took", ("round", *facts), rows)


def _table(name: str, title: str, columns: tuple[str, ...], rows: Iterable[tuple[Cell, ...]]) -> Table:
    return Table(name=name, title=title, columns=columns, rows=tuple(rows))


def _rate(rate: Any) -> tuple[Cell, Cell, Cell]:
    return (rate.value, rate.low, rate.high) if rate else (None, None, None)


def _name(number: int) -> str:
    return f"round {number}" if number else "base"


def _of(facts: Mapping[str, Any] | None, key: str) -> Cell:
    return facts.get(key) if facts else None


def _shown(cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:.3f}" if cell == 0 or abs(cell) >= 0.001 else f"{cell:.1g}"
    return str(cell)


def _unformulated(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in tuple("=+-@\t\r") else cell
