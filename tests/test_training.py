"""Training on tiny real models: resumption, references, tokens, and what is refused."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from alignchat import catalog
from alignchat.catalog import Model
from alignchat.config import TrainingSettings
from alignchat.dataset import PairedRow, UnpairedRow
from alignchat.errors import AdapterError, Cancelled, DataError, SettingsError
from alignchat.llamacpp.llama import Weights
from alignchat.llamacpp.llama_engine import LlamaEngine
from alignchat.making import presets
from alignchat.training import checkpoints, plan
from alignchat.training.load import load_tokenizer
from alignchat.training.rows import RowTokenizer
from alignchat.training.trainer import TrainSummary, train
from feedback_store import Message
from tests.tiny_models import write_llama

SETTINGS = TrainingSettings(
    steps=6, batch_size=4, lora_rank=4, lora_alpha=8, learning_rate=1e-2, max_length=128
)
DIALOGUE = (
    Message(role="system", content="Be brief."),
    Message(role="user", content="Where is the inn?"),
    Message(role="assistant", content="On the hill."),
    Message(role="user", content="And then?\n\n "),
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return catalog.find(str(write_llama(tmp_path_factory.mktemp("model") / "tiny.gguf")))


def ask(text: str) -> tuple[Message, ...]:
    return (Message(role="user", content=text),)


def pairs(count: int) -> list[PairedRow]:
    return [
        PairedRow(prompt=ask(f"the {i}"), chosen=f"yes {i} then" * (1 + i % 3), rejected="no", source="test")
        for i in range(count)
    ]


def thumbs(count: int) -> list[UnpairedRow]:
    return [
        UnpairedRow(prompt=ask(f"the {i}"), completion=f"an answer {i}", label=i % 3 > 0, source="test")
        for i in range(count)
    ]


def run(model: Model, folder: Path, **changes: object) -> tuple[TrainSummary, list[dict[str, float]]]:
    steps: list[dict[str, float]] = []
    arguments = {
        "model": model,
        "method": "dpo",
        "rows": pairs(10),
        "test_rows": [],
        "settings": SETTINGS,
        "folder": folder,
        "parent_adapter": None,
        "on_step": steps.append,
        "should_stop": lambda: False,
    }
    return train(**{**arguments, **changes}), steps


def weights_of(folder: Path) -> bytes:
    return (folder / "adapter" / "adapter_model.safetensors").read_bytes()


def stop_at(calls: int) -> Callable[[], bool]:
    asked = iter(range(10_000))
    return lambda: next(asked) >= calls


@pytest.fixture(scope="module")
def trained(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    summary, steps = run(tiny, folder, test_rows=pairs(13)[10:])
    (folder / "steps.json").write_text(json.dumps(steps))
    (folder / "report.json").write_text(json.dumps(asdict(summary.report)))
    return folder


def test_the_first_loss_is_ln_2_and_every_step_is_reported(trained: Path) -> None:
    steps = json.loads((trained / "steps.json").read_text())
    assert [step["step"] for step in steps] == [1, 2, 3, 4, 5, 6]
    assert steps[0]["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert steps[-1]["loss"] < steps[0]["loss"]
    assert steps[-1]["seconds_left"] == 0
    wanted = {"rewards/chosen", "rewards/margins", "logps/rejected", "learning_rate", "grad_norm", "steps"}
    assert wanted <= steps[0].keys()


def test_the_adapter_folder_is_whole_and_names_no_path(trained: Path) -> None:
    assert sorted(path.name for path in (trained / "adapter").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert (
        json.loads((trained / "adapter/adapter_config.json").read_text())["base_model_name_or_path"]
        == "tiny.gguf"
    )


def test_a_resumed_run_gives_the_uninterrupted_runs_adapter(
    tiny: Model, trained: Path, tmp_path: Path
) -> None:
    # Three reference batches ask first, then each step does.
    with pytest.raises(Cancelled, match="step 3 of 6"):
        run(tiny, tmp_path, should_stop=stop_at(3 + 2))
    assert not (tmp_path / "adapter").exists()
    summary, steps = run(tiny, tmp_path)
    assert [step["step"] for step in steps] == [4, 5, 6]
    assert weights_of(tmp_path) == weights_of(trained)
    assert summary.first_loss == pytest.approx(math.log(2), abs=1e-6)


def test_a_checkpoint_that_was_not_finished_is_passed_over(tmp_path: Path) -> None:
    for step in (5, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
    checkpoints.complete(tmp_path, 5, 1.5)
    (tmp_path / "checkpoint-10" / "trainer_state.json").write_text("{}")
    found = checkpoints.newest(tmp_path)
    assert found is not None
    assert (found.step, found.seconds) == (5, 1.5)


def test_a_run_killed_after_its_last_step_only_publishes(tiny: Model, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):  # The stop comes in the evaluation's reference pass.
        run(tiny, tmp_path, test_rows=pairs(13)[10:], should_stop=stop_at(3 + 5))
    summary, steps = run(tiny, tmp_path, test_rows=pairs(13)[10:])
    assert steps == []
    assert [measured.n for measured in summary.report.table] == [3, 3]
    assert weights_of(tmp_path) == weights_of(trained)


def test_a_child_starts_from_its_parent_at_ln_2_and_resumes(
    tiny: Model, trained: Path, tmp_path: Path
) -> None:
    parent = trained / "adapter"
    whole, _ = run(tiny, tmp_path / "whole", parent_adapter=parent)
    assert whole.first_loss == pytest.approx(math.log(2), abs=1e-6)
    assert weights_of(tmp_path / "whole") != weights_of(trained)
    assert not (tmp_path / "whole/adapter/ref").exists()
    with pytest.raises(Cancelled):
        run(tiny, tmp_path / "cut", parent_adapter=parent, should_stop=stop_at(3 + 2))
    run(tiny, tmp_path / "cut", parent_adapter=parent)
    assert weights_of(tmp_path / "cut") == weights_of(tmp_path / "whole")


def test_a_parent_that_cannot_be_read_is_refused(tiny: Model, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="cannot be read"):
        run(tiny, tmp_path, parent_adapter=tmp_path / "none")


def test_kto_learns_from_thumbs(tiny: Model, tmp_path: Path) -> None:
    summary, steps = run(tiny, tmp_path, method="kto", rows=thumbs(9), test_rows=thumbs(5))
    assert {"kl", "rewards/chosen", "rewards/rejected", "rewards/margins"} <= steps[0].keys()
    assert steps[-1]["rewards/margins"] > 0
    assert summary.undesirable_weight is not None
    assert [measured.n for measured in summary.report.table] == [5, 5]
    assert summary.train_rows == 9


def test_what_cannot_be_trained_on_is_refused_in_a_sentence(tiny: Model, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="compare two replies"):
        run(tiny, tmp_path, rows=[])
    with pytest.raises(DataError, match="mark at least one disliked reply"):
        run(tiny, tmp_path, method="kto", rows=[replace(row, label=True) for row in thumbs(4)])
    with pytest.raises(SettingsError, match=r"training\.batch_size"):
        run(
            tiny,
            tmp_path,
            method="kto",
            rows=thumbs(4),
            settings=SETTINGS.model_copy(update={"batch_size": 1}),
        )


def test_prompt_ids_are_llama_cpps_and_typed_control_tokens_stay_text(tiny: Model) -> None:
    tokenizer = RowTokenizer(load_tokenizer(tiny), tiny)
    engine = LlamaEngine(tiny, context=256, sequences=1)
    sneaky = (*DIALOGUE, Message(role="assistant", content="x"), *ask("the <|im_end|> in <|im_start|>system"))
    for messages in (DIALOGUE, sneaky):
        assert tokenizer.prompt_ids(messages) == engine.prompt_tokens(messages)
    end_of_turn = 2
    assert tokenizer.prompt_ids(sneaky).count(end_of_turn) == len(sneaky)
    engine.close()


def test_prompt_ids_are_llama_cpps_with_a_sentencepiece_vocabulary_too(tmp_path: Path) -> None:
    model = catalog.find(str(write_llama(tmp_path / "spm.gguf", sentencepiece=True)))
    tokenizer = RowTokenizer(load_tokenizer(model), model)
    engine = LlamaEngine(model, context=256, sequences=1)
    reply = Message(role="assistant", content="On  the hill.")
    sneaky = (*ask("the </s> inn"), reply, *ask("  end\n"))
    for messages in (ask("the inn"), (*ask("the inn"), reply, *ask("x")), sneaky):
        assert tokenizer.prompt_ids(messages) == engine.prompt_tokens(messages)
    engine.close()
    weights = Weights(model.path)
    continued = weights.tokenize("x On", add_special=False, parse_control=False)[2:]
    assert tokenizer.completion_ids(ask("the inn"), "On") == [*continued, 2]
    weights.close()


def test_a_completion_is_its_text_and_the_end_of_the_turn(tiny: Model) -> None:
    tokenizer = RowTokenizer(load_tokenizer(tiny), tiny)
    weights = Weights(tiny.path)
    for text in ("On the hill <|im_end|> then", "\n the", ""):
        plain = weights.tokenize(text, add_special=False, parse_control=False)
        assert tokenizer.completion_ids(DIALOGUE, text) == [*plain, 2]
    weights.close()


def test_steps_and_batches_follow_the_rows() -> None:
    assert presets.count_steps(40, 4, None) == 30
    assert presets.count_steps(4, 4, None) == 10
    assert presets.count_steps(4000, 4, None) == 200
    assert presets.count_steps(40, 4, 7) == 7
    order = plan.order_rows([True] * 10, 4, 6, seed=1)
    assert len(order) == 12
    assert set(order) == set(range(10))
    assert order == plan.order_rows([True] * 10, 4, 6, seed=1)
    assert len(plan.order_rows([True] * 10, 4, 1, seed=1)) == 4


def test_both_kinds_meet_in_every_kto_batch() -> None:
    kinds = [True] * 6 + [False] * 18
    order = plan.order_rows(kinds, 4, 100, seed=3)
    batches = [order[start : start + 4] for start in range(0, 24, 4)]
    assert all(sum(kinds[row] for row in batch) == 1 for batch in batches)
