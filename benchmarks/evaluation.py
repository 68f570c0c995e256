"""How long a round's scores take, against the same work one text after another with llama-cpp-python.

    python benchmarks/evaluation.py [--bias-data FOLDER] [--one-in 50] [--widths] [--json]

The work: 400 RealToxicityPrompts and 81 Italian probes x 5 continuations of 20 tokens, 400 BOLD prompts x 20
tokens, 1,620 HONEST templates x 8 tokens, with the embedded scorers and all intervals. Of the sequential run
only every `--one-in`-th prompt is done, with all its continuations, and the ratio is that of seconds a text.
`--part 4` does a fourth of the work on both sides. `--widths` measures instead a part of it with batches of
32 and of 64, in turns.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from alignchat import catalog, config
from alignchat.config import EvaluationSettings
from alignchat.evaluation import plan
from alignchat.evaluation.run import evaluate
from alignchat.llamacpp.llama_engine import LlamaEngine
from alignchat.llamacpp.weights import for_batches
from benchmarks.sections import rows, section

NO_BIAS_DATA = "Give the folder of the public prompt sets: --bias-data, or ALIGNCHAT_EVALUATION__BIAS_DATA."
PROMPTS = {"toxicity": 400, "regard": 400, "honest": 1620}
ASKED = {"seconds in all": "<= 360", "times as fast": ">= 5"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bias-data", type=Path, default=config.load().evaluation.bias_data)
    parser.add_argument("--one-in", type=int, default=50)
    parser.add_argument("--part", type=int, default=1)
    parser.add_argument("--honest-k", type=int, default=1)
    parser.add_argument("--widths", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if asked.bias_data is None:
        parser.error(NO_BIAS_DATA)
    settings = config.load(
        evaluation={"bias_data": str(asked.bias_data), "continuations": 5, "honest_k": asked.honest_k}
    ).evaluation
    with tempfile.TemporaryDirectory() as folder:
        model = catalog.find(catalog.STARTER)
        batch = for_batches(model, Path(folder)).model
        found = (
            widths(batch, settings)
            if asked.widths
            else both(batch, model, settings, asked.one_in, asked.part)
        )
    title = f"Evaluation (`evaluation.py --one-in {asked.one_in} --part {asked.part}`)"
    figures = {name: value if isinstance(value, list) else [value] for name, value in found.items()}
    print(json.dumps(found, indent=1) if asked.json else section(title, rows(figures, ASKED)))


def both(
    batch: catalog.Model, model: catalog.Model, whole: EvaluationSettings, one_in: int, part: int
) -> dict[str, Any]:
    """Return the seconds of an evaluation and its ratio to the sequential run, one measure after another."""
    count = sequential = tokens = 0
    seconds = generating = expected = 0.0
    for measure, prompts in PROMPTS.items():
        settings = whole.model_copy(update={"limit": prompts // part})
        engine = LlamaEngine(batch, context=256, sequences=settings.batch_size)
        started = time.perf_counter()
        _, samples, generation = evaluate(engine, measures=[measure], settings=settings)
        spent = time.perf_counter() - started
        seconds += spent
        engine.close()
        work = [text for prompt in list(texts(measure, settings))[::one_in] for text in prompt]
        alone = one_by_one(model, work, settings) * len(samples) / len(work)
        told = f"{measure}: {len(samples)} texts in {spent:.1f} s, one by one {alone:.1f} s"
        print(told, file=sys.stderr, flush=True)
        expected += alone
        count, sequential = count + len(samples), sequential + len(work)
        tokens, generating = tokens + int(generation["tokens"]), generating + generation["seconds"]
    return {
        "texts": count,
        "tokens": tokens,
        "seconds in all": round(seconds, 1),
        "seconds of generation": round(generating, 1),
        "tokens/s": round(tokens / generating),
        "texts made one by one": sequential,
        "seconds for all of them one by one, by these": round(expected),
        "times as fast": round(expected / seconds, 2),
    }


def texts(measure: str, settings: EvaluationSettings) -> Iterator[list[tuple[str, int]]]:
    """Yield for each prompt of a measure its texts: what they begin with, and their length."""
    for task in plan.tasks([measure], settings):
        for prompt in task.prompts.prompts:
            yield [(prompt.text, task.sampling.max_tokens)] * task.k


def one_by_one(model: catalog.Model, work: list[tuple[str, int]], settings: EvaluationSettings) -> float:
    """Return the seconds that `create_completion` takes for these texts, on the model's own file."""
    import llama_cpp

    cores = os.cpu_count()
    peer = llama_cpp.Llama(
        str(model.path), n_ctx=256, n_threads=cores, n_threads_batch=cores, flash_attn=True, verbose=False
    )
    started = time.perf_counter()
    for prompt, tokens in work:
        peer.create_completion(
            prompt, max_tokens=tokens, temperature=settings.temperature, top_p=settings.top_p, top_k=0
        )
    seconds = time.perf_counter() - started
    peer.close()
    return seconds


def widths(batch: catalog.Model, settings: EvaluationSettings) -> dict[str, Any]:
    """Return tokens/s of 60 English and 60 Italian prompts x 5 with batches of 32 and 64, twice, in turns."""
    rates: dict[int, list[int]] = {32: [], 64: []}
    part = settings.model_copy(update={"limit": 60})
    for _ in range(2):
        for width, found in rates.items():
            engine = LlamaEngine(batch, context=256, sequences=width)
            _, _, generation = evaluate(engine, measures=["toxicity"], settings=part)
            engine.close()
            found.append(round(generation["tokens"] / generation["seconds"]))
    return {f"tokens/s, batches of {width}": found for width, found in rates.items()}


if __name__ == "__main__":
    main()
