"""Conversion from safetensors: llama.cpp reads and says what Transformers does; odd folders are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from tokenizers import Tokenizer

from alignchat.llama import Weights
from alignchat.llama_child import quantise
from alignchat.safetensors_to_gguf import convert
from tests import transformers_models as made
from tests.llama_scoring import LlamaScorer, divergence, torch_scores

IDS = [1, *range(20, 400, 7)]


def spm(folder: Path) -> None:
    made.sentencepiece_tokenizer(folder)


def spm_json(folder: Path) -> None:
    made.sentencepiece_tokenizer(folder)
    made.sentencepiece_json(folder)


def llama3_bpe(folder: Path) -> None:
    made.byte_level_tokenizer(folder, llama3=True)


def gpt2_bpe(folder: Path) -> None:
    made.byte_level_tokenizer(folder, llama3=False)


LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
CASES: dict[str, tuple[str, Callable[[Path], None], dict[str, Any]]] = {
    "llama tied spm": ("llama", spm, {"tie_word_embeddings": True}),
    "llama untied bpe llama3": ("llama", llama3_bpe, {"rope_parameters": LLAMA3_ROPE}),
    "mistral untied bf16": ("mistral", spm_json, {"dtype": torch.bfloat16}),
    "mistral f16 sharded head_dim": (
        "mistral",
        gpt2_bpe,
        {"dtype": torch.float16, "shard": "100KB", "head_dim": 32},
    ),
    "llama biases": ("llama", spm, {"attention_bias": True}),
    "gemma3": ("gemma3", made.gemma_tokenizer, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_converted_model_says_what_transformers_says(case: str, tmp_path: Path) -> None:
    family, tokenizer, changes = CASES[case]
    tokenizer(tmp_path)
    network = made.write_weights(tmp_path, family, **changes)
    out = tmp_path / "f16.gguf"
    convert(tmp_path, out, format="F16")
    expected = torch_scores(network, IDS)
    assert kl(out, expected) < 1e-3
    quantise(out, tmp_path / "q8.gguf", "Q8_0")
    assert kl(tmp_path / "q8.gguf", expected) < 1e-2


TOKENIZERS = {
    "spm": spm,
    "spm json": spm_json,
    "swapped": made.swapped_tokenizer,
    "llama3 bpe": llama3_bpe,
    "gpt2 bpe": gpt2_bpe,
    "gemma": made.gemma_tokenizer,
}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_texts_have_the_same_ids_in_llama_cpp_and_in_their_own_tokenizer(name: str, tmp_path: Path) -> None:
    TOKENIZERS[name](tmp_path)
    made.write_weights(tmp_path, "llama", num_hidden_layers=1)
    own = own_tokenizer(tmp_path)
    convert(tmp_path, tmp_path / "out.gguf")
    weights = Weights(tmp_path / "out.gguf")
    try:
        for text in made.TEXTS:
            assert weights.tokenize(text, add_special=False, parse_control=False) == own(text), text
    finally:
        weights.close()


def own_tokenizer(folder: Path) -> Callable[[str], list[int]]:
    """Return texts -> ids by the library the tokenizer was made for, control tokens as plain text."""
    if (folder / "tokenizer.model").exists():
        model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        return lambda text: list(model.encode(text))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    return lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids)


def kl(path: Path, expected: Any) -> float:
    scorer = LlamaScorer(path)
    try:
        return divergence(expected, scorer(IDS))
    finally:
        scorer.close()
