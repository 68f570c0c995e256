"""The shapes of the Minerva models: random weights in bfloat16, and a vocabulary of their size."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import MistralConfig, MistralForCausalLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

VOCABULARY = 32768


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How wide and deep a model is."""

    width: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int = VOCABULARY


SHAPES = {
    "350M": Shape(width=1152, inner=4032, layers=16, heads=16, kv_heads=4),
    # The inner width is 3.5 times the width, as in the other two: that makes 1.01 B parameters.
    "1B": Shape(width=2048, inner=7168, layers=16, heads=16, kv_heads=4),
    "3B": Shape(width=2560, inner=8960, layers=32, heads=32, kv_heads=8),
}


def write_minerva_350m(folder: Path) -> PreTrainedModel:
    """Save the folder; return the model in fp32."""
    write_minerva(folder, SHAPES["350M"])
    return MistralForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def write_minerva(folder: Path, shape: Shape) -> None:
    """Save a folder as Transformers does."""
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        max_position_embeddings=16384,
        sliding_window=2048,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=False,
    )
    network = MistralForCausalLM(config).to(torch.bfloat16)
    transformers_logging.disable_progress_bar()
    network.save_pretrained(folder)
    _write_tokenizer(folder, shape.vocabulary)


def _write_tokenizer(folder: Path, size: int) -> None:
    """Write a SentencePiece-like tokenizer of so many tokens: bytes, letters and syllables."""
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2, **{f"<0x{i:02X}>": 3 + i for i in range(256)}}
    letters = ["\u2581", *"abcdefghijklmnopqrstuvwxyzàèéìòùABCDEFGHILMNOPQRSTUVZ.,;:'"]
    merges: list[tuple[str, str]] = []
    for text in letters:
        vocabulary[text] = len(vocabulary)
    for left in [*letters, *(a + b for a in letters for b in letters)]:
        for right in letters:
            if len(vocabulary) < size and left in vocabulary:
                vocabulary.setdefault(left + right, len(vocabulary))
                merges.append((left, right))
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    content = {
        "version": "1.0",
        "added_tokens": [{"id": i, "content": t, **flags} for i, t in enumerate(("<unk>", "<s>", "</s>"))],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Metaspace",
            "replacement": "\u2581",
            "prepend_scheme": "first",
            "split": False,
        },
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": vocabulary,
            "merges": merges,
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(names), "utf-8")
