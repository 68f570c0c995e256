"""Loads a GGUF file into transformers for training. Knows no rows and no method; asks no hub."""

import logging
from typing import Any, Literal

import torch
from transformers import (
    AutoModelForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging as transformers_logging

from alignchat.catalog import Model
from alignchat.errors import ModelError, SettingsError
from alignchat.training.gguf_network import read_network

Precision = Literal["fp32", "bf16"]


def load_model(model: Model, *, four_bit: bool = False) -> PreTrainedModel:
    """Return the model with its weights dequantised to fp32, on the CPU; the Trainer moves it.

    With `four_bit` its linear layers become 4-bit NormalFloat ones as they are moved (QLoRA,
    https://arxiv.org/abs/2305.14314). Raise SettingsError if there is nothing installed to do that with.
    """
    loaded = _read(model)
    # PEFT asks the hub about a model that has a name each time it saves.
    loaded.config._name_or_path = loaded.name_or_path = ""
    if four_bit:
        _to_four_bits(loaded)
    return loaded


def load_tokenizer(model: Model) -> PreTrainedTokenizerBase:
    """Return the tokenizer with the template that the chat uses."""
    # AutoTokenizer finds this class too, after 3 s with the whole vocabulary that this does without.
    tokenizer = _from_gguf(PreTrainedTokenizerFast, model)
    tokenizer.chat_template = model.template
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def resolve_precision(wanted: Literal["auto", "fp32", "bf16"]) -> Precision:
    """Choose the number format of the matrix products: bf16 only where the hardware multiplies in it.

    Forward and backward of 4 pairs on 2 AVX-512 cores, starter: 6.1 s in fp32, 2.2 s in bf16. In bf16 an
    update under half a unit in the last place of a layer's output is rounded away, so the first steps report
    smaller rewards than llama.cpp will show; after 20 steps both precisions gave the same margins there
    (28 nats).
    """
    if wanted == "auto":
        return "bf16" if _has_bf16() else "fp32"
    if wanted == "bf16" and torch.cuda.is_available() and not torch.cuda.is_bf16_supported():
        raise SettingsError("training.precision is bf16, which this GPU lacks; set it to auto or fp32.")
    return wanted


def read_by_transformers(model: Model) -> Any:
    """Return the model as transformers reads it, which knows more architectures and takes longer."""
    loaded = _from_gguf(AutoModelForCausalLM, model, dtype=torch.float32)
    # The weights are plain fp32 by now, but TRL refuses to train what still says it is quantised.
    del loaded.config.quantization_config
    loaded.hf_quantizer = None
    loaded.is_quantized = False
    return loaded


def leave_cores() -> None:
    """Compute on half of the cores from now on, on one at least."""
    torch.set_num_threads(max(1, torch.get_num_threads() // 2))


def quiet_libraries() -> None:
    """Send the libraries' chatter to logging and switch their progress bars off."""
    import datasets

    datasets.disable_progress_bars()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    logging.getLogger("trl").setLevel(logging.ERROR)


def _read(model: Model) -> Any:
    try:
        network = read_network(model.path)
    except (KeyError, ValueError, RuntimeError):
        network = None  # A file that only transformers reads, or that it refuses with its reason.
    return network or read_by_transformers(model)


def _to_four_bits(network: Any) -> None:
    try:
        from bitsandbytes.nn import (  # type: ignore[import-not-found]  # optional: requirements-gpu.txt
            Linear4bit,
            Params4bit,
        )
    except ImportError as error:
        raise SettingsError(
            "training.weights is 4bit, which needs bitsandbytes and an NVIDIA GPU: "
            "pip install -r requirements-gpu.txt, or set it to full."
        ) from error
    names = [name for name, part in network.named_modules() if type(part) is torch.nn.Linear]
    for name in names:
        if name == "lm_head":  # kept whole, as in the paper
            continue
        whole = network.get_submodule(name)
        short = Linear4bit(
            whole.in_features,
            whole.out_features,
            bias=whole.bias is not None,
            compute_dtype=torch.bfloat16,
            quant_type="nf4",
            device="meta",
        )
        short.weight = Params4bit(whole.weight.data, requires_grad=False, quant_type="nf4", module=short)
        short.bias = whole.bias
        network.set_submodule(name, short)
    # PEFT chooses its LoRA layers by this, and transformers refuses to train what says it is quantised.
    network.is_loaded_in_4bit = True


def _has_bf16() -> bool:
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    if torch.backends.mps.is_available():
        return False
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _from_gguf(kind: Any, model: Model, **options: Any) -> Any:
    try:
        return kind.from_pretrained(
            str(model.path.parent), gguf_file=model.path.name, local_files_only=True, **options
        )
    except (OSError, ValueError, KeyError, NotImplementedError) as error:
        raise ModelError(
            f"{model.path.name} cannot be loaded for training ({error}); "
            "give a GGUF of the llama, mistral or gemma3 architecture that holds a whole model."
        ) from error
