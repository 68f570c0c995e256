"""What training loads from a GGUF file is what transformers loads from it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from alignchat import catalog
from alignchat.llamacpp import llama
from alignchat.training.gguf_network import read_network
from alignchat.training.load import read_by_transformers
from tests.tiny_models import write_llama


def same(ours: Any, theirs: Any) -> None:
    assert {n: tuple(w.shape) for n, w in ours.state_dict().items()} == {
        n: tuple(w.shape) for n, w in theirs.state_dict().items()
    }
    for name, weight in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], weight), name
    for name, buffer in theirs.named_buffers():
        assert torch.equal(dict(ours.named_buffers())[name], buffer), name
    mine, other = ours.config.to_dict(), theirs.config.to_dict()
    # What it was saved from, and the tokenizer's business, are no matter of the network.
    differing = {k for k in mine.keys() | other.keys() if mine.get(k) != other.get(k)}
    saved = {"architectures", "_name_or_path", "_model_name_or_path", "quantization_config", "dtype"}
    assert {key for key in differing if not key.endswith("_token_id")} <= saved
    ids = torch.tensor([[3, 5, 7, 9]])
    with torch.no_grad():
        assert torch.equal(ours(input_ids=ids).logits, theirs(input_ids=ids).logits)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("sentencepiece", [True, False])
def test_a_network_read_here_is_the_one_transformers_reads(
    tmp_path: Path, tied: bool, sentencepiece: bool
) -> None:
    path = write_llama(tmp_path / "tiny.gguf", tied=tied, sentencepiece=sentencepiece)
    model = catalog.find(str(path))
    same(read_network(model.path), read_by_transformers(model))


@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_K_M"])
def test_a_quantised_network_read_here_is_the_one_transformers_reads(tmp_path: Path, kind: str) -> None:
    whole = write_llama(tmp_path / "tiny.gguf", width=256, heads=4)
    llama.quantise(whole, tmp_path / "short.gguf", kind)
    model = catalog.find(str(tmp_path / "short.gguf"))
    same(read_network(model.path), read_by_transformers(model))


def test_the_starter_is_read_as_transformers_reads_it() -> None:
    model = catalog.find(catalog.STARTER)
    same(read_network(model.path), read_by_transformers(model))
