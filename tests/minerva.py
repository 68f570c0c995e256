"""The shape of Minerva-350M: random weights in bfloat16, and a vocabulary of its size."""

import json
from pathlib import Path

import torch
from transformers import MistralConfig, MistralForCausalLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

VOCABULARY = 32768


def write_minerva_350m(folder: Path) -> PreTrainedModel:
    """Save the folder; return the model in fp32."""
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=VOCABULARY,
        hidden_size=1152,
        intermediate_size=4032,
        num_hidden_layers=16,
        num_attention_heads=16,
        num_key_value_heads=4,
        max_position_embeddings=16384,
        sliding_window=2048,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=False,
    )
    network = MistralForCausalLM(config).to(torch.bfloat16)
    transformers_logging.disable_progress_bar()
    network.save_pretrained(folder)
    _write_tokenizer(folder)
    return MistralForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def _write_tokenizer(folder: Path) -> None:
    """Write a SentencePiece-like tokenizer of 32,768 tokens: bytes, letters and syllables."""
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2, **{f"<0x{i:02X}>": 3 + i for i in range(256)}}
    letters = ["\u2581", *"abcdefghijklmnopqrstuvwxyzàèéìòùABCDEFGHILMNOPQRSTUVZ.,;:'"]
    merges: list[tuple[str, str]] = []
    for text in letters:
        vocabulary[text] = len(vocabulary)
    for left in [*letters, *(a + b for a in letters for b in letters)]:
        for right in letters:
            if len(vocabulary) < VOCABULARY and left in vocabulary:
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
