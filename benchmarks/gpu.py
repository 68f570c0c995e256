"""How fast rounds of DPO and KTO train on a GPU, and in how much memory, against TRL alone and with Liger.

    python benchmarks/gpu.py [--shape 350M] [--method dpo] [--weights bf16] [--steps 25] [--json]
    python benchmarks/gpu.py --rehearse

The shapes are those of the Minerva models, with random weights. `bf16` is LoRA on weights in bf16, `4bit`
QLoRA, where bitsandbytes is installed; the peers are TRL's trainers on the same rows, batch and rank, with
frozen weights in the same format, and the same with `use_liger_kernel`, where liger_kernel is installed.
Everything is counted from the making of the trainer to its last step, reference pass and all.

Each case is a process of its own. First it trains in 8 GB, which torch enforces on what it allocates (what
CUDA itself takes comes on top), and once more with activations recomputed if that is too little. Then it
trains with all of the memory there is, which gives the figures. `--rehearse` goes the same way with a tiny
shape on the CPU, where no memory can be enforced: it shows that all runs here, and its figures mean nothing.
"""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from alignchat import catalog
from alignchat.config import Method, TrainingSettings
from benchmarks import training
from benchmarks.sections import day, machine, section, versions
from tests.minerva import SHAPES, Shape, write_minerva

BUDGET = 8e9  # bytes; an 8 GB card has 8.6e9, of which CUDA takes some itself
TINY = Shape(width=64, inner=128, layers=2, heads=4, kv_heads=2, vocabulary=1000)
HEAD = ("shape", "method", "weights", "trainer", "tokens/s", "peak allocated", "peak reserved", "in 8 GB")
NO_GPU = (
    "A CUDA GPU and a torch built for it are needed: see 'For a GPU' in README.md; --rehearse needs neither."
)
NAMES = {"ours": "alignchat", "trl": "TRL", "liger": "TRL with Liger"}
Weights = Literal["bf16", "4bit"]
Run = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One training run: who trains which shape by which method, in how many bytes of the GPU's memory."""

    shape: str
    method: Method
    weights: Weights
    who: str
    steps: int
    recompute: bool = False
    budget: float | None = None

    def settings(self) -> TrainingSettings:
        """Return the settings of all sides."""
        weights = "4bit" if self.weights == "4bit" else "full"
        return training.settings(self.method, "bf16", self.steps, weights=weights, recompute=self.recompute)


def main() -> int:
    """Measure and print, or be one of the measured processes; return 1 if one of them broke."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", choices=SHAPES, action="append")
    parser.add_argument("--method", choices=("dpo", "kto"), action="append")
    parser.add_argument("--weights", choices=("bf16", "4bit"), action="append")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.run:
        print(json.dumps(train(Case(**json.loads(asked.run[0])), Path(asked.run[1]))))
        return 0
    if not asked.rehearse and not torch.cuda.is_available():
        print(NO_GPU, file=sys.stderr)
        return 1
    found = list(measure(asked))
    title = "Rehearsal of training on a GPU" if asked.rehearse else "Training on a GPU"
    text = section(f"{title} (`gpu.py --steps {asked.steps}`)", rows(found), head=HEAD, on=facts(found))
    print(json.dumps({"on": facts(found), "cases": found}, indent=1) if asked.json else text)
    return int(any("broke" in case.values() for case in found))


def measure(asked: argparse.Namespace) -> Iterator[Run]:
    """Yield each case with its figures, a shape's model being there as long as it is measured."""
    for shape in ["tiny"] if asked.rehearse else asked.shape or SHAPES:
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / f"{shape}.gguf"
            write_model(TINY if asked.rehearse else SHAPES[shape], model)
            for method in asked.method or ("dpo", "kto"):
                for weights in asked.weights or possible_weights():
                    for who in trainers(asked.rehearse):
                        case = Case(shape=shape, method=method, weights=weights, who=who, steps=asked.steps)
                        yield asdict(case) | figures(case, model, on_gpu=not asked.rehearse)


def possible_weights() -> list[Weights]:
    """Return the formats of frozen weights that are installed."""
    return ["bf16", "4bit"] if importlib.util.find_spec("bitsandbytes") else ["bf16"]


def trainers(rehearse: bool) -> list[str]:
    """Return who can train: Liger's kernels run on no CPU."""
    with_liger = importlib.util.find_spec("liger_kernel") and not rehearse
    return ["ours", "trl", "liger"] if with_liger else ["ours", "trl"]


def figures(case: Case, model: Path, *, on_gpu: bool) -> Run:
    """Return whether a case holds in the budget, and then its figures without one.

    In this order kernels that are compiled once for a machine are there when time is taken.
    """
    held: Run = {"in_budget": "not tried"}
    if on_gpu:
        outcome = process(case, model, budget=BUDGET)["outcome"]
        if outcome == "does not fit":
            again = process(case, model, budget=BUDGET, recompute=True)["outcome"]
            outcome = "recomputing" if again == "fits" else again
        held = {"in_budget": outcome}
    return process(case, model, on_gpu=on_gpu) | held


def process(case: Case, model: Path, *, on_gpu: bool = True, **changes: Any) -> Run:
    """Train in a process of its own, on one GPU or on none."""
    given = json.dumps(asdict(case) | changes)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0] if on_gpu else ""
    done = subprocess.run(
        [sys.executable, __file__, "--run", given, str(model)],
        env=training.environment(case.who) | {"CUDA_VISIBLE_DEVICES": visible},
        stdout=subprocess.PIPE,
        text=True,
    )
    found: Run = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"outcome": "broke"}
    print(given, json.dumps(found), file=sys.stderr)
    return found


def write_model(shape: Shape, path: Path) -> None:
    """Write a model of random weights as a GGUF file, as the training here reads it."""
    from alignchat.formats.safetensors_to_gguf import convert

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        write_minerva(Path(folder), shape)
        convert(Path(folder), path, format="BF16")


def train(case: Case, path: Path) -> Run:
    """Train a case in this process, and return its figures."""
    if torch.cuda.is_available():
        torch.ones(1, device="cuda")  # CUDA is started before the clock is
        if case.budget:
            whole = torch.cuda.get_device_properties(0).total_memory
            torch.cuda.set_per_process_memory_fraction(min(case.budget / whole, 1.0))
    # A checksum of 6 GB is nothing to wait for: no log-probabilities of another file are in this folder.
    model = catalog.describe(path, name=case.shape, digest=case.shape)
    with tempfile.TemporaryDirectory() as folder:
        found = fitting(lambda: TRAINERS[case.who](model, case, Path(folder)))
    return found | memory(found.get("memory", 0))


def fitting(job: Callable[[], Run]) -> Run:
    """Return what a job gives, or that the GPU has too little memory for it."""
    try:
        found = job()
    except torch.OutOfMemoryError:
        return {"outcome": "does not fit"}
    return {"outcome": "fits"} | {key: found[key] for key in ("tokens", "seconds", "memory")}


def memory(resident: int) -> Run:
    """Return the device, and the peaks of memory in bytes: the GPU's, or this process's."""
    if not torch.cuda.is_available():
        return {"device": "cpu", "allocated": resident, "reserved": resident}
    card = torch.cuda.get_device_properties(0)
    return {
        "device": f"{card.name}, {card.total_memory / 1e9:.1f} GB",
        "allocated": torch.cuda.max_memory_allocated(),
        "reserved": torch.cuda.max_memory_reserved(),
    }


def ours(model: catalog.Model, case: Case, folder: Path) -> Run:
    """Train as a round does."""
    return training.train_ours(model, case.method, case.settings(), folder)


def trl(model: catalog.Model, case: Case, folder: Path, **options: Any) -> Run:
    """Train with TRL on frozen weights in bf16 or, but for embeddings, norms and head, in 4 bits."""
    from alignchat.training.load import load_model

    network = load_model(model, four_bit=case.weights == "4bit")
    for weight in network.parameters():
        if type(weight) is torch.nn.Parameter:
            weight.data = weight.data.to(torch.bfloat16)
    return training.with_trl(network, model, case.method, case.settings(), folder, **options)


def liger(model: catalog.Model, case: Case, folder: Path) -> Run:
    """Train with TRL and Liger's kernels; the fused loss TRL 1.16 has of its own, in all cases."""
    return trl(model, case, folder, use_liger_kernel=True)


TRAINERS: dict[str, Callable[[catalog.Model, Case, Path], Run]] = {"ours": ours, "trl": trl, "liger": liger}


def rows(found: Sequence[Run]) -> Iterator[tuple[str, ...]]:
    """Yield a row of the table a case; ours with its rate by that of TRL alone."""
    for case in found:
        named = case["shape"], case["method"].upper(), case["weights"], NAMES[case["who"]]
        if case["outcome"] != "fits":
            yield *named, case["outcome"], "", "", case["in_budget"]
            continue
        rate = case["tokens"] / case["seconds"]
        same = [c for c in found if c["who"] == "trl" and c["outcome"] == "fits" and alike(c, case)]
        times = (
            f" ({rate * same[0]['seconds'] / same[0]['tokens']:.2f} x TRL)"
            if same and case["who"] != "trl"
            else ""
        )
        peaks = [f"{case[key] / 1e9:.2f} GB" for key in ("allocated", "reserved")]
        in_budget = "yes" if case["in_budget"] == "fits" else case["in_budget"]
        yield *named, f"{rate:,.0f}{times}", *peaks, in_budget


def alike(one: Run, other: Run) -> bool:
    """Tell whether two cases differ in who trains only."""
    return all(one[key] == other[key] for key in ("shape", "method", "weights"))


def facts(found: Sequence[Run]) -> str:
    """Say on what this was measured: the GPU and its driver, or plainly that it was the CPU."""
    device = next((case["device"] for case in found if "device" in case), "unknown")
    if device == "cpu":
        return f"On the CPU, so nothing of this holds for a GPU: {machine()}"
    more = [
        name for name in ("trl", "peft", "bitsandbytes", "liger_kernel") if importlib.util.find_spec(name)
    ]
    return f"{device}; driver {driver()}, CUDA {torch.version.cuda}; {versions(*more)}; {day()}."


def driver() -> str:
    """Return the version of NVIDIA's driver."""
    if not shutil.which("nvidia-smi"):
        return "unknown"
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0].strip()


if __name__ == "__main__":
    sys.exit(main())
