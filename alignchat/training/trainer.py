"""Trains one round's adapter: rows in, a PEFT folder and a summary out.

Knows TRL and PEFT; knows no feedback store, no llama.cpp and no screen. Policy and reference go through
the same code in the same precision, so that the first DPO loss is ln 2 to the last bit.
"""

import hashlib
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers import PreTrainedTokenizerBase
from transformers.trainer_callback import PrinterCallback
from trl import DPOConfig, KTOConfig

from alignchat.catalog import Model
from alignchat.config import Method, TrainingSettings
from alignchat.dataset import require_trainable
from alignchat.errors import AdapterError, Cancelled, SettingsError
from alignchat.files import publish_folder, read_json, write_json
from alignchat.making import presets
from alignchat.training import checkpoints, plan
from alignchat.training.load import load_model, load_tokenizer, quiet_libraries, resolve_precision
from alignchat.training.methods import PreparedDPO, PreparedKTO
from alignchat.training.prepare import Prepared, Rows, check_batch_size, prepare
from alignchat.training.reference import References
from alignchat.training.reference_free import CPOConfig, ORPOConfig, PreparedCPO, PreparedORPO
from alignchat.training.report import Report, measure
from alignchat.training.rows import RowTokenizer
from alignchat.training.run import OnStep, Run, ShouldStop

ADAPTER = "adapter"
REFERENCES = "references.sqlite"
_TARGETS: dict[str, str | list[str]] = {
    "all": "all-linear",
    "attention": ["q_proj", "k_proj", "v_proj", "o_proj"],
}
REFERENCE_FREE: tuple[Method, ...] = ("orpo", "cpo")
_KINDS: dict[Method, tuple[Any, Any]] = {
    "dpo": (PreparedDPO, DPOConfig),
    "kto": (PreparedKTO, KTOConfig),
    "orpo": (PreparedORPO, ORPOConfig),
    "cpo": (PreparedCPO, CPOConfig),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSummary:
    """What a training run took and gave.

    `tokens` are those of prompts and completions the loop has seen, without padding; `seconds` are those
    of the loop with its reference pass, over all resumptions; memory is the GPU's, or the process's.
    """

    steps: int
    batch_size: int
    precision: str
    tokens: int
    seconds: float
    tokens_per_second: float
    peak_memory_bytes: int
    first_loss: float
    final_loss: float
    train_rows: int
    report: Report
    desirable_weight: float | None = None
    undesirable_weight: float | None = None


def train(
    *,
    model: Model,
    method: Method,
    rows: Rows,
    test_rows: Rows,
    settings: TrainingSettings,
    folder: Path,
    parent_adapter: Path | None,
    on_step: OnStep,
    should_stop: ShouldStop,
    references: Path | None = None,
) -> TrainSummary:
    """Train a LoRA adapter on `rows` and publish it as `folder`/adapter.

    Without `parent_adapter` (a PEFT folder) the adapter is new and the reference is the base model. With
    it, training goes on from the parent's weights, of its rank and on its matrices, and the reference is the
    parent, not the base.

    Called again on the same folder with the same arguments, it goes on from the newest checkpoint and
    gives the same adapter, bit for bit. `should_stop` is asked at each step. The file `references` keeps the
    reference log-probabilities for other rounds; without it they are kept in `folder`.

    Raise DataError if the rows cannot be trained on, SettingsError if a setting cannot hold for them,
    and Cancelled when stopped, with a checkpoint kept.
    """
    settings = presets.resolved(method, settings)
    require_trainable(method, rows, {})
    check_batch_size(method, settings)
    quiet_libraries()
    tokenizer = load_tokenizer(model)
    prepared = prepare(RowTokenizer(tokenizer, model), method, rows, test_rows, settings)
    run = Run(folder / checkpoints.FOLDER, prepared, on_step, should_stop)
    network = _network(model, settings, parent_adapter)
    run.start_clock()
    held = (
        {}
        if method in REFERENCE_FREE
        else _reference(model, settings, parent_adapter, references or folder / REFERENCES)
    )
    trainer = _trainer(method, prepared, settings, run, tokenizer, network, held)
    trainer.train(resume_from_checkpoint=run.resumed_from)
    if run.stopped:
        raise Cancelled(f"Stopped as asked after step {run.step} of {prepared.steps}; resume goes on there.")
    seconds = run.elapsed()
    report = measure(
        trainer,
        prepared.held_out,
        parent_adapter=parent_adapter,
        beta=trainer.beta,
        should_stop=should_stop,
    )
    if trainer.is_world_process_zero():
        _publish(trainer.model, folder / ADAPTER, model.path.name)
    precision = resolve_precision(settings.precision)
    return _summary(prepared, method, precision, seconds, trainer.state.log_history, report)


def _network(
    model: Model, settings: TrainingSettings, parent_adapter: Path | None
) -> tuple[Any, LoraConfig | None]:
    """Return the model, and the adapter that the trainer is to add, unless the parent's is on it."""
    network = load_model(model, four_bit=settings.weights == "4bit")
    if parent_adapter is None:
        return network, LoraConfig(
            r=settings.lora_rank,
            lora_alpha=settings.lora_alpha,
            lora_dropout=0.0,
            target_modules=_TARGETS[settings.lora_targets],
            task_type="CAUSAL_LM",
        )
    try:
        continued = PeftModel.from_pretrained(network, str(parent_adapter), is_trainable=True)
    except (OSError, ValueError) as error:
        raise AdapterError(
            f"The parent's adapter in {parent_adapter} cannot be read; start from the base instead."
        ) from error
    continued.peft_config["default"].base_model_name_or_path = None
    if settings.weights == "4bit":
        del network.is_loaded_in_4bit  # else TRL rounds the parent's weights to bf16
    return continued, None


def _reference(
    model: Model, settings: TrainingSettings, parent_adapter: Path | None, file: Path
) -> dict[str, Any]:
    """Return what the round is held to, and by what names its log-probabilities are kept."""
    base = f"{model.sha256} {settings.weights} {resolve_precision(settings.precision)}"
    start = f"{base} {_adapter_sha256(parent_adapter)}" if parent_adapter else base
    return {
        "held_to_base": settings.reference == "base",
        "references": References(file),
        "base": base,
        "start": start,
    }


def _adapter_sha256(folder: Path) -> str:
    files = (folder / "adapter_model.safetensors", folder / "adapter_config.json")
    return " ".join(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)


def _trainer(
    method: Method,
    prepared: Prepared,
    settings: TrainingSettings,
    run: Run,
    tokenizer: PreTrainedTokenizerBase,
    network: tuple[Any, LoraConfig | None],
    held: dict[str, Any],
) -> Any:
    kind, arguments = _KINDS[method]
    options = {**_arguments(prepared, settings, run.folder), **_method_arguments(method, prepared, settings)}
    given = arguments(**options)
    given.per_device_train_batch_size = _share(prepared.batch_size, given.world_size)
    given.per_device_eval_batch_size = given.per_device_train_batch_size
    trainer = kind(
        should_stop=run.should_stop,
        **held,
        model=network[0],
        peft_config=network[1],
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(prepared.rows),
        args=given,
        callbacks=[run],
    )
    trainer.remove_callback(PrinterCallback)
    for weight in trainer.model.parameters():
        if (
            weight.requires_grad
        ):  # TRL rounds the new ones on a 4-bit model to bf16, too coarse to sum steps in
            weight.data = weight.data.float()
    return trainer


def _share(batch_size: int, processes: int) -> int:
    """Return how many of a batch's rows each process takes."""
    if batch_size % processes:
        raise SettingsError(
            f"A batch of {batch_size} rows cannot be shared evenly by {processes} processes; set "
            f"training.batch_size to a multiple of {processes}, and give at least as many rows."
        )
    return batch_size // processes


def _method_arguments(method: Method, prepared: Prepared, settings: TrainingSettings) -> dict[str, Any]:
    if method in REFERENCE_FREE:
        return {}
    if method == "dpo":
        return {"loss_type": [settings.dpo_loss], "label_smoothing": settings.label_smoothing}
    return {
        "loss_type": settings.kto_loss,
        "desirable_weight": prepared.desirable_weight,
        "undesirable_weight": prepared.undesirable_weight,
    }


def _arguments(prepared: Prepared, settings: TrainingSettings, folder: Path) -> dict[str, Any]:
    return {
        "output_dir": str(folder),
        "max_steps": prepared.steps,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "linear",
        "beta": settings.beta,
        "max_length": settings.max_length,
        "seed": settings.seed,
        "bf16": resolve_precision(settings.precision) == "bf16",
        "use_cpu": not (torch.cuda.is_available() or torch.backends.mps.is_available()),
        "train_sampling_strategy": "sequential",
        "ddp_find_unused_parameters": False,
        "activation_checkpointing": settings.recompute,
        "save_steps": plan.checkpoint_interval(prepared.steps),
        "save_total_limit": 2,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "dataloader_pin_memory": torch.cuda.is_available(),
        "disable_tqdm": True,
        "report_to": "none",
    }


def _publish(network: Any, folder: Path, base_name: str) -> None:
    # TRL adds a second adapter, the frozen reference, when it goes on from a parent.
    with publish_folder(folder) as temporary:
        network.save_pretrained(str(temporary), selected_adapters=["default"], save_embedding_layers=False)
        (temporary / "README.md").unlink(missing_ok=True)
        config = read_json(temporary / "adapter_config.json")
        config["target_modules"] = sorted(config["target_modules"])
        config["base_model_name_or_path"] = base_name
        write_json(temporary / "adapter_config.json", config)


def _summary(
    prepared: Prepared,
    method: Method,
    precision: str,
    seconds: float,
    log: list[dict[str, float]],
    report: Report,
) -> TrainSummary:
    losses = [entry["loss"] for entry in log if "loss" in entry]
    seen = prepared.tokens_seen()
    return TrainSummary(
        steps=prepared.steps,
        batch_size=prepared.batch_size,
        precision=precision,
        tokens=seen,
        seconds=seconds,
        tokens_per_second=seen / seconds,
        peak_memory_bytes=_peak_memory(),
        first_loss=losses[0],
        final_loss=losses[-1],
        train_rows=prepared.distinct,
        desirable_weight=prepared.desirable_weight if method == "kto" else None,
        undesirable_weight=prepared.undesirable_weight if method == "kto" else None,
        report=report,
    )


def _peak_memory() -> int:
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
