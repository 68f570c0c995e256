"""A round for other programs: it speaks there as it does here; what cannot be written leaves nothing."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from alignchat import catalog, config
from alignchat.engine import Adapter
from alignchat.errors import ModelError
from alignchat.files import sha256
from alignchat.formats.conversion import adapter_to_gguf
from alignchat.llamacpp.llama_child import try_model
from alignchat.loop import Loop
from alignchat.making.exporting import ExportFormat, merge
from alignchat.rounds import ADAPTER_FOLDER
from tests.llama_scoring import LlamaScorer, divergence, log_softmax
from tests.made_rounds import add_round
from tests.tiny_models import write_adapter, write_llama

ASKED, TOKENS = ("the lantern", "in an inn", "here"), 24
PROMPT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
# What other programs would do: llama-cpp-python's own class, or Transformers with PEFT; nothing of ours.
LLAMA_CPP = """
import sys, llama_cpp
_, model, adapter, tokens, *prompts = sys.argv
llama = llama_cpp.Llama(model, lora_path=adapter or None, n_ctx=256, verbose=False)
for prompt in prompts:
    said = []
    for token in llama.generate(llama.tokenize(prompt.encode(), add_bos=False, special=True), temp=0):
        if token in (0, 2) or len(said) == int(tokens):
            break
        said.append(token)
    print(repr(llama.detokenize(said).decode(errors="replace")))
"""
LIKELY = """
import sys, llama_cpp, numpy
_, model, out, *ids = sys.argv
llama = llama_cpp.Llama(model, n_ctx=256, logits_all=True, verbose=False)
llama.eval([int(token) for token in ids])
numpy.save(out, llama.scores[: len(ids)])
"""
PEFT = """
import sys
from pathlib import Path
from peft import PeftModel
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
_, model, adapter, tokens, *prompts = sys.argv
folder, file = Path(model).parent, Path(model).name
tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, gguf_file=file)
network = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder, gguf_file=file), adapter)
for prompt in prompts:
    ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
    said = network.generate(input_ids=ids, max_new_tokens=int(tokens), do_sample=False, eos_token_id=[0, 2])
    print(repr(tokenizer.decode(said[0, ids.shape[1] :], skip_special_tokens=True)))
"""


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """A tiny model and a round of it whose adapter moves it far."""
    import torch
    from peft import LoraConfig, get_peft_model

    from alignchat.training.load import load_model

    folder = tmp_path_factory.mktemp("round")
    model = write_llama(folder / "tiny.gguf", tied=False)
    torch.manual_seed(1)
    lora = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", init_lora_weights=False)
    network = get_peft_model(load_model(catalog.find(str(model))), lora)
    network.save_pretrained(str(folder / "peft"), save_embedding_layers=False)
    adapter_to_gguf(folder / "peft", model, folder / "adapter.gguf")
    path = folder / "adapter.gguf"
    asked = {"temperature": 0, "max_tokens": TOKENS}
    with Loop.open(config.load(folder / "data", model=str(model), chat=asked)) as opened:
        number = add_round(opened, Adapter(path=path, sha256=sha256(path)))
        (folder / "peft").rename(opened.rounds.folder(number) / ADAPTER_FOLDER)
        yield opened


@pytest.mark.parametrize("format", get_args(ExportFormat))
def test_an_exported_round_says_elsewhere_what_it_says_in_the_chat(
    loop: Loop, tmp_path: Path, format: ExportFormat
) -> None:
    out = tmp_path / "exported.gguf"
    loop.export_round(1, format, out)
    model, adapter = (str(out), "") if format == "gguf" else (str(loop.model.path), str(out))
    code = PEFT if format == "peft" else LLAMA_CPP
    told = elsewhere(code, model, adapter, TOKENS, *(PROMPT.format(text) for text in ASKED))
    # The tiny model's bytes are hardly ever UTF-8, and what stands for them differs.
    there = [ast.literal_eval(line).replace("\ufffd", "") for line in told.splitlines()]
    assert there == spoken(loop, 1)
    assert there != spoken(loop, 0)


def test_an_eight_bit_export_finds_elsewhere_the_tokens_as_likely_as_the_chat_does(
    loop: Loop, tmp_path: Path
) -> None:
    out, told, ids = tmp_path / "exported.gguf", tmp_path / "told.npy", range(3, 120, 2)
    loop.export_round(1, "gguf", out, "Q8_0")
    elsewhere(LIKELY, out, told, *ids)
    there = log_softmax(np.load(told))
    adapter = loop.rounds.adapter(1)
    assert adapter
    scorer = LlamaScorer(loop.model.path)
    assert divergence(scorer(ids, adapter.path), there) < 0.02
    assert divergence(scorer(ids), there) > 0.1
    scorer.close()


def elsewhere(code: str, *arguments: object) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def spoken(loop: Loop, number: int) -> list[str]:
    replies = [list(loop.reply(None, text, round=number))[-1].text for text in ASKED]
    return [reply.replace("\ufffd", "") for reply in replies]


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
