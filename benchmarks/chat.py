"""How fast the chat is, against llama.cpp's own loop on the same file; how adapters swap and what they cost.

    python benchmarks/chat.py [--model NAME_OR_PATH] [--rounds 5] [--json]

Everything is measured in turns in one run, and the ratios are what to trust: the table gives the median
over the rounds and the extremes. The adapter is of random weights (rank 16, all linear layers).
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
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from alignchat import catalog, config
from alignchat.engine import Adapter, Sampling
from alignchat.files import sha256
from alignchat.formats.conversion import merge_to_gguf
from alignchat.llamacpp.llama import Entry
from alignchat.llamacpp.llama_engine import LlamaEngine
from alignchat.loop import Loop
from benchmarks.sections import Figures, rows, section
from feedback_store import Message

TOKENS = 128
REPLY = 24
QUESTIONS = [
    "Why is the sky blue?",
    "And at sunset?",
    "What about the sea?",
    "Is snow white for that reason?",
]
STORY = "Tell me a long story about a lighthouse, its keeper and a storm that lasts for a week."
# What is asked of each figure.
ASKED = {
    "decode, Loop.reply / llama.cpp's own loop": ">= 0.95",
    "decode, adapter / base": ">= 0.67",
    "decode, adapter on attention only / base": ">= 0.9",
    "first token, turn 8 / turn 1": "<= 1.5",
    "first token, back from another conversation / turn 8": "<= 2",
    "first token, back from the adapter / turn 8": "<= 2",
    "adapter swap in memory, ms": "<= 5",
    "adapter from disk with checksum, ms": "<= 100",
    "resident memory, base and aligned / base": "<= 1.4",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=catalog.STARTER)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory", choices=["base", "both"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    model = catalog.find(arguments.model)
    with tempfile.TemporaryDirectory() as folder:
        adapter = write_adapter(model, Path(folder) / "adapter.gguf")
        if arguments.memory:
            print(resident_after_chat(model, adapter if arguments.memory == "both" else None))
            return
        figures = measure(model, adapter, arguments.rounds, Path(folder))
    title = f"Chat (`chat.py --rounds {arguments.rounds}`, {model.name})"
    print(json.dumps(figures, indent=1) if arguments.json else section(title, rows(figures, ASKED)))


def measure(model: catalog.Model, adapter: Adapter, rounds: int, folder: Path) -> Figures:
    """Return all figures by name, one value a round."""
    settings = config.load(folder / "data", model=str(model.path), chat={"context": 2048})
    attention = write_adapter(model, folder / "attention.gguf", layers="attn_")
    with Loop.open(settings) as loop:
        engine = loop.engine
        assert isinstance(engine, LlamaEngine)
        trials = [
            decode(loop, engine, adapter, attention)
            | first_tokens(engine, adapter, str(n))
            | swaps(engine, adapter)
            for n in range(rounds)
        ]
    for trial in trials:
        trial |= {"adapter from disk with checksum, ms": 1000 * swap_from_disk(model, adapter)}
        base, both = (resident(model, which) for which in ("base", "both"))
        trial |= {"resident memory, base and aligned / base": both / base}
    for trial, more in zip(trials, merged(model, adapter, rounds, folder), strict=True):
        trial |= more
    return {name: [trial[name] for trial in trials] for name in trials[0]}


def decode(loop: Loop, engine: LlamaEngine, adapter: Adapter, attention: Adapter) -> dict[str, float]:
    """Compare tokens a second after the second one: llama-cpp-python's own loop, the app, an adapter."""
    import llama_cpp

    question = [Message(role="user", content=STORY)]
    theirs = llama_cpp.Llama(
        str(engine.model.path),
        n_ctx=2048,
        n_threads=os.cpu_count(),
        n_threads_batch=os.cpu_count(),
        flash_attn=True,
        verbose=False,
    )
    own = rate(theirs.generate(engine.prompt_tokens(question), temp=0.7, top_k=40, top_p=0.95))
    theirs.close()
    ours = rate(loop.reply(None, STORY, max_tokens=TOKENS))
    how = Sampling(max_tokens=TOKENS)
    base, aligned, light = (
        rate(engine.stream(question, how, adapter=voice)) for voice in (None, adapter, attention)
    )
    return {
        "decode, Loop.reply, tokens/s": ours,
        "decode, Loop.reply / llama.cpp's own loop": ours / own,
        "decode, adapter / base": aligned / base,
        "decode, adapter on attention only / base": light / base,
    }


def merged(model: catalog.Model, adapter: Adapter, rounds: int, folder: Path) -> list[dict[str, float]]:
    """Compare decoding of the adapter merged into a file of its own with the base's file as it comes."""
    engines = {"base": LlamaEngine(model, context=512)}
    for kind in ("Q8_0", "BF16", "F16"):
        path = folder / f"{kind}.gguf"
        merge_to_gguf(adapter.path, model.path, path, quantisation=kind)
        engines[kind] = LlamaEngine(replace(model, path=path), context=512)
    how = Sampling(max_tokens=TOKENS)
    question = [Message(role="user", content=STORY)]
    trials = [
        {kind: rate(engine.stream(question, how)) for kind, engine in engines.items()} for _ in range(rounds)
    ]
    for engine in engines.values():
        engine.close()
    return [
        {f"decode, merged {kind} / base": trial[kind] / trial["base"] for kind in trial if kind != "base"}
        for trial in trials
    ]


def rate(pieces: Any) -> float:
    """Return pieces a second, up to TOKENS of them, not counting the first, which waits for the prompt."""
    next(pieces)
    next(pieces)
    started, count = time.perf_counter(), 0
    for count, _ in enumerate(pieces, 1):
        if count == TOKENS - 2:
            break
    spent = time.perf_counter() - started
    # A reply that is not closed keeps its place.
    pieces.close()
    return count / spent


def first_tokens(engine: LlamaEngine, adapter: Adapter, salt: str) -> dict[str, float]:
    """Compare times to the first token: turn 1, turn 8, after another conversation, after the adapter.

    The replies in the history are the model's own, so what is read anew is what a chat would read.
    """
    talks: dict[str, list[Message]] = {"Ada": [], "Bea": []}

    def first(name: str, voice: Adapter | None = None) -> float:
        said = talks[name]
        said.append(question(f"{name} {salt}", len(said) // 2))
        started = time.perf_counter()
        stream = engine.stream(said, Sampling(temperature=0, max_tokens=REPLY), adapter=voice)
        text = next(piece for piece in stream if piece)
        seconds = time.perf_counter() - started
        said.append(Message(role="assistant", content=text + "".join(stream)))
        return seconds

    turns = [first("Ada") for _ in range(8)]
    first("Bea")
    switched = first("Ada")
    first("Ada", adapter)
    return {
        "first token, turn 8 / turn 1": turns[-1] / turns[0],
        "first token, back from another conversation / turn 8": switched / turns[-1],
        "first token, back from the adapter / turn 8": first("Ada") / turns[-1],
    }


def question(name: str, turn: int) -> Message:
    """Make the user's short message of a turn, counted from 0."""
    return Message(role="user", content=f"{name}, turn {turn + 1}. {QUESTIONS[turn % 4]}")


def swaps(engine: LlamaEngine, adapter: Adapter) -> dict[str, float]:
    """Return what changing the voice adds to the next token: a token after a change, less one without."""
    context = engine._context
    position = 0

    def token(voice: Adapter | None) -> float:
        nonlocal position
        position += 1
        return seconds(lambda: (context.use(voice), context.decode([Entry(5, position, 0, True)])))

    with engine._turn():
        context.forget(0)
        context.decode([Entry(5, 0, 0, True)])
        times = [[token(voice) for _ in range(2)] for _ in range(15) for voice in (adapter, None)]
        context.forget(0)
    engine._slots[0].tokens.clear()
    return {"adapter swap in memory, ms": 1000 * statistics.median(first - then for first, then in times)}


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
        said: list[Message] = []
        for turn in range(4):
            said.append(question("Ada", turn))
            text = "".join(engine.stream(said, Sampling(max_tokens=REPLY), adapter=voice))
            said.append(Message(role="assistant", content=text))
    status = Path("/proc/self/status").read_text()
    engine.close()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


def write_adapter(model: catalog.Model, path: Path, rank: int = 16, layers: str = "") -> Adapter:
    """Write an adapter of small random weights on the linear layers with `layers` in their names."""
    generator = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, model.architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 2.0 * rank)
    for tensor in gguf.GGUFReader(model.path).tensors:
        if tensor.name.startswith("blk.") and layers in tensor.name and len(tensor.shape) == 2:
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


if __name__ == "__main__":
    main()
