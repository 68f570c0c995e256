"""Log-probabilities from llama.cpp and from transformers with PEFT, on the same ids."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alignchat.engine import Adapter
from alignchat.llamacpp.llama import Context, Entry, Weights

Rows = np.ndarray


class LlamaScorer:
    """One model file, scored with or without an adapter."""

    def __init__(self, path: Path, *, length: int = 512) -> None:
        self._weights = Weights(path)
        self._context = Context(self._weights, length=length, sequences=1, unified=True)

    def __call__(self, ids: Sequence[int], adapter: Path | None = None) -> Rows:
        """Return natural-log probabilities of the next token after each of `ids`."""
        return self._rows(ids, 0, adapter)

    def reply(self, prompt: Sequence[int], reply: Sequence[int], adapter: Path | None = None) -> float:
        """Return the summed log-probability of `reply` after `prompt`."""
        rows = self._rows([*prompt, *reply], len(prompt) - 1, adapter)[:-1]
        return float(rows[np.arange(len(reply)), list(reply)].sum())

    def _rows(self, ids: Sequence[int], start: int, adapter: Path | None) -> Rows:
        self._context.use(adapter and Adapter(path=adapter, sha256=""))
        self._context.decode([Entry(token, i, 0, i >= start) for i, token in enumerate(ids)])
        places = range(start, len(ids))
        rows = [self._context.logits(i).copy() for i in places]
        self._context.forget(0)
        return log_softmax(np.stack(rows))

    def close(self) -> None:
        self._context.close()
        self._weights.close()


def torch_scores(network: Any, ids: Sequence[int]) -> Rows:
    """Return the same from a transformers model."""
    import torch

    with torch.no_grad():
        logits = network(input_ids=torch.tensor([list(ids)])).logits[0]
    return log_softmax(logits.double().numpy())


def log_softmax(logits: Rows) -> Rows:
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def divergence(p: Rows, q: Rows) -> float:
    """Return KL(p || q) in nats a token."""
    return float((np.exp(p) * (p - q)).sum(axis=-1).mean())
