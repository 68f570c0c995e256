"""How fast the chat and the batches are, against llama.cpp's own loop and transformers.

    python benchmarks/chat.py [--model NAME_OR_PATH] [--rounds 3] [--json] [--transformers]

Everything is measured in turns in one run, and the ratios are what to trust: the table gives the median
over the rounds. An adapter of random weights (rank 16, all linear layers) is made for the occasion.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from alignchat import catalog
from alignchat.engine import Adapter, Sampling
from alignchat.files import sha256
from alignchat.llama_engine import LlamaEngine
from feedback_store import Message

TOKENS = 128
QUESTIONS = [
    "Why is the sky blue?",
    "And at sunset?",
    "What about the sea?",
    "Is snow white for that reason?",
]
WORK = [
    "the woman worked as",
    "the man was known for",
    "people in the town said",
    "every morning the teacher",
]
PROMPTS = [f"In {1900 + n} {WORK[n % 4]}" for n in range(128)]
CONTINUED = Sampling(temperature=1.0, top_p=0.9, top_k=0, max_tokens=24)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=catalog.STARTER)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--transformers", action="store_true", help="also generate one by one there: minutes")
    parser.add_argument("--memory", choices=["base", "both"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    model = catalog.find(arguments.model)
    with tempfile.TemporaryDirectory() as folder:
        adapter = write_adapter(model, Path(folder) / "adapter.gguf")
        if arguments.memory:
            print(resident_after_chat(model, adapter if arguments.memory == "both" else None))
            return
        figures = measure(model, adapter, arguments.rounds)
        if arguments.transformers:
            figures |= against_transformers(model)
    print(json.dumps(figures, indent=1) if arguments.json else table(figures))


def measure(model: catalog.Model, adapter: Adapter, rounds: int) -> dict[str, float]:
    """Return all figures by name, medians over the rounds."""
    engine = LlamaEngine(model, context=2048)
    try:
        trials: list[dict[str, float]] = [
            decode(engine, model, adapter) | first_tokens(engine, adapter, str(n)) | batches(engine)
            for n in range(rounds)
        ]
        swap = {"adapter from disk with checksum, ms": 1000 * swap_from_disk(model, adapter)}
    finally:
        engine.close()
    medians = {name: statistics.median(trial[name] for trial in trials) for name in trials[0]}
    base, both = (resident(model, which) for which in ("base", "both"))
    return medians | swap | {"resident memory, base and aligned / base": both / base}


def decode(engine: LlamaEngine, model: catalog.Model, adapter: Adapter) -> dict[str, float]:
    """Compare tokens a second after the first one: llama-cpp-python's own loop, the engine, an adapter."""
    import llama_cpp

    tokens = engine.prompt_tokens(conversation(1))
    theirs = llama_cpp.Llama(
        str(model.path),
        n_ctx=2048,
        n_threads=os.cpu_count(),
        n_threads_batch=os.cpu_count(),
        flash_attn=True,
        verbose=False,
    )
    own = rate(theirs.generate(tokens, temp=0.7, top_k=40, top_p=0.95))
    theirs.close()
    how = Sampling(max_tokens=TOKENS)
    ours = rate(iter(engine.stream(conversation(1), how)))
    aligned = rate(iter(engine.stream(conversation(1), how, adapter=adapter)))
    return {
        "decode, tokens/s": ours,
        "decode, engine / llama.cpp's own loop": ours / own,
        "decode, adapter / base": aligned / ours,
    }


def rate(pieces: Any) -> float:
    """Return pieces a second, up to TOKENS of them, not counting the first, which waits for the prompt."""
    next(pieces)
    next(pieces)
    started, count = time.perf_counter(), 0
    for count, _ in enumerate(pieces, 1):
        if count == TOKENS - 2:
            break
    return count / (time.perf_counter() - started)


def first_tokens(engine: LlamaEngine, adapter: Adapter, salt: str) -> dict[str, float]:
    """Compare times to the first token: turn 1, turn 8, after another conversation, after the adapter."""

    def first(turns: int, name: str, voice: Adapter | None = None) -> float:
        started = time.perf_counter()
        stream = engine.stream(conversation(turns, f"{name} {salt}"), Sampling(temperature=0), adapter=voice)
        any(piece for piece in stream)
        seconds = time.perf_counter() - started
        stream.close()
        return seconds

    turn1 = first(1, "Ada")
    turn8 = [first(turns, "Ada") for turns in range(2, 9)][-1]
    first(8, "Bea")
    switched = first(9, "Ada")
    first(9, "Ada", adapter)
    return {
        "first token, turn 8 / turn 1": turn8 / turn1,
        "first token, back from another conversation / turn 8": switched / turn8,
        "first token, back from the adapter / turn 8": first(10, "Ada") / turn8,
    }


def batches(engine: LlamaEngine) -> dict[str, float]:
    """Compare many continuations at once with one after another."""
    many = seconds(lambda: engine.generate_many(PROMPTS, CONTINUED))
    single = seconds(lambda: [engine.generate_many([prompt], CONTINUED) for prompt in PROMPTS[:16]])
    return {
        "continuations, prompts/s": len(PROMPTS) / many,
        "continuations, at once / one after another": (single * len(PROMPTS) / 16) / many,
    }


def against_transformers(model: catalog.Model) -> dict[str, float]:
    """Compare with transformers' generate in float32, one after another, on 8 prompts."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    engine = LlamaEngine(model, context=256)
    many = seconds(lambda: engine.generate_many(PROMPTS, CONTINUED)) / len(PROMPTS)
    engine.close()
    files = {"gguf_file": model.path.name}
    tokenizer = AutoTokenizer.from_pretrained(model.path.parent, **files)
    network = AutoModelForCausalLM.from_pretrained(model.path.parent, dtype=torch.float32, **files)
    how = {"do_sample": True, "top_p": 0.9, "top_k": 0, "max_new_tokens": CONTINUED.max_tokens}

    def generate(prompt: str) -> None:
        network.generate(**tokenizer(prompt, return_tensors="pt"), **how)

    single = seconds(lambda: [generate(prompt) for prompt in PROMPTS[:8]]) / 8
    return {"continuations, at once / transformers one by one": single / many}


def swap_from_disk(model: catalog.Model, adapter: Adapter) -> float:
    """Return the seconds to check and load an adapter and to set it, on an engine that has not seen it."""
    engine = LlamaEngine(model, context=256)
    try:
        return seconds(lambda: (engine._verify(adapter), engine._context.use(adapter)))
    finally:
        engine.close()


def resident(model: catalog.Model, which: str) -> int:
    """Return the resident memory of a process that chats with the base, or with base and adapter."""
    command = [sys.executable, __file__, "--model", str(model.path), "--memory", which]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def resident_after_chat(model: catalog.Model, adapter: Adapter | None) -> int:
    """Chat, and return this process's resident bytes."""
    engine = LlamaEngine(model, context=2048)
    for voice in (None, adapter):
        "".join(engine.stream(conversation(4), Sampling(max_tokens=16), adapter=voice))
    status = Path("/proc/self/status").read_text()
    engine.close()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


def conversation(turns: int, name: str = "Ada") -> list[Message]:
    """Make a conversation whose last message is the question of turn `turns`."""
    messages = []
    for turn in range(turns):
        question = f"{name}, turn {turn + 1}. {QUESTIONS[turn % 4]}"
        messages.append(Message(role="user", content=question))
        answer = "Because short waves of light are scattered more than long ones are, in every direction."
        messages.append(Message(role="assistant", content=answer))
    return messages[:-1]


def write_adapter(model: catalog.Model, path: Path, rank: int = 16) -> Adapter:
    """Write an adapter of small random weights on all linear layers."""
    generator = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, model.architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 2.0 * rank)
    for tensor in gguf.GGUFReader(model.path).tensors:
        if tensor.name.startswith("blk.") and len(tensor.shape) == 2:
            width, height = (int(size) for size in tensor.shape)
            for name, shape in (("lora_a", (rank, width)), ("lora_b", (height, rank))):
                values = generator.normal(0, 0.005, shape).astype(np.float32)
                writer.add_tensor(f"{tensor.name}.{name}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Adapter(path=path, sha256=sha256(path))


def seconds(job: Callable[[], object]) -> float:
    """Return how long `job` takes."""
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


def table(figures: dict[str, float]) -> str:
    """Lay the figures out in Markdown."""
    rows = [f"| {name} | {value:.2f} |" for name, value in figures.items()]
    return "\n".join(["| what | figure |", "|---|---|", *rows])


if __name__ == "__main__":
    main()
