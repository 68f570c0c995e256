"""Finding models: what a name or a file may be, and one sentence for everything else."""

import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import gguf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alignchat import catalog
from alignchat.engine import Adapter
from alignchat.errors import ModelError
from alignchat.formats import gguf_header
from alignchat.formats.template import PLAIN_STOP, PLAIN_TEMPLATE

on_disk = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def write(path: Path, architecture: str = "llama", **metadata: Any) -> Path:
    """Write a GGUF that has metadata and no tensors."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in metadata.items():
        name = key.replace("__", ".")
        if isinstance(value, list):
            writer.add_array(name, value)
        elif isinstance(value, int):
            writer.add_uint32(name, value)
        else:
            writer.add_string(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_the_starter_is_a_chat_model_under_a_free_licence(starter: catalog.Model) -> None:
    assert (starter.name, starter.architecture, starter.licence) == ("starter", "llama", "apache-2.0")
    assert "<|im_start|>" in starter.template
    assert {"<|im_start|>", "<|im_end|>", "<|endoftext|>"} <= set(starter.control_tokens)
    assert starter.stop == ()


def test_the_header_says_what_the_gguf_package_says(starter: catalog.Model) -> None:
    metadata = gguf_header.read_metadata(starter.path)
    fields = gguf.GGUFReader(starter.path).fields
    ours = {key: value for key, value in metadata.items() if not isinstance(value, list)}
    assert ours == {key: fields[key].contents() for key in ours}
    assert set(metadata) == {key for key in fields if not key.startswith("GGUF.")}
    tokens = fields["tokenizer.ggml.tokens"]
    assert metadata["tokenizer.ggml.tokens"][48_000] == str(bytes(tokens.parts[tokens.data[48_000]]), "utf-8")


def test_a_model_without_a_template_gets_ours_and_its_stop_string(tmp_path: Path) -> None:
    path = write(
        tmp_path / "My Base (v1).gguf",
        tokenizer__ggml__tokens=["<unk>", "<s>", "</s>", "a"],
        tokenizer__ggml__token_type=[2, 3, 3, 1],
        tokenizer__ggml__bos_token_id=1,
        tokenizer__ggml__eos_token_id=2,
    )
    model = catalog.find(str(path))
    assert (model.template, model.stop) == (PLAIN_TEMPLATE, PLAIN_STOP)
    assert (model.bos, model.eos, model.control_tokens) == ("<s>", "</s>", ("<unk>", "<s>", "</s>"))
    assert model.name == f"my-base-v1-{model.sha256[:8]}"


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        (
            {"architecture": "bert"},
            "is a bert model, which .* llama, mistral, gemma3",
        ),
        ({"general__type": "adapter"}, "holds an adapter, not a model; give the model it was trained on"),
        ({"tokenizer__ggml__tokens": "text"}, r"tokenizer\.ggml\.tokens is of the wrong kind"),
        ({"tokenizer__ggml__tokens": [1, 2]}, r"tokenizer\.ggml\.tokens is of the wrong kind"),
        ({"tokenizer__ggml__token_type": ["a"]}, "token_type is of the wrong kind"),
        ({"tokenizer__chat_template": 3}, "chat_template is of the wrong kind"),
        ({"tokenizer__ggml__bos_token_id": "one"}, "bos_token_id is of the wrong kind"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(metadata: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=says):
        catalog.find(str(write(tmp_path / "model.gguf", **metadata)))


def test_an_adapter_is_not_a_model(tiny_adapter: Callable[..., Adapter]) -> None:
    with pytest.raises(ModelError, match="holds an adapter"):
        catalog.find(str(tiny_adapter(1).path))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("minerba", "no model called 'minerba'; use starter, or the path"),
        ("/nowhere/model.gguf", "no file at /nowhere/model.gguf; check the path"),
        ("/tmp", "is a folder; give the path"),
        ("~nobody-of-this-name/model.gguf", "no model called"),
        ("a\0b.gguf", "no model called"),
        ("x" * 5000, "no model called"),
        ("", "is a folder|no model called"),
        ("../../etc/passwd", "not a sound GGUF|no model called"),
    ],
)
def test_a_name_of_nothing_is_one_sentence(name: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        catalog.find(name)


def test_a_loop_of_links_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "loop.gguf"
    path.symlink_to(path)
    with pytest.raises(ModelError, match="no model called"):
        catalog.find(str(path))


@on_disk
@given(st.binary(max_size=200), st.sampled_from([b"", b"GGUF", b"GGUF" + struct.pack("<IQQ", 3, 0, 3)]))
def test_random_bytes_are_refused_and_nothing_worse(tmp_path: Path, content: bytes, start: bytes) -> None:
    path = tmp_path / "random.gguf"
    path.write_bytes(start + content)
    with suppress(ModelError):
        catalog.find(str(path))


@on_disk
@given(st.data())
def test_a_sound_file_cut_or_changed_anywhere_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    path = write(
        tmp_path / "sound.gguf",
        tokenizer__ggml__tokens=["<s>", "a"],
        tokenizer__ggml__token_type=[3, 1],
        tokenizer__ggml__eos_token_id=1,
    )
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with suppress(ModelError):
        catalog.find(str(path))


@pytest.mark.parametrize(
    "tail",
    [
        struct.pack("<IQQ", 3, 0, 2**63),
        struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**62),
        struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q1sIIQ", 1, b"k", 9, 0, 2**61),
        struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q1sIIQ", 1, b"k", 9, 9, 2),
        struct.pack("<IQQ", 99, 0, 0),
    ],
)
def test_counts_beyond_reason_are_refused_without_reserving_memory(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "greedy.gguf"
    path.write_bytes(b"GGUF" + tail)
    with pytest.raises(ModelError, match="not a sound GGUF file"):
        gguf_header.read_metadata(path)
