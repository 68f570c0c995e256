"""Convert and quantise the shape of Minerva-350M (random weights): seconds, peak memory, and the KL it costs.

Figure: at most 15 s and 2.5 GB for F16 to Q4_K_M each. `python benchmarks/convert.py [--json]`
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.sections import section

MAX_SECONDS, MAX_GIGABYTES = 15.0, 2.5
QUANTISATIONS = ("F16", "Q8_0", "Q4_K_M")
IDS = [1, *range(100, 30000, 997)]


def main() -> int:
    """Print one row a quantisation; return 1 if a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--convert", nargs=3, metavar=("SOURCE", "OUT", "TYPE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        from tests.minerva import write_minerva_350m

        write_minerva_350m(options.write)
        return 0
    if options.convert:
        print(json.dumps(convert(*options.convert)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder))
    if options.json:
        print(json.dumps(rows))
    else:
        print(section("Conversion of the Minerva-350M shape, random weights (`convert.py`)", table(rows)))
    return int(any(row["seconds"] > MAX_SECONDS or row["peak_gb"] > MAX_GIGABYTES for row in rows))


def table(rows: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """Yield what each quantisation took, and what is asked of it."""
    for row in rows:
        missed = row["seconds"] > MAX_SECONDS or row["peak_gb"] > MAX_GIGABYTES
        figure = f"{row['seconds']:.1f} s, {row['peak_gb']:.2f} GB" + (": **missed**" if missed else "")
        cost = f"a file of {row['bytes'] / 1e6:.0f} MB, KL {row['kl']:.5f} nats a token"
        yield f"{row['quantisation']}: {cost}", figure, f"{MAX_SECONDS:.0f} s, {MAX_GIGABYTES} GB"


def measure(folder: Path) -> list[dict[str, Any]]:
    """Convert in a process of its own each time, then score the results against Transformers."""
    # A child's peak begins with that of the process it is forked from, so this one stays small until the end.
    run(["--write", str(folder)])
    rows = []
    for kind in QUANTISATIONS:
        out = folder / f"{kind}.gguf"
        facts = json.loads(run(["--convert", str(folder), str(out), kind]))
        rows.append({"quantisation": kind, **facts, "bytes": out.stat().st_size})
    for row, kl in zip(rows, divergences(folder), strict=True):
        row["kl"] = round(kl, 6)
    return rows


def run(arguments: list[str]) -> bytes:
    """Run this file in a process of its own; return what it printed."""
    return subprocess.run([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, check=True).stdout


def divergences(folder: Path) -> list[float]:
    """Return KL(Transformers || llama.cpp) for each converted file."""
    import torch
    from transformers import AutoModelForCausalLM

    from tests.llama_scoring import LlamaScorer, divergence, torch_scores

    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    expected = torch_scores(network, IDS)
    found = []
    for kind in QUANTISATIONS:
        scorer = LlamaScorer(folder / f"{kind}.gguf")
        found.append(divergence(expected, scorer(IDS)))
        scorer.close()
    return found


def convert(source: str, out: str, kind: Any) -> dict[str, float]:
    """Convert as the app does, with its check that llama.cpp reads the file; return seconds and peak."""
    from alignchat.shelf.obtain import Work, from_folder

    begun = time.perf_counter()
    from_folder(Path(source), Path(out), kind, Work(folder=Path(out).parent))
    seconds = time.perf_counter() - begun
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    # llama.cpp's process and ours live side by side: their peaks are added.
    peak = sum(resource.getrusage(w).ru_maxrss for w in who) * 1024
    return {"seconds": round(seconds, 2), "peak_gb": round(peak / 1e9, 3)}


if __name__ == "__main__":
    sys.exit(main())
