"""A file of a round that is gone, cut off, or of another shape: one sentence, and all else works on."""

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio
import pytest
from gradio.context import LocalContext
from starlette.requests import Request

from alignchat import cli, config, doctor
from alignchat.accounts import LOCAL
from alignchat.engine import ScriptedEngine
from alignchat.errors import DataError, RoundError
from alignchat.loop import Loop
from alignchat.rounds import (
    ADAPTER_FILE,
    ERROR_FILE,
    GUARD_FILE,
    PROGRESS_FILE,
    REPLIES_FILE,
    ROUND_FILE,
    SAMPLES_FILE,
    SCORECARD_FILE,
    STEPS_FILE,
    TRAIN_FILE,
)
from alignchat.ui import i18n, views
from alignchat.ui.people import PERSON
from alignchat.ui.shared import Page
from tests.made_rounds import add_round

SENTENCE = (
    r"Round {number} is damaged: .*{file} is missing or cannot be read; "
    r"put back a copy of it, or move the round's folder away\."
)
BROKEN = (
    "",
    "{",
    "[" * 5000,
    "[]",
    "3",
    '"x"',
    "null",
    "{}",
    '{"round": []}',
    '[{"step": []}]\n',
    "\ud800\xff",
)
OTHER_VERSIONS = (
    {"number": 1, "method": "kto"},
    {"number": "one", "parent": 0, "method": "kto", "model": "m", "model_path": "p", "model_sha256": "s"},
    {"number": 1, "parent": 0, "method": "rlhf", "model": "m", "model_path": "p", "model_sha256": "s"},
    {
        "number": 1,
        "parent": 0,
        "method": "kto",
        "model": "m",
        "model_path": "p",
        "model_sha256": "s",
        "new": 1,
    },
)


def opened(data: Path) -> Loop:
    return Loop.open(config.load(data), lambda: ScriptedEngine(lambda *_: "yes"))


def write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    with opened(tmp_path) as loop:
        for _ in range(2):
            add_round(loop)
        yield loop


def strip_of(loop: Loop) -> str:
    """Return the strip above the tabs, as a handler of the page that somebody opens would."""
    LocalContext.request.set(gradio.Request(Request({"type": "http", "headers": [], PERSON: LOCAL})))
    parts: dict[str, Any] = dict.fromkeys(("strip", "timer", "changed", "watched", "sets"))
    return Page(loop=loop, texts=i18n.TEXTS["it"], language="it", **parts).strip_now()


@pytest.mark.parametrize("number", [0, 1])
def test_a_round_that_cannot_be_read_is_shown_as_damaged_and_the_others_as_they_are(
    loop: Loop, tmp_path: Path, number: int
) -> None:
    file = loop.rounds.folder(number) / ROUND_FILE
    damages = [*BROKEN, *map(json.dumps, OTHER_VERSIONS), None]
    for damage in damages:
        file.unlink() if damage is None else write(file, damage)
        with opened(tmp_path) as again:
            shown = {report.number: report for report in again.list_rounds()}
            assert [*shown] == [0, 1, 2]
            assert [n for n in shown if shown[n].status == "damaged"] == [number]
            assert shown[2].status == "interrupted"
            assert [*again.reply(None, "hello")][-1].text == "yes"
            assert again.rounds.next_number() == 3
            sentence = shown[number].error or ""
            assert i18n.translated(sentence, "it").startswith(f"Il round {number} è danneggiato: ")
            assert "danneggiato" in views.rounds_table([*shown.values()], i18n.TEXTS["it"])
            for act in (again.resume_round, again.evaluate, again.assess):
                with pytest.raises(RoundError, match=SENTENCE.format(number=number, file=ROUND_FILE)):
                    act(number)
    found = [finding.found for finding in doctor._rounds(tmp_path / "rounds")]
    (named,) = (text for text in found if "cannot be read" in text)
    assert named.startswith(f"Round {number} of {loop.model.name} cannot be read: Round {number} is damaged")


def test_whatever_lies_in_a_rounds_files_the_rounds_are_listed_and_what_is_damaged_is_named(
    loop: Loop,
) -> None:
    folder, spare = loop.rounds.folder(1), loop.rounds.root / "spare"
    shutil.copytree(folder, spare)
    names = (
        *(ADAPTER_FILE, ERROR_FILE, GUARD_FILE, PROGRESS_FILE, REPLIES_FILE, SAMPLES_FILE, SCORECARD_FILE),
        *(STEPS_FILE, TRAIN_FILE, "dataset.json", "dataset.jsonl"),
    )
    for name in names:
        for damage in BROKEN:
            write(folder / name, damage)
            assert [report.number for report in loop.list_rounds()] == [0, 1, 2]
            assert [card.round for card in loop.scorecards()] == []
            for read in (
                loop.round,
                loop.steps,
                loop.sample_replies,
                loop.samples,
                loop.assess,
                loop.rounds.adapter,
            ):
                with suppress(RoundError, DataError):  # anything else fails the test
                    read(1)
        shutil.rmtree(folder)
        shutil.copytree(spare, folder)
    (folder / "dataset.jsonl").unlink()
    with pytest.raises(RoundError, match=SENTENCE.format(number=1, file="dataset.jsonl")):
        loop.preview("kto")


def test_what_lies_beside_the_rounds_is_no_round(loop: Loop) -> None:
    root = loop.rounds.root
    for name in ("0001-damaged", "00002", "3", "0004.old", "١٢٣٤"):
        shutil.copytree(root / "0001", root / name)
    (root / "0007").write_text("a file")
    assert loop.rounds.numbers() == [0, 1, 2]


@pytest.mark.parametrize(
    "damage",
    [
        *BROKEN,
        '{"round": 9}',
        '{"round": "1"}',
        '{"round": true}',
        '{"round": -1}',
        '{"round": 1.5}',
        '{"round": 2}',
    ],
)
def test_where_the_round_in_use_is_lost_the_base_talks_and_that_is_said_everywhere(
    loop: Loop, tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (loop.rounds.folder(2) / ADAPTER_FILE).unlink()
    active = loop.rounds.root / "active.json"
    write(active, damage)
    sentence = f"{active} is damaged or names a round that cannot talk, so the base model talks; choose which"
    with opened(tmp_path) as again:
        assert [*again.reply(None, "hello")][-1].round == 0
        assert (again.rounds.active_fault() or "").startswith(sentence)
        assert [report.number for report in again.list_rounds() if report.active] == [0]
        assert "perciò parla il modello di base" in strip_of(again)
    assert [found.found[:40] for found in doctor._rounds(tmp_path / "rounds")].count(str(active)[:40]) == 1
    assert cli.main(["--data", str(tmp_path), "round", "list", "--json"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith(sentence)
    assert [entry["number"] for entry in json.loads(said.out)] == [0, 1, 2]
    loop.rounds.activate(1)
    assert loop.rounds.active_fault() is None
    assert "parla il modello" not in strip_of(loop)
