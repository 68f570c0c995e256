"""Conversion from safetensors: llama.cpp reads and says what Transformers does; odd folders are refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
import torch
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from alignchat import catalog
from alignchat.errors import Cancelled, ModelError
from alignchat.formats.gguf_header import read_metadata
from alignchat.formats.safetensors_to_gguf import convert
from alignchat.llamacpp.llama import Weights
from alignchat.llamacpp.llama_child import QUANTISATIONS, quantise
from alignchat.shelf.obtain import Work, from_folder
from tests import transformers_models as made
from tests.llama_scoring import LlamaScorer, divergence, torch_scores
from tests.minerva import write_minerva_350m

IDS = [1, *range(20, 400, 7)]


def spm(folder: Path) -> None:
    made.sentencepiece_tokenizer(folder)


def spm_json(folder: Path) -> None:
    made.sentencepiece_tokenizer(folder)
    made.sentencepiece_json(folder)


def llama3_bpe(folder: Path) -> None:
    made.byte_level_tokenizer(folder, llama3=True)


def gpt2_bpe(folder: Path) -> None:
    made.byte_level_tokenizer(folder, llama3=False)


LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
CASES: dict[str, tuple[str, Callable[[Path], None], dict[str, Any]]] = {
    "llama tied spm": ("llama", spm, {"tie_word_embeddings": True}),
    "llama untied bpe llama3": ("llama", llama3_bpe, {"rope_parameters": LLAMA3_ROPE}),
    "mistral untied bf16": ("mistral", spm_json, {"dtype": torch.bfloat16}),
    "mistral f16 sharded head_dim": (
        "mistral",
        gpt2_bpe,
        {"dtype": torch.float16, "shard": "100KB", "head_dim": 32},
    ),
    "llama biases": ("llama", spm, {"attention_bias": True}),
    "gemma3": ("gemma3", made.gemma_tokenizer, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_converted_model_says_what_transformers_says(case: str, tmp_path: Path) -> None:
    family, tokenizer, changes = CASES[case]
    tokenizer(tmp_path)
    network = made.write_weights(tmp_path, family, **changes)
    out = tmp_path / "f16.gguf"
    convert(tmp_path, out, format="F16")
    expected = torch_scores(network, IDS)
    assert kl(out, expected) < 1e-3
    quantise(out, tmp_path / "q8.gguf", "Q8_0")
    assert kl(tmp_path / "q8.gguf", expected) < 1e-2


TOKENIZERS = {
    "spm": spm,
    "spm json": spm_json,
    "swapped": made.swapped_tokenizer,
    "llama3 bpe": llama3_bpe,
    "gpt2 bpe": gpt2_bpe,
    "gemma": made.gemma_tokenizer,
}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_texts_have_the_same_ids_in_llama_cpp_and_in_their_own_tokenizer(name: str, tmp_path: Path) -> None:
    TOKENIZERS[name](tmp_path)
    made.write_weights(tmp_path, "llama", num_hidden_layers=1)
    own = own_tokenizer(tmp_path)
    convert(tmp_path, tmp_path / "out.gguf")
    weights = Weights(tmp_path / "out.gguf")
    try:
        for text in made.TEXTS:
            assert weights.tokenize(text, add_special=False, parse_control=False) == own(text), text
    finally:
        weights.close()


@pytest.mark.parametrize(
    ("tokenizer", "bos", "eos"), [(spm, 1, 2), (spm_json, 1, 2), (made.swapped_tokenizer, 0, 502)]
)
def test_special_ids_come_from_the_tokenizer_and_not_from_the_config(
    tokenizer: Callable[[Path], None], bos: int, eos: int, tmp_path: Path
) -> None:
    tokenizer(tmp_path)
    made.write_weights(tmp_path, "mistral", num_hidden_layers=1)
    convert(tmp_path, tmp_path / "out.gguf")
    metadata = read_metadata(tmp_path / "out.gguf")
    assert (metadata["tokenizer.ggml.bos_token_id"], metadata["tokenizer.ggml.eos_token_id"]) == (bos, eos)
    assert metadata["tokenizer.ggml.add_bos_token"] is (tokenizer is not made.swapped_tokenizer)
    assert len(metadata["tokenizer.ggml.tokens"]) == 512  # As many as the embedding has rows.


@pytest.mark.parametrize("where", ["tokenizer_config.json", "chat_template.jinja"])
def test_the_chat_template_comes_along(where: str, folder: Path) -> None:
    template = "{{ messages[0]['content'] }}"
    config = json.loads((folder / "tokenizer_config.json").read_text())
    if where == "tokenizer_config.json":
        (folder / where).write_text(json.dumps({**config, "chat_template": template}))
    else:
        (folder / where).write_text(template)
    convert(folder, folder / "out.gguf")
    assert read_metadata(folder / "out.gguf")["tokenizer.chat_template"] == template


def test_every_quantisation_is_written_and_the_finer_is_the_closer(tmp_path: Path) -> None:
    spm_json(tmp_path)
    network = made.write_weights(
        tmp_path, "mistral", hidden_size=256, intermediate_size=512, num_hidden_layers=2
    )
    expected = torch_scores(network, IDS)
    for format in ("F16", "BF16"):
        convert(tmp_path, tmp_path / f"{format}.gguf", format=format)
    for kind in QUANTISATIONS[2:]:
        quantise(tmp_path / "F16.gguf", tmp_path / f"{kind}.gguf", kind)
    found = {kind: kl(tmp_path / f"{kind}.gguf", expected) for kind in QUANTISATIONS}
    limits = {
        "F16": 1e-3,
        "BF16": 1e-3,
        "Q8_0": 1e-2,
        "Q6_K": 0.02,
        "Q5_K_M": 0.05,
        "Q4_K_M": 0.2,
        "Q4_0": 0.3,
    }
    assert {kind: found[kind] < limits[kind] for kind in found} == dict.fromkeys(QUANTISATIONS, True), found


def test_the_shape_of_minerva_350m_agrees_with_transformers(tmp_path: Path) -> None:
    network = write_minerva_350m(tmp_path)
    ids = [1, *range(100, 30000, 1499)]
    expected = torch_scores(network, ids)
    convert(tmp_path, tmp_path / "f16.gguf", format="F16")
    quantise(tmp_path / "f16.gguf", tmp_path / "q8.gguf", "Q8_0")
    assert kl(tmp_path / "f16.gguf", expected, ids) < 1e-3
    assert kl(tmp_path / "q8.gguf", expected, ids) < 1e-2


def test_training_reads_back_from_the_converted_file_what_was_converted(tmp_path: Path) -> None:
    from alignchat.training.load import load_model, load_tokenizer

    spm_json(tmp_path)
    network = made.write_weights(tmp_path, "mistral", dtype=torch.bfloat16)
    own = own_tokenizer(tmp_path)
    out = from_folder(tmp_path, tmp_path / "out.gguf", "BF16", Work(folder=tmp_path))
    model = catalog.find(str(out))
    assert divergence(torch_scores(network, IDS), torch_scores(load_model(model), IDS)) < 1e-6
    tokenizer = load_tokenizer(model)
    for text in made.TEXTS:
        assert tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True) == own(text)


def test_a_tokenizer_that_llama_cpp_would_read_otherwise_is_refused(folder: Path) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text("utf-8"))
    content["model"]["merges"] = content["model"]["merges"][::2]
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(ModelError, match="other tokens than this model's own"):
        from_folder(folder, folder / "out.gguf", "F16", Work(folder=folder))
    assert list(folder.glob("*gguf*")) == []


def test_a_conversion_stops_when_told_and_leaves_nothing(folder: Path) -> None:
    told: list[bool] = []
    work = Work(folder=folder, should_stop=lambda: bool(told), on_progress=lambda _: told.append(True))
    with pytest.raises(Cancelled):
        from_folder(folder, folder / "out.gguf", "Q8_0", work)
    assert list(folder.glob("*gguf*")) == []


def changed_json(name: str, **changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = json.loads((folder / name).read_text("utf-8"))
        (folder / name).write_text(json.dumps({**content, **changes}), "utf-8")

    return change


def changed_bytes(place: int, new: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "model.safetensors"
        content = bytearray(path.read_bytes())
        content[place : place + len(new)] = new
        path.write_bytes(bytes(content))

    return change


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def escaping(folder: Path) -> None:
    index = {"weight_map": {"model.norm.weight": "../model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def without_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def without_end(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text("{}")


def without_a_part(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    del tensors["model.layers.0.mlp.up_proj.weight"]
    save_file(tensors, path)


def with_another_part(folder: Path) -> None:
    path = folder / "model.safetensors"
    save_file({**load_file(path), "model.layers.0.adapter.weight": np.ones((2, 2), np.float32)}, path)


def with_large_numbers(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["model.layers.0.mlp.up_proj.weight"] *= 1e6
    save_file(tensors, path)


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "another family": (changed_json("config.json", model_type="qwen2"), "family qwen2; only llama, mistral"),
    "an activation": (changed_json("config.json", hidden_act="gelu"), "because of hidden_act"),
    "a rope": (changed_json("config.json", rope_parameters={"rope_type": "yarn"}), "because of rope_scaling"),
    "quantised": (
        changed_json("config.json", quantization_config={"bits": 4}),
        "because of quantization_config",
    ),
    "another width": (changed_json("config.json", intermediate_size=300), "do not fit config.json"),
    "a small vocabulary": (changed_json("config.json", vocab_size=100), "do not fit config.json"),
    "no safetensors": (pickled, "only weights in safetensors are read"),
    "a shard elsewhere": (escaping, "names a file '../model.safetensors' that is not beside it"),
    "no tokenizer": (without_tokenizer, "no tokenizer.json and no tokenizer.model"),
    "no end of text": (without_end, "which token ends a text"),
    "unigram": (changed_json("tokenizer.json", model={"type": "Unigram", "vocab": []}), "only BPE works"),
    "weights cut off": (cut, "not a sound safetensors file"),
    "a header too long": (changed_bytes(0, b"\xff" * 8), "not a sound safetensors file"),
    "a header of noise": (changed_bytes(8, b"\xff\xfe"), "not a sound safetensors file"),
    "a part missing": (without_a_part, "are not whole: blk.0.ffn_up.weight is missing"),
    "a part too many": (with_another_part, "has a part model.layers.0.adapter.weight"),
    "numbers too large": (with_large_numbers, "too large for F16; ask for --quant BF16"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_converted_is_refused_in_a_sentence(case: str, folder: Path) -> None:
    change, says = REFUSED[case]
    change(folder)
    with pytest.raises(ModelError, match=says) as raised:
        convert(folder, folder / "out.gguf")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("cut_off", [3, 100, 2000])
def test_a_damaged_sentencepiece_model_is_refused(cut_off: int, tmp_path: Path) -> None:
    made.sentencepiece_tokenizer(tmp_path)
    path = tmp_path / "tokenizer.model"
    path.write_bytes(path.read_bytes()[:-cut_off])
    made.write_weights(tmp_path, "llama", num_hidden_layers=1)
    with pytest.raises(
        ModelError, match=r"not a sound SentencePiece model|not a SentencePiece model of the BPE"
    ):
        convert(tmp_path, tmp_path / "out.gguf")


@pytest.fixture
def folder(tmp_path: Path, small: Path) -> Path:
    """A small mistral model of one's own."""
    return Path(shutil.copytree(small, tmp_path / "small"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    spm_json(folder)
    made.write_weights(folder, "mistral", num_hidden_layers=1)
    return folder


def own_tokenizer(folder: Path) -> Callable[[str], list[int]]:
    """Return texts -> ids by the library the tokenizer was made for, control tokens as plain text."""
    if (folder / "tokenizer.model").exists():
        model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        return lambda text: list(model.encode(text))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    return lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids)


def kl(path: Path, expected: Any, ids: list[int] = IDS) -> float:
    scorer = LlamaScorer(path)
    try:
        return divergence(expected, scorer(ids))
    finally:
        scorer.close()
