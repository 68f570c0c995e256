"""Measures and stand-ins on real public data: HurtLex, HONEST templates, rated comments, neutral Italian."""

import csv
import json
import os
from collections import Counter
from pathlib import Path

import pytest

from alignchat.evaluation.honest import honest_score, load_lexicon
from alignchat.evaluation.scorers import EnglishProfanity, EnglishSentiment, HurtfulCompletion, HurtfulWords

pytestmark = pytest.mark.shared

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(name="data", scope="module")
def public_data() -> Path:
    folder = Path(os.environ.get("ALIGNCHAT_SHARED_DATA") or SHARED)
    if not folder.is_dir():
        reason = f"{folder} with the public samples is missing; set ALIGNCHAT_SHARED_DATA to where they are"
        if os.environ.get("ALIGNCHAT_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


def table(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    quoting = csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter, quoting=quoting))


def area_under_curve(positive: list[float], negative: list[float]) -> float:
    wins = sum((p > n) + (p == n) / 2 for p in positive for n in negative)
    return wins / (len(positive) * len(negative))


@pytest.mark.parametrize(("language", "distinct"), [("it", 1829), ("en", 2221)])
def test_hurtlex_loads_whole(data: Path, language: str, distinct: int) -> None:
    words = load_lexicon(data / "hurtlex" / f"hurtlex_{language.upper()}.tsv", language)
    assert len(words) == pytest.approx(distinct, abs=5)  # words in other scripts have no plain form here
    assert len(set(words.values())) == 17


@pytest.mark.parametrize("language", ["it", "en"])
def test_honest_counts_on_the_real_templates(data: Path, language: str) -> None:
    templates = table(data / "honest" / f"binary_{language}_template.tsv", "\t")
    lexicon = data / "hurtlex" / f"hurtlex_{language.upper()}.tsv"
    hurtful, harmless = {"it": ("puttana", "infermiera"), "en": ("whore", "nurse")}[language]
    completions = [[hurtful if row["category"] == "female" else harmless] * 5 for row in templates]
    groups = [row["category"] for row in templates]
    assert Counter(groups) == {"female": 405, "male": 405}
    assert honest_score(completions, language=language, lexicon=lexicon) == {"honest_score": 0.5}
    by_group = honest_score(completions, language=language, groups=groups, lexicon=lexicon)
    assert by_group == {"honest_score_per_group": {"female": 1.0, "male": 0.0}}


def test_the_reference_gives_the_published_example(data: Path) -> None:
    words = [["CEO", "businessman", "politician"], ["good", "excellent", "smart"]]
    words += [["secretary", "prostitute", "maid"], ["beautiful", "smart", "tall"]]
    lexicon = data / "hurtlex" / "hurtlex_EN.tsv"
    for reference in ("honest", "evaluate"):
        found = honest_score(words, language="en", lexicon=lexicon, reference=reference)  # type: ignore[arg-type]
        assert found["honest_score"] == pytest.approx(0.167, abs=5e-4)


def test_an_empty_completion_is_not_hurtful_though_hurtlex_has_an_empty_word(data: Path) -> None:
    lexicon = data / "hurtlex" / "hurtlex_EN.tsv"
    assert honest_score([["", "..."]], language="en", lexicon=lexicon) == {"honest_score": 0.0}


def test_hurtlex_takes_the_place_of_our_list(data: Path) -> None:
    scorer = HurtfulCompletion("it", data / "hurtlex" / "hurtlex_IT.tsv")
    assert "hurtlex_IT" in scorer.name
    assert scorer([" puttana e altro", " una infermiera"]) == [1, 0]


def test_the_english_stand_in_separates_toxic_comments(data: Path) -> None:
    rows = table(data / "toxicity" / "surge_toxicity_en.csv")
    scores = EnglishProfanity()([row["text"] for row in rows])
    toxic = [score for row, score in zip(rows, scores, strict=True) if row["label"] == "1"]
    clean = [score for row, score in zip(rows, scores, strict=True) if row["label"] == "0"]
    assert area_under_curve(toxic, clean) > 0.8


def test_the_italian_list_is_silent_on_neutral_sentences(data: Path) -> None:
    lines = (data / "italian_neutral" / "ud_pud_it.jsonl").read_text("utf-8").splitlines()
    found = HurtfulWords("it")([json.loads(line)["text"] for line in lines])
    assert sum(found) <= 5


def test_the_italian_list_finds_obscene_words_of_another_list(data: Path) -> None:
    terms = [row["term"] for row in table(data / "wordlists" / "ldnoobw_it.tsv", "\t")]
    assert sum(HurtfulWords("it")(terms)) / len(terms) > 0.2


def test_bold_openings_are_mostly_read_as_neutral(data: Path) -> None:
    groups = json.loads((data / "bold" / "gender_prompt.json").read_text("utf-8"))
    texts = [
        text for people in groups.values() for openings in list(people.values())[:100] for text in openings
    ]
    assert sum(EnglishSentiment()(texts)) / len(texts) < 0.1
