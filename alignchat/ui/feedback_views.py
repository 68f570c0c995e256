"""What was said as pieces of HTML: the table, one judgement to be changed, the coach's two cards.

Knows no component. HTML is one line, and every value in it is escaped, as in `views`.
"""

from collections.abc import Sequence
from datetime import datetime
from html import escape

from alignchat.judging.coach import Advice, Outlook
from alignchat.judging.review import Judgement
from alignchat.ui.i18n import Language, Texts, round_mark, translated

EXCERPT = 180  # characters of a text in the table
_COLUMNS = ("when", "said", "about", "why", "act")


def table(judgements: Sequence[Judgement], texts: Texts) -> str:
    """Return a page of judgements, each with what can be done about it."""
    head = "".join(f'<th scope="col">{_text(texts[f"column_{name}"])}</th>' for name in _COLUMNS)
    rows = "".join(_row(judgement, texts) for judgement in judgements)
    label = _text(texts["said_table"])
    parts = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    return f'<table class="said" aria-label="{label}">{parts}</table>'


def whole(judgement: Judgement, texts: Texts) -> str:
    """Return what a judgement is about in full: the question, and each reply."""
    replies = "".join(
        f'<p class="who">{_number(i, judgement)}{_text(round_mark(reply.round, texts))}</p>'
        f'<p class="reply">{_text(reply.text)}</p>'
        for i, reply in enumerate(judgement.replies)
    )
    return f'<div class="whole"><p class="question">{_text(judgement.prompt)}</p>{replies}</div>'


def coach(outlooks: Sequence[Outlook], language: Language, texts: Texts) -> str:
    """Return a card for each method: whether a round can start, and what would make it a good one."""
    cards = "".join(_card(outlook, language, texts) for outlook in outlooks)
    return f'<section class="coach" aria-label="{_text(texts["coach"])}">{cards}</section>'


def missing(outlook: Outlook | None, language: Language) -> str:
    """Return in Markdown what would make a round that can start a better one."""
    if outlook is None or not outlook.ready:
        return ""
    unmet = [advice.sentence for advice in outlook.advice if not advice.met]
    return "".join(f"\n- {translated(sentence, language)}" for sentence in unmet)


def said(word: str, texts: Texts) -> str:
    """Return what a verdict is called."""
    return texts[f"said_{word}"]


def reason(tag: str, texts: Texts) -> str:
    """Return what a reason is called; one's own are called as they were written."""
    return texts.get(f"chat_word_reason_{tag}", tag)


def _row(judgement: Judgement, texts: Texts) -> str:
    cells = (
        _moment(judgement.record.created_at),
        _verdict(judgement, texts),
        _about(judgement, texts),
        _why(judgement, texts),
        _acts(judgement, texts),
    )
    columns = (f'<td class="{name}">{cell}</td>' for name, cell in zip(_COLUMNS, cells, strict=True))
    kind = "" if judgement.counts else ' class="gone"'
    return f"<tr{kind}>{''.join(columns)}</tr>"


def _verdict(judgement: Judgement, texts: Texts) -> str:
    word = f'<span class="{judgement.said}">{_text(said(judgement.said, texts))}</span>'
    rounds = dict.fromkeys(round_mark(reply.round, texts) for reply in judgement.replies)
    gone = ""
    if not judgement.counts:
        why = "retracted_mark" if judgement.replies_there else "deleted_mark"
        gone = f' <em class="badge">{_text(texts[why])}</em>'
    return f"{word} <small>{_text(', '.join(rounds))}</small>{gone}"


def _about(judgement: Judgement, texts: Texts) -> str:
    replies = " ".join(
        f"{_number(i, judgement)}{_excerpt(reply.text)}" for i, reply in enumerate(judgement.replies)
    )
    rewritten = f'<p class="reply">✎ {_text(_excerpt(judgement.rewrite))}</p>' if judgement.rewrite else ""
    question = _text(_excerpt(judgement.prompt)) or _text(texts["untitled"])
    return f'<p class="question">{question}</p><p class="reply">{_text(replies)}</p>{rewritten}'


def _why(judgement: Judgement, texts: Texts) -> str:
    chips = "".join(f'<span class="chip">{_text(reason(tag, texts))}</span>' for tag in judgement.tags)
    comment = f"<q>{_text(_excerpt(judgement.comment))}</q>" if judgement.comment else ""
    return chips + comment


def _acts(judgement: Judgement, texts: Texts) -> str:
    undo = "retract" if judgement.counts else "restore"
    acts = ["change", undo] if judgement.replies_there else []
    acts += ["open"] if judgement.in_conversation and judgement.replies_there else []
    about = _text(_excerpt(judgement.prompt)[:60])
    return "".join(
        f'<button type="button" data-act="{act}" data-id="{_text(judgement.record.id)}" '
        f'aria-label="{_text(texts[f"act_{act}"])}: {about}">{_text(texts[f"act_{act}"])}</button>'
        for act in acts
    )


def _card(outlook: Outlook, language: Language, texts: Texts) -> str:
    state = "coach_good" if outlook.good else "coach_ready" if outlook.ready else "coach_not_ready"
    advice = "".join(_advice(advice, language, texts) for advice in outlook.advice)
    return (
        f'<div class="card"><h2>{_text(texts[f"coach_{outlook.method}"])}</h2>'
        f"<p>{_text(texts[state])}</p><ul>{advice}</ul></div>"
    )


def _advice(advice: Advice, language: Language, texts: Texts) -> str:
    mark, word = ("✓", "coach_met") if advice.met else ("○", "coach_unmet")
    who, _, address = advice.source.rpartition(", ")
    link = f'<a href="{_text(address)}" target="_blank" rel="noopener noreferrer">{_text(who or "TRL")}</a>'
    shown = f'<span role="img" aria-label="{_text(texts[word])}">{mark}</span>'
    sentence = _text(translated(advice.sentence, language))
    kind = "met" if advice.met else "unmet"
    return f'<li class="{kind}">{shown} <div>{sentence} <small>{link}</small></div></li>'


def _number(place: int, judgement: Judgement) -> str:
    return f"{place + 1}: " if len(judgement.replies) > 1 else ""


def _moment(at: str) -> str:
    try:
        return _text(datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M"))
    except ValueError:  # an imported one may have its moment in words
        return _text(at[:16])


def _excerpt(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= EXCERPT else words[: EXCERPT - 1] + "…"


def _text(text: str) -> str:
    return escape(text, quote=True).replace("\n", " ")
