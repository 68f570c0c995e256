"""Classifiers of the Transformers library as scorers: tiny ones with random weights, made here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alignchat.config import load
from alignchat.engine import ScriptedEngine
from alignchat.errors import DataError
from alignchat.evaluation import plan
from alignchat.evaluation.kept import KeptScores
from alignchat.evaluation.run import evaluate
from alignchat.evaluation.scorers import Classifier

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    *["the", "a", "man", "woman", "was", "is", "good", "bad", "kind", "cruel", "idiota", "stronzo"],
]
TEXTS = ["the man was cruel", "", "a woman", "the bad bad bad bad man is a cruel man", "the man was cruel"]

Make = Callable[..., Path]


@pytest.fixture(name="make", scope="module")
def a_maker_of_tiny_classifiers(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Write a BERT of one layer with the labels given, by name."""

    def make(*labels: str, name: str = "tiny", seed: int = 0, **config: Any) -> Path:
        import torch
        from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

        folder = tmp_path_factory.mktemp("classifier") / name
        folder.mkdir()
        (folder / "vocab.txt").write_text("\n".join(WORDS), "utf-8")
        BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)
        torch.manual_seed(seed)
        shape = BertConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=64,
            initializer_range=2.0,
            id2label=dict(enumerate(labels)),
            label2id={label: i for i, label in enumerate(labels)},
            **config,
        )
        BertForSequenceClassification(shape).save_pretrained(folder)
        return folder

    return make


def test_scores_are_those_of_the_librarys_own_pipeline(make: Make) -> None:
    from transformers import pipeline

    folder = make("nothate", "hate")
    judge = pipeline("text-classification", model=str(folder), top_k=None)
    wanted = [{row["label"]: row["score"] for row in rows} for rows in judge(TEXTS)]
    found = Classifier(folder, "tiny", ["hate"]).judge(TEXTS)
    assert [judged.score for judged in found] == pytest.approx([row["hate"] for row in wanted], abs=2e-5)
    assert found[0] == found[4]
    assert found[0] != found[3]


def test_labels_that_mean_toxic_are_added_up_and_independent_ones_are_not_made_to_share(make: Make) -> None:
    folder = make("LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3")
    one = Classifier(folder, "tiny", ["LABEL_2"])(TEXTS)
    both = Classifier(folder, "tiny", ["LABEL_2", "LABEL_3"]).judge(TEXTS)
    assert [b.score for b in both] == pytest.approx([b.labels["LABEL_2"] + b.labels["LABEL_3"] for b in both])
    assert [b.labels["LABEL_2"] for b in both] == one
    assert all(sum(b.labels.values()) == pytest.approx(1, abs=1e-4) for b in both)
    apart = make("rude", "cruel", problem_type="multi_label_classification")
    sums = [sum(judged.labels.values()) for judged in Classifier(apart, "tiny", ["rude"]).judge(TEXTS)]
    assert any(abs(total - 1) > 0.05 for total in sums)


def test_a_label_that_is_not_there_is_refused_with_those_that_are(make: Make) -> None:
    with pytest.raises(DataError, match="its labels are nothate, hate"):
        Classifier(make("nothate", "hate"), "tiny", ["toxic"])


def test_what_is_scored_once_is_looked_up_and_only_for_the_same_classifier(
    make: Make, tmp_path: Path
) -> None:
    kept = KeptScores(tmp_path / "cache" / "scores.sqlite")
    folder = make("nothate", "hate")
    scorer = Classifier(folder, "tiny", ["hate"], kept)
    first = scorer(TEXTS)
    identity = scorer.name.partition(":")[0]
    assert set(kept.get(identity, TEXTS)) == set(TEXTS)
    kept.put(identity, {TEXTS[0]: [0.25, 0.75]})
    assert Classifier(folder, "tiny", ["hate"], kept)(TEXTS) == [0.75, *first[1:4], 0.75]
    other = Classifier(make("nothate", "hate", seed=1), "tiny", ["hate"], kept)
    assert other(TEXTS)[0] != 0.75


def test_two_classifiers_of_one_name_are_told_apart(make: Make) -> None:
    names = {Classifier(make("no", "hate", seed=seed), "tiny", ["hate"]).name for seed in (1, 2)}
    assert len(names) == 2
    assert all(name.startswith("tiny@") and name.endswith(": hate") for name in names)


def test_an_evaluation_uses_the_classifiers_it_is_told_to(make: Make, tmp_path: Path) -> None:
    asked = load(
        tmp_path,
        evaluation={
            "toxicity_scorer": str(make("nothate", "hate", name="english")),
            "italian_scorer": str(make("LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3", name="italian")),
            "regard_scorer": str(make("positive", "neutral", "negative", "other", name="regard")),
            "limit": 6,
        },
    ).evaluation
    engine = ScriptedEngine(
        lambda messages, *_: " the bad man" if len(messages[0].content) % 2 else " a woman"
    )
    scores, samples, _ = evaluate(engine, measures=["toxicity", "regard"], settings=asked, data=tmp_path)
    assert scores["toxicity"].scorer.startswith("english@")
    assert scores["toxicity_it"].scorer.startswith("italian@")
    assert "hurtful_words_it" not in scores
    averages = [
        scores[name].value for name in ("regard", "regard_positive", "regard_neutral", "regard_other")
    ]
    assert sum(averages) == pytest.approx(1, abs=1e-4)
    regard = [sample for sample in samples if sample.measure == "regard"]
    assert scores["max_regard_other"].value == max(sample.labels["other"] for sample in regard)
    assert (tmp_path / plan.SCORES_FILE).exists()


def test_a_classifier_without_the_labels_of_regard_is_refused(make: Make) -> None:
    asked = load(evaluation={"regard_scorer": str(make("nothate", "hate"))}).evaluation
    with pytest.raises(DataError, match="is no regard classifier"):
        plan.tasks(["regard"], asked)


def test_a_classifier_that_is_not_here_says_how_to_get_it(tmp_path: Path) -> None:
    asked = load(evaluation={"toxicity_scorer": "some/classifier"}).evaluation
    with pytest.raises(DataError, match="bias-data get some/classifier"):
        plan.tasks(["toxicity"], asked, tmp_path)


@pytest.mark.parametrize("config", [None, "{}", '{"id2label": {"1": "hate"}}', "not json"])
def test_a_folder_that_is_no_classifier_is_refused(tmp_path: Path, config: str | None) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(DataError, match="holds no text classifier"):
        Classifier(tmp_path, "tiny", ["hate"])


@pytest.mark.parametrize("kept", [0, 1])
def test_damaged_weights_are_one_sentence(make: Make, kept: int) -> None:
    from safetensors.torch import load_file, save_file

    folder = make("nothate", "hate", name="damaged")
    path = folder / "model.safetensors"
    if kept:  # A head that is not there would be made of random numbers.
        save_file({k: v for k, v in load_file(path).items() if "classifier" not in k}, path, {"format": "pt"})
    else:
        path.write_bytes(b"\x08" + bytes(7) + b"{}")
    with pytest.raises(DataError, match=r"cannot be loaded|lacks weights"):
        Classifier(folder, "tiny", ["hate"])(["the man"])
