"""Adapters in llama.cpp's format do what they do in PEFT, and wrong ones are refused."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from alignchat import catalog
from alignchat.errors import AdapterError
from alignchat.formats.conversion import Quantisation, adapter_to_gguf, check_adapter, merge_to_gguf
from alignchat.formats.gguf_header import read_metadata
from tests.llama_scoring import LlamaScorer, divergence, torch_scores
from tests.tiny_models import write_llama

IDS = list(range(3, 120, 2))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("base") / "tiny.gguf")


@pytest.fixture(scope="module")
def network(base: Path) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model

    from alignchat.training.load import load_model

    torch.manual_seed(1)
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False)
    return get_peft_model(load_model(catalog.find(str(base))), config).eval()


@pytest.fixture(scope="module")
def folder(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adapter")
    network.save_pretrained(str(path), save_embedding_layers=False)
    return path


def test_llama_cpp_with_the_converted_adapter_agrees_with_peft(
    base: Path, network: Any, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "adapter.gguf"
    adapter_to_gguf(folder, base, out)
    check_adapter(out, base)
    scorer = LlamaScorer(base)
    expected = torch_scores(network, IDS)
    assert divergence(scorer(IDS, out), expected) < 1e-3
    assert divergence(scorer(IDS), expected) > 0.1
    scorer.close()


@pytest.mark.parametrize(("quantisation", "limit"), [("F16", 1e-3), ("BF16", 5e-3), ("Q8_0", 2e-2)])
@pytest.mark.parametrize("from_folder", [True, False])
def test_a_merged_model_speaks_like_model_and_adapter(
    base: Path,
    network: Any,
    folder: Path,
    tmp_path: Path,
    quantisation: Quantisation,
    limit: float,
    from_folder: bool,
) -> None:
    adapter = folder
    if not from_folder:
        adapter = tmp_path / "adapter.gguf"
        adapter_to_gguf(folder, base, adapter)
    merged = tmp_path / "merged.gguf"
    merge_to_gguf(adapter, base, merged, quantisation=quantisation)
    scorer = LlamaScorer(merged)
    assert divergence(scorer(IDS), torch_scores(network, IDS)) < limit
    scorer.close()


def test_a_merged_model_keeps_tokenizer_template_and_facts(base: Path, folder: Path, tmp_path: Path) -> None:
    merged = tmp_path / "merged.gguf"
    merge_to_gguf(folder, base, merged, quantisation="Q8_0")
    before, after = read_metadata(base), read_metadata(merged)
    assert after.pop("general.file_type") == gguf.LlamaFileType.MOSTLY_Q8_0
    assert after == before
    assert catalog.find(str(merged)).template == catalog.find(str(base)).template


def test_the_same_adapter_gives_the_same_file(base: Path, folder: Path, tmp_path: Path) -> None:
    first = adapter_to_gguf(folder, base, tmp_path / "1.gguf")
    assert first == adapter_to_gguf(folder, base, tmp_path / "2.gguf")


def test_an_adapter_of_another_model_is_refused_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    wider = write_llama(tmp_path / "wider.gguf", width=96, heads=6)
    fewer = write_llama(tmp_path / "fewer.gguf", layers=1)
    with pytest.raises(AdapterError, match="has another shape"):
        adapter_to_gguf(folder, wider, tmp_path / "out.gguf")
    with pytest.raises(AdapterError, match="does not have"):
        merge_to_gguf(folder, fewer, tmp_path / "out.gguf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fewer.gguf", "wider.gguf"]


def test_an_adapter_of_another_architecture_is_refused(base: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    writer = gguf.GGUFWriter(other, "gemma3")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 8.0)
    writer.add_tensor("blk.0.attn_q.weight.lora_a", np.zeros((4, 64), np.float32))
    writer.add_tensor("blk.0.attn_q.weight.lora_b", np.zeros((64, 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(AdapterError, match="made for a gemma3 model"):
        check_adapter(other, base)


def test_a_cut_off_adapter_is_refused(base: Path, folder: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.gguf"
    adapter_to_gguf(folder, base, whole)
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole.read_bytes()[:-2000])
    with pytest.raises(AdapterError, match="damaged"):
        check_adapter(cut, base)
    with pytest.raises(AdapterError, match="not a LoRA adapter"):
        check_adapter(base, base)


def test_a_folder_that_is_no_plain_lora_is_refused(base: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="cannot be read"):
        adapter_to_gguf(tmp_path, base, tmp_path / "out.gguf")
    tensors = load_file(folder / "adapter_model.safetensors")
    config = json.loads((folder / "adapter_config.json").read_text())
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps({**config, "use_dora": True}))
    with pytest.raises(AdapterError, match="use_dora"):
        adapter_to_gguf(tmp_path, base, tmp_path / "out.gguf")
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    save_file(
        {key: value for key, value in tensors.items() if "lora_A" in key},
        tmp_path / "adapter_model.safetensors",
    )
    with pytest.raises(AdapterError, match="not whole"):
        adapter_to_gguf(tmp_path, base, tmp_path / "out.gguf")
