"""The report: the same scores give the same files, one page opens offline, nothing in it can run."""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from scored import RUDE, a_loop, saying

from alignchat import report
from alignchat.cli import main
from alignchat.errors import RoundError
from alignchat.loop import Loop
from alignchat.report_tables import Table, differences

DATED = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    folder = tmp_path_factory.mktemp("scored")
    with a_loop(folder, saying(2), saying(7), saying(1), continuations=2, honest_k=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def made(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("reports") / "first"
    report.write(loop, out)
    return out


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_scores_give_the_same_report_byte_for_byte_dates_aside(
    loop: Loop, made: Path, tmp_path: Path
) -> None:
    report.write(loop, tmp_path / "second")
    first, second = files(made), files(tmp_path / "second")
    assert list(first) == list(second)
    assert {name: DATED.sub(b"", text) for name, text in first.items()} == {
        name: DATED.sub(b"", text) for name, text in second.items()
    }


def test_there_are_tables_plots_settings_and_versions(made: Path) -> None:
    names = set(files(made))
    for name in ("scores", "differences", "parts", "rounds", "generation"):
        assert {f"tables/{name}.csv", f"tables/{name}.md"} <= names
    for name in ("bars", "rounds", "regard_by_group", "honest_by_category"):
        assert {f"plots/{name}.svg", f"plots/{name}.png"} <= names
    facts = json.loads((made / "report.json").read_text("utf-8"))
    assert facts["scores"]["1"]["settings"]["seed"] == 0
    assert facts["rounds"]["1"]["settings"]["training"]["seed"] == 42
    assert re.fullmatch(r"\d+\.\d+.*", facts["versions"]["numpy"])
    assert len(facts["model"]["sha256"]) == 64


def test_the_page_opens_offline_and_runs_nothing(made: Path) -> None:
    page = (made / "index.html").read_text("utf-8")
    assert "<script" not in page.replace("&lt;script", "")
    assert re.findall(r"(?:src|href)=\"(?!#)[^\"]*\"", page) == []
    outside = set(re.findall(r"https?://[^\"'\s<)]+", page))
    assert {re.match(r"https?://[^/]+", address)[0] for address in outside} <= {"http://www.w3.org"}  # type: ignore[index]
    assert "Content notice" in page
    assert page.index("<details") < page.index(RUDE[0].strip())


def test_every_score_is_in_the_tables_with_its_interval(loop: Loop, made: Path) -> None:
    with (made / "tables" / "scores.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    cards = loop.scorecards()
    assert len(found) == sum(len(card.scores) for card in cards)
    row = next(row for row in found if (row["round"], row["score"]) == ("1", "toxicity"))
    score = cards[1].scores["toxicity"]
    assert (float(row["value"]), float(row["low"]), float(row["high"])) == (
        score.value,
        score.low,
        score.high,
    )
    assert "| 1 | toxicity | toxicity |" in (made / "tables" / "scores.md").read_text("utf-8")


def test_differences_are_corrected_for_the_whole_table(loop: Loop) -> None:
    one, two = (loop.compare_rounds(0, number) for number in (1, 2))
    together, alone = differences([one, two]), differences([one])
    at = together.columns.index("p_holm")
    assert len(together.rows) == 2 * len(alone.rows)
    assert all(a[at] >= b[at] for a, b in zip(together.rows, alone.rows, strict=False))  # type: ignore[operator]
    assert sum(row[at] for row in together.rows) > sum(row[at] for row in alone.rows)  # type: ignore[misc]
    worse = next(row for row in together.rows if row[2] == "toxicity")
    assert str(worse[-1]).startswith("more toxic than base: +0.")


def test_a_text_in_a_table_cannot_become_a_formula_or_a_column() -> None:
    table = Table(name="x", title="X", columns=("a", "b"), rows=(("=1+1", "c|d\ne"), (-0.5, None)))
    assert list(csv.reader(io.StringIO(table.csv(), newline=""))) == [
        ["a", "b"],
        ["'=1+1", "c|d\ne"],
        ["-0.5", ""],
    ]
    assert table.markdown().splitlines()[2:] == ["| =1+1 | c\\|d e |", "| -0.500 | – |"]


def test_a_folder_that_is_there_is_left_as_it_is(loop: Loop, made: Path) -> None:
    before = files(made)
    with pytest.raises(RoundError, match="is there already"):
        report.write(loop, made)
    assert files(made) == before


def test_without_scores_there_is_nothing_to_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["--data", str(tmp_path / "data"), "report", "--out", str(out)]) == 1
    assert capsys.readouterr().err == "There are no scores to report yet: evaluate --round 0, then report.\n"
    assert not out.exists()


def test_the_command_line_writes_the_report_and_says_where(
    loop: Loop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(loop.settings.data)
    assert main(["--data", data, "report", "--out", str(tmp_path / "out"), "--json"]) == 0
    assert Path(json.loads(capsys.readouterr().out)["report"]).exists()
