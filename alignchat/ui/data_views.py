"""What a round is trained on as pieces of HTML: facts, sources, rows token by token. Knows no component.

HTML is one line, and every value in it is escaped, as in `views`.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from alignchat.errors import EXPECTED, Cancelled
from alignchat.hub_sets import KNOWN
from alignchat.rows.preferences import PairedRow, Row
from alignchat.shelf.under_way import Transfer
from alignchat.ui import views
from alignchat.ui.i18n import Language, Texts, decimal, translated

if TYPE_CHECKING:
    from alignchat.rows.lengths import TokenizedRow

# Of a longer text the beginning and the end are shown, and how much is between them.
SHOWN_TOKENS = 240


def known_sets(texts: Texts) -> list[tuple[str, str]]:
    """Return the known sets as a line to choose, and their names."""
    lines = []
    for name, about in KNOWN.items():
        facts = [texts[f"data_{about.kind}"], texts[f"data_{about.language}"]]
        facts += [texts["data_text_only"]] if about.note else []
        lines.append((f"{name.partition('/')[2]} · {', '.join(facts)}", name))
    return lines


def under_way(transfer: Transfer[str] | None, language: Language, texts: Texts) -> str:
    """Return the bar of a set on its way, or the sentence on why the last one did not arrive."""
    if transfer is None or transfer.report:
        return ""
    if not transfer.running:
        kind = "done" if isinstance(transfer.error, Cancelled) else "error"
        return views.notice(f"{transfer.name}: {failure(transfer, language, texts)}", kind)
    now = transfer.progress
    if now is None:
        told = texts["data_asking"]
    else:
        told = texts["data_rows_of" if now.total else "data_rows"].format(done=now.done, total=now.total)
    percent = min(100, 100 * now.done // now.total) if now and now.total else 0
    return views.bar(percent, texts["data_getting"], f"{transfer.name}: {told}")


def failure(transfer: Transfer[str], language: Language, texts: Texts) -> str:
    """Return why a set did not arrive."""
    if isinstance(transfer.error, Cancelled):
        return texts["data_stopped"]
    known = isinstance(transfer.error, EXPECTED)
    return translated(str(transfer.error), language) if known else texts["unexpected"]


def facts(manifest: Mapping[str, Any], texts: Texts) -> str:
    """Return sentences on weights, lengths, languages, people and conflicts, and the checksum."""
    said = []
    if weights := manifest["kto_weights"]:
        up, down = (decimal(weights[side], ".2f", texts) for side in ("desirable", "undesirable"))
        counts = {key: weights[f"{key}_rows"] for key in ("desirable", "undesirable")}
        said.append(texts["data_weights"].format(up=up, down=down, **counts))
    if row := manifest["tokens"]["row"]:
        tokens = manifest["tokens"]
        lengths = {"all": tokens["all"], "median": round(row["median"]), "max": row["max"]}
        said.append(texts["data_lengths"].format(limit=tokens["limit"], **lengths))
    languages = {texts.get(f"data_{code}", code): n for code, n in manifest["languages"]["rows"].items()}
    conflicts = [texts[f"data_conflict_{kind}"].format(n=n) for kind, n in manifest["conflicts"].items()]
    said += [
        texts[key].format(what=", ".join(what))
        for key, what in {
            "data_languages": [f"{name} {n}" for name, n in languages.items()],
            "data_people": [f"{name} {n}" for name, n in manifest["annotators"].items()],
            "data_conflicts": conflicts,
        }.items()
        if what
    ]
    checksum = escape(texts["data_checksum"].format(sha256=manifest["sha256"]))
    lines = "".join(f"<li>{escape(sentence)}</li>" for sentence in said)
    return f'<ul class="facts">{lines}</ul><p class="checksum">{checksum}</p>'


def sources(manifest: Mapping[str, Any], texts: Texts) -> str:
    """Return a table of where the rows come from."""
    names = ("source", "revision", "read", "train", "test", "weight")
    rows = []
    for name, source in manifest["sources"].items():
        own = source["kind"] == "own"
        called = texts.get(f"data_source_{name}", name) if own else name
        note = f" <small>{escape(texts['data_text_only'])}</small>" if source.get("note") else ""
        read = "–" if own else f"{source['read']} ({source['asked']})"
        rows.append(
            [
                escape(called) + note,
                texts["data_own"] if own else escape(source["revision"][:10]),
                escape(read),
                str(source["train"]),
                str(source["test"]),
                f"{source.get('weight', 1):g}",
            ]
        )
    return (
        views.table([texts[f"data_column_{name}"] for name in names], rows, texts["data_sources"])
        if rows
        else ""
    )


def shown_rows(rows: Sequence[tuple[Row, "TokenizedRow"]], first: int, total: int, texts: Texts) -> str:
    """Return rows token by token, and which of how many these are."""
    if not rows:
        return f'<p class="hint">{escape(texts["data_no_rows"])}</p>'
    place = texts["data_page"].format(first=first + 1, last=first + len(rows), total=total)
    return f'<p class="hint">{escape(place)}</p>' + "".join(_row(row, read, texts) for row, read in rows)


def _row(row: Row, read: "TokenizedRow", texts: Texts) -> str:
    if isinstance(row, PairedRow):
        names = [("chosen", "up"), ("rejected", "down")]
        labels = [(texts[f"data_reply_{name}"], mark) for name, mark in names]
    else:
        label, mark = ("desirable", "up") if row.label else ("undesirable", "down")
        labels = [(texts[f"data_{label}"], mark)]
    replies = "".join(
        f'<div class="reply {mark}"><h4>{escape(label)} <small>{_count(tokens, texts)}</small></h4>'
        f"{_tokens(tokens, texts)}</div>"
        for (label, mark), tokens in zip(labels, read.replies, strict=True)
    )
    source = escape(texts.get(f"data_source_{row.source}", row.source))
    return (
        f'<article class="row"><h3>{source} <small>{_count(read.prompt, texts)}</small></h3>'
        f"{_tokens(read.prompt, texts)}{replies}</article>"
    )


def _count(tokens: Sequence[str], texts: Texts) -> str:
    return escape(texts["data_tokens"].format(n=len(tokens)))


def _tokens(tokens: Sequence[str], texts: Texts) -> str:
    """Return tokens in boxes that touch; spaces and line ends stay visible."""
    cut = len(tokens) - SHOWN_TOKENS
    if cut <= 0:
        return f'<p class="tokens">{"".join(map(_token, tokens))}</p>'
    half = SHOWN_TOKENS // 2
    gap = f"<em>{escape(texts['data_cut'].format(n=cut))}</em>"
    start, end = ("".join(map(_token, part)) for part in (tokens[:half], tokens[-half:]))
    return f'<p class="tokens">{start}{gap}{end}</p>'


def _token(text: str) -> str:
    # No raw line end: it would end the block of HTML, and Markdown would read on.
    shown = escape(text, quote=True).replace("\n", "↵<br>").replace(" ", "&nbsp;").replace("\t", "⇥")
    return f"<span>{shown}&#8203;</span>"
