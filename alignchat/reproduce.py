"""*Aligning Minerva LLMs* end to end: base, KTO and DPO on its sets, its three measures, Table 1, Figure 6.

Each part is a thing the application does anyway; here is only what the paper did with it. What is done is
read from the data folder, so the same command goes on after a break.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignchat import charts, report, report_tables
from alignchat.catalog import ENTRIES
from alignchat.config import Method, Settings, override
from alignchat.errors import DataError, RoundError
from alignchat.evaluation.plan import CLASSIFIERS_FOLDER
from alignchat.files import read_json, write_bytes, write_json
from alignchat.hub_sets import HubSets, parse
from alignchat.loop import Loop
from alignchat.making.reports import RoundReport
from alignchat.shelf.bias_sets import SETS, BiasSets
from alignchat.shelf.models import Models
from alignchat.shelf.transfer import OnProgress
from alignchat.workshop import SETS_FOLDER

PLAN_FILE = "paper.json"
MEASURES = ("toxicity", "regard", "honest")
TOXICITY, REGARD = "facebook/roberta-hate-speech-dynabench-r4-target", "sasha/regardv3"
# Sizes of the two classifiers' weights on the hub, in bytes, as far as they are to be fetched.
CLASSIFIER_BYTES = 500_000_000
PAPER_SETS: dict[Method, tuple[str, ...]] = {
    "kto": ("trl-lib/ultrafeedback-gpt-3.5-turbo-helpfulness", "trl-lib/kto-mix-14k"),
    "dpo": (
        "trl-lib/hh-rlhf-helpful-base",
        "trl-lib/lm-human-preferences-descriptiveness",
        "trl-lib/lm-human-preferences-sentiment",
        "trl-lib/rlaif-v",
        "trl-lib/tldr-preference",
        "trl-lib/ultrafeedback_binarized",
    ),
}
# A trial of the whole way: few rows, few steps, few prompts, the embedded prompts and stand-in scorers.
QUICK_ROWS, QUICK_STEPS = 24, 4
QUICK: dict[str, Any] = {"limit": 8, "continuations": 2, "honest_k": 1}

# Measured with the shape of Minerva-350M (a file of 374 MB) on two cores: a step of four pairs of 256 tokens,
# and tokens generated in batches. Other sizes are taken in proportion, and longer rows take longer.
MEASURED_BYTES, SECONDS_A_STEP, TOKENS_PER_SECOND = 374e6, 6.2, 290
# What else a round takes, held-out rows and sample replies above all: 200 to 264 s of processor time for the
# quick DPO round of the starter (98 MB) on a busy machine, halved for two cores.
STARTER_BYTES, SECONDS_A_ROUND = 98e6, 120
# About a gigabyte, and 2.4 bytes more for each byte of an 8-bit file: LoRA in bf16, a pair of 1,024 tokens.
MEMORY, MEMORY_PER_BYTE = 1.0e9, 2.4

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What is asked: so many rows of each set (none: all), or a quick trial of the whole way."""

    rows: int | None = None
    quick: bool = False
    bias_data: Path | None = None
    accept_licence: bool = False
    accept_terms: bool = False

    def sets(self, method: Method) -> list[str]:
        """Return the sets a method is trained on, as `hub_sets.parse` reads them."""
        rows = self.rows or (QUICK_ROWS if self.quick else None)
        return [f"{name}:{rows}" if rows else name for name in PAPER_SETS[method]]

    def settings(self, settings: Settings) -> Settings:
        """Return the settings with the paper's measures and scorers, or a quick trial's."""
        how: dict[str, Any] = {"toxicity_scorer": TOXICITY, "regard_scorer": REGARD, "published_honest": True}
        asked = QUICK if self.quick else how
        evaluation = override(
            settings.evaluation,
            "evaluation",
            {"measures": MEASURES, "bias_data": self.bias_data, **asked},
        )
        return settings.model_copy(update={"evaluation": evaluation})

    def to_json(self, settings: Settings) -> dict[str, Any]:
        """Return what must be the same for a run to go on."""
        return {"rows": self.rows, "quick": self.quick, "model": settings.model}


def needs(settings: Settings, paper: Paper) -> dict[str, Any]:
    """Say what a run would download, need and take; asks the hub at most once, and fetches nothing."""
    name = settings.model or Models(settings.data).default()
    sets = HubSets(settings.data / SETS_FOLDER)
    wanted = [(method, parse(text)) for method in PAPER_SETS for text in paper.sets(method)]
    prompt_sets = BiasSets(settings.data)
    from_hub = not paper.quick and not paper.bias_data
    return {
        "model": _model_needs(settings, name),
        "preference_sets": [
            {"method": m, "name": asked.name, "rows": asked.amount, "here": not sets.missing(asked)}
            for m, asked in wanted
        ],
        "prompt_sets": [prompt_sets.report(each).to_json() for each in SETS] if from_hub else [],
        "classifiers": [] if paper.quick else [_classifier_needs(settings, n) for n in (TOXICITY, REGARD)],
        "rounds": [{"method": m, "measures": list(MEASURES)} for m in PAPER_SETS],
        "takes": _takes(settings, paper, name),
    }


def run(settings: Settings, paper: Paper, out: Path, tell: Tell, on_progress: OnProgress) -> dict[str, Any]:
    """Do what is not done yet, and return where the results are.

    Raise DataError if the folder holds feedback or another run, and the parts' errors if they fail.
    """
    if out.exists() and not (out / "report.json").exists():
        raise RoundError(f"{out} is there already and is no report; give another --out.")
    _begin(settings, paper)
    models, name = Models(settings.data), settings.model or ""
    if name in ENTRIES and models.report(name).state != "ready":
        tell(f"Getting {name}")
        models.get(name, accept_terms=paper.accept_terms, on_progress=on_progress)
    if not paper.quick:
        _get_measures(settings, paper, tell, on_progress)
    with Loop.open(paper.settings(settings)) as loop:
        if any(loop.feedback.stats()[key] for key in ("up", "down", "pairs")):
            raise DataError(
                "This folder holds feedback of yours, and the paper trains on public sets alone: "
                "give an empty folder with --data."
            )
        done = {method: _round(loop, paper, method, tell, on_progress) for method in PAPER_SETS}
        return _results(loop, done, out)


def _begin(settings: Settings, paper: Paper) -> None:
    file, asked = settings.data / PLAN_FILE, paper.to_json(settings)
    if file.exists() and read_json(file) != asked:
        raise DataError(
            f"{settings.data} holds another run ({read_json(file)}); give another folder with --data, "
            "or ask for the same."
        )
    write_json(file, asked)


def _get_measures(settings: Settings, paper: Paper, tell: Tell, on_progress: OnProgress) -> None:
    sets = BiasSets(settings.data)
    if not paper.bias_data:
        for name in SETS:
            if not sets.report(name).here:
                tell(f"Getting {name}")
                sets.get(name, accept_licence=paper.accept_licence, on_progress=on_progress)
    for name in (TOXICITY, REGARD):
        if not _classifier_needs(settings, name)["here"]:
            tell(f"Getting {name}")
            sets.get_classifier(name, on_progress=on_progress)


def _round(loop: Loop, paper: Paper, method: Method, tell: Tell, on_progress: OnProgress) -> int:
    """Return the number of a method's round, trained and scored."""
    rounds = [found for found in loop.list_rounds() if found.method == method]
    if not rounds:
        for text in paper.sets(method):
            tell(f"Getting {text}")
            loop.data.get(text, on_progress=on_progress)
        steps = {"steps": QUICK_STEPS} if paper.quick else {}
        number = loop.start_round(method, sets=paper.sets(method), **steps)
    else:
        number = rounds[-1].number
        if rounds[-1].status in ("cancelled", "interrupted", "failed"):
            loop.resume_round(number)
    ended = loop.wait(number, lambda now: _tell_phase(now, tell))
    if ended.status != "done":
        raise RoundError(
            f"The {method.upper()} round ended as {ended.status}: {ended.error or 'run the same again'}"
        )
    return number


def _tell_phase(now: RoundReport, tell: Tell) -> None:
    if now.progress:
        tell(f"{(now.method or '').upper()}: {now.progress.phase} {now.progress.done}/{now.progress.total}")


def _results(loop: Loop, done: dict[Method, int], out: Path) -> dict[str, Any]:
    """Write the report, and with it Table 1 and Figure 6."""
    made = report.write(loop, out, replace=True)
    names = {0: "base", **{number: method.upper() for method, number in done.items()}}
    table = report_tables.held_out([loop.round(number) for number in done.values()])
    figure = charts.bars_chart([c for c in loop.scorecards() if c.round in names], "en", names)
    files = {
        "table_1.csv": table.csv().encode(),
        "table_1.md": table.markdown().encode(),
        "figure_6.svg": report.standalone(figure).encode(),
        "figure_6.png": figure.png(),
    }
    for name, content in files.items():
        write_bytes(out / name, content)
    return {
        **made,
        "rounds": dict(done),
        "table_1": str(out / "table_1.csv"),
        "figure_6": str(out / "figure_6.png"),
        "scores": {
            names[card.round]: {name: card.scores[name].value for name in MEASURES if name in card.scores}
            for card in loop.scorecards()
            if card.round in names
        },
    }


def _model_needs(settings: Settings, name: str) -> dict[str, Any]:
    models = Models(settings.data)
    if name not in ENTRIES or models.report(name).state == "ready":
        return {"name": name, "here": True, "bytes": 0}
    offer = models.offer(name)
    facts = {"licence": offer.licence, "terms": offer.terms, "obstacle": offer.obstacle}
    return {"name": name, "here": False, "bytes": offer.bytes, **facts}


def _classifier_needs(settings: Settings, name: str) -> dict[str, Any]:
    folder = settings.data / CLASSIFIERS_FOLDER / name.replace("/", "--")
    here = (folder / "config.json").exists()
    return {"name": name, "here": here, "bytes": 0 if here else CLASSIFIER_BYTES}


def _takes(settings: Settings, paper: Paper, name: str) -> dict[str, Any]:
    """Return what is done, counted, and about what that takes on two processor cores without a GPU."""
    evaluation = paper.settings(settings).evaluation
    limit, tokens = evaluation.limit, evaluation.max_tokens
    texts = (limit or 400) * evaluation.continuations + (limit or 400)
    completions = (limit or 1620) * evaluation.honest_k
    steps = QUICK_STEPS if paper.quick else settings.training.steps or 200
    generated = 3 * (texts * tokens + completions * min(8, tokens))
    entry = ENTRIES.get(name)
    size = entry.bytes if entry else None
    fetched = (entry.download or entry.bytes) if entry else 0
    seconds_a_byte = (generated / TOKENS_PER_SECOND + 2 * steps * SECONDS_A_STEP) / MEASURED_BYTES
    seconds_a_byte += 2 * SECONDS_A_ROUND / STARTER_BYTES
    return {
        "texts_to_generate": 3 * (texts + completions),
        "tokens_to_generate": generated,
        "training_steps": {"kto": steps, "dpo": steps},
        "disk_bytes": fetched * 2 + (0 if paper.quick else 2 * CLASSIFIER_BYTES),
        "memory_bytes": size and int(MEMORY + MEMORY_PER_BYTE * size),
        "minutes_on_two_cores": size and math.ceil(seconds_a_byte * size / 60),
    }
