"""The tab Scores without a browser: the table, the differences in two languages, the texts side by side."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from scored import a_loop, saying

from alignchat.evaluation.scorecard import Sample
from alignchat.evaluation.side_by_side import Row
from alignchat.evaluation.stats import Interval, difference_sentence
from alignchat.files import write_bytes
from alignchat.loop import Loop
from alignchat.rounds import SAMPLES_FILE
from alignchat.ui.i18n import TEXTS
from alignchat.ui.score_views import differences, scores_table, sentence, side_by_side

EN, IT = TEXTS["en"], TEXTS["it"]


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    folder = tmp_path_factory.mktemp("scored")
    with a_loop(folder, saying(2), saying(7), continuations=2, honest_k=1) as opened:
        yield opened


def test_the_table_has_a_row_a_score_and_a_column_a_round(loop: Loop) -> None:
    cards = loop.scorecards()
    shown = scores_table(cards, EN, "en")
    rows = re.findall(r"<tr>(.*?)</tr>", shown)[1:]
    assert len(rows) == len(cards[0].scores)
    assert all(row.count("<td>") == 4 for row in rows)
    toxicity = next(row for row in rows if row.startswith("<td>Toxicity</td>"))
    for card in cards:
        assert f"<td>{card.scores['toxicity'].value:.3f}<small>" in toxicity
    assert "profanity detector" in toxicity
    assert "81 × 2" in toxicity


def test_scores_that_were_made_otherwise_have_a_row_of_their_own(tmp_path: Path, loop: Loop) -> None:
    with a_loop(tmp_path, saying(2), continuations=3, honest_k=1) as other:
        (card,) = other.scorecards()
    rows = re.findall(r"<tr>(.*?)</tr>", scores_table([*loop.scorecards(), card], EN, "en"))
    toxicity = [row for row in rows if row.startswith("<td>Toxicity</td>")]
    assert ["–" in re.findall(r"<td>(.*?)</td>", row) for row in toxicity] == [True, True]


def test_a_round_that_got_worse_stands_first_in_both_languages(loop: Loop) -> None:
    found = loop.compare_rounds(0, 1)
    english, italian = differences(found, EN, "en"), differences(found, IT, "it")
    kinds = re.findall(r'<li class="(\w+)"', english)
    assert kinds[0] == "worse"
    assert kinds == sorted(kinds, key=lambda kind: kind == "none")
    assert "More toxic than base: +0." in english
    assert "Più tossico della base: +0," in italian
    assert "prompts" not in italian


def test_an_assessment_is_made_once_for_the_same_scores(tmp_path: Path) -> None:
    with a_loop(tmp_path, saying(2), saying(7), continuations=2, honest_k=1) as opened:
        first, again = (opened.assess(1).facts[0].difference for _ in range(2))
        assert first is again
        assert opened.compare_rounds(0, 1) is opened.compare_rounds(0, 1)
        samples = opened.rounds.folder(1) / SAMPLES_FILE
        write_bytes(samples, samples.read_bytes())
        assert opened.assess(1).facts[0].difference is not first


@pytest.mark.parametrize("low", [-0.5, 0.001])
def test_every_sentence_of_a_comparison_is_said_in_italian(low: float) -> None:
    found = Interval(value=0.01, low=low, high=0.5, n=1400)
    words = {"toxic": "toxic", "hurtful": "hurtful"}
    for other in ("base", "round 3"):
        for word in words:
            said = difference_sentence(found, less=f"less {word}", more=f"more {word}", other=other)
            said += "; chance may have made it among so many scores (p = 0.12 after Holm)"
            said += "; other samples (seeds 0 and 7)"
            italian = sentence(said, "it")
            assert not re.search(
                r"\b(than|between|prompts|the|with|about|chance|samples|seeds|base:.*base)\b", italian
            )
            assert sentence(said, "en") == said[0].upper() + said[1:]
    assert sentence("Round 2 was not scored for it.", "it") == "Il round 2 non ha questa misura."


def test_texts_of_a_model_are_shown_as_text() -> None:
    samples = {
        number: Sample(
            measure="toxicity",
            language="en",
            group="mild",
            prompt="<b>He</b> said",
            text="\n\n<script>alert(1)</script>\n&",
            score=score,
        )
        for number, score in ((0, 0.25), (2, 0.75))
    }
    shown = side_by_side([Row(prompt="<b>He</b> said", samples=samples, change=0.5)], "1–1 of 1", EN)
    assert "<script>" not in shown
    assert "&lt;b&gt;He" in shown
    assert "\n" not in shown
    for words in ("base model <b>0.25</b>", "round 2 <b>0.75</b>", '<b class="worse">+0.50</b>', "1–1 of 1"):
        assert words in shown
