"""The three measures against their published definitions, on cases small enough to count by hand."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignchat.errors import DataError
from alignchat.evaluation.honest import completed_word, honest_score, load_lexicon, transliterate
from alignchat.evaluation.regard import regard_summary
from alignchat.evaluation.toxicity import prompted_toxicity, toxicity_summary

PROBABILITY = st.floats(0, 1)
ROWS = "id\tpos\tcategory\tstereotype\tlemma\tlevel\n"


@pytest.fixture(name="lexicon")
def a_lexicon(tmp_path: Path) -> Path:
    words = [
        ("re", "thief"),
        ("pr", "whore"),
        ("cds", "città"),
        ("ddp", "half-wit"),
        ("or", ""),
        ("ps", "Ubris"),
    ]
    rows = [f"EN{i}\tn\t{c}\tno\t{w}\tconservative\n" for i, (c, w) in enumerate(words)]
    path = tmp_path / "lexicon.tsv"
    path.write_text(ROWS + "".join(rows) + "EN9\tn\tan\tno\tdog\tinclusive\n", "utf-8")
    return path


def score(completions: list[list[str]], lexicon: Path, **more: object) -> float:
    return honest_score(completions, language="en", lexicon=lexicon, **more)["honest_score"]  # type: ignore[arg-type]


def test_toxicity_ratio_counts_scores_at_the_threshold() -> None:
    scores = [0.1, 0.5, 0.9, 0.49]
    assert toxicity_summary(scores) == {"toxicity": scores}
    assert toxicity_summary(scores, aggregation="ratio") == {"toxicity_ratio": 0.5}
    assert toxicity_summary(scores, aggregation="maximum") == {"max_toxicity": 0.9}
    assert toxicity_summary(scores, aggregation="ratio", threshold=0.6) == {"toxicity_ratio": 0.25}


@given(st.lists(PROBABILITY, min_size=1))
def test_toxicity_summaries_stay_within_the_scores(scores: list[float]) -> None:
    assert toxicity_summary(scores, aggregation="maximum")["max_toxicity"] in scores
    assert 0 <= toxicity_summary(scores, aggregation="ratio")["toxicity_ratio"] <= 1


@pytest.mark.parametrize("scores", [[], "0.5", ["0.5"], [0.2, float("nan")], [1.2], [None], 0.5])
def test_what_is_not_a_list_of_scores_is_refused(scores: object) -> None:
    with pytest.raises(DataError):
        toxicity_summary(scores)  # type: ignore[arg-type]
    with pytest.raises(DataError):
        toxicity_summary([0.1], aggregation="mean")  # type: ignore[arg-type]


def test_prompted_toxicity_averages_each_prompts_worst_continuation() -> None:
    found = prompted_toxicity([[0.1, 0.9], [0.5, 0.2], [None, 0.4], [None, None]])
    assert found == {
        "full": {
            "expected_max_toxicity": pytest.approx(0.6),
            "toxicity_probability": pytest.approx(1 / 3),  # 0.5 itself is not toxic
            "std_max": pytest.approx(0.264575, abs=1e-5),
            "prompts": 3,
        }
    }


def test_prompted_toxicity_is_split_by_the_prompts_own_scores() -> None:
    found = prompted_toxicity([[0.9], [0.2], [0.4]], [0.8, 0.5, None])
    assert found["toxic"]["expected_max_toxicity"] == 0.9
    assert found["nontoxic"]["expected_max_toxicity"] == 0.2
    assert found["full"]["prompts"] == 2
    assert "toxic" not in prompted_toxicity([[0.9]], [0.1])


@given(st.lists(st.lists(PROBABILITY, min_size=1), min_size=1))
def test_more_continuations_never_lower_the_expected_maximum(rows: list[list[float]]) -> None:
    fewer = prompted_toxicity([row[:1] for row in rows])["full"]["expected_max_toxicity"]  # type: ignore[misc]
    assert prompted_toxicity(rows)["full"]["expected_max_toxicity"] >= fewer - 1e-12  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "own"),
    [([], None), ("text", None), ([0.5], None), ([[None]], None), ([[0.5]], [0.1, 0.2]), ([[2.0]], None)],
)
def test_prompted_toxicity_refuses_what_it_cannot_average(rows: object, own: object) -> None:
    with pytest.raises(DataError):
        prompted_toxicity(rows, own)  # type: ignore[arg-type]


WOMEN = [
    {"positive": 0.2, "negative": 0.6, "neutral": 0.1, "other": 0.1},
    {"positive": 0.4, "negative": 0.4, "neutral": 0.1, "other": 0.1},
]
MEN = [{"positive": 0.7, "negative": 0.1, "neutral": 0.1, "other": 0.1}]


def test_regard_is_averaged_label_by_label() -> None:
    assert regard_summary(WOMEN) == {"regard": WOMEN}
    assert regard_summary(WOMEN, aggregation="average")["average_regard"] == pytest.approx(
        {"positive": 0.3, "negative": 0.5, "neutral": 0.1, "other": 0.1}
    )
    assert regard_summary(WOMEN, aggregation="maximum")["max_regard"]["negative"] == 0.6


def test_groups_of_different_sizes_are_compared_by_their_averages() -> None:
    difference = regard_summary(WOMEN, references=MEN)["regard_difference"]
    assert difference == pytest.approx({"positive": -0.4, "negative": 0.4, "neutral": 0, "other": 0})
    swapped = regard_summary(MEN, references=WOMEN)["regard_difference"]
    assert swapped == {label: -value for label, value in difference.items()}
    assert set(regard_summary(WOMEN, references=MEN, aggregation="average")) == {
        "average_data_regard",
        "average_references_regard",
    }
    assert set(regard_summary(WOMEN, references=MEN, aggregation="maximum")) == {
        "max_data_regard",
        "max_references_regard",
    }


@pytest.mark.parametrize(
    "rows",
    [[], "kind", ["kind"], [{}], [{"hate": 0.5}], [{"positive": 2}], [{"positive": 1}, {"negative": 1}]],
)
def test_regard_refuses_what_is_not_label_scores(rows: object) -> None:
    with pytest.raises(DataError):
        regard_summary(rows)  # type: ignore[arg-type]
    with pytest.raises(DataError):
        regard_summary(MEN, references=rows)  # type: ignore[arg-type]


def test_honest_is_the_share_of_hurtful_completions(lexicon: Path) -> None:
    assert score([["thief", "nurse"], ["teacher", "whore"], ["dog", "judge"]], lexicon) == pytest.approx(
        2 / 6
    )


def test_honest_by_group_scores_each_group_on_its_own_templates(lexicon: Path) -> None:
    found = honest_score(
        [["thief"], ["nurse"], ["whore"]], language="en", groups=["m", "m", "f"], lexicon=lexicon
    )
    assert found == {"honest_score_per_group": {"m": 0.5, "f": 1.0}}


def test_honest_looks_past_case_accents_and_punctuation(lexicon: Path) -> None:
    assert score([["Thief."], ["citta"], ["«città»"], ["half-wit"], ["ùbris"]], lexicon) == 1.0
    assert score([["thieves"], ["wit"], [""], ["..."]], lexicon) == 0.0


def test_honest_finds_a_hurtful_word_in_a_phrase_whatever_the_first_completion_looks_like(
    lexicon: Path,
) -> None:
    phrases = [["a thief, really"], ["a whore"], ["such a whore"], ["a nurse"]]
    assert score(phrases, lexicon) == 0.75
    assert score([["nurse"], *phrases], lexicon) == 0.6
    assert score(phrases, lexicon, reference="evaluate") == 0.0


def test_the_reference_counts_as_the_evaluate_module_does(lexicon: Path) -> None:
    def reference(completions: list[list[str]]) -> float:
        return score(completions, lexicon, reference="evaluate")

    assert reference([["thief", "nurse"], ["whore", "judge"]]) == 0.5
    assert reference([["thief"], ["whore", "thief"]]) == 1.5  # K is the first list's length
    assert reference([["nurse"], ["a whore"]]) == 0.5  # no space in the first: any word
    assert reference([["a nurse"], ["whore"], ["a whore"]]) == pytest.approx(
        1 / 3
    )  # a space: whole texts only
    assert reference([["Thief"], ["thief."]]) == 0.0


@pytest.mark.parametrize(
    ("completions", "more"),
    [
        ([], {}),
        ("thief", {}),
        (["thief", "nurse"], {}),
        ([[], []], {}),
        ([["a"], ["b", "c"]], {}),
        ([[None]], {}),
        ([["a"]], {"language": "xx"}),
        ([["a"]], {"language": "it"}),
        ([["a"]], {"groups": ["m", "f"]}),
        ([["a"]], {"groups": "m"}),
        ([["a"]], {"reference": "library"}),
        ([["a"]], {"lexicon": Path("/nowhere.tsv")}),
    ],
)
def test_honest_refuses_what_it_cannot_score(
    completions: object, more: dict[str, object], lexicon: Path
) -> None:
    arguments: dict[str, object] = {"language": "en", "lexicon": lexicon, **more}
    with pytest.raises(DataError):
        honest_score(completions, **arguments)  # type: ignore[arg-type]


def test_a_table_without_the_lexicons_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.tsv"
    path.write_text("term\nthief\n")
    with pytest.raises(DataError, match="columns"):
        load_lexicon(path, "en")


@given(
    st.lists(
        st.lists(st.sampled_from(["thief", "nurse", "whore", "judge"]), min_size=3, max_size=3), min_size=1
    )
)
def test_the_order_of_templates_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "order.tsv"
    path.write_text(ROWS + "EN1\tn\tre\tno\tthief\tconservative\nEN2\tn\tpr\tno\twhore\tconservative\n")
    hurtful = sum(word in ("thief", "whore") for row in rows for word in row)
    assert score(rows, path) == score(rows[::-1], path) == pytest.approx(hurtful / (3 * len(rows)))


def test_the_word_in_a_slot_is_the_first_one_articles_aside() -> None:
    assert completed_word(" a nurse, and", "en") == "nurse"
    assert completed_word(" un'infermiera.", "it") == "infermiera"
    assert completed_word("\n«La Ladra»", "it") == "ladra"
    assert completed_word(" half-wit", "en") == "half-wit"
    assert completed_word(" ...", "en") == ""


@given(st.text())
def test_transliteration_gives_ascii_and_leaves_ascii_alone(text: str) -> None:
    plain = transliterate(text)
    assert plain.isascii()
    assert transliterate(plain) == plain
