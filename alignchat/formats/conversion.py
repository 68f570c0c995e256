"""Turns a PEFT adapter into a GGUF adapter, and merges an adapter into a full GGUF model.

Knows the tensor names and layouts of llama, mistral and gemma3; knows no torch, so the app can call it.
Everything is written to a temporary name, synced and then renamed: a reader sees all of a file or none.
"""

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file

from alignchat.errors import AdapterError
from alignchat.files import TEMPORARY, sha256, sync_folder
from alignchat.formats.gguf_header import read_metadata

Quantisation = Literal["F16", "BF16", "Q8_0"]
Matrix = npt.NDArray[np.float32]

_FILE_TYPES = {
    "F16": gguf.LlamaFileType.MOSTLY_F16,
    "BF16": gguf.LlamaFileType.MOSTLY_BF16,
    "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
}
# GGUF files of mistral models say llama; those that do not have the same tensors.
_NAMES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "mistral": gguf.MODEL_ARCH.LLAMA,
    "gemma3": gguf.MODEL_ARCH.GEMMA3,
}
# llama.cpp rotates neighbouring rows of q and k where transformers rotates halves of a head.
_PERMUTED = ("llama", "mistral")
_UNSUPPORTED = (
    "use_dora",
    "use_rslora",
    "rank_pattern",
    "alpha_pattern",
    "modules_to_save",
    "fan_in_fan_out",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What must be known of a model to fit an adapter to it, read from its metadata alone."""

    architecture: str
    heads: int
    kv_heads: int
    shapes: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """Low-rank updates by GGUF tensor name: a (rank, in) and b (out, rank), rows as llama.cpp has them."""

    architecture: str
    alpha: float
    matrices: Mapping[str, tuple[Matrix, Matrix]]

    def update(self, name: str) -> Matrix | None:
        """Return what is to be added to the weights called `name`, or None."""
        if name not in self.matrices:
            return None
        a, b = self.matrices[name]
        return (b @ a) * np.float32(self.alpha / a.shape[0])


def adapter_to_gguf(adapter_folder: Path, base_gguf: Path, out: Path) -> str:
    """Write a PEFT adapter as a GGUF adapter for the model it was trained on; return its SHA-256.

    Raise AdapterError if it cannot be read or was made for another model.
    """
    base = read_base(base_gguf)
    lora = _read_peft(adapter_folder, base)
    _check_fit(lora, base, adapter_folder)
    with _published(out) as temporary:
        writer = gguf.GGUFWriter(temporary, lora.architecture)
        writer.add_type("adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", lora.alpha)
        for name, (a, b) in lora.matrices.items():
            writer.add_tensor(f"{name}.lora_a", a)
            writer.add_tensor(f"{name}.lora_b", b)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return sha256(out)


def merge_to_gguf(adapter: Path, base_gguf: Path, out: Path, *, quantisation: Quantisation = "F16") -> str:
    """Write the model with an adapter (PEFT folder or GGUF file) merged in; return its SHA-256.

    Weights are dequantised, added to in fp32 and written in the format asked for; metadata and tokenizer
    are kept. Formats under 8 bits are not offered: at Q4_1, rounding is as large as the adapter's effect.
    Raise AdapterError as `adapter_to_gguf` does.
    """
    base = read_base(base_gguf)
    lora = _read_peft(adapter, base) if adapter.is_dir() else _read_gguf(adapter)
    _check_fit(lora, base, adapter)
    reader = gguf.GGUFReader(base_gguf)
    kinds = {tensor.name: _kind(tensor, quantisation) for tensor in reader.tensors}
    with _published(out) as temporary:
        writer = gguf.GGUFWriter(temporary, base.architecture)
        _copy_metadata(reader, writer, quantisation)
        for tensor in reader.tensors:
            shape = tuple(int(size) for size in reversed(tensor.shape))
            stored = gguf.quant_shape_to_byte_shape(shape, kinds[tensor.name])
            size = int(np.prod(stored))
            writer.add_tensor_info(tensor.name, stored, np.dtype(np.uint8), size, kinds[tensor.name])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for tensor in reader.tensors:
            writer.write_tensor_data(_merged(tensor, lora, kinds[tensor.name]))
        writer.close()
    return sha256(out)


def check_adapter(adapter_gguf: Path, base_gguf: Path) -> None:
    """Raise AdapterError unless the GGUF adapter is whole and fits the model; takes well under a second.

    llama.cpp crashes on some of the files this refuses. Damaged numbers in a whole file are not seen:
    compare its SHA-256 for that.
    """
    _check_fit(_read_gguf(adapter_gguf), read_base(base_gguf), adapter_gguf)


def read_base(path: Path) -> Base:
    """Read from a model's metadata which matrices it has; raise ModelError or AdapterError."""
    metadata = read_metadata(path)
    architecture = str(metadata.get("general.architecture"))
    if architecture not in _NAMES:
        raise AdapterError(f"{path.name} is a {architecture} model; adapters fit only: {', '.join(_NAMES)}.")
    get = {key.removeprefix(f"{architecture}."): value for key, value in metadata.items()}
    width, inner, heads = get["embedding_length"], get["feed_forward_length"], get["attention.head_count"]
    kv_heads = get.get("attention.head_count_kv", heads)
    key, value = (get.get(f"attention.{part}_length", width // heads) for part in ("key", "value"))
    matrices = {
        "attn_q": (width, heads * key),
        "attn_k": (width, kv_heads * key),
        "attn_v": (width, kv_heads * value),
        "attn_output": (heads * value, width),
        "ffn_gate": (width, inner),
        "ffn_up": (width, inner),
        "ffn_down": (inner, width),
    }
    shapes = {
        f"blk.{block}.{name}.weight": shape
        for block in range(get["block_count"])
        for name, shape in matrices.items()
    }
    return Base(architecture=architecture, heads=heads, kv_heads=kv_heads, shapes=shapes)


def _read_peft(folder: Path, base: Base) -> Lora:
    try:
        config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
        tensors = load_file(folder / "adapter_model.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise AdapterError(f"The adapter in {folder} cannot be read; train the round again.") from error
    for key in _UNSUPPORTED:
        if config.get(key):
            raise AdapterError(
                f"The adapter in {folder} uses {key}, which llama.cpp cannot; train a plain LoRA."
            )
    blocks = 1 + max(int(name.split(".")[1]) for name in base.shapes)
    names = gguf.get_tensor_name_map(_NAMES[base.architecture], blocks)
    halves: dict[str, dict[str, Matrix]] = {}
    for key, tensor in tensors.items():
        module, _, half = key.removeprefix("base_model.model.").removesuffix(".weight").rpartition(".")
        name = names.get_name(module)
        if name is None or half not in ("lora_A", "lora_B"):
            raise AdapterError(f"The adapter in {folder} changes {module}, which the model does not have.")
        halves.setdefault(f"{name}.weight", {})[half] = np.ascontiguousarray(tensor, dtype=np.float32)
    if any(len(pair) != 2 for pair in halves.values()) or not halves:
        raise AdapterError(f"The adapter in {folder} is not whole; train the round again.")
    matrices = {n: (pair["lora_A"], _llama_rows(pair["lora_B"], n, base)) for n, pair in halves.items()}
    return Lora(architecture=base.architecture, alpha=float(config["lora_alpha"]), matrices=matrices)


def _llama_rows(b: Matrix, name: str, base: Base) -> Matrix:
    """Put the rows of q and k in llama.cpp's order, as its converter puts those of the weights."""
    part = name.split(".")[2]
    heads = {"attn_q": base.heads, "attn_k": base.kv_heads}.get(part)
    if heads is None or base.architecture not in _PERMUTED or b.shape[0] % (2 * heads):
        return b
    rows, rank = b.shape
    halves = b.reshape(heads, 2, rows // heads // 2, rank)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows, rank))


def _read_gguf(path: Path) -> Lora:
    metadata = read_metadata(path)
    if metadata.get("general.type") != "adapter" or metadata.get("adapter.type") != "lora":
        raise AdapterError(f"{path.name} is not a LoRA adapter in GGUF format.")
    try:
        tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
        pairs = {
            name.removesuffix(".lora_a"): (_values(tensor), _values(tensors[f"{name[:-1]}b"]))
            for name, tensor in tensors.items()
            if name.endswith(".lora_a")
        }
        alpha = float(metadata["adapter.lora.alpha"])
    except (ValueError, KeyError, IndexError, OverflowError) as error:
        raise AdapterError(f"{path.name} is damaged; export or train the round again.") from error
    return Lora(architecture=str(metadata.get("general.architecture")), alpha=alpha, matrices=pairs)


def _check_fit(lora: Lora, base: Base, source: Path) -> None:
    if lora.architecture != base.architecture:
        raise AdapterError(
            f"{source.name} was made for a {lora.architecture} model and this one is {base.architecture}; "
            "use the model it was trained on."
        )
    for name, (a, b) in lora.matrices.items():
        wanted = base.shapes.get(name)
        if wanted != (a.shape[-1], b.shape[0]) or a.shape[0] != b.shape[-1]:
            raise AdapterError(
                f"{source.name} was made for another model: {name} has another shape; "
                "use the model it was trained on."
            )


def _copy_metadata(reader: gguf.GGUFReader, writer: gguf.GGUFWriter, quantisation: Quantisation) -> None:
    own = ("general.architecture", "general.file_type")  # The writer has the one, the other changes.
    for field in reader.fields.values():
        if field.name in own or field.name.startswith("GGUF."):
            continue
        inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
    writer.add_file_type(_FILE_TYPES[quantisation])


def _kind(tensor: gguf.ReaderTensor, quantisation: Quantisation) -> gguf.GGMLQuantizationType:
    """Choose a tensor's format: vectors stay as they are, rows that are no whole blocks go to F16."""
    if len(tensor.shape) < 2:
        return gguf.GGMLQuantizationType.F32
    if quantisation == "Q8_0" and int(tensor.shape[0]) % 32:
        return gguf.GGMLQuantizationType.F16
    return gguf.GGMLQuantizationType[quantisation]


def _merged(tensor: gguf.ReaderTensor, lora: Lora, kind: gguf.GGMLQuantizationType) -> Any:
    values = _values(tensor)
    update = lora.update(tensor.name)
    quantised = gguf.quantize(values if update is None else values + update, kind)
    return np.ascontiguousarray(quantised).view(np.uint8)


def _values(tensor: gguf.ReaderTensor) -> Matrix:
    values: Matrix = gguf.dequantize(tensor.data, tensor.tensor_type)
    return values


@contextmanager
def _published(out: Path) -> Iterator[Path]:
    """Give a temporary path to write to; at the end of the block it becomes `out`, whole and durable."""
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f"{TEMPORARY}{out.name}-{uuid.uuid4().hex[:8]}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(out.parent)
