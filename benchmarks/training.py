"""How fast a round trains, against TRL's own trainers in fp32 on the same rows, batches and LoRA rank.

    python benchmarks/training.py [--rounds 1] [--steps 2] [--method dpo] [--processor] [--quality] [--json]

Each run is a process of its own, in turns; tokens are those of prompts and completions without padding (a
pair holds its prompt twice), seconds those of the trainer from its making to its last step, reference pass
and all. TRL runs without activation checkpointing, which it has switched on as it comes and which slows it.
`--processor` counts the processor time of one thread, which other work on the machine hardly disturbs.
`--quality` compares each step and the final adapters at the same precision instead.
"""

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from alignchat import catalog, config
from alignchat.config import Method, TrainingSettings
from alignchat.dataset import PairedRow, UnpairedRow
from alignchat.making import presets
from alignchat.training import run
from benchmarks.sections import rows as lines
from benchmarks.sections import section
from feedback_store import Message

ASKED = {
    "DPO, every row new / TRL fp32": ">= 4.5",
    "DPO, reference cached / TRL fp32": ">= 5.5",
    "KTO, every row new / TRL fp32": ">= 4",
    "DPO, share of the machine's bf16 matrix rate": ">= 0.4",
    "DPO, peak memory / TRL fp32": "<= 0.7",
    "KTO, peak memory / TRL fp32": "<= 0.7",
}
BATCH = 4
LORA_RANK = 16
# Plain words, about a token each.
WORDS = """the old town lies on a hill above the river and its people say that in spring the water comes up to
the mill where they once made paper for the whole of the valley while now only the swallows live there"""
Run = dict[str, Any]


def main() -> None:
    """Measure and print, or be one of the measured processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--method", choices=("dpo", "kto"), action="append")
    parser.add_argument("--processor", action="store_true")
    parser.add_argument("--quality", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        who, method, precision, folder = arguments.run
        if arguments.processor:
            import torch

            torch.set_num_threads(1)
            run.time = SimpleNamespace(monotonic=time.process_time)  # type: ignore[assignment]  # the loop's clock
        asked = settings(method, precision, arguments.steps)
        print(json.dumps(RUNNERS[who](catalog.find(catalog.STARTER), method, asked, Path(folder))))
        return
    methods = arguments.method or ["dpo", "kto"]
    options = ["--steps", str(arguments.steps), *(["--processor"] if arguments.processor else [])]
    with tempfile.TemporaryDirectory() as folder:
        if arguments.quality:
            figures = quality(Path(folder), methods, options)
        else:
            figures = speed(Path(folder), methods, arguments.rounds, options)
    given = f"--rounds {arguments.rounds} {' '.join(options)}" + (" --quality" if arguments.quality else "")
    title = f"Training (`training.py {given}`)"
    print(json.dumps(figures, indent=1) if arguments.json else section(title, lines(figures, ASKED)))


def speed(folder: Path, methods: Sequence[str], rounds: int, options: list[str]) -> dict[str, list[float]]:
    """Return the ratios of each round."""
    figures: dict[str, list[float]] = {}
    for number in range(rounds):
        for method in methods:
            place, name = folder / f"{method}{number}", method.upper()
            plain = process("trl", method, "fp32", place / "trl", options)
            new = process("ours", method, "bf16", place / "new", options)
            cached = process("ours", method, "bf16", place / "new", options)
            products = process("products", method, "bf16", place / "counted", options)
            found = {
                f"{name}, every row new / TRL fp32": rate(new) / rate(plain),
                f"{name}, reference cached / TRL fp32": rate(cached) / rate(plain),
                f"{name}, share of the machine's bf16 matrix rate": (
                    products["flops"] / new["seconds"] / products["rate"]
                ),
                f"{name}, peak memory / TRL fp32": new["memory"] / plain["memory"],
                f"{name}, every row new, tokens/s": rate(new),
                f"{name}, TRL fp32, tokens/s": rate(plain),
            }  # fmt: skip
            for what, figure in found.items():
                figures.setdefault(what, []).append(figure)
    return figures


def quality(folder: Path, methods: Sequence[str], options: list[str]) -> dict[str, list[float]]:
    """Return how far both are from TRL over the steps, and the KL between the final adapters.

    In bf16 the two round differently, so each is also held against TRL in fp32.
    """
    figures: dict[str, list[float]] = {}
    for method in methods:
        logs = {
            (who, precision): process(who, method, precision, folder / method / precision / who, options)[
                "log"
            ]
            for precision in ("fp32", "bf16")
            for who in ("ours", "trl")
        }
        exact = logs["trl", "fp32"]
        for name, first, second in (
            ("ours, fp32 to TRL, fp32", logs["ours", "fp32"], exact),
            ("ours, bf16 to TRL, bf16", logs["ours", "bf16"], logs["trl", "bf16"]),
            ("ours, bf16 to TRL, fp32", logs["ours", "bf16"], exact),
            ("TRL, bf16 to TRL, fp32", logs["trl", "bf16"], exact),
        ):
            for key in ("loss", "rewards/chosen", "rewards/rejected"):
                apart = [
                    abs(a[key] - b[key]) for a, b in zip(first, second, strict=True) if key in a and key in b
                ]
                figures[f"{method.upper()}, {name}: greatest difference of {key} at a step"] = [max(apart)]
        for precision in ("fp32", "bf16"):
            ours, trl = (folder / method / precision / who / "adapter" for who in ("ours", "trl"))
            what = f"{method.upper()} {precision}: KL between the final adapters, nats a token"
            figures[what] = [divergence(ours, trl, method)]
    return figures


def process(who: str, method: str, precision: str, folder: Path, options: list[str]) -> Run:
    """Run one training in a process of its own: ours in a worker's environment, TRL in the person's."""
    command = [sys.executable, __file__, *options, "--run", who, method, precision, str(folder)]
    done = subprocess.run(command, env=environment(who), stdout=subprocess.PIPE, check=True, text=True)
    found: Run = json.loads(done.stdout.splitlines()[-1])
    shown = {key: value for key, value in found.items() if key != "log"}
    print(who, method, precision, json.dumps(shown), file=sys.stderr)
    return found


def environment(who: str) -> dict[str, str]:
    """Return a worker's environment for ours, the person's for TRL."""
    return config.child_environment() if who == "ours" else dict(os.environ)


def clock() -> float:
    """Return the seconds by the clock in use, the loop's."""
    return run.time.monotonic()


def rate(found: Run) -> float:
    """Return tokens a second."""
    return float(found["tokens"] / found["seconds"])


def rows(method: str, steps: int) -> Sequence[PairedRow | UnpairedRow]:
    """Return as many rows as `steps` take, each of its own length, the same each time."""
    dice = random.Random(7)

    def text() -> str:
        return " ".join(dice.choices(WORDS.split(), k=min(max(round(dice.gauss(100, 40)), 16), 220)))

    made: list[PairedRow | UnpairedRow] = []
    for number in range(BATCH * steps):
        prompt = (Message(role="user", content=text()),)
        if method == "dpo":
            made.append(PairedRow(prompt=prompt, chosen=text(), rejected=text(), source="made"))
        else:
            made.append(UnpairedRow(prompt=prompt, completion=text(), label=number % 2 > 0, source="made"))
    return made


def settings(method: Method, precision: Any, steps: int, **more: Any) -> TrainingSettings:
    """Return those of both sides."""
    asked = TrainingSettings(steps=steps, batch_size=BATCH, lora_rank=LORA_RANK, precision=precision, **more)
    return presets.resolved(method, asked)


def train_ours(model: catalog.Model, method: Method, asked: TrainingSettings, folder: Path) -> Run:
    """Train as a worker does; a second run finds the first one's reference log-probabilities."""
    from alignchat.training.trainer import train

    log: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as checkpoints:
        work = Path(checkpoints)
        summary = train(
            model=model,
            method=method,
            rows=rows(method, asked.steps or 1),
            test_rows=[],
            settings=asked,
            folder=work,
            parent_adapter=None,
            on_step=log.append,
            should_stop=lambda: False,
            references=folder / "references.sqlite",
        )
        if not (folder / "adapter").exists():
            (work / "adapter").rename(folder / "adapter")
    return {
        "tokens": summary.tokens,
        "seconds": summary.seconds,
        "memory": summary.peak_memory_bytes,
        "log": log,
    }


def count_products(model: catalog.Model, method: Method, asked: TrainingSettings, folder: Path) -> Run:
    """Return the operations in all matrix products of a training run, and the machine's rate of them."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    square = torch.randn(2048, 2048, dtype=torch.bfloat16)
    best = float("inf")
    for _ in range(20):
        started = clock()
        square @ square
        best = min(best, clock() - started)
    with FlopCounterMode(display=False) as counter:
        train_ours(model, method, asked, folder)
    return {"flops": counter.get_total_flops(), "rate": 2 * 2048**3 / best}


def train_trl(model: catalog.Model, method: Method, asked: TrainingSettings, folder: Path) -> Run:
    """Train with TRL's own trainer on the same ids, weights in fp32."""
    from alignchat.training.load import load_model

    return with_trl(load_model(model), model, method, asked, folder)


def with_trl(
    network: Any, model: catalog.Model, method: Method, asked: TrainingSettings, folder: Path, **options: Any
) -> Run:
    """Train a network with TRL's own trainer and more of its options."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import set_seed
    from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer

    from alignchat.training.load import load_tokenizer
    from alignchat.training.prepare import prepare
    from alignchat.training.rows import RowTokenizer

    tokenizer = load_tokenizer(model)
    prepared = prepare(RowTokenizer(tokenizer, model), method, rows(method, asked.steps or 1), [], asked)
    kind, arguments = (DPOTrainer, DPOConfig) if method == "dpo" else (KTOTrainer, KTOConfig)

    class Plain(kind):  # type: ignore[misc,valid-type]  # TRL is untyped
        def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
            return dataset

    weights = {
        "desirable_weight": prepared.desirable_weight,
        "undesirable_weight": prepared.undesirable_weight,
    }
    set_seed(asked.seed)
    started = clock()
    trainer = Plain(
        model=network,
        peft_config=LoraConfig(
            r=asked.lora_rank, lora_alpha=asked.lora_alpha, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
        processing_class=tokenizer,
        train_dataset=Dataset.from_list(prepared.rows),
        args=arguments(
            output_dir=str(folder),
            max_steps=prepared.steps,
            per_device_train_batch_size=prepared.batch_size,
            learning_rate=asked.learning_rate,
            lr_scheduler_type="linear",
            beta=asked.beta,
            seed=asked.seed,
            use_cpu=not torch.cuda.is_available(),
            bf16=asked.precision == "bf16",
            activation_checkpointing=asked.recompute,
            train_sampling_strategy="sequential",
            dataloader_pin_memory=torch.cuda.is_available(),
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            **(weights if method == "kto" else {}),
            **options,
        ),
    )
    trainer.train()
    seconds = clock() - started
    trainer.model.save_pretrained(str(folder / "adapter"), save_embedding_layers=False)
    return {
        "tokens": prepared.tokens_seen(),
        "seconds": seconds,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "log": [entry for entry in trainer.state.log_history if "loss" in entry],
    }


def divergence(first: Path, second: Path, method: str) -> float:
    """Return the mean KL of the next token between two adapters, on the rows of another seed."""
    import torch
    from peft import PeftModel

    from alignchat.training.load import load_model, load_tokenizer

    model = catalog.find(catalog.STARTER)
    tokenizer, network = load_tokenizer(model), load_model(model)
    adapted = PeftModel.from_pretrained(network, str(first), adapter_name="first")
    adapted.load_adapter(str(second), "second")
    means = []
    for row in rows(method, 3)[-4:]:
        ids = tokenizer(row.prompt[0].content, return_tensors="pt").input_ids
        spread = []
        for name in ("first", "second"):
            adapted.set_adapter(name)
            with torch.no_grad():
                spread.append(adapted(input_ids=ids).logits[0].log_softmax(-1))
        means.append(float((spread[0].exp() * (spread[0] - spread[1])).sum(-1).mean()))
    return statistics.mean(means)


RUNNERS: dict[str, Any] = {"ours": train_ours, "trl": train_trl, "products": count_products}

if __name__ == "__main__":
    main()
