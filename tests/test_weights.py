"""The copy that batches run on: equal to what it was made from, made once, whole or not there."""

import shutil
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest

from alignchat import catalog
from alignchat.batch import generate
from alignchat.catalog import Model
from alignchat.engine import Sampling
from alignchat.errors import Cancelled
from alignchat.files import TEMPORARY, sha256
from alignchat.llamacpp import llama, weights
from tests.llama_scoring import LlamaScorer, divergence
from tests.tiny_models import write_llama

PROMPTS = ["the cat in the rain", "a dog", "then on", "hello there"]
IDS = list(range(3, 120, 2))


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("wide") / "wide.gguf", tied=False, width=128)


@pytest.fixture
def slow(wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model in a format that is widened, on a machine that is said to have the instructions for it."""
    monkeypatch.setattr(llama, "computes_bf16", lambda: True)
    return narrowed(wide, tmp_path, "Q8_0")


def narrowed(source: Path, folder: Path, format: str) -> Model:
    path = folder / f"{format}.gguf"
    llama.quantise(source, path, format)
    return catalog.find(str(path))


def dequantised(source: Path, target: Path) -> Path:
    """Write the numbers a file stands for as they are, in F32."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, "llama")
    for field in reader.fields.values():
        if field.name != "general.architecture" and not field.name.startswith("GGUF."):
            inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def rows(path: Path) -> np.ndarray:
    scorer = LlamaScorer(path)
    try:
        return scorer(IDS)
    finally:
        scorer.close()


def texts(path: Path) -> list[str]:
    loaded = llama.Weights(path)
    try:
        return generate(loaded, PROMPTS, Sampling(temperature=0, max_tokens=12), sequences=4, threads=1)
    finally:
        loaded.close()


def in_cache(folder: Path) -> set[str]:
    return {path.suffix for path in folder.iterdir()}


@pytest.mark.parametrize("format", ["Q8_0", "Q5_0", "Q4_1"])
def test_the_copy_says_what_the_dequantised_weights_say(
    wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    monkeypatch.setattr(llama, "computes_bf16", lambda: True)
    model = narrowed(wide, tmp_path, format)
    copy = weights.for_batches(model, tmp_path / "cache")
    exact = rows(dequantised(model.path, tmp_path / "exact.gguf"))
    copied = rows(copy.model.path)
    best, second = np.sort(exact, axis=-1)[:, :-3:-1].T
    clear = best - second > 0.2
    assert copy.format == "BF16"
    assert divergence(exact, copied) < 2e-3
    assert clear.sum() > 10
    assert (exact.argmax(axis=-1) == copied.argmax(axis=-1))[clear].all()


def test_the_greedy_texts_of_a_model_with_firm_opinions_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama, "computes_bf16", lambda: True)
    model = narrowed(write_llama(tmp_path / "firm.gguf"), tmp_path, "Q8_0")
    copy = weights.for_batches(model, tmp_path / "cache").model.path
    assert texts(copy) == texts(dequantised(model.path, tmp_path / "exact.gguf"))


def test_only_the_path_is_the_copys(slow: Model, tmp_path: Path) -> None:
    copy = weights.for_batches(slow, tmp_path / "cache").model
    assert copy.path != slow.path
    assert (copy.name, copy.sha256, copy.template) == (slow.name, slow.sha256, slow.template)


def test_a_second_call_does_not_make_it_again(slow: Model, tmp_path: Path) -> None:
    first = weights.for_batches(slow, tmp_path / "cache").model.path
    made = first.stat()
    assert weights.for_batches(slow, tmp_path / "cache").model.path == first
    assert (first.stat().st_ino, first.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)


@pytest.mark.parametrize("format", ["Q4_0", "F16"])
def test_a_format_that_gains_nothing_stays_as_it_is(
    wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    monkeypatch.setattr(llama, "computes_bf16", lambda: True)
    model = narrowed(wide, tmp_path, format)
    assert weights.for_batches(model, tmp_path / "cache") == weights.BatchModel(model=model, format=format)
    assert not (tmp_path / "cache").exists()


def test_without_the_instructions_or_the_memory_the_file_is_used_as_it_comes(
    slow: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_it_comes = weights.BatchModel(model=slow, format="Q8_0")
    assert weights.for_batches(slow, tmp_path / "cache", memory=3 * slow.path.stat().st_size) == as_it_comes
    monkeypatch.setattr(llama, "computes_bf16", lambda: False)
    assert weights.for_batches(slow, tmp_path / "cache") == as_it_comes


def test_without_room_on_the_disk_the_file_is_used_as_it_comes_and_that_is_said(
    slow: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 99, 1))
    used = weights.for_batches(slow, tmp_path / "cache")
    assert used == weights.BatchModel(model=slow, format="Q8_0")
    assert "Q8_0.gguf as it is: a copy of" in capsys.readouterr().err
    assert in_cache(tmp_path / "cache") == {".lock"}


def test_told_to_stop_nothing_is_left(slow: Model, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        weights.for_batches(slow, tmp_path / "cache", lambda: True)
    assert in_cache(tmp_path / "cache") == {".lock"}


MAKE = """
import sys
from pathlib import Path
from alignchat import catalog
from alignchat.llamacpp import llama, weights
llama.computes_bf16 = lambda: True
weights.for_batches(catalog.find(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_kill_while_it_is_made_leaves_no_copy_and_the_next_call_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llama, "computes_bf16", lambda: True)
    large = write_llama(tmp_path / "large.gguf", width=512, layers=8)
    model, cache = narrowed(large, tmp_path, "Q8_0"), tmp_path / "cache"
    cache.mkdir()
    maker = subprocess.Popen([sys.executable, "-c", MAKE, str(model.path), str(cache)])
    while not any(path.name.startswith(TEMPORARY) for path in cache.iterdir()):
        assert maker.poll() is None
    maker.kill()
    maker.wait()
    assert ".gguf" not in {path.suffix for path in cache.iterdir() if not path.name.startswith(TEMPORARY)}
    copy = weights.for_batches(model, cache).model.path
    assert in_cache(cache) == {".lock", ".gguf"}
    whole = weights.for_batches(model, tmp_path / "elsewhere").model.path
    assert sha256(copy) == sha256(whole)
