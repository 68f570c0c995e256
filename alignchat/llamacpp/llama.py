"""llama.cpp in a few Python words: weights, contexts, adapters. Only this file and `gpu.py` import it.

Knows tokens and logits; knows neither conversations nor rounds. Nothing here is thread-safe: a
context is driven by one thread at a time, which its owner sees to.
"""

import ctypes
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

from alignchat.draw import Logits
from alignchat.engine import Adapter
from alignchat.errors import AdapterError, ModelError
from alignchat.llamacpp.gpu import layers_on_gpu

PREFILL = 512


@dataclass(frozen=True, slots=True)
class Entry:
    """One token for a decoding step: its place in its sequence, and whether its logits are wanted."""

    token: int
    position: int
    sequence: int
    logits: bool


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]  # llama_cpp is untyped
def _silence(_level: int, _text: bytes, _data: Any) -> None:
    """Swallow llama.cpp's log, which would go to the terminal of whoever chats."""


class Vocabulary:
    """A model's vocabulary alone, without its weights; this may be used by several threads at a time."""

    def __init__(self, path: Path) -> None:
        """Read the file's vocabulary; raise ModelError if llama.cpp refuses it."""
        parameters = llama_cpp.llama_model_default_params()
        parameters.vocab_only = True
        self._load(path, parameters)

    def _load(self, path: Path, parameters: Any) -> None:
        llama_cpp.llama_log_set(_silence, None)
        llama_cpp.llama_backend_init()
        self.path = path
        self.handle = llama_cpp.llama_model_load_from_file(os.fsencode(path), parameters)
        if not self.handle:
            raise ModelError(f"llama.cpp cannot load {path}; the file may be damaged: download it again.")
        self._vocabulary = llama_cpp.llama_model_get_vocab(self.handle)
        self.vocabulary_size: int = llama_cpp.llama_vocab_n_tokens(self._vocabulary)

    def tokenize(self, text: str, *, add_special: bool, parse_control: bool) -> list[int]:
        """Return token ids; `add_special` puts a BOS first where the vocabulary asks for one."""
        content = text.encode("utf-8", "replace")
        room = len(content) + 8
        ids = (llama_cpp.llama_token * room)()
        count = llama_cpp.llama_tokenize(
            self._vocabulary, content, len(content), ids, room, add_special, parse_control
        )
        if count < 0:
            raise ModelError("The text cannot be tokenised; it may be too long.")
        return list(ids[:count])

    def start(self) -> list[int]:
        """Return what stands for an empty text: the token of beginnings, else the one of ends."""
        first = llama_cpp.llama_vocab_bos(self._vocabulary)
        return [first if first >= 0 else llama_cpp.llama_vocab_eos(self._vocabulary)]

    def piece(self, token: int, *, control: bool = False) -> bytes:
        """Return the bytes a token stands for; control tokens give none, or their names if asked."""
        size = 256
        while True:
            buffer = ctypes.create_string_buffer(size)
            used = llama_cpp.llama_token_to_piece(self._vocabulary, token, buffer, size, 0, control)
            if used >= 0:
                return buffer.raw[:used]
            size = -used

    def is_end(self, token: int) -> bool:
        """Tell whether the token ends a generation."""
        return bool(llama_cpp.llama_vocab_is_eog(self._vocabulary, token))

    def close(self) -> None:
        """Free the vocabulary."""
        if self.handle:
            llama_cpp.llama_model_free(self.handle)
            self.handle = None


class Weights(Vocabulary):
    """A model's weights and vocabulary, mapped from its file once and shared by all contexts."""

    def __init__(self, path: Path) -> None:
        """Load the file, onto a graphics card as far as it fits; raise ModelError if llama.cpp refuses it."""
        parameters = llama_cpp.llama_model_default_params()
        parameters.n_gpu_layers = layers_on_gpu(path)
        self._load(path, parameters)
        self._adapters: dict[Adapter, Any] = {}
        self._loading = threading.Lock()

    def adapter(self, adapter: Adapter) -> Any:
        """Return llama.cpp's handle of an adapter, loaded once; raise AdapterError."""
        with self._loading:
            if adapter not in self._adapters:
                handle = llama_cpp.llama_adapter_lora_init(self.handle, os.fsencode(adapter.path))
                # A broken file gives a NULL that is not None, and a crash at the first token.
                if not handle or not ctypes.cast(handle, ctypes.c_void_p).value:
                    raise AdapterError(
                        f"llama.cpp cannot load the adapter {adapter.path}; "
                        "it may be damaged or made for another model."
                    )
                self._adapters[adapter] = handle
            return self._adapters[adapter]

    def close(self) -> None:
        """Free the weights and all adapters; contexts must be closed before."""
        super().close()
        self._adapters.clear()


class Context:
    """Key-value memory for one or several sequences over shared weights."""

    def __init__(
        self, weights: Weights, *, length: int, sequences: int, unified: bool, threads: int | None = None
    ) -> None:
        """Reserve memory for `sequences` of `length` tokens each (together, if unified: `length` in all)."""
        cores = threads or os.cpu_count() or 1
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = length if unified else length * sequences
        parameters.n_batch = parameters.n_ubatch = PREFILL
        parameters.n_seq_max = sequences
        parameters.kv_unified = unified
        parameters.n_threads = parameters.n_threads_batch = cores
        parameters.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED
        parameters.no_perf = True
        self.weights = weights
        self.sequences = sequences
        self.handle = llama_cpp.llama_init_from_model(weights.handle, parameters)
        if not self.handle:
            raise ModelError(
                "There is not enough memory for this conversation length; set chat.context lower."
            )
        self._memory = llama_cpp.llama_get_memory(self.handle)
        self._batch = llama_cpp.llama_batch_init(PREFILL, 0, 1)
        self._adapter: Adapter | None = None

    def use(self, adapter: Adapter | None) -> None:
        """Decode with this adapter from now on; sequences begun with another one must not go on."""
        if adapter == self._adapter:
            return
        kind = llama_cpp.llama_adapter_lora_p_ctypes
        handles = [ctypes.cast(self.weights.adapter(a), kind) for a in (adapter,) if a]
        scales = (ctypes.c_float * 1)(1.0)
        if llama_cpp.llama_set_adapters_lora(self.handle, (kind * 1)(*handles), len(handles), scales):
            raise AdapterError("llama.cpp refuses the adapter; it may be made for another model.")
        self._adapter = adapter

    def decode(self, entries: Sequence[Entry]) -> None:
        """Run at most PREFILL tokens through the model; raise ModelError if memory is full."""
        if len(entries) > PREFILL:
            raise ValueError(f"{len(entries)} tokens are more than the {PREFILL} of a step")
        batch = self._batch
        batch.n_tokens = len(entries)
        for i, entry in enumerate(entries):
            batch.token[i] = entry.token
            batch.pos[i] = entry.position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = entry.sequence
            batch.logits[i] = entry.logits
        if llama_cpp.llama_decode(self.handle, batch):
            raise ModelError("llama.cpp could not go on: the context is full. Start a new conversation.")

    def logits(self, index: int) -> Logits:
        """Return the logits after batch entry `index`, valid until the next decoding."""
        pointer = llama_cpp.llama_get_logits_ith(self.handle, index)
        return np.ctypeslib.as_array(pointer, (self.weights.vocabulary_size,))

    def forget(self, sequence: int, position: int = 0) -> None:
        """Drop a sequence's memory from `position` on."""
        llama_cpp.llama_memory_seq_rm(self._memory, sequence, position, -1)

    def move(self, source: int, target: int) -> None:
        """Give a sequence's memory another number, whose own is lost."""
        self.forget(target)
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, -1, -1)
        self.forget(source)

    def close(self) -> None:
        """Free the memory."""
        if self.handle:
            llama_cpp.llama_batch_free(self._batch)
            llama_cpp.llama_free(self.handle)
            self.handle = None


def computes_bf16() -> bool:
    """Tell whether llama.cpp was built with bfloat16 instructions for this CPU, and for no GPU."""
    known: bytes = llama_cpp.llama_print_system_info()
    return b"AVX512_BF16 = 1" in known and not llama_cpp.llama_supports_gpu_offload()


def quantise(source: Path, target: Path, type: str) -> None:
    """Write the model at `source` to `target` in a format such as Q8_0; raise ModelError if it cannot be.

    A quantised source is only ever widened: to a format as narrow, its errors would be rounded again.
    """
    llama_cpp.llama_log_set(_silence, None)
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = vars(llama_cpp)[f"LLAMA_FTYPE_MOSTLY_{type}"]
    parameters.nthread = os.cpu_count() or 1
    parameters.allow_requantize = type == "BF16"
    if llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(parameters)):
        raise ModelError(f"llama.cpp cannot write {source.name} as {type}; choose another --quant.")
