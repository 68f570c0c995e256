"""Public prompt sets and lexicons, read from a folder in their authors' formats. Knows no network, no model.

RealToxicityPrompts: Gehman et al., EMNLP Findings 2020. BOLD: Dhamala et al., FAccT 2021.
HONEST: Nozza et al., NAACL 2021. HurtLex: Bassignana et al., CLiC-it 2018.
Files are known by their names, wherever in the folder they are.
"""

import csv
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from alignchat.errors import DataError
from alignchat.evaluation.prompts import Prompt, PromptSet

_TOXICITY_FOLDER = re.compile(r"real-?toxicity-?prompts.*", re.IGNORECASE)
_TEMPLATES = re.compile(r"(?:binary_)?(en|it)_template\.tsv")
_BOLD = "_prompt.json"
EXPECTED = (
    "realtoxicityprompts/*.jsonl, *_prompt.json (BOLD), binary_it_template.tsv and binary_en_template.tsv "
    "(HONEST), hurtlex_IT.tsv and hurtlex_EN.tsv, *_passages.jsonl (texts that may be known by heart)"
)


def require_any(folder: Path) -> None:
    """Raise DataError unless the folder has at least one of the sets."""
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; give one that has {EXPECTED}.")
    sets = (toxicity(folder), regard(folder), honest(folder), known_texts(folder))
    if not any((*sets, lexicon(folder, "en"), lexicon(folder, "it"))):
        raise DataError(f"{folder} has none of the public sets; it should have {EXPECTED}.")


@lru_cache(maxsize=8)
def toxicity(folder: Path) -> PromptSet | None:
    """Return RealToxicityPrompts, texts that occur twice once; none if it is not there.

    Groups are "toxic" (the prompt's own toxicity is above 0.5) and "nontoxic", or a sample's subsets.
    """
    files = [
        path
        for path in sorted(folder.rglob("*.jsonl"))
        if path.name == "prompts.jsonl" or _TOXICITY_FOLDER.fullmatch(path.parent.name)
    ]
    found: dict[str, Prompt] = {}
    for path in files:
        for number, line in enumerate(_text(path).split("\n"), 1):
            if line.strip():
                prompt = _toxicity_prompt(line, f"line {number} of {path}")
                found.setdefault(prompt.text, prompt)
    return PromptSet(name="RealToxicityPrompts", prompts=tuple(found.values())) if found else None


@lru_cache(maxsize=8)
def regard(folder: Path) -> PromptSet | None:
    """Return BOLD; groups are "axis: group", such as "gender: American_actors"; none if it is not there."""
    prompts = []
    for path in sorted(folder.rglob(f"*{_BOLD}")):
        axis = path.name.removesuffix(_BOLD).replace("_", " ")
        try:
            groups = json.loads(_text(path))
            rows = [
                (group, text)
                for group, entities in groups.items()
                for texts in entities.values()
                for text in texts
            ]
        except (AttributeError, TypeError, ValueError) as error:
            raise DataError(f"{path} is not a file of BOLD's: {error}.") from error
        prompts += [
            Prompt(language="en", group=f"{axis}: {group}", text=text.strip())
            for group, text in rows
            if text.strip()
        ]
    return PromptSet(name="BOLD", prompts=tuple(prompts)) if prompts else None


@lru_cache(maxsize=8)
def honest(folder: Path) -> PromptSet | None:
    """Return HONEST's binary templates, English first, cut off where the slot is; groups are the genders."""
    prompts = []
    for path in sorted(folder.rglob("*_template.tsv"), key=lambda path: path.name):
        known = _TEMPLATES.fullmatch(path.name)
        if known and path.parent.name != "queer_nonqueer":
            prompts += [_template(row, known[1], path) for row in _table(path)]
    return PromptSet(name="HONEST", prompts=tuple(prompts)) if prompts else None


@lru_cache(maxsize=8)
def known_texts(folder: Path) -> tuple[tuple[str, str], ...]:
    """Return texts a model may know by heart, from *_passages.jsonl: a prefix and how it goes on."""
    found = []
    for path in sorted(folder.rglob("*_passages.jsonl")):
        for number, line in enumerate(_text(path).splitlines(), 1):
            try:
                row = json.loads(line)
                found.append((str(row["prefix"]), str(row["continuation"])))
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(
                    f"Line {number} of {path} has no prefix and continuation ({error})."
                ) from error
    return tuple(found)


def lexicon(folder: Path, language: str) -> Path | None:
    """Return where HurtLex is for a language; none if it is not there."""
    return next(iter(sorted(folder.rglob(f"hurtlex_{language.upper()}.tsv"))), None)


def _toxicity_prompt(line: str, place: str) -> Prompt:
    try:
        row = json.loads(line)
        prompt = row["prompt"]
        facts: Mapping[str, Any] = prompt if isinstance(prompt, dict) else {"text": prompt}
        text, own = str(facts["text"]).strip(), facts.get("toxicity")
        toxicity = None if own is None else float(own)
        subset = str(row.get("subset", "prompts"))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{place} is not a prompt of RealToxicityPrompts ({error}).") from error
    if not text:
        raise DataError(f"{place} has an empty prompt.")
    group = subset if toxicity is None else "toxic" if toxicity > 0.5 else "nontoxic"
    return Prompt(language="en", group=group, text=text, toxicity=toxicity)


def _template(row: Mapping[str, str], language: str, path: Path) -> Prompt:
    text, group = row.get("template_masked"), row.get("category")
    if not text or not group or "[M]" not in text:
        raise DataError(f"{path} has no columns template_masked (with the slot [M]) and category.")
    return Prompt(language=language, group=group, text=" ".join(text[: text.index("[M]")].split()))


def _table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(_text(path).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}).") from error
