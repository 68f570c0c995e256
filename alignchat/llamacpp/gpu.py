"""How many of a model's layers a graphics card takes, by its free memory. Knows no weights.

Layers are taken to be of one size, which they are in all models here but for embeddings and output.
"""

import ctypes
from pathlib import Path

from llama_cpp import llama_cpp

from alignchat.formats.gguf_header import read_metadata

# llama.cpp's buffers for computing, and what the screen and other programs may still ask for.
RESERVE = 512 * 1024 * 1024
# A conversation's memory and adapters come on top of the weights.
HEADROOM = 1.2

_CPU, _GPU = 0, 1


def layers_on_gpu(path: Path) -> int:
    """Return how many layers of the GGUF file at `path` to put on the GPU; 0 without one."""
    free = free_memory(_GPU)
    if not free:
        return 0
    metadata = read_metadata(path)
    layers = int(metadata.get(f"{metadata.get('general.architecture')}.block_count", 0))
    return fitting(free, path.stat().st_size, layers)


def fitting(free: int, size: int, layers: int) -> int:
    """Return how many of `layers` + 1 (the output counts as one) fit `free` bytes, for a file of `size`."""
    a_layer = HEADROOM * size / (layers + 1)
    return max(0, min(layers + 1, int((free - RESERVE) / a_layer)))


def free_memory(kind: int = _CPU) -> int:
    """Return the free bytes of llama.cpp's first device of a kind (0 CPU, 1 GPU); 0 if it has none."""
    library = ctypes.CDLL(llama_cpp._lib._name)
    find = library.ggml_backend_dev_by_type
    find.restype, find.argtypes = ctypes.c_void_p, [ctypes.c_int]
    device = find(kind)
    if not device:
        return 0
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    library.ggml_backend_dev_memory.restype = None
    library.ggml_backend_dev_memory.argtypes = [
        ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_size_t),
        ctypes.POINTER(ctypes.c_size_t),
    ]
    library.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
    return free.value
