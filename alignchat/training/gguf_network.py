"""Fills a network of the llama kind straight from its GGUF file. Knows no rows, no method and no tokenizer.

transformers' own loading of these files goes over the vocabulary and the names several times in Python:
12.4 s of processor time for the starter, against 2.5 s here. Tests compare the two, tensor by tensor.
"""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.initialization import no_init_weights
from transformers.integrations.ggml import GGUF_CONFIG_MAPPING
from transformers.integrations.gguf.dequant import GGML_BLOCK
from transformers.integrations.gguf.reader import GgufHeader, load_gguf_state_dict, read_gguf_metadata

_KIND = "llama"


def read_network(path: Path) -> Any:
    """Return the network in `path` with its weights in fp32, None if it is of another kind.

    Raise KeyError, ValueError or RuntimeError if the file does not hold what its metadata say.
    """
    metadata, names = read_gguf_metadata(str(path))
    if metadata["general.architecture"] != _KIND or metadata.get("general.name") == "mistral":
        return None
    config = AutoConfig.for_model(
        _KIND, **_options(metadata), tie_word_embeddings="output.weight" not in names
    )
    with no_init_weights():
        network: Any = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    network.tie_weights()
    stored = load_gguf_state_dict(GgufHeader.from_file(str(path)))
    table = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, weight in network.named_parameters():
        module, _, kind = name.rpartition(".")
        found = f"{table.get_name(module)}.{kind}"
        values = _values(stored[found]).reshape(weight.shape)
        heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
        weight.data.copy_(_halves(values, heads.get(found.split(".")[-2])))
    return network.eval()


def _options(metadata: dict[str, Any]) -> dict[str, Any]:
    names = GGUF_CONFIG_MAPPING[_KIND]
    given = {new: metadata.get(f"{_KIND}.{old}") for old, new in names.items() if new}
    # The reader gives an array it was not asked for as its length.
    vocabulary = {"vocab_size": metadata["tokenizer.ggml.tokens"]}
    return vocabulary | {key: value for key, value in given.items() if value is not None}


def _values(tensor: Any) -> torch.Tensor:
    if tensor.ggml_type not in GGML_BLOCK:
        plain: torch.Tensor = tensor[...]
        return plain.float()
    # transformers has the same in torch, which took twice the time (5.2 s of processor time in all).
    blocks = np.asarray(tensor.data).reshape(tensor.shape)
    return torch.from_numpy(gguf.dequantize(blocks, gguf.GGMLQuantizationType(tensor.ggml_type)))


def _halves(weight: torch.Tensor, heads: int | None) -> torch.Tensor:
    """Put a head's rows as transformers rotates them: in halves, where llama.cpp has neighbours."""
    if heads is None:
        return weight
    pairs = weight.reshape(heads, -1, 2, weight.shape[1])
    return pairs.swapaxes(1, 2).reshape(weight.shape)
