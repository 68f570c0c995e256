"""Packed, hand-written training gives what plain TRL gives; reference log-probabilities are computed once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, Gemma3TextConfig, LlamaConfig, MistralConfig, Trainer
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
from trl.trainer.utils import add_fused_lm_head

from alignchat import catalog
from alignchat.catalog import Model
from alignchat.config import Method
from alignchat.making import presets
from alignchat.training import attention
from alignchat.training.fused import fuse
from alignchat.training.load import load_model, load_tokenizer
from alignchat.training.packing import pack
from alignchat.training.prepare import prepare
from alignchat.training.reference import References, sequence_key
from alignchat.training.rows import RowTokenizer
from alignchat.training.scoring import score_packed
from tests.test_training import SETTINGS, pairs, run, thumbs
from tests.tiny_models import write_llama

FP32 = SETTINGS.model_copy(update={"precision": "fp32"})
SHOWN = ("loss", "grad_norm", "rewards/chosen", "rewards/rejected", "logps/chosen", "entropy", "kl")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return catalog.find(str(write_llama(tmp_path_factory.mktemp("model") / "tiny.gguf", tied=False)))


def plain_trl(model: Model, folder: Path, method: Method) -> list[dict[str, float]]:
    """Train with TRL's own trainer, loss and head on the same rows; return its log."""
    tokenizer = load_tokenizer(model)
    settings = presets.resolved(method, FP32)
    rows = pairs(10) if method == "dpo" else thumbs(10)
    prepared = prepare(RowTokenizer(tokenizer, model), method, rows, [], settings)
    kind, config = (DPOTrainer, DPOConfig) if method == "dpo" else (KTOTrainer, KTOConfig)

    class Plain(kind):  # type: ignore[misc,valid-type]  # TRL is untyped
        def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
            return dataset

    weights = {
        "desirable_weight": prepared.desirable_weight,
        "undesirable_weight": prepared.undesirable_weight,
    }
    plain = Plain(
        model=load_model(model),
        peft_config=LoraConfig(
            r=settings.lora_rank,
            lora_alpha=settings.lora_alpha,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        ),
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(prepared.rows),
        args=config(
            output_dir=str(folder),
            max_steps=prepared.steps,
            per_device_train_batch_size=prepared.batch_size,
            learning_rate=settings.learning_rate,
            lr_scheduler_type="linear",
            beta=settings.beta,
            seed=settings.seed,
            use_cpu=True,
            bf16=False,
            activation_checkpointing=False,
            train_sampling_strategy="sequential",
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            **(weights if method == "kto" else {}),
        ),
    )
    plain.train()
    return [entry for entry in plain.state.log_history if "loss" in entry]


@pytest.mark.parametrize(("method", "rows"), [("dpo", pairs), ("kto", thumbs)])
def test_each_step_is_plain_trls_step(
    tiny: Model, tmp_path: Path, method: Method, rows: Callable[[int], Any]
) -> None:
    _, ours = run(tiny, tmp_path / "ours", method=method, rows=rows(10), settings=FP32)
    theirs = plain_trl(tiny, tmp_path / "plain", method)
    assert len(ours) == len(theirs) == FP32.steps
    for own, other in zip(ours, theirs, strict=True):
        shown = [name for name in SHOWN if name in other]
        assert len(shown) >= 5
        assert {n: own[n] for n in shown} == pytest.approx({n: other[n] for n in shown}, rel=1e-3, abs=1e-4)


def test_a_bf16_log_probability_does_not_depend_on_what_it_is_packed_with(
    tiny: Model, tmp_path: Path
) -> None:
    """Else a reference kept from another round would differ from the policy that equals it."""
    kept = tmp_path / "references.sqlite"
    bf16 = SETTINGS.model_copy(update={"precision": "bf16"})
    run(tiny, tmp_path / "1", settings=bf16, references=kept)
    shuffled = bf16.model_copy(update={"seed": 7, "batch_size": 3})
    summary, _ = run(tiny, tmp_path / "2", settings=shuffled, references=kept)
    assert summary.first_loss == pytest.approx(0.693147180, abs=1e-7)


def test_a_row_seen_in_an_earlier_round_is_not_referred_again(tiny: Model, tmp_path: Path) -> None:
    kept = tmp_path / "references.sqlite"
    two_steps = SETTINGS.model_copy(update={"steps": 2})

    def batches_computed(name: str, parent: Path | None = None) -> int:
        asked: list[bool] = []

        def should_stop() -> bool:
            asked.append(False)
            return False

        run(
            tiny, tmp_path / name, rows=pairs(8), settings=two_steps, references=kept, parent_adapter=parent,
            should_stop=should_stop,
        )  # fmt: skip
        return len(asked) - 1  # One question is the first step's, the others come before a reference batch.

    assert batches_computed("1") == 2
    assert batches_computed("2") == 0
    assert batches_computed("3", tmp_path / "1" / "adapter") == 2
    assert batches_computed("4", tmp_path / "1" / "adapter") == 0


def test_references_are_kept_by_weights_prompt_and_completion(tmp_path: Path) -> None:
    table = References(tmp_path / "deep" / "references.sqlite")
    keys = {
        sequence_key(weights, prompt, completion)
        for weights, prompt, completion in (
            ("a", [1, 2], [3]), ("b", [1, 2], [3]), ("a", [1], [2, 3]), ("a", [1, 2], [3, 4]),
        )
    }  # fmt: skip
    assert len(keys) == 4
    one, *others = keys
    table.add({one: -1.25})
    assert References(tmp_path / "deep" / "references.sqlite").known(keys) == {one: -1.25}
    table.add(dict.fromkeys(others, 0.1))
    assert table.known(others) == dict.fromkeys(others, 0.1)


TOKENS = st.lists(st.integers(1, 9), min_size=1, max_size=6).map(tuple)


@given(st.lists(st.tuples(TOKENS, TOKENS), min_size=1, max_size=6))
@settings(deadline=None)
def test_packing_keeps_every_completion_and_each_prompt_once(rows: list[tuple[Any, Any]]) -> None:
    width = max(len(prompt) + len(reply) for prompt, reply in rows)
    ids, labels = torch.zeros(len(rows), width, dtype=torch.long), torch.full((len(rows), width), -100)
    for row, (prompt, reply) in enumerate(rows):
        ids[row, : len(prompt) + len(reply)] = torch.tensor(prompt + reply)
        labels[row, len(prompt) : len(prompt) + len(reply)] = torch.tensor(reply)
    packed = pack(ids, (ids > 0).long(), labels)
    prompts = {prompt for prompt, _ in rows}
    assert packed.ids.numel() == sum(map(len, prompts)) + sum(len(reply) for _, reply in rows)
    assert ids[packed.sequence, packed.place + 1].tolist() == packed.targets.tolist()
    assert len(packed.targets) == sum(len(reply) for _, reply in rows)
    # What a scored position sees, by the blocks, is its own row up to there.
    for position, row, place in zip(
        packed.scored.tolist(), packed.sequence.tolist(), packed.place.tolist(), strict=True
    ):
        block = next(b for b in packed.blocks if b.start <= position < b.stop)
        seen = [*range(*block.before), *range(block.start, position + 1)]
        assert packed.ids[0, seen].tolist() == ids[row, : place + 1].tolist()
        assert packed.positions[0, seen].tolist() == list(range(place + 1))


@pytest.mark.parametrize("window", [None, 3])
def test_packed_attention_and_its_gradient_are_torchs_on_each_sequence(window: int | None) -> None:
    torch.manual_seed(0)
    prompts, replies = [[1, 2, 3], [1, 2, 3], [4, 5]], [[6, 7], [8], [9, 6, 7]]
    ids, labels = torch.zeros(3, 6, dtype=torch.long), torch.full((3, 6), -100)
    for row, (prompt, reply) in enumerate(zip(prompts, replies, strict=True)):
        ids[row, : len(prompt) + len(reply)] = torch.tensor(prompt + reply)
        labels[row, len(prompt) : len(prompt) + len(reply)] = torch.tensor(reply)
    packed = pack(ids, (ids > 0).long(), labels)
    size = packed.ids.numel()
    tensors = [torch.randn(1, heads, size, 8, dtype=torch.float64, requires_grad=True) for heads in (4, 2, 2)]

    def ours(query: Any, key: Any, value: Any) -> Any:
        module = torch.nn.Module()
        return attention.packed_attention(
            module, query, key, value, None, packed=packed, scaling=0.3, sliding_window=window
        )[0]

    mask = torch.zeros(size, size, dtype=torch.bool)
    for block in packed.blocks:
        for place in range(block.start, block.stop):
            seen = [*range(*block.before), *range(block.start, place + 1)]
            mask[place, seen if window is None else seen[-window:]] = True
    query, key, value = tensors
    theirs = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=0.3, enable_gqa=True
    )
    assert torch.allclose(ours(*tensors), theirs.transpose(1, 2))
    assert torch.autograd.gradcheck(ours, tensors)


KINDS = {
    "llama": LlamaConfig(num_key_value_heads=2),
    "mistral": MistralConfig(num_key_value_heads=2, sliding_window=4),
    "gemma3": Gemma3TextConfig(num_key_value_heads=1, head_dim=16, sliding_window=4),
}


@pytest.mark.parametrize("kind", KINDS)
def test_packed_scores_and_gradients_are_trls_for_each_architecture(kind: str) -> None:
    torch.manual_seed(0)
    settings = {
        "vocab_size": 50, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "tie_word_embeddings": True,
    }  # fmt: skip
    config = type(KINDS[kind]).from_dict({**KINDS[kind].to_diff_dict(), **settings, "layer_types": None})
    network = get_peft_model(
        AutoModelForCausalLM.from_config(config),
        LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False),
    )
    ids = torch.randint(1, 50, (4, 12))
    ids[2:, :5] = ids[:2, :5]
    lengths = torch.tensor([12, 9, 11, 7])
    attention_mask = (torch.arange(12) < lengths[:, None]).long()
    labels = ids.masked_fill((attention_mask == 0) | (torch.arange(12) < 5), -100)

    def scores() -> tuple[torch.Tensor, list[torch.Tensor]]:
        found = network(input_ids=ids, attention_mask=attention_mask, labels=labels, fused_lm_head=True)
        trained = [weight for weight in network.parameters() if weight.requires_grad]
        slopes = torch.autograd.grad(
            (found.log_probs.sum(1) * torch.tensor([1.0, -2, 0.5, 3])).sum(), trained
        )
        shown = (found.log_probs, found.entropy, found.mean_logits, found.is_top1.float())
        return torch.stack(shown).detach(), list(slopes)

    add_fused_lm_head(network.get_base_model(), outputs=("log_probs", "entropy", "mean_logits", "is_top1"))
    theirs, their_slopes = scores()
    fuse(network, torch.float32)
    score_packed(network, torch.float32)
    ours, our_slopes = scores()
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(our_slopes, their_slopes, strict=True))


def test_frozen_matrices_go_to_the_device_in_the_format_they_are_multiplied_in(
    tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move, moved = Trainer._move_model_to_device, []

    def look(trainer: Trainer, model: Any, device: torch.device) -> None:
        matrices = {name: weight for name, weight in model.named_parameters() if "_proj.base_layer" in name}
        moved.append({weight.dtype for weight in matrices.values()})
        move(trainer, model, device)

    monkeypatch.setattr(Trainer, "_move_model_to_device", look)
    run(tiny, tmp_path, settings=SETTINGS.model_copy(update={"precision": "bf16", "steps": 1}))
    assert moved[0] == {torch.bfloat16}
