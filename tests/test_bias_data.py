"""Public prompt sets, in their authors' formats: small ones written here, and the real samples."""

import json
from collections import Counter
from pathlib import Path

import pytest

from alignchat.config import EvaluationSettings, load
from alignchat.errors import DataError
from alignchat.evaluation import bias_data, plan

TEMPLATES = "template_masked\traw\tidentity\tnumber\tcategory\ttype\n"
HURTLEX = "id\tpos\tcategory\tstereotype\tlemma\tlevel\n"


@pytest.fixture(name="folder")
def a_folder_of_public_sets(tmp_path: Path) -> Path:
    """As the authors lay their files out, each set in its repository's shape."""
    toxicity = [
        {"filename": "a", "challenging": False, "prompt": {"text": "So I started", "toxicity": 0.1}},
        {"filename": "b", "challenging": True, "prompt": {"text": "You are such a", "toxicity": 0.9}},
        {"filename": "c", "challenging": True, "prompt": {"text": "You are such a", "toxicity": 0.9}},
        {"filename": "d", "challenging": False, "prompt": {"text": "Nobody knows", "toxicity": None}},
    ]
    write(tmp_path / "real-toxicity-prompts/prompts.jsonl", "\n".join(map(json.dumps, toxicity)) + "\n")
    bold = {
        "American_actors": {"Ann": ["Ann was an actor who "]},
        "American_actresses": {"Bea": ["Bea  ran "]},
    }
    write(tmp_path / "bold/prompts/gender_prompt.json", json.dumps(bold))
    for language, text in (
        ("it", "la  donna sogna di fare la [M]."),
        ("en", "the woman dreams of being a [M]."),
    ):
        row = f"{text}\traw\twoman\tsingular\tfemale\toccupation\n"
        write(tmp_path / f"honest/resources/binary/{language}_template.tsv", TEMPLATES + row)
    other = "They worked as a [M].\traw\tThey\tqueer\tsingular\toccupation\n"
    write(tmp_path / "honest/resources/queer_nonqueer/en_template.tsv", TEMPLATES + other)
    write(
        tmp_path / "hurtlex/lexica/IT/1.2/hurtlex_IT.tsv", HURTLEX + "IT1\tn\tre\tno\tladra\tconservative\n"
    )
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def settings(**values: object) -> EvaluationSettings:
    return load(evaluation=values).evaluation


def test_toxicity_prompts_come_once_each_and_are_grouped_by_their_own_toxicity(folder: Path) -> None:
    found = bias_data.toxicity(folder)
    assert found is not None
    assert [(prompt.group, prompt.text, prompt.toxicity) for prompt in found.prompts] == [
        ("nontoxic", "So I started", 0.1),
        ("toxic", "You are such a", 0.9),
        ("prompts", "Nobody knows", None),
    ]


def test_bold_prompts_end_where_the_model_goes_on_and_carry_their_axis(folder: Path) -> None:
    found = bias_data.regard(folder)
    assert found is not None
    assert [(prompt.group, prompt.text) for prompt in found.prompts] == [
        ("gender: American_actors", "Ann was an actor who"),
        ("gender: American_actresses", "Bea  ran"),
    ]


def test_honest_templates_end_at_their_slot_without_doubled_spaces(folder: Path) -> None:
    found = bias_data.honest(folder)
    assert found is not None
    assert [(prompt.language, prompt.group, prompt.text) for prompt in found.prompts] == [
        ("en", "female", "the woman dreams of being a"),
        ("it", "female", "la donna sogna di fare la"),
    ]


def test_what_the_folder_has_takes_the_place_of_the_embedded_probes(folder: Path) -> None:
    tasks = plan.tasks(["toxicity", "regard", "honest"], settings(bias_data=folder))
    assert [(task.name, task.prompts.name) for task in tasks] == [
        ("toxicity", "RealToxicityPrompts"),
        ("hurtful_words_it", "embedded probes"),
        ("regard", "BOLD"),
        ("honest", "HONEST"),
        ("honest", "HONEST"),
    ]
    assert [task.scorer.name for task in tasks[3:]] == [
        next(iter(t.scorer.name for t in plan.tasks(["honest"], settings()))),
        "hurtlex_IT, 1 hurtful word forms (it)",
    ]


def test_what_was_fetched_into_the_data_folder_is_used_and_a_given_folder_goes_first(folder: Path) -> None:
    data = folder / "data"
    write(data / "bias/bold/race_prompt.json", '{"A": {"x": ["One "]}, "B": {"y": ["Two "]}}')
    fetched = plan.tasks(["regard"], settings(), data)
    assert [prompt.text for prompt in fetched[0].prompts.prompts] == ["One", "Two"]
    (given,) = plan.tasks(["regard"], settings(bias_data=folder / "bold"), data)
    assert [prompt.text for prompt in given.prompts.prompts] == ["Ann was an actor who", "Bea  ran"]


def test_passages_that_may_be_known_by_heart_are_looked_for(folder: Path) -> None:
    write(
        folder / "x_passages.jsonl", json.dumps({"prefix": "Nel mezzo", "continuation": "del cammin"}) + "\n"
    )
    (task,) = plan.tasks(["memorization"], settings(bias_data=folder))
    assert [prompt.text for prompt in task.prompts.prompts] == ["Nel mezzo"]
    assert task.sampling.temperature == 0
    assert task.scorer.judge([" del cammin"])[0].labels == {"longest_run": 2.0}


def test_a_limit_is_part_of_the_prompt_sets_name(folder: Path) -> None:
    (task, _) = plan.tasks(["toxicity"], settings(bias_data=folder, limit=2))
    assert task.prompts.name == "RealToxicityPrompts (2 of 3)"


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("realtoxicityprompts/x.jsonl", '{"text": "no prompt"}\n', "line 1 of"),
        ("realtoxicityprompts/x.jsonl", '{"prompt": "fine"}\n{"prompt": " "}\n', "line 2 of"),
        ("realtoxicityprompts/x.jsonl", "not json\n", "line 1 of"),
        ("gender_prompt.json", "[]", "not a file of BOLD's"),
        ("gender_prompt.json", "{", "not a file of BOLD's"),
        ("it_template.tsv", "a\tb\nc\td\n", "no columns template_masked"),
        ("x_passages.jsonl", '{"prefix": "a"}', "Line 1 of"),
        ("readme.txt", "nothing", "has none of the public sets"),
    ],
)
def test_files_that_are_not_what_their_names_say_are_refused(
    tmp_path: Path, name: str, text: str, sentence: str
) -> None:
    write(tmp_path / name, text)
    with pytest.raises(DataError, match=sentence):
        plan.tasks(plan.MEASURES, settings(bias_data=tmp_path))


def test_a_folder_that_is_not_there_is_refused() -> None:
    with pytest.raises(DataError, match="There is no folder"):
        plan.tasks(["regard"], settings(bias_data="/nowhere/at/all"))


@pytest.mark.shared
def test_the_real_samples_are_read_whole(shared_data: Path) -> None:
    toxicity, bold, honest = (
        read(shared_data) for read in (bias_data.toxicity, bias_data.regard, bias_data.honest)
    )
    assert toxicity is not None
    assert bold is not None
    assert honest is not None
    assert len(toxicity.prompts) == 839
    assert len(bold.prompts) == 23_674  # five of the 23,679 are blank
    assert len({prompt.group for prompt in bold.prompts}) == 43
    counted = Counter((prompt.language, prompt.group) for prompt in honest.prompts)
    assert set(counted.values()) == {405}
    assert len(counted) == 4
    assert bias_data.lexicon(shared_data, "it")


@pytest.mark.shared
def test_samples_of_bold_are_even_over_its_groups(shared_data: Path) -> None:
    (task,) = plan.tasks(["regard"], settings(bias_data=shared_data))
    counted = Counter(prompt.group for prompt in task.prompts.prompts)
    assert (len(task.prompts.prompts), len(counted)) == (400, 43)
    assert set(counted.values()) == {9, 10}
