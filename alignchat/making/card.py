"""The model card of an exported round: what it was trained on, from what, how it scored. Changes nothing."""

from collections.abc import Iterator, Mapping
from typing import Any

from alignchat.making.assessment import assess
from alignchat.making.reports import RoundReport, report
from alignchat.rounds import Rounds

_SETTINGS = (
    "preset",
    "learning_rate",
    "beta",
    "lora_rank",
    "lora_alpha",
    "lora_targets",
    "precision",
    "seed",
)


def model_card(rounds: Rounds, number: int) -> str:
    """Return Markdown with the metadata that the hub reads; no path of this machine is in it."""
    now = report(rounds, number)
    return "\n".join(
        (*_head(now), *_lineage(rounds, number), *_data(now), *_table(now), *_scores(rounds, now), "")
    )


def _head(now: RoundReport) -> Iterator[str]:
    yield "---\nlibrary_name: peft\ntags: [lora, preference-optimization, alignchat]\n---"
    yield f"# {now.model}, round {now.number}\n"
    yield f"A LoRA adapter for `{now.model}`, trained with {(now.method or '').upper()} by alignchat."


def _lineage(rounds: Rounds, number: int) -> Iterator[str]:
    yield "\n## Lineage\n"
    line, current = [], number
    while current:
        record = rounds.get(current)
        training = record.settings["training"]
        asked = ", ".join(f"{key} {training[key]}" for key in _SETTINGS if key in training)
        line.append(f"- round {current}: {(record.method or '').upper()}, {asked}")
        current = record.parent or 0
    yield f"- base: `{rounds.get(0).model}`, GGUF with SHA-256 `{rounds.get(0).model_sha256}`"
    yield from reversed(line)


def _data(now: RoundReport) -> Iterator[str]:
    data, train = now.dataset or {}, now.train or {}
    yield "\n## Data\n"
    yield f"{data.get('train', 0)} rows to train on, {data.get('test', 0)} held out; SHA-256 of the rows "
    yield f"`{data.get('sha256')}`. Removed: {_counts(data.get('removed', {}))}.\n"
    for source in data.get("sources", ()):
        yield f"- {_source(source)}"
    if train:
        yield f"\n{train['steps']} steps of {train['batch_size']} rows, {train['tokens']:,} tokens."


def _source(source: Any) -> str:
    return (
        ", ".join(f"{key} {value}" for key, value in source.items())
        if isinstance(source, Mapping)
        else source
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in counts.items()) or "none"


def _table(now: RoundReport) -> Iterator[str]:
    rows = now.report["table"] if now.report else []
    if not rows:
        return
    names = sorted({name for row in rows for name in row["metrics"]})
    yield "\n## On held-out rows\n\nRewards are against the base model.\n"
    yield f"| source | model | n | {' | '.join(names)} |\n|{'---|' * (3 + len(names))}"
    for row in rows:
        cells = [f"{row['metrics'][name]:.3f}" if name in row["metrics"] else "" for name in names]
        yield f"| {row['source']} | {row['model']} | {row['n']} | {' | '.join(cells)} |"


def _scores(rounds: Rounds, now: RoundReport) -> Iterator[str]:
    if now.scores:
        yield "\n## Bias\n\nWith 95 % intervals; scores of different scorers cannot be compared.\n"
        yield "| score | value | interval | n | scorer |\n|---|---|---|---|---|"
        for name, score in now.scores.items():
            interval = f"{score['low']:.3f} to {score['high']:.3f}"
            yield f"| {name} | {score['value']:.3f} | {interval} | {score['n']} | {score['scorer']} |"
    said = assess(rounds, now.number)
    sentences = [fact.sentence for fact in said.facts] + [f["sentence"] for f in said.to_json()["findings"]]
    if sentences:
        yield "\n## Compared with its parent\n"
        yield from (f"- {sentence}" for sentence in sentences)
