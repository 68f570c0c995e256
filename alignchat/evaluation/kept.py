"""Texts that were generated before, on disk by all that they depend on. Knows no model and no measure."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from alignchat.engine import Sampling
from alignchat.files import read_json, write_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """Continuations in the prompts' order, their tokens, and the seconds it took to generate them."""

    texts: Sequence[str]
    tokens: int
    seconds: float


class KeptTexts:
    """The generated texts of one model or adapter, a file a part."""

    def __init__(self, folder: Path, made_by: str) -> None:
        """Keep texts in `folder`; `made_by` tells weights, their format, adapter and batch size apart."""
        self._folder = folder
        self._made_by = made_by

    def get(self, prompts: Sequence[str], sampling: Sampling) -> Texts | None:
        """Return the continuations of exactly these prompts, if they are there."""
        path = self._path(prompts, sampling)
        return Texts(**read_json(path)) if path.exists() else None

    def put(self, prompts: Sequence[str], sampling: Sampling, texts: Texts) -> None:
        """Keep continuations, whole or not at all."""
        write_json(self._path(prompts, sampling), asdict(texts))

    def _path(self, prompts: Sequence[str], sampling: Sampling) -> Path:
        facts = json.dumps([self._made_by, repr(sampling), list(prompts)])
        return self._folder / f"{hashlib.sha256(facts.encode()).hexdigest()[:32]}.json"
