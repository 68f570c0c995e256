"""Whether the scores see what training did: a model taught to be toxic, one taught the opposite, and chance.

    python benchmarks/bias_moves.py [--bias-data FOLDER] [--language en|it] [--prompts 150] [--json]

From public comments people labelled as toxic or not (Surge AI's and Davidson's in English, HateCheck in
Italian, of which only what the Italian stand-in hears: rude words are masked there) pairs are made; one round
of DPO is trained with the toxic one chosen, one with the other chosen, by the same settings. Both are
compared with the base on prompts they did not see, and so is the base with another seed. The base is scored
twice with the same seed, which has to give the same scores. With `--work` what was done is kept there, and a
later call goes on from it.
"""

import argparse
import csv
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from alignchat import config
from alignchat.evaluation.compare import paired
from alignchat.evaluation.scorers import HurtfulWords
from alignchat.loop import Loop
from alignchat.making.presets import PRESETS, Preset
from benchmarks.sections import section

NO_BIAS_DATA = "Give the folder of the public prompt sets: --bias-data, or ALIGNCHAT_EVALUATION__BIAS_DATA."
MODELS = {"en": "starter", "it": "starter-it"}
LONGEST = 120  # characters; what is longer takes longer to train on


def main() -> None:
    """Train, score, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bias-data", type=Path, default=config.load().evaluation.bias_data)
    parser.add_argument("--language", choices=("en", "it"), default="en")
    parser.add_argument("--model", help="a name, or a GGUF file; else the language's stand-in, if it is here")
    parser.add_argument("--prompts", type=int, default=150)
    parser.add_argument("--pairs", type=int, default=120)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--preset", choices=PRESETS, default="strong")
    parser.add_argument("--continuations", type=int, default=5)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if asked.bias_data is None:
        parser.error(NO_BIAS_DATA)
    with tempfile.TemporaryDirectory() as folder:
        found = dict(moves(asked, (asked.work or Path(folder)).resolve()))
    given = f"--language {asked.language} --prompts {asked.prompts} --continuations {asked.continuations}"
    given += f" --pairs {asked.pairs} --steps {asked.steps} --preset {asked.preset}"
    title = f"Bias moves (`bias_moves.py {given}`)"
    print(json.dumps(found, indent=1) if asked.json else section(title, lines(found)))


def moves(asked: argparse.Namespace, root: Path) -> Iterator[tuple[str, Any]]:
    """Yield each comparison by name, as JSON values."""
    pairs = list(labelled_pairs(asked.bias_data, asked.language))[: asked.pairs]
    base = None
    for name, swapped in (("toxic replies chosen", False), ("toxic replies rejected", True)):
        rows = [
            {"prompt": prompt, "chosen": bad, "rejected": good}
            if not swapped
            else {"prompt": prompt, "chosen": good, "rejected": bad}
            for prompt, bad, good in pairs
        ]
        with opened(asked, root / name) as loop:
            number = trained(loop, rows, asked.steps, asked.preset)
            yield name, loop.compare_rounds(0, number).to_json()["differences"]
            card = loop.scorecard(0)
            assert card is not None
            if base is not None:
                yield "base scored twice with one seed, equal", base == card.scores
            base = card.scores
            samples = loop.samples(0)
        # What was copied for batches need not be copied again.
        shutil.rmtree(root / "cache", ignore_errors=True)
        shutil.copytree(root / name / "cache", root / "cache")
    with opened(asked, root / "another seed", seed=1) as loop:
        if loop.scorecard(0) is None:
            loop.evaluate(0)
            loop.wait(0)
        again = loop.samples(0)
    different: dict[str, Any] = {}
    for task in dict.fromkeys(sample.measure for sample in samples):
        ours, theirs = ([s for s in each if s.measure == task] for each in (samples, again))
        for name, interval in paired(task, ours, theirs).items():
            different[name] = {"value": interval.value, "low": interval.low, "high": interval.high}
    yield "base with another seed", different


def trained(loop: Loop, rows: list[dict[str, str]], steps: int, preset: Preset) -> int:
    """Return the round that these pairs make, trained and scored; begun, or gone on with."""
    if 1 not in loop.rounds.numbers():
        file = loop.settings.data / "pairs.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        loop.feedback.import_file(file)
        loop.start_round("dpo", steps=steps, preset=preset)
    elif loop.round(1).status not in ("done", "running"):
        loop.resume_round(1)
    ended = loop.wait(1)
    if ended.status != "done":
        raise SystemExit(ended.error or f"The round is {ended.status}; with --work, call again to go on.")
    return 1


def opened(asked: argparse.Namespace, home: Path, seed: int = 0) -> Loop:
    """Open a fresh data folder."""
    if (home.parent / "cache").exists() and not home.exists():
        shutil.copytree(home.parent / "cache", home / "cache")
    evaluation = {
        "measures": ["toxicity"] if asked.language == "en" else ["toxicity", "honest"],
        "bias_data": str(asked.bias_data),
        "limit": asked.prompts,
        "continuations": asked.continuations,
        "seed": seed,
    }
    # Rows held out would only be measured by their log-probabilities, which takes longer than training.
    training = {"test_share": 0}
    model = asked.model or MODELS[asked.language]
    return Loop.open(config.load(home, model=model, evaluation=evaluation, training=training))


def labelled_pairs(folder: Path, language: str) -> Iterator[tuple[str, str, str]]:
    """Yield a prompt, a toxic text and another one, in turns from the sets of a language."""
    if language == "en":
        surge, davidson = (
            folder / "toxicity/surge_toxicity_en.csv",
            folder / "toxicity/davidson_tweets_en_1500.csv",
        )
        bad = [*texts(surge, "label", "1"), *texts(davidson, "label", "offensive_language")]
        good = [*texts(surge, "label", "0"), *texts(davidson, "label", "neither")]
        asked = "Write comment {}."
    else:
        check = folder / "toxicity/hatecheck_it.csv"
        hateful = texts(check, "label_gold", "hateful")
        bad = [text for text, heard in zip(hateful, HurtfulWords("it")(hateful), strict=True) if heard][::2]
        good = [
            json.loads(line)["text"]
            for line in (folder / "italian_neutral/ud_pud_it.jsonl").open(encoding="utf-8")
        ]
        asked = "Scrivi il commento {}."
    for number, (toxic, other) in enumerate(zip(bad, good, strict=False), 1):
        yield asked.format(number), toxic, other


def texts(path: Path, column: str, label: str) -> list[str]:
    """Return the short texts with a label."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row["text"].strip() for row in csv.DictReader(file) if row[column] == label]
    return [text for text in rows if 0 < len(text) <= LONGEST]


def lines(found: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what was found as a table's rows."""
    for name, value in found.items():
        if isinstance(value, bool):
            yield name, str(value), ""
            continue
        for score, facts in value.items():
            interval = f"{facts['value']:+.4f} ({facts['low']:+.4f} to {facts['high']:+.4f})"
            p = f", p {facts['p_holm']:.3f}" if "p_holm" in facts else ""
            yield f"{name}: {score}", interval + p, ""


if __name__ == "__main__":
    main()
