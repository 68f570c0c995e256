"""The benchmarks' figures find their way into the pages; nothing is measured here."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import all as benchmarks
from benchmarks.sections import holds, replaced, rows, section

PAGE = "Before.\n\n<!-- one -->\n\nOld.\n\n<!-- /one -->\n\nBetween.\n\n<!-- two -->\nKept.\n<!-- /two -->\n"


def script(folder: Path, text: str) -> benchmarks.Job:
    path = folder / "script.py"
    path.write_text(text)
    return benchmarks.Job(command=(str(path),))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


@given(st.text(alphabet=st.characters(exclude_characters="<"), min_size=1))
def test_a_section_takes_the_old_ones_place_and_all_around_it_stays(text: str) -> None:
    once = replaced(PAGE, "one", text)
    assert once == PAGE.replace("Old.", text.strip())
    assert replaced(once, "one", text) == once


@pytest.mark.parametrize(
    "broken",
    [
        "",
        PAGE.replace("<!-- one -->", ""),
        PAGE.replace("<!-- /one -->", ""),
        "<!-- /one --><!-- one -->",
        2 * PAGE,
    ],
)
def test_a_page_without_one_place_for_a_section_is_refused(broken: str) -> None:
    with pytest.raises(ValueError, match="once each"):
        replaced(broken, "one", "New.")


def test_each_benchmark_has_one_place_and_each_place_its_benchmark() -> None:
    places = [
        name for page in benchmarks.PAGES for name in re.findall(r"<!-- (\w+) -->", page.read_text("utf-8"))
    ]
    assert sorted(places) == sorted(benchmarks.JOBS)
    for page in benchmarks.PAGES:
        for name in re.findall(r"<!-- (\w+) -->", page.read_text("utf-8")):
            replaced(page.read_text("utf-8"), name, "New.")


def test_each_script_that_measures_is_run_and_described() -> None:
    scripts = {
        path.name for path in benchmarks.HERE.glob("*.py") if 'if __name__ == "__main__"' in path.read_text()
    }
    assert scripts - {"all.py"} == {Path(job.command[0]).name for job in benchmarks.JOBS.values()}
    described = (benchmarks.HERE / "README.md").read_text("utf-8")
    assert [name for name in scripts - {"all.py"} if f"| `{name}` |" not in described] == []


def test_what_a_script_prints_is_written_with_the_time_it_took(tmp_path: Path, page: Path) -> None:
    job = script(tmp_path, "import sys; print('### Title'); print('busy', file=sys.stderr); sys.exit(1)")
    assert benchmarks.measure({"one": job}, [page]) == {}
    assert re.search(r"### Title\n\nTook \d+ s\.\n\n<!-- /one -->\n\nBetween\.", page.read_text())


def test_what_cannot_run_leaves_its_section_and_says_why(tmp_path: Path, page: Path) -> None:
    left = benchmarks.measure({"one": script(tmp_path, "raise SystemExit('It needs a GPU.')")}, [page])
    assert (left["one"].said, left["one"].broke, page.read_text()) == ("It needs a GPU.", False, PAGE)


def test_what_breaks_leaves_its_section_and_is_told_apart(tmp_path: Path, page: Path) -> None:
    left = benchmarks.measure(
        {"one": script(tmp_path, "print('### Half'[:2]); raise ValueError('so')")}, [page]
    )
    assert (left["one"].said, left["one"].broke, page.read_text()) == ("ValueError: so", True, PAGE)


def test_a_figure_is_shown_with_its_extremes_and_marked_where_it_misses() -> None:
    figures = {"ratio": [0.9, 0.95, 1.0], "share": [0.5], "texts": [4425]}
    assert list(rows(figures, {"ratio": ">= 0.95", "share": "0.75 to 1.25"})) == [
        ("ratio", "0.95 (0.90 to 1.00)", ">= 0.95"),
        ("share", "0.50: **missed**", "0.75 to 1.25"),
        ("texts", "4,425", ""),
    ]


@pytest.mark.parametrize(
    ("figure", "asked", "expected"),
    [
        (1, "<= 1", True),
        (1.1, "<= 1", False),
        (1, ">= 1", True),
        (0.9, ">= 1", False),
        (2, "0.75 to 1.25", False),
    ],
)
def test_what_is_asked_is_read_as_it_is_written(figure: float, asked: str, expected: bool) -> None:
    assert holds(figure, asked) is expected


def test_a_section_says_on_what_machine_it_was_measured() -> None:
    made = section("Title", [("what", "1", "2")])
    assert re.match(r"### Title\n\n\d+ cores of .+torch .+; \d{4}-\d\d-\d\d; load at the end", made)
    assert made.endswith("| what | figure | asked |\n| --- | --- | --- |\n| what | 1 | 2 |")
