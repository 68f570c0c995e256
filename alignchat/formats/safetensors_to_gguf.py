"""Turns a Transformers folder (safetensors, llama, mistral or gemma3) into a GGUF file in F16 or BF16.

Knows names, layouts and hyperparameters; knows no torch and runs none of the folder's code. Tensors pass
one at a time, so memory stays at about three times the largest one.
"""

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
import numpy.typing as npt

from alignchat.errors import Cancelled, ModelError
from alignchat.formats import vocabulary
from alignchat.formats.safetensors_files import Tensor, read_tensors

Format = Literal["F16", "BF16"]
Progress = Callable[[int, int], None]

# transformers' name of a family -> GGUF's, and its tensor names.
FAMILIES = {
    "llama": ("llama", gguf.MODEL_ARCH.LLAMA),
    "mistral": ("llama", gguf.MODEL_ARCH.LLAMA),
    "gemma3_text": ("gemma3", gguf.MODEL_ARCH.GEMMA3),
}
_ACTIVATION = {"llama": "silu", "gemma3": "gelu_pytorch_tanh"}
_GEMMA_PATTERN = 6
_IGNORED = ("rotary_emb.inv_freq",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A model's hyperparameters, read off `config.json` and checked against what llama.cpp can run."""

    architecture: str
    blocks: int
    width: int
    inner: int
    heads: int
    kv_heads: int
    head: int
    context: int
    vocabulary: int
    epsilon: float
    rope: Mapping[str, Any]
    tied: bool
    window: int | None
    local_rope_base: float


def convert(
    folder: Path,
    out: Path,
    *,
    format: Format | None = None,
    name: str = "",
    licence: str = "",
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Write the model in `folder` to `out`; `format` None keeps bfloat16 and turns the rest to F16.

    `on_progress` gets bytes written and bytes in all. Raise ModelError with what to do if the model is
    not of a kind that can be converted, Cancelled if told to stop.
    """
    config = read_config(folder)
    shape = read_shape(config, folder)
    tensors = _named(read_tensors(folder), shape, folder)
    kind = gguf.GGMLQuantizationType[format or own_format(tensors)]
    words = vocabulary.read(folder).padded(shape.vocabulary)
    writer = gguf.GGUFWriter(out, shape.architecture)
    try:
        _write_hyperparameters(writer, shape, kind, name or folder.name, licence)
        words.write(writer)
        sizes = _announce(writer, tensors, shape, kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        done = 0
        for name, size in sizes.items():
            if should_stop():
                raise Cancelled("Stopped; the conversion was not finished.")
            writer.write_tensor_data(_data(name, tensors, shape, kind))
            done += size
            if on_progress:
                on_progress(done, sum(sizes.values()))
    finally:
        with suppress(AttributeError):  # The writer has no file open if it came to nothing.
            writer.close()


def own_format(tensors: Mapping[str, Tensor]) -> Format:
    """Return the format a model's matrices are in, F16 standing for F32."""
    matrices = [tensor.format for tensor in tensors.values() if len(tensor.shape) > 1]
    return "BF16" if matrices.count("BF16") * 2 > len(matrices) else "F16"


def read_shape(config: Mapping[str, Any], folder: Path) -> Shape:
    """Read the hyperparameters; raise ModelError if the model is of another family or has odd parts."""
    family = config.get("model_type")
    if family not in FAMILIES:
        raise ModelError(
            f"{folder.name} is a model of the family {family}; only {', '.join(FAMILIES)} can be converted."
        )
    architecture, _ = FAMILIES[family]
    try:
        heads = config["num_attention_heads"]
        shape = Shape(
            architecture=architecture,
            blocks=config["num_hidden_layers"],
            width=config["hidden_size"],
            inner=config["intermediate_size"],
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head=config.get("head_dim") or config["hidden_size"] // heads,
            context=config.get("max_position_embeddings", 2048),
            vocabulary=config["vocab_size"],
            epsilon=config.get("rms_norm_eps", 1e-6),
            rope=_rope(config),
            tied=config.get("tie_word_embeddings", family == "gemma3_text"),
            window=config.get("sliding_window"),
            local_rope_base=_local_rope_base(config),
        )
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise ModelError(
            f"{folder / 'config.json'} lacks what a model needs ({error}); get it again."
        ) from error
    _refuse_oddities(config, shape, folder)
    return shape


def read_config(folder: Path) -> dict[str, Any]:
    """Read a folder's `config.json`; raise ModelError if there is none."""
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{folder} has no readable config.json; give a Transformers model folder."
        ) from error
    return config


def _rope(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the rotation's parameters as one mapping, which releases of transformers spell differently."""
    given = config.get("rope_parameters") or {}
    whole = given.get("full_attention", given)
    scaling = config.get("rope_scaling") or {}
    return {"rope_theta": config.get("rope_theta", 10000.0), **scaling, **whole}


def _local_rope_base(config: Mapping[str, Any]) -> float:
    local = (config.get("rope_parameters") or {}).get("sliding_attention") or {}
    return float(local.get("rope_theta", config.get("rope_local_base_freq", 10000.0)))


def _refuse_oddities(config: Mapping[str, Any], shape: Shape, folder: Path) -> None:
    activation = config.get("hidden_activation") or config.get("hidden_act") or "silu"
    layers = config.get("layer_types")
    cycle = [(i + 1) % _GEMMA_PATTERN == 0 for i in range(shape.blocks)]
    gemma = shape.architecture == "gemma3"
    odd = {
        "hidden_act": activation != _ACTIVATION[shape.architecture],
        "rope_scaling": _rope_type(shape) not in ("default", "linear", "llama3"),
        "layer_types": bool(gemma and layers) and [t == "full_attention" for t in layers or ()] != cycle,
        "query_pre_attn_scalar": gemma and config.get("query_pre_attn_scalar", shape.head) != shape.head,
        "attn_logit_softcapping": bool(config.get("attn_logit_softcapping")),
        "final_logit_softcapping": bool(config.get("final_logit_softcapping")),
        "quantization_config": bool(config.get("quantization_config")),
    }
    if wrong := [key for key, is_odd in odd.items() if is_odd]:
        raise ModelError(
            f"{folder.name} cannot be converted because of {wrong[0]} in its config.json; "
            "look for a GGUF of this model."
        )


def _rope_type(shape: Shape) -> str:
    return str(shape.rope.get("rope_type") or shape.rope.get("type") or "default")


def _named(found: Mapping[str, Tensor], shape: Shape, folder: Path) -> dict[str, Tensor]:
    """Return the tensors under GGUF's names; raise ModelError unless the set is what the model needs."""
    architecture = next(arch for name, arch in FAMILIES.values() if name == shape.architecture)
    names = gguf.get_tensor_name_map(architecture, shape.blocks)
    tensors: dict[str, Tensor] = {}
    for key, tensor in found.items():
        if key.endswith(_IGNORED) or (key == "lm_head.weight" and shape.tied):
            continue
        name = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise ModelError(f"{folder.name} has a part {key[:80]} that is not known; look for a GGUF of it.")
        tensors[name] = tensor
    wanted = expected_shapes(shape)
    for name, size in wanted.items():
        if name not in tensors:
            raise ModelError(f"The weights in {folder} are not whole: {name} is missing; get them again.")
        if tensors[name].shape != size:
            raise ModelError(
                f"The weights in {folder} do not fit config.json: {name} is {tensors[name].shape}."
            )
    return dict(sorted(tensors.items(), key=lambda item: _order(item[0])))


def expected_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Return the matrices that a model of this shape has, under GGUF's names."""
    queries, keys = shape.heads * shape.head, shape.kv_heads * shape.head
    matrices = {
        "attn_q": (queries, shape.width),
        "attn_k": (keys, shape.width),
        "attn_v": (keys, shape.width),
        "attn_output": (shape.width, queries),
        "ffn_gate": (shape.inner, shape.width),
        "ffn_up": (shape.inner, shape.width),
        "ffn_down": (shape.width, shape.inner),
    }
    blocks: dict[str, tuple[int, ...]] = {
        f"blk.{block}.{name}.weight": size for block in range(shape.blocks) for name, size in matrices.items()
    }
    table = (shape.vocabulary, shape.width)
    outer = {"token_embd.weight": table} | ({} if shape.tied else {"output.weight": table})
    return outer | blocks | {"output_norm.weight": (shape.width,)}


def _order(name: str) -> tuple[int, str]:
    parts = name.split(".")
    return (int(parts[1]), name) if parts[0] == "blk" else (-1, name)


def _write_hyperparameters(
    writer: Any, shape: Shape, kind: gguf.GGMLQuantizationType, name: str, licence: str
) -> None:
    writer.add_name(name)
    if licence:
        writer.add_license(licence)
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{kind.name}"])
    writer.add_block_count(shape.blocks)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head)
    writer.add_value_length(shape.head)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(float(shape.rope["rope_theta"]))
    writer.add_layer_norm_rms_eps(shape.epsilon)
    writer.add_vocab_size(shape.vocabulary)
    if _rope_type(shape) == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(shape.rope["factor"]))
    if shape.architecture == "gemma3" and shape.window:
        # llama.cpp runs llama and mistral models without a window: beyond it they see more, not less.
        writer.add_sliding_window(shape.window)
        writer.add_rope_freq_base_swa(shape.local_rope_base)


def _announce(
    writer: Any, tensors: Mapping[str, Tensor], shape: Shape, kind: gguf.GGMLQuantizationType
) -> dict[str, int]:
    """Write down name, shape and format of each tensor to come; return their sizes in bytes."""
    sizes = {}
    for name, tensor in tensors.items():
        own = _format_of(tensor, kind)
        stored = gguf.quant_shape_to_byte_shape(tensor.shape, own)
        sizes[name] = math.prod(stored)
        writer.add_tensor_info(name, stored, np.dtype(np.uint8), sizes[name], own)
    if _rope_type(shape) == "llama3":
        sizes[_ROPE_FACTORS] = shape.head // 2 * 4
        writer.add_tensor_info(_ROPE_FACTORS, (shape.head // 2,), np.dtype(np.float32), sizes[_ROPE_FACTORS])
    return sizes


_ROPE_FACTORS = "rope_freqs.weight"


def _format_of(tensor: Tensor, kind: gguf.GGMLQuantizationType) -> gguf.GGMLQuantizationType:
    return kind if len(tensor.shape) > 1 else gguf.GGMLQuantizationType.F32


def _data(
    name: str, tensors: Mapping[str, Tensor], shape: Shape, kind: gguf.GGMLQuantizationType
) -> npt.NDArray[Any]:
    if name == _ROPE_FACTORS:
        return llama3_factors(shape.rope, shape.head)
    tensor = tensors[name]
    wanted = _format_of(tensor, kind)
    if shape.architecture == "gemma3" and name.endswith("norm.weight"):
        return tensor.values() + np.float32(1)  # Gemma's norms multiply by 1 + weight.
    if tensor.format == wanted.name:
        return np.ascontiguousarray(_arranged(tensor.bits(), name, shape))
    values = _arranged(tensor.values(), name, shape)
    if wanted is gguf.GGMLQuantizationType.F16:
        return _half(values, name)
    return np.ascontiguousarray(gguf.quantize(values, wanted))


def _half(values: npt.NDArray[np.float32], name: str) -> npt.NDArray[np.float16]:
    with np.errstate(over="raise"):
        try:
            return np.ascontiguousarray(values, np.float16)
        except FloatingPointError as error:
            raise ModelError(f"{name} has numbers too large for F16; ask for --quant BF16.") from error


def _arranged(values: npt.NDArray[Any], name: str, shape: Shape) -> npt.NDArray[Any]:
    """Put the rows of q and k in llama.cpp's order: it rotates neighbours, transformers rotates halves."""
    heads = {"attn_q": shape.heads, "attn_k": shape.kv_heads}.get(
        name.split(".")[2] if "blk." in name else ""
    )
    if heads is None or shape.architecture != "llama":
        return values
    halves = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return halves.swapaxes(1, 2).reshape(values.shape)


def llama3_factors(rope: Mapping[str, Any], head: int) -> npt.NDArray[np.float32]:
    """Return by how much each pair's rotation slows down, as Llama 3.1 does to read longer texts."""
    factor, low, high = (float(rope[key]) for key in ("factor", "low_freq_factor", "high_freq_factor"))
    trained = float(rope["original_max_position_embeddings"])
    frequencies = float(rope["rope_theta"]) ** -(np.arange(0, head, 2, dtype=np.float64) / head)
    waves = 2 * np.pi / frequencies
    blend = np.clip((trained / waves - low) / (high - low), 0, 1)
    return (1 / ((1 - blend) / factor + blend)).astype(np.float32)
