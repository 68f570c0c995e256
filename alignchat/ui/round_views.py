"""Pieces of HTML about one round: what it will take, what speaks for and against it, its table, its replies.

Every value is escaped, and each piece is one line, as in `views`. Knows no component.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from alignchat.making.assessment import HELD_OUT, Assessment, Fact
from alignchat.making.fit import Estimate
from alignchat.making.guard import Finding
from alignchat.ui import views
from alignchat.ui.i18n import Texts, decimal, round_name

METRICS = (
    "logits/chosen", "logits/rejected", "logps/chosen", "logps/rejected", "loss", "rewards/chosen",
    "rewards/rejected", "rewards/margins", "rewards/accuracies",
)  # fmt: skip
LOGGED = ("loss", "rewards/margins", "rewards/accuracies", "kl", "grad_norm", "learning_rate")
LINES = 6


def estimate(found: Estimate, texts: Texts) -> str:
    """Return in Markdown what a round would take, whether it fits, and what would make it fit."""
    memory = texts["gigabytes"].format(n=decimal(found.memory_bytes / 1e9, ".1f", texts))
    budget = texts["gigabytes"].format(n=decimal(found.budget_bytes / 1e9, ".1f", texts))
    if found.seconds is None:
        said = [texts["takes_memory"].format(memory=memory, budget=budget, steps=found.steps)]
    else:
        time = views.duration(found.seconds, texts)
        said = [texts["takes"].format(time=time, memory=memory, budget=budget, steps=found.steps)]
    if not found.fits:
        changes = ", ".join(f"`{key} = {value}`" for key, value in (found.to_fit or {}).items())
        said.append(texts["would_fit"].format(changes=changes) if changes else texts["will_not_fit"])
    if not found.measured:
        said.append(texts["not_measured"])
    return " ".join(said)


def assessment(found: Assessment, texts: Texts) -> str:
    """Return a verdict in one line, and each fact and finding below it."""
    if not found.facts and not found.findings:
        return ""
    other = round_name(found.parent, texts)
    kind = "error" if found.against else "done"
    head = texts["against" if found.against else "nothing_against"].format(other=other)
    lines = [_finding(finding, texts) for finding in found.findings]
    lines += [_fact(fact, texts) for fact in found.facts]
    items = "".join(f"<li>{line}</li>" for line in lines)
    return f'{views.notice(head, kind)}<ul class="facts">{items}</ul>'


def table(report: Mapping[str, Any] | None, number: int, parent: int, texts: Texts) -> str:
    """Return the table of base, parent and round on each source's held-out rows."""
    rows = report["table"] if report else []
    shown = [name for name in METRICS if any(name in row["metrics"] for row in rows)]
    if not rows:
        return ""
    columns = [texts["column_source"], texts["column_model"], texts["column_n"]]
    columns += [texts[f"metric_{name}"] for name in shown]
    numbers = {"base": 0, "parent": parent, "round": number}
    cells = [
        [_text(row["source"]), _text(round_name(numbers[row["model"]], texts)), str(row["n"])]
        + [decimal(row["metrics"][name], ".3f", texts) if name in row["metrics"] else "–" for name in shown]
        for row in rows
    ]
    note = f'<p class="hint">{_text(texts["held_out_note"])}</p>'
    return note + views.table(columns, cells, texts["held_out_table"])


def replies(said: Sequence[Mapping[str, str]], number: int, texts: Texts) -> str:
    """Return the sample replies of base and round beside each other."""
    if not said:
        return ""
    columns = [texts["column_prompt"], texts["Base"], round_name(number, texts, capital=True)]
    rows = [[_text(one["prompt"]), _text(one["base"]), _text(one["round"])] for one in said]
    return views.table(columns, rows, texts["sample_replies"])


def log(steps: Sequence[Mapping[str, float]], texts: Texts) -> str:
    """Return the latest steps as lines of figures, the newest first."""
    lines = [" · ".join(_figures(step, texts)) for step in reversed(steps[-LINES:])]
    return f'<div class="hint log" role="log" aria-label="{_text(texts["log"])}">{"<br>".join(lines)}</div>'


def _figures(step: Mapping[str, float], texts: Texts) -> Iterator[str]:
    yield texts["step_of"].format(done=int(step["step"]), total=int(step["steps"]))
    for name in LOGGED:
        if name in step:
            yield f"{_text(texts[f'metric_{name}'])} {decimal(step[name], '.3g', texts)}"


def _fact(fact: Fact, texts: Texts) -> str:
    name = texts["held_out_rows"] if fact.name == HELD_OUT else texts.get(f"measure_{fact.name}", fact.name)
    verdict = "worse" if fact.worse else "better" if fact.better else "unseen"
    found = fact.difference
    figures = {name: decimal(getattr(found, name), "+.3f", texts) for name in ("value", "low", "high")}
    size = texts["difference"].format(**figures, n=found.n)
    return f"<b>{_text(name)}</b>: {_text(texts[f'fact_{verdict}'])} ({_text(size)})"


def _finding(finding: Finding, texts: Texts) -> str:
    share = finding.kind in ("chosen", "repetition")
    figure = decimal(finding.value, ".0%" if share else ".1f", texts)
    said = texts[f"guard_{finding.kind}"].format(step=finding.step, value=figure)
    return f"<b>{_text(texts['guard'])}</b>: {_text(said)}"


def _text(text: str) -> str:
    return escape(text, quote=True).replace("\n", " ")
