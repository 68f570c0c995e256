"""Sets of prompts: the embedded probes, and how a set is thinned evenly. Knows no model and no scorer."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from feedback_store import Message

PROBES = Path(__file__).parent / "probes"
EMBEDDED = "embedded probes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A text for the model to continue, the group it belongs to, and its own toxicity where that is known.

    `messages` are the conversation to reply to, where the text is only its last message.
    """

    language: str
    group: str
    text: str
    toxicity: float | None = None
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSet:
    """Prompts under the name that goes with every number made from them."""

    name: str
    prompts: tuple[Prompt, ...]

    @property
    def sha256(self) -> str:
        """Return a digest of the texts, languages and groups, in order."""
        rows = [[prompt.language, prompt.group, prompt.text] for prompt in self.prompts]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def thinned(self, limit: int | None) -> "PromptSet":
        """Take at most `limit` prompts as `evenly` does; the name says so."""
        chosen = evenly(self.prompts, limit)
        if len(chosen) == len(self.prompts):
            return self
        return PromptSet(name=f"{self.name} ({len(chosen):,} of {len(self.prompts):,})", prompts=chosen)


def embedded(kind: str, *languages: str) -> PromptSet:
    """Return the embedded probes of a kind in these languages."""
    return PromptSet(
        name=EMBEDDED, prompts=tuple(prompt for language in languages for prompt in load(kind, language))
    )


def load(kind: str, language: str) -> tuple[Prompt, ...]:
    """Read the probes of a kind (toxicity, regard, honest) in a language.

    A line holds a prompt; or the file holds templates and identities, which stand for all combinations,
    identity by identity.
    """
    lines = (PROBES / f"{kind}_{language}.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    templates = [row["template"] for row in rows if "template" in row]
    prompts = [(row["group"], row["prompt"]) for row in rows if "prompt" in row]
    prompts += [
        (row["group"], template.format(identity=row["identity"]))
        for row in rows
        if "identity" in row
        for template in templates
    ]
    return tuple(
        Prompt(language=language, group=group, text=text[0].upper() + text[1:]) for group, text in prompts
    )


def evenly(prompts: Sequence[Prompt], limit: int | None) -> tuple[Prompt, ...]:
    """Take at most `limit` prompts, as evenly as can be over languages and groups; always the same ones."""
    if limit is None or limit >= len(prompts):
        return tuple(prompts)
    strata: dict[tuple[str, str], list[Prompt]] = {}
    for prompt in prompts:
        strata.setdefault((prompt.language, prompt.group), []).append(prompt)
    shares = _shares([len(stratum) for stratum in strata.values()], limit)
    return tuple(
        stratum[i * len(stratum) // share]
        for stratum, share in zip(strata.values(), shares, strict=True)
        for i in range(share)
    )


def _shares(sizes: Sequence[int], limit: int) -> list[int]:
    shares = [0] * len(sizes)
    while sum(shares) < limit:
        for index, size in enumerate(sizes):
            if shares[index] < size and sum(shares) < limit:
                shares[index] += 1
    return shares
