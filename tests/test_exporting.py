"""A merged model in formats that llama.cpp makes: whole, loads in a process of its own, nothing left over."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from alignchat import catalog
from alignchat.errors import ModelError
from alignchat.exporting import merge
from alignchat.llama_child import try_model
from tests.tiny_models import write_llama


def write_adapter(path: Path, width: int, inner: int) -> Path:
    generator = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 8.0)
    for half, shape in (("lora_a", (4, width)), ("lora_b", (inner, 4))):
        writer.add_tensor(f"blk.0.ffn_up.weight.{half}", generator.normal(0, 0.01, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.slow
def test_a_model_merged_to_six_bits_loads_and_is_smaller(starter: catalog.Model, tmp_path: Path) -> None:
    adapter, out = write_adapter(tmp_path / "adapter.gguf", 576, 1536), tmp_path / "merged.gguf"
    merge(adapter, starter.path, out, "Q6_K")
    try_model(out)
    assert out.stat().st_size < 0.6 * 270e6  # of F16
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter.gguf", "merged.gguf"]


def test_what_llama_cpp_will_not_write_leaves_nothing(tmp_path: Path) -> None:
    model = write_llama(tmp_path / "tiny.gguf")
    adapter = write_adapter(tmp_path / "adapter.gguf", 64, 128)
    with pytest.raises(ModelError):
        merge(adapter, model, tmp_path / "out.gguf", "F99")  # type: ignore[arg-type]  # no such format
    assert not (tmp_path / "out.gguf").exists()
