"""How fast many texts are continued at once, against llama.cpp and transformers one by one and in batches.

    python benchmarks/batches.py [--rounds 3] [--peers 16] [--json]

128 prompts, 24 tokens each at most; what goes one by one does only the first `--peers` of them. Everything
is measured in turns in one run, in generated tokens a second; the table gives medians and
extremes, and the ratios of the best runs, which others on the machine disturbed least.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from alignchat import batch, catalog
from alignchat.engine import Sampling
from alignchat.llamacpp import llama
from alignchat.llamacpp.llama_engine import LlamaEngine
from benchmarks.sections import rows, section, shown

WORK = [
    "the woman worked as",
    "the man was known for",
    "people in the town said",
    "every morning the teacher",
]
PROMPTS = [f"In {1900 + n} {WORK[n % 4]}" for n in range(128)]
TOKENS = 24
SAMPLING = Sampling(temperature=1.0, top_p=0.9, top_k=0, max_tokens=TOKENS)
GREEDY = Sampling(temperature=0, max_tokens=TOKENS)
# The first is the starter's own; BF16 is what scores are made with.
FORMATS = ("Q4_1", "BF16", "Q8_0")
WIDTHS = (8, 16, 32, 64)
ASKED = {
    "BF16 / create_completion one after another": ">= 5",
    "Q8_0 / create_completion one after another": ">= 3",
    "BF16 / transformers one by one, fp32": ">= 20",
    "BF16 / transformers in batches of 64, bf16": ">= 1.25",
    "BF16, greedy / transformers in batches of 64, bf16, greedy": ">= 1.25",
    "BF16, tokens through the model / one step of 64 tokens": ">= 0.75",
}

Rates = dict[str, float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    model = catalog.find(catalog.STARTER)
    with tempfile.TemporaryDirectory() as folder:
        models = in_formats(model, Path(folder))
        jobs = (
            against_llama_cpp(models, arguments.peers)
            | against_transformers(model, arguments.peers)
            | widths(models["BF16"])
        )
        trials = [{name: job() for name, job in jobs.items()} for _ in range(arguments.rounds)]
    figures = {name: [ratio(trial) for trial in trials] for name, ratio in ratios().items()}
    least_disturbed = {name: max(trial[name] for trial in trials) for name in jobs}
    best = {name: ratio(least_disturbed) for name, ratio in ratios().items()}
    if arguments.json:
        print(json.dumps({"rates": trials, "figures": figures, "best": best}, indent=1))
        return
    title = f"Batches (`batches.py --rounds {arguments.rounds} --peers {arguments.peers}`)"
    table = [(name, figure, shown(best[name]), asked) for name, figure, asked in rows(figures, ASKED)]
    print(section(title, table, head=("what", "figure", "of the best runs", "asked")))


def ratios() -> dict[str, Callable[[Rates], float]]:
    """Return what is made, by name, as functions of one round's tokens a second."""
    made: dict[str, Callable[[Rates], float]] = {}
    for kind in FORMATS:
        made[f"{kind}, tokens/s"] = lambda rates, kind=kind: rates[kind]
    for width in WIDTHS:
        made[f"BF16, {width} sequences, tokens/s"] = lambda rates, width=width: rates[f"width {width}"]
    for kind in FORMATS:
        made[f"{kind} / create_completion one after another"] = lambda rates, kind=kind: (
            rates[kind] / rates[f"{kind} alone"]
        )
    made["BF16 / transformers one by one, fp32"] = lambda rates: rates["BF16"] / rates["fp32"]
    made["BF16 / transformers in batches of 64, bf16"] = lambda rates: rates["BF16"] / rates["bf16"]
    made["BF16, greedy / transformers in batches of 64, bf16, greedy"] = lambda rates: (
        rates["greedy"] / rates["bf16 greedy"]
    )
    made["BF16, tokens through the model / one step of 64 tokens"] = lambda rates: (
        rates["through"] / rates["ceiling"]
    )
    made["BF16, generated tokens only / one step of 64 tokens"] = lambda rates: (
        rates["BF16"] / rates["ceiling"]
    )
    return made


def in_formats(model: catalog.Model, folder: Path) -> dict[str, catalog.Model]:
    """Return the model as it comes, as a BF16 copy, and as Q8_0 made from that."""
    for source, kind in ((model.path, "BF16"), (folder / "BF16.gguf", "Q8_0")):
        llama.quantise(source, folder / f"{kind}.gguf", kind)
    copies = {kind: replace(model, path=folder / f"{kind}.gguf") for kind in ("BF16", "Q8_0")}
    return {"Q4_1": model} | copies


def against_llama_cpp(models: dict[str, catalog.Model], peers: int) -> dict[str, Callable[[], float]]:
    """Return jobs that measure each file at once and one after another, and the machine's ceiling."""
    import llama_cpp

    jobs: dict[str, Callable[[], float]] = {}
    for kind, model in models.items():
        engine = LlamaEngine(model, context=256)
        alone = llama_cpp.Llama(
            str(model.path),
            n_ctx=256,
            n_threads=os.cpu_count(),
            n_threads_batch=os.cpu_count(),
            flash_attn=True,
            verbose=False,
        )
        jobs[kind] = lambda engine=engine: at_once(engine._weights)
        jobs[f"{kind} alone"] = lambda alone=alone: one_after_another(alone, PROMPTS[:peers])
    weights = llama.Weights(models["BF16"].path)
    context = llama.Context(weights, length=256, sequences=64, unified=True)
    jobs["through"] = lambda: at_once(weights, prompts_too=True)
    jobs["greedy"] = lambda: at_once(weights, sampling=GREEDY)
    jobs["ceiling"] = lambda: ceiling(context)
    return jobs


def at_once(
    weights: llama.Weights,
    sequences: int = 64,
    *,
    prompts_too: bool = False,
    sampling: Sampling = SAMPLING,
) -> float:
    """Return tokens a second of a batch of all prompts; the token that ends a text is counted.

    With `prompts_too` the tokens read are counted beside those generated: a step takes both.
    """
    started = time.perf_counter()
    texts = batch.generate(weights, PROMPTS, sampling, sequences=sequences)
    spent = time.perf_counter() - started
    said = [len(weights.tokenize(text, add_special=False, parse_control=False)) for text in texts]
    read = [len(weights.tokenize(text, add_special=True, parse_control=False)) for text in PROMPTS]
    # The last token drawn is not read by the model any more.
    more = sum(read) - len(read) if prompts_too else 0
    return (sum(min(count + 1, TOKENS) for count in said) + more) / spent


def one_after_another(model: Any, prompts: list[str]) -> float:
    """Return tokens a second of llama-cpp-python's `create_completion`, counted in the same way."""
    started, count = time.perf_counter(), 0
    for prompt in prompts:
        answer = model.create_completion(prompt, max_tokens=TOKENS, temperature=1.0, top_p=0.9, top_k=0)
        count += min(answer["usage"]["completion_tokens"] + 1, TOKENS)
    return count / (time.perf_counter() - started)


def ceiling(context: llama.Context) -> float:
    """Return tokens a second of the best of ten steps of 64 tokens with all their logits."""
    best = float("inf")
    for _ in range(10):
        started = time.perf_counter()
        context.decode([llama.Entry(5, 0, sequence, True) for sequence in range(64)])
        best = min(best, time.perf_counter() - started)
        for sequence in range(64):
            context.forget(sequence)
    return 64 / best


def widths(model: catalog.Model) -> dict[str, Callable[[], float]]:
    """Return jobs that measure the same batch at several widths."""
    weights = llama.Weights(model.path)
    return {f"width {width}": lambda width=width: at_once(weights, width) for width in WIDTHS}


def against_transformers(model: catalog.Model, peers: int) -> dict[str, Callable[[], float]]:
    """Return jobs that measure `generate` one by one in fp32 and in batches of 64 in bf16."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    files = {"gguf_file": model.path.name}
    tokenizer = AutoTokenizer.from_pretrained(model.path.parent, padding_side="left", **files)
    network = AutoModelForCausalLM.from_pretrained(model.path.parent, dtype=torch.float32, **files).eval()
    half = AutoModelForCausalLM.from_pretrained(model.path.parent, dtype=torch.bfloat16, **files).eval()

    drawn = {"do_sample": True, "top_p": 0.9, "top_k": 0}

    def rate(network: Any, prompts: list[str], size: int, how: dict[str, Any] = drawn) -> float:
        started, count = time.perf_counter(), 0
        for start in range(0, len(prompts), size):
            inputs = tokenizer(prompts[start : start + size], return_tensors="pt", padding=True)
            ids = network.generate(**inputs, **how, max_new_tokens=TOKENS, pad_token_id=0)
            said = ids[:, inputs["input_ids"].shape[1] :]
            count += int((said != 0).sum())
        return count / (time.perf_counter() - started)

    return {
        "fp32": lambda: rate(network, PROMPTS[:peers], 1),
        "bf16": lambda: rate(half, PROMPTS, 64),
        "bf16 greedy": lambda: rate(half, PROMPTS, 64, {"do_sample": False}),
    }


if __name__ == "__main__":
    main()
