"""The documents say what is so: commands can be typed as shown, links and pictures lead somewhere."""

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from alignchat import cli
from tests.tiny_models import write_llama

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = re.compile(r"^```sh\n[\s\S]*?^```$|^ {4,}\S.*$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
# What precedes a command's own arguments: variables, and the ways to start the application.
PROGRAM = re.compile(r"^(?:[A-Z_]+=\S+ )*(python -m alignchat|python app\.py|alignchat)(?: (.*))?$")


def commands(document: Path) -> Iterator[str]:
    """Give the lines of `sh` blocks and indented ones, continued lines joined, without comments."""
    text = document.read_text("utf-8").replace("\\\n", " ")
    for block in SHOWN.findall(text):
        for line in block.splitlines():
            with contextlib.suppress(ValueError):  # a quotation mark of prose
                yield shlex.join(shlex.split(line, comments=True))


def refusal(program: str, arguments: str) -> str:
    """Return what the application has against being called so; nothing where it begins or gives its help."""
    said, called = io.StringIO(), shlex.split(arguments)
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            cli.parse(["serve", *called] if program == "python app.py" else called)
        except SystemExit as ended:
            return said.getvalue() if ended.code else ""
    return ""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_shown_is_one_that_the_parser_takes(document: Path) -> None:
    found = [PROGRAM.match(command) for command in commands(document)]
    refused = [
        f"{match[0]}: {why}" for match in found if match and (why := refusal(match[1], match[2] or ""))
    ]
    assert refused == []


def test_a_command_that_is_none_would_be_noticed() -> None:
    assert "invalid choice" in refusal("alignchat", "round begin")
    assert "unrecognized arguments" in refusal("python -m alignchat", "round list --all")
    assert "unrecognized arguments" in refusal("python app.py", "round list")


def test_the_loop_in_python_runs_as_the_readme_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = re.findall(r"```python\n(.*?)```", DOCUMENTS[0].read_text("utf-8"), re.DOTALL)
    (loop,) = [block for block in shown if "Loop.open" in block]
    assert len(loop.splitlines()) <= 10
    model = write_llama(tmp_path / "tiny.gguf", tied=False)
    monkeypatch.setenv("ALIGNCHAT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ALIGNCHAT_MODEL", str(model))
    monkeypatch.setenv("ALIGNCHAT_CHAT__MAX_TOKENS", "8")
    monkeypatch.setenv("ALIGNCHAT_EVALUATION__LIMIT", "1")
    monkeypatch.setenv("ALIGNCHAT_EVALUATION__MEASURES", '["toxicity"]')
    exec(loop, {})
    assert "embedded" in capsys.readouterr().out


def anchors(document: Path) -> set[str]:
    """Return the names by which a document's headings are linked to."""
    text = re.sub(r"```.*?```", "", document.read_text("utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_and_picture_leads_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text("utf-8"), flags=re.DOTALL)
    dead = []
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


def test_every_document_is_linked_from_the_readme_and_every_picture_is_shown() -> None:
    everything = "".join(document.read_text("utf-8") for document in DOCUMENTS)
    readme = DOCUMENTS[0].read_text("utf-8")
    assert [path.name for path in DOCUMENTS[1:] if f"docs/{path.name}" not in readme] == []
    assert [path.name for path in (ROOT / "docs").glob("*.png") if path.name not in everything] == []


def test_the_guides_pictures_are_few_and_small() -> None:
    pictures = list((ROOT / "docs").glob("guide-*.png"))
    assert len(pictures) <= 6
    assert all(10_000 < picture.stat().st_size <= 150_000 for picture in pictures)
