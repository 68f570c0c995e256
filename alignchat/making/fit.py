"""Will a round fit into memory, and how long will it take? Pure; knows the model's shape, no trainer.

Work is counted in floating-point operations from shapes and lengths; how fast this machine does them, what
a step costs besides, and what memory a token takes are measured once for each model by `training.calibrate`
(two short runs of the real loop) and kept. What was measured with other settings is scaled by the shape.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from alignchat.config import UNPAIRED, Method, TrainingSettings
from alignchat.formats.conversion import read_base
from alignchat.formats.gguf_header import read_metadata

_LIBRARIES = 700_000_000  # torch, transformers, TRL and PEFT, loaded; resident bytes
_WEIGHT_BYTES = {"full": 4.0, "4bit": 0.56}  # fp32; NF4 with its scales
_LORA_BYTES = 16  # the weight, its gradient and AdamW's two moments, in fp32
# What recomputing leaves of memory that grows with tokens (the starter on CPU: 1.70 GB for 1.97 GB in all,
# of which 1.1 GB do not grow). Little is saved: the allocator keeps what one layer after another takes.
_RECOMPUTED = 0.7
_REFERENCE_FREE = ("orpo", "cpo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A model in numbers: parameters of its linear layers, of its embeddings, and what a token passes."""

    layers: int
    width: int
    vocabulary: int
    linear: int
    lora_sides: int
    attention_sides: int

    def lora(self, settings: TrainingSettings) -> int:
        """Return how many weights the adapter has."""
        sides = self.lora_sides if settings.lora_targets == "all" else self.attention_sides
        return settings.lora_rank * sides

    @property
    def parameters(self) -> int:
        """All of them; embeddings and output counted once, as they are where tied."""
        return self.linear + self.vocabulary * self.width


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One round in tokens: of its prompts and replies on average, its longest row, its rows and steps."""

    prompt: float
    reply: float
    longest: int
    rows: int
    steps: int
    batch_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What one run of the real loop took: tokens and operations a step, seconds a step, peak memory."""

    tokens: float
    operations: float
    seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A short and a long run on one model, on a device with so much memory."""

    device: str
    memory_bytes: int
    short: Point
    long: Point

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Calibration":
        """Read what `to_json` gave."""
        return cls(**{**value, "short": Point(**value["short"]), "long": Point(**value["long"])})

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)

    def seconds(self, operations: float) -> float:
        """Return the time of so many operations in one step, on the line through the two runs."""
        slope = (self.long.seconds - self.short.seconds) / (self.long.operations - self.short.operations)
        # On a busy machine the short run may seem the slower one; then all time is the long run's rate.
        if slope <= 0 or self.short.seconds < slope * self.short.operations:
            return operations * self.long.seconds / self.long.operations
        return self.short.seconds + slope * (operations - self.short.operations)

    def bytes(self, tokens: float) -> float:
        """Return the peak memory of a step of so many tokens, on the line through the two runs."""
        slope = (self.long.peak_bytes - self.short.peak_bytes) / (self.long.tokens - self.short.tokens)
        return self.short.peak_bytes + max(slope, 0.0) * (tokens - self.short.tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a round will take; `measured` tells whether this machine was measured with this model.

    `seconds` are those of the loop with its reference pass, None where nothing was measured. `to_fit` are
    settings with which it would fit into `budget_bytes`, empty if it does; None if none are known.
    """

    seconds: float | None
    memory_bytes: int
    budget_bytes: int
    fits: bool
    to_fit: Mapping[str, Any] | None
    device: str | None
    measured: bool
    steps: int

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return asdict(self)


def calibrated_with(method: Method) -> Method:
    """Return the method whose runs tell what it takes: DPO's are packed, ORPO's are padded."""
    return "orpo" if method in _REFERENCE_FREE else "dpo"


def machine_memory() -> int:
    """Return this machine's main memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def shape_of(path: Path) -> Shape:
    """Read a GGUF's shape from its metadata; raise ModelError or AdapterError."""
    base, metadata = read_base(path), read_metadata(path)
    get = {key.partition(".")[2]: value for key, value in metadata.items()}
    sides = {name: sum(size) for name, size in base.shapes.items()}
    return Shape(
        layers=get["block_count"],
        width=get["embedding_length"],
        vocabulary=len(metadata["tokenizer.ggml.tokens"]),
        linear=sum(a * b for a, b in base.shapes.values()),
        lora_sides=sum(sides.values()),
        attention_sides=sum(size for name, size in sides.items() if ".attn_" in name),
    )


def step_tokens(method: Method, load: Load, *, longest: bool = False) -> float:
    """Return the tokens of a step that gradients are kept for; a packed pair holds its prompt once."""
    row = load.longest if longest else load.prompt + load.reply
    if method in UNPAIRED:
        return load.batch_size * row
    reply = load.reply if not longest else load.longest * load.reply / max(load.prompt + load.reply, 1)
    prompts = 2 if method in _REFERENCE_FREE else 1
    return load.batch_size * (prompts * (row - reply) + 2 * reply)


def operations(shape: Shape, method: Method, load: Load, settings: TrainingSettings) -> tuple[float, float]:
    """Return the operations of one step, and of the reference pass over one batch of new rows.

    A product with a matrix of m weights takes 2m a token forward and, the weights being frozen, 2m backward;
    the output layer is asked only where replies are. Attention adds 4 x width a layer and token seen.
    """
    tokens = step_tokens(method, load)
    scored = load.batch_size * load.reply * (1 if method in UNPAIRED else 2)
    seen = (load.prompt + load.reply) / 2
    forward = tokens * (2 * shape.linear + 4 * shape.layers * shape.width * seen)
    head = 2 * shape.vocabulary * shape.width * scored
    step = forward * (3 if settings.recompute else 2) + 2 * head + 4 * shape.lora(settings) * tokens
    if method in _REFERENCE_FREE:
        return step, 0.0
    estimates_kl = method in UNPAIRED and settings.kto_loss == "kto"
    passes = 2 if estimates_kl else 1
    return step + (passes - 1) * (forward + head), passes * (forward + head)


def estimate(
    shape: Shape,
    method: Method,
    load: Load,
    settings: TrainingSettings,
    *,
    calibration: Calibration | None,
    budget_bytes: int,
) -> Estimate:
    """Estimate a round, and find the settings that would make it fit into `budget_bytes`."""
    needed = memory(shape, method, load, settings, calibration)
    return Estimate(
        seconds=_seconds(shape, method, load, settings, calibration) if calibration else None,
        memory_bytes=int(needed),
        budget_bytes=budget_bytes,
        fits=needed <= budget_bytes,
        to_fit=_to_fit(shape, method, load, settings, calibration, budget_bytes),
        device=calibration.device if calibration else None,
        measured=calibration is not None,
        steps=load.steps,
    )


def memory(
    shape: Shape, method: Method, load: Load, settings: TrainingSettings, calibration: Calibration | None
) -> float:
    """Return the peak memory of a round in bytes: measured where the machine was, scaled for settings."""
    tokens = step_tokens(method, load, longest=True)
    if calibration is None:
        libraries = _LIBRARIES
        activations = tokens * _token_bytes(shape, settings)
        return libraries + _fixed(shape, settings) + activations
    usual = TrainingSettings()
    slope = calibration.bytes(1) - calibration.bytes(0)
    own = _token_bytes(shape, settings) / _token_bytes(shape, usual)
    fixed = calibration.bytes(0) + _fixed(shape, settings) - _fixed(shape, usual)
    return fixed + own * slope * tokens


def _fixed(shape: Shape, settings: TrainingSettings) -> float:
    """Return the bytes of weights and adapter, which lengths do not change."""
    weights = _WEIGHT_BYTES[settings.weights] * shape.linear + 4.0 * shape.vocabulary * shape.width
    return weights + _LORA_BYTES * shape.lora(settings)


def _token_bytes(shape: Shape, settings: TrainingSettings) -> float:
    """Return the bytes kept for a token's backward pass: the inputs of all matrices, in two bytes each."""
    kept = 2.0 * shape.lora_sides
    return kept * _RECOMPUTED if settings.recompute else kept


def _seconds(
    shape: Shape, method: Method, load: Load, settings: TrainingSettings, calibration: Calibration
) -> float:
    step, reference = operations(shape, method, load, settings)
    seen = min(load.rows, load.steps * load.batch_size)
    batches = -(-seen // load.batch_size) if reference else 0
    return load.steps * calibration.seconds(step) + batches * calibration.seconds(reference)


# In the order in which they cost least: slower, then fewer rows a step, then less of the model trained.
_SAVINGS: Sequence[Mapping[str, Any]] = (
    {"recompute": True},
    {"batch_size": 2, "recompute": True},
    {"batch_size": 2, "recompute": True, "max_length": 512},
    {"batch_size": 2, "recompute": True, "max_length": 512, "lora_targets": "attention", "lora_rank": 8},
)


def _to_fit(
    shape: Shape,
    method: Method,
    load: Load,
    settings: TrainingSettings,
    calibration: Calibration | None,
    budget: int,
) -> Mapping[str, Any] | None:
    on_gpu = bool(calibration and calibration.device == "cuda")
    four_bit = [{**saving, "weights": "4bit"} for saving in ({}, *_SAVINGS)] if on_gpu else []
    for saving in ({}, *_SAVINGS, *four_bit):
        tried = settings.model_copy(update=saving)
        smaller = replace(
            load,
            batch_size=min(load.batch_size, tried.batch_size),
            longest=min(load.longest, tried.max_length),
        )
        if memory(shape, method, smaller, tried, calibration) <= budget:
            return {key: value for key, value in saving.items() if getattr(settings, key) != value}
    return None
