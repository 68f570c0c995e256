"""Pieces of HTML made of reports and counts; every value is escaped. Knows no component.

Each is one line, since a Markdown component shows it and a blank line would end an HTML block.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from alignchat.accounts import LOCAL, Person
from alignchat.config import UNPAIRED, Method
from alignchat.making.reports import Progress, RoundReport
from alignchat.ui.i18n import Texts, decimal, round_mark, round_name


def notice(sentence: str, kind: str = "error") -> str:
    """Return a sentence to be shown where something happened; kind is error or done."""
    role = "alert" if kind == "error" else "status"
    return f'<p class="notice {kind}" role="{role}">{_text(sentence)}</p>' if sentence else ""


def strip(
    stats: Mapping[str, int], at: int, model: str, active: int, running: RoundReport | None, texts: Texts
) -> str:
    """Return the counts of what was said, the model and the round in use, and what is running.

    `at` is a time before the counts were read: what a page heard of a vote since then is newer.
    """
    counts = "".join(
        f'<li class="{key}" data-one="{_text(_counted(key, 1, texts))}" data-many="{_text(texts[key])}">'
        f"<b>{stats[key]}</b> <span>{_text(_counted(key, stats[key], texts))}</span></li>"
        for key in ("up", "down", "pairs")
    )
    who = f'<b class="model">{_text(model)}</b> · <b>{_text(round_name(active, texts))}</b>'
    used = texts["in_use"].format(round=who)
    now = f'<li class="running">{_text(doing(running, texts))}</li>' if running else ""
    label = _text(texts["strip"])
    return f'<ul class="strip" data-at="{at}" aria-label="{label}">{counts}<li>{used}</li>{now}</ul>'


def who(person: Person, texts: Texts) -> str:
    """Return who has signed in, with a way out; nothing where there are no users."""
    if person == LOCAL:
        return ""
    role = _text(texts[f"role_{person.role}"])
    button = f'<button type="button" id="sign-out">{_text(texts["sign_out"])}</button>'
    return f'<p class="who-is-here {person.role}"><b>{_text(person.name)}</b> · {role} {button}</p>'


def saving(head: str, texts: Texts) -> str:
    """Return the links under which a branch, given by its last reply, is saved as a file."""
    links = "".join(
        f'<a class="file" href="/conversations/{quote(head, safe="")}/{kind}" download>{name}</a>'
        for kind, name in (("markdown", "Markdown"), ("json", "JSON"))
    )
    return f'<p class="files"><span>{_text(texts["conversation_export"])}</span>{links}</p>'


def doing(report: RoundReport, texts: Texts) -> str:
    """Return in a few words what a running round is at."""
    name, progress = round_name(report.number, texts, capital=True), report.progress
    share = f" {_percent(progress)} %" if progress and progress.total else ""
    return f"{name}: {_phase(progress, texts)}{share}"


def progress(report: RoundReport | None, texts: Texts) -> str:
    """Return the bar of a running round, with phase, step, loss and time left."""
    if report is None:
        return ""
    now, parts = report.progress, [doing(report, texts)]
    if now and now.total > 1:
        steps = "step_of" if now.phase in ("training", "waiting for the chat") else "done_of"
        parts.append(texts[steps].format(done=now.done, total=now.total))
    if now and now.loss is not None:
        parts.append(texts["loss"].format(loss=decimal(now.loss, ".3f", texts)))
    if now and now.seconds_left is not None:
        parts.append(texts["seconds_left"].format(time=duration(now.seconds_left, texts)))
    return bar(_percent(now), texts["progress"], " · ".join(parts))


def bar(percent: int, label: str, text: str) -> str:
    """Return a bar of something that is going on, and what it is at below it."""
    return (
        f'<div class="progress"><div class="bar" role="progressbar" aria-label="{_text(label)}" '
        f'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}">'
        f'<div style="width:{percent}%"></div></div><p>{_text(text)}</p></div>'
    )


def preview(method: Method, manifest: Mapping[str, Any], texts: Texts) -> str:
    """Return in Markdown what a round would be trained on now, or what is missing for one."""
    ready = manifest["train"] > 0
    if method in UNPAIRED:
        ready = manifest["desirable"] > 0 and manifest["undesirable"] > 0
    lines = [] if manifest["train"] == 0 else [_rows(method, manifest, texts)]
    if manifest["test"]:
        lines.append(texts["held_out"].format(n=manifest["test"]))
    if manifest["removed"]:
        what = ", ".join(removed(reason, n, texts) for reason, n in manifest["removed"].items())
        lines.append(texts["removed"].format(what=what))
    need = texts["need_kto"] if method in UNPAIRED else texts["need_dpo"].replace("DPO", method.upper())
    return " ".join(lines if ready else [need, *lines])


def rounds_table(reports: Sequence[RoundReport], texts: Texts) -> str:
    """Return a table of all rounds, the newest first."""
    columns = [texts[f"column_{name}"] for name in ("round", "method", "from", "status", "rows", "loss")]
    rows = [_round_row(report, texts) for report in sorted(reports, key=lambda r: -r.number)]
    return table(columns, rows, texts["rounds_table"])


def drawing(svg: str) -> str:
    """Return a chart as a block that Markdown leaves alone."""
    return f'<div class="drawing">{" ".join(svg.split())}</div>'


def duration(seconds: float, texts: Texts) -> str:
    """Return a time to wait, rounded as people say it."""
    minutes = math.ceil(seconds / 60)
    if seconds < 90:
        return texts["seconds"].format(n=math.ceil(seconds))
    if minutes < 90:
        return texts["minutes"].format(n=minutes)
    return texts["hours"].format(h=minutes // 60, m=minutes % 60)


def table(columns: Iterable[str], rows: Iterable[Sequence[str]], label: str) -> str:
    """Return a table whose cells are HTML already; `label` is for those who do not see it."""
    head = "".join(f'<th scope="col">{_text(column)}</th>' for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f'<div class="table" role="region" tabindex="0" aria-label="{_text(label)}"><table><thead><tr>{head}'
        f"</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _round_row(report: RoundReport, texts: Texts) -> list[str]:
    mark = f' <em class="badge">{_text(texts["active_mark"])}</em>' if report.active else ""
    status = _text(texts[f"status_{report.status}"]) if report.number or report.error else ""
    return [
        _text(round_mark(report.number, texts)) + mark,
        _text(report.method.upper() if report.method else "–"),
        _text(round_mark(report.parent, texts)),
        f'<span class="status {_text(report.status)}">{status}</span>' if status else "–",
        str(report.dataset["train"]) if report.dataset else "–",
        decimal(report.train["final_loss"], ".3f", texts) if report.train else "–",
    ]


def _rows(method: Method, manifest: Mapping[str, Any], texts: Texts) -> str:
    return texts["preview" if method in UNPAIRED else "preview_dpo"].format(
        **{key: manifest[key] for key in ("train", "desirable", "undesirable", "prompts")},
        rows=_counted("rows_kto" if method in UNPAIRED else "rows_dpo", manifest["train"], texts),
        prompts_word=_counted("prompts_word", manifest["prompts"], texts),
    )


def removed(reason: str, n: int, texts: Texts) -> str:
    """Return how many rows were left out for a reason."""
    return texts.get(f"removed_{reason}", texts["removed_other"]).format(n=n, reason=reason)


def _counted(key: str, n: int, texts: Texts) -> str:
    return texts.get(f"{key}_one", texts[key]) if n == 1 else texts[key]


def _phase(progress: Progress | None, texts: Texts) -> str:
    phase = progress.phase if progress else "starting"
    if phase.startswith("scoring round "):
        name = round_name(int(phase.removeprefix("scoring round ")), texts)
        return texts["phase_scoring"].format(round=name)
    return texts.get(f"phase_{phase}", phase)


def _percent(progress: Progress | None) -> int:
    return math.floor(100 * progress.done / progress.total) if progress and progress.total else 0


def _text(text: str) -> str:
    return escape(text, quote=True).replace("\n", " ")
