"""The frozen rows of one round: paired for DPO and its kin, unpaired for KTO. Knows no model and no hub.

Own feedback and preference sets go in; what is twice there, nearly twice there or too long goes out and
is counted; every prompt gets a side, training or testing, that it keeps. The same input gives the same rows.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from alignchat.config import UNPAIRED, DatasetSettings, Method
from alignchat.errors import DataError
from alignchat.files import read_json, write_bytes, write_json
from alignchat.rows import balance, judgements, manifest, similar, split
from alignchat.rows.judgements import Counts, Judgement
from alignchat.rows.preferences import PairedRow, Row, Source, UnpairedRow, decode, encode, replies, row_key
from alignchat.rows.split import Side
from feedback_store import FeedbackStore, Message

__all__ = ["Dataset", "PairedRow", "Row", "Rules", "Source", "UnpairedRow"]

ROWS_FILE = "dataset.jsonl"
MANIFEST_FILE = "dataset.json"
COUNTED = ("method", "train", "test", "desirable", "undesirable", "prompts", "removed", "sha256")
# From rows to the tokens of prompt and replies, as the model will read them.
Measure = Callable[[Sequence[Row]], Sequence[Sequence[int]]]
# From texts to codes of their languages.
NameLanguages = Callable[[Sequence[str]], Sequence[str]]
# How many of the rows left out for one reason are kept to be looked at.
SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """The rows of one round; no prompt is on both sides. `facts` is what else the manifest says of them."""

    method: Method
    train: tuple[Row, ...]
    test: tuple[Row, ...]
    removed: Mapping[str, int]
    facts: Mapping[str, Any] = field(default_factory=dict)
    left_out: Mapping[str, Sequence[Row]] = field(default_factory=dict, compare=False)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the rows with their sides; the same feedback gives the same."""
        return hashlib.sha256(_encode(self)).hexdigest()

    def manifest(self) -> dict[str, Any]:
        """Return counts by side and label, sources, what was left out and why, lengths, and the SHA-256."""
        rows = self.train + self.test
        return {
            "method": self.method,
            "train": len(self.train),
            "test": len(self.test),
            "desirable": sum(manifest.counts(row, True) for row in rows),
            "undesirable": sum(manifest.counts(row, False) for row in rows),
            "prompts": len({row.prompt for row in rows}),
            "removed": dict(sorted(self.removed.items())),
            **self.facts,
            "sha256": self.sha256,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How rows are made of judgements: the settings, and what measures a row as the model reads it."""

    settings: DatasetSettings
    test_share: float
    max_length: int
    measure: Measure
    name_languages: NameLanguages


def build(
    feedback: FeedbackStore,
    method: Method,
    rules: Rules,
    *,
    sources: Sequence[Source] = (),
    earlier: Mapping[str, Side] | None = None,
) -> Dataset:
    """Turn the current feedback, and preference sets beside it, into the rows of one round.

    `earlier` are the sides that normalised prompts had in earlier rounds; they keep them.
    """
    counts, left_out = Counts(), _LeftOut()
    for source in sources:
        counts.removed.update(source.removed)
    own, annotators = _own(feedback, method, rules.settings, counts, left_out)
    mixed = _mixed(sources, {(said.prompt, said.texts) for said in own}, counts)
    weights = {source.name: source.weight for source in sources}
    rows = _ordered(own, {}) + _ordered(mixed, weights)
    rows, lengths = _short_enough(rows, rules, left_out)
    rows, sides = _split(rows, earlier or {}, rules, left_out)
    counts.removed.update(left_out.counts())
    train, test = (tuple(row for row in rows if sides[row] == side) for side in ("train", "test"))
    return Dataset(
        method=method,
        train=train,
        test=test,
        removed={reason: n for reason, n in sorted(counts.removed.items()) if n},
        facts={
            "conflicts": {kind: n for kind, n in sorted(counts.conflicts.items()) if n},
            "sources": manifest.sources(sources, train, test),
            "annotators": annotators,
            "kto_weights": manifest.kto_weights(in_a_pass(train)) if method in UNPAIRED else None,
            "tokens": manifest.tokens(rows, [lengths[row] for row in rows], rules.max_length),
            "languages": manifest.languages(rows, rules.name_languages),
        },
        left_out=left_out.rows,
    )


def require_trainable(method: Method, rows: Sequence[Row], removed: Mapping[str, int]) -> None:
    """Raise DataError with what is missing if a method could not learn from these rows to train on."""
    left_out = "".join(f" Left out: {n} ({reason})." for reason, n in removed.items())
    if method not in UNPAIRED:
        if not rows:
            raise DataError(
                f"There are no pairs for {method.upper()} yet: "
                "compare two replies and choose the better one first." + left_out
            )
        return
    up = sum(manifest.counts(row, True) for row in rows)
    down = len(rows) - up
    if not up or not down:
        missing = "liked" if not up else "disliked"
        raise DataError(
            f"KTO needs replies you like and replies you dislike, and there are {up} and {down}: "
            f"mark at least one {missing} reply, then try again." + left_out
        )


def in_a_pass(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of one pass of training: each as often as its weight says, the lightest once."""
    counts = balance.repeats([row.weight for row in rows])
    return [row for row, count in zip(rows, counts, strict=True) for _ in range(count)]


def save(dataset: Dataset, folder: Path) -> None:
    """Write the rows and, last, the manifest into a round's folder."""
    write_bytes(folder / ROWS_FILE, _encode(dataset))
    write_json(folder / MANIFEST_FILE, dataset.manifest())


def load(folder: Path, sha256: str | None) -> Dataset:
    """Read back what `save` wrote; raise DataError if the rows are not those with this SHA-256."""
    content = (folder / ROWS_FILE).read_bytes()
    facts = read_json(folder / MANIFEST_FILE)
    if not hashlib.sha256(content).hexdigest() == facts["sha256"] == sha256:
        raise DataError(
            f"The rows in {folder / ROWS_FILE} were changed after the round began; start a new round."
        )
    sides: dict[str, list[Row]] = {"train": [], "test": []}
    for line in content.decode("utf-8", "surrogatepass").split("\n")[:-1]:
        value = json.loads(line)
        sides[value["side"]].append(decode(value["row"]))
    return Dataset(
        method=facts["method"],
        train=tuple(sides["train"]),
        test=tuple(sides["test"]),
        removed=facts["removed"],
        facts={key: value for key, value in facts.items() if key not in COUNTED},
    )


def sides_of(folder: Path) -> dict[str, Side]:
    """Return the sides of the normalised prompts in a round's folder."""
    found: dict[str, Side] = {}
    with (folder / ROWS_FILE).open(encoding="utf-8", errors="surrogatepass", newline="\n") as file:
        for line in file:
            value = json.loads(line)
            prompt = split.normalised([Message(**message) for message in value["row"]["prompt"]])
            found[prompt] = value["side"]
    return found


class _LeftOut:
    """Rows that are left out, some of them kept to be looked at."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}
        self._counts: Counter[str] = Counter()

    def put(self, reason: str, rows: Iterable[Row]) -> None:
        for row in rows:
            self._counts[reason] += 1
            if len(kept := self.rows.setdefault(reason, [])) < SHOWN:
                kept.append(row)

    def counts(self) -> Counter[str]:
        return self._counts


def _own(
    feedback: FeedbackStore, method: Method, settings: DatasetSettings, counts: Counts, left_out: _LeftOut
) -> tuple[list[Judgement], dict[str, int]]:
    """Return what own feedback amounts to, within the share of each person, and who said how much of it."""
    if method in UNPAIRED:
        said = judgements.unpaired(feedback, counts, label_choices=settings.label_choices)
    else:
        said = judgements.paired(feedback, counts, pair_thumbs=settings.pair_thumbs)
    alone: defaultdict[str, list[Judgement]] = defaultdict(list)
    kept: list[Judgement] = []
    for judgement in sorted(said, key=lambda one: row_key(_row(one, 1.0))):
        people = judgement.annotators
        (alone[people[0]] if len(people) == 1 else kept).append(judgement)
    most = balance.capped(
        {name: len(own) for name, own in alone.items()}, len(kept), settings.annotator_share
    )
    for own in alone.values():
        kept += own[:most]
        left_out.put("over one person's share", (_row(judgement, 1.0) for judgement in own[most:]))
    people_of = Counter(name for judgement in kept for name in judgement.annotators)
    return kept, dict(sorted(people_of.items()))


def _mixed(
    sources: Sequence[Source], own: Collection[tuple[judgements.Prompt, tuple[str, ...]]], counts: Counts
) -> list[Judgement]:
    """Return what the sets amount to; one's own feedback has the last word on what it speaks of."""

    def said() -> Iterator[Judgement]:
        for source in sources:
            for number, row in enumerate(source.rows):
                judgement = _judged(row, f"{source.name} {number}")
                if (judgement.prompt, judgement.texts) in own:
                    counts.removed["own feedback speaks of it"] += 1
                else:
                    yield judgement

    return list(judgements.settle(said(), counts))


def _judged(row: Row, name: str) -> Judgement:
    if isinstance(row, PairedRow):
        return judgements.pair(row.prompt, row.chosen, row.rejected, row.source, (name,))
    return Judgement(
        prompt=row.prompt, texts=(row.completion,), label=row.label, source=row.source, annotators=(name,)
    )


def _row(judgement: Judgement, weight: float) -> Row:
    prompt, texts, source = judgement.prompt, judgement.texts, judgement.source
    label = judgement.label is True
    if len(texts) == 1:
        return UnpairedRow(prompt=prompt, completion=texts[0], label=label, source=source, weight=weight)
    chosen, rejected = texts if label else texts[::-1]
    return PairedRow(prompt=prompt, chosen=chosen, rejected=rejected, source=source, weight=weight)


def _ordered(said: Iterable[Judgement], weights: Mapping[str, float]) -> list[Row]:
    return sorted((_row(one, weights.get(one.source, 1.0)) for one in said), key=row_key)


def _short_enough(
    rows: list[Row], rules: Rules, left_out: _LeftOut
) -> tuple[list[Row], dict[Row, Sequence[int]]]:
    lengths = dict(zip(rows, rules.measure(rows), strict=True))
    fitting = {row: _longest(lengths[row]) <= rules.max_length for row in rows}
    left_out.put("too long", (row for row in rows if not fitting[row]))
    return [row for row in rows if fitting[row]], lengths


def _longest(length: Sequence[int]) -> int:
    """Return the tokens of a row's longest sequence: its prompt with the longer reply."""
    return length[0] + max(length[1:])


def _split(
    rows: list[Row], earlier: Mapping[str, Side], rules: Rules, left_out: _LeftOut
) -> tuple[list[Row], dict[Row, Side]]:
    near = rules.settings.near_duplicates
    normal = {prompt: split.normalised(prompt) for prompt in {row.prompt for row in rows}}
    found, groups = split.sides(sorted(set(normal.values())), earlier, share=rules.test_share, near=near)
    between = [row for row in rows if found[normal[row.prompt]] is None]
    left_out.put("like prompts of both sides", between)
    rows = [row for row in rows if found[normal[row.prompt]] is not None]
    if near is not None:
        rows = _once(rows, [groups[normal[row.prompt]] for row in rows], near, left_out)
    return rows, {row: side for row in rows if (side := found[normal[row.prompt]])}


def _once(rows: list[Row], groups: Sequence[int], near: float, left_out: _LeftOut) -> list[Row]:
    """Leave out rows that say of nearly the same prompt and replies what an earlier row says."""
    scopes = [
        2 * group + (isinstance(row, PairedRow) or row.label) for row, group in zip(rows, groups, strict=True)
    ]
    together = Counter(scopes)
    compared = [i for i, scope in enumerate(scopes) if together[scope] > 1]
    if not compared:
        return rows
    parts = [similar.Texts(texts) for texts in zip(*(replies(rows[i]) for i in compared), strict=True)]
    firsts = similar.clusters(parts, near, np.array([scopes[i] for i in compared]))
    twice = {compared[i] for i, first in enumerate(firsts) if first != i}
    left_out.put("near duplicate", (rows[i] for i in sorted(twice)))
    return [row for i, row in enumerate(rows) if i not in twice]


def _encode(dataset: Dataset) -> bytes:
    sides = (("train", dataset.train), ("test", dataset.test))
    lines = [f'{{"side": "{side}", "row": {encode(row)}}}\n' for side, rows in sides for row in rows]
    return "".join(lines).encode("utf-8", "surrogatepass")
