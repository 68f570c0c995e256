"""Models as text and pieces of HTML: a line of the list, what can be done, how far a transfer is.

Knows no component. HTML is one line, and every value in it is escaped, as in `views`.
"""

from html import escape
from typing import Any

from alignchat.errors import EXPECTED, Cancelled
from alignchat.shelf.models import ModelReport
from alignchat.shelf.transfer import Progress
from alignchat.shelf.under_way import Transfer
from alignchat.ui import views
from alignchat.ui.i18n import Language, Texts, decimal, translated


def line(report: ModelReport, in_use: bool, texts: Texts) -> str:
    """Return a model's three lines of the list: name and state, what it is, its facts."""
    mark: str = "in_use" if in_use else report.state
    if report.default and mark == "ready":
        mark = "default"
    about = texts.get(f"about_{report.name}", texts["about_added"])
    speaks = texts.get(f"speaks_{report.name}", "")
    facts = [speaks, size(report.bytes, texts), report.quantisation, report.licence]
    known = " · ".join(fact for fact in facts if fact not in ("", "unknown"))
    return f"{report.name} · {texts[f'model_{mark}']}\n{about}\n{known}"


def standing(report: ModelReport, in_use: bool, open_name: str, texts: Texts) -> str:
    """Return in HTML the name of a model, and what is so and can be done."""
    key = "stands_in_use" if in_use else f"stands_{report.state}"
    facts = {"size": size(report.bytes, texts), "licence": report.licence, "path": report.path or ""}
    said = [texts[key].format(**facts)]
    if report.state == "ready" and not in_use:
        said.append(
            texts["stands_default" if report.default else "stands_not_default"].format(open=open_name)
        )
    return f"<h2>{escape(report.name)}</h2><p>{escape(' '.join(said))}</p>"


def terms(address: str, texts: Texts) -> str:
    """Return in HTML where the terms of a model can be read."""
    link = f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer">{escape(address)}</a>'
    return f"<p>{escape(texts['terms_read'])} {link}</p>"


def under_way(transfer: Transfer[Any] | None, language: Language, texts: Texts) -> str:
    """Return the bar of a model or a set on its way, or the sentence on why the last one did not arrive."""
    if transfer is None or transfer.report:
        return ""
    if not transfer.running:
        kind = "done" if isinstance(transfer.error, Cancelled) else "error"
        return views.notice(f"{transfer.name}: {failure(transfer, language, texts)}", kind)
    now = transfer.progress
    text = f"{transfer.name}: {' · '.join(_parts(transfer, texts))}"
    percent = min(100, 100 * now.done // now.total) if now and now.total else 0
    return views.bar(percent, texts["transfer"], text)


def failure(transfer: Transfer[Any], language: Language, texts: Texts) -> str:
    """Return why something did not arrive."""
    if isinstance(transfer.error, Cancelled):
        return texts["transfer_stopped"]
    known = isinstance(transfer.error, EXPECTED)
    return translated(str(transfer.error), language) if known else texts["unexpected"]


def size(count: float, texts: Texts) -> str:
    """Return a number of bytes as people of the language write it."""
    if count >= 1e9:
        return f"{decimal(count / 1e9, '.2f', texts)} GB"
    return f"{decimal(count / 1e6, '.0f' if count >= 1e8 else '.1f', texts)} MB"


def _parts(transfer: Transfer[Any], texts: Texts) -> list[str]:
    now = transfer.progress
    if transfer.stopping:
        return [texts["transfer_stopping"]]
    if now is None:
        return [texts["transfer_starting"]]
    if now.done >= now.total:
        return [texts["transfer_checking"]]
    return [_amount(now, texts), *_pace(now, texts)]


def _amount(now: Progress, texts: Texts) -> str:
    amounts = {"done": size(now.done, texts), "total": size(now.total, texts)}
    key = "transfer_converting" if now.what.startswith("converting ") else "done_of"
    return texts[key].format(**amounts)


def _pace(now: Progress, texts: Texts) -> list[str]:
    rate = [texts["transfer_rate"].format(size=size(now.rate, texts))] if now.rate > 0 else []
    left = now.seconds_left
    return rate if left is None else [*rate, texts["seconds_left"].format(time=views.duration(left, texts))]
