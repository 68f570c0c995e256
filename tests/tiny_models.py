"""Tiny real models in GGUF: random weights and a real tokenizer.

Either byte-level with merges and a ChatML template, or SentencePiece with a template of the [INST] kind.
"""

from pathlib import Path

import gguf
import numpy as np
from tokenizers.pre_tokenizers import ByteLevel

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] }}"
    "{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CONTROLS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MERGES = ("t h", "th e", "Ġ the", "i n", "e r", "a n", "o n", "Ġ a", "h e", "l l")


INST = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ ' [INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
)
SPACE = "\u2581"
PIECES = (SPACE, f"{SPACE}the", "the", "he", f"{SPACE}t", "in", *"abcdefghilmnoprstuwxyINST.,?!<>/[]|_")


def write_llama(
    path: Path,
    *,
    seed: int = 0,
    layers: int = 2,
    width: int = 64,
    heads: int = 4,
    kv_heads: int = 2,
    sentencepiece: bool = False,
    tied: bool = True,
) -> Path:
    """Write a llama GGUF in F32 with random weights, big enough in scale to have opinions.

    With tied embeddings it repeats the prompt's last token; untied it babbles.
    """
    generator = np.random.default_rng(seed)
    tokens = _pieces() if sentencepiece else _tokens()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_block_count(layers)
    writer.add_context_length(512)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(2 * width)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_dimension_count(width // heads)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    (_add_sentencepiece if sentencepiece else _add_tokenizer)(writer, tokens)
    kv_width = width // heads * kv_heads
    matrices = {
        "attn_q": (width, width),
        "attn_k": (kv_width, width),
        "attn_v": (kv_width, width),
        "attn_output": (width, width),
        "ffn_gate": (2 * width, width),
        "ffn_up": (2 * width, width),
        "ffn_down": (width, 2 * width),
    }

    def matrix(shape: tuple[int, int]) -> np.ndarray:
        return generator.normal(0, shape[1] ** -0.5, shape).astype(np.float32)

    writer.add_tensor("token_embd.weight", matrix((len(tokens), width)) * np.float32(8))
    writer.add_tensor("output_norm.weight", np.ones(width, np.float32))
    if not tied:
        writer.add_tensor("output.weight", matrix((len(tokens), width)) * np.float32(2))
    for block in range(layers):
        writer.add_tensor(f"blk.{block}.attn_norm.weight", np.ones(width, np.float32))
        writer.add_tensor(f"blk.{block}.ffn_norm.weight", np.ones(width, np.float32))
        for name, shape in matrices.items():
            writer.add_tensor(f"blk.{block}.{name}.weight", matrix(shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_adapter(path: Path, width: int, inner: int, *, seed: int = 0, scale: float = 0.01) -> Path:
    """Write a GGUF adapter of rank 4 that changes one matrix of a llama; with scale 0 by nothing."""
    generator = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 8.0)
    for half, shape in (("lora_a", (4, width)), ("lora_b", (inner, 4))):
        writer.add_tensor(f"blk.0.ffn_up.weight.{half}", generator.normal(0, scale, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tokens() -> list[str]:
    return [*CONTROLS, *sorted(ByteLevel.alphabet()), *(merge.replace(" ", "") for merge in MERGES)]


def _add_tokenizer(writer: gguf.GGUFWriter, tokens: list[str]) -> None:
    kinds = [gguf.TokenType.CONTROL if token in CONTROLS else gguf.TokenType.NORMAL for token in tokens]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(list(MERGES))
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(CHATML)


def _pieces() -> list[str]:
    return ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *PIECES]


def _add_sentencepiece(writer: gguf.GGUFWriter, tokens: list[str]) -> None:
    kinds = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 2, *[gguf.TokenType.BYTE] * 256]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(kinds) + [-float(rank) for rank in range(len(PIECES))])
    writer.add_token_types([*kinds, *[gguf.TokenType.NORMAL] * len(PIECES)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_chat_template(INST)
