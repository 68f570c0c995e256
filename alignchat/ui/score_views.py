"""Pieces of HTML made of scores, their differences and the texts behind them; every value is escaped."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from alignchat.charts.rounds import figure, title
from alignchat.charts.texts import TEXTS
from alignchat.evaluation.compare import Comparison, Difference
from alignchat.evaluation.scorecard import Sample, Score, Scorecard
from alignchat.evaluation.side_by_side import Row
from alignchat.shelf.bias_sets import BiasSetReport
from alignchat.ui.i18n import Language, Texts, decimal, punctuated, round_mark, round_name
from alignchat.ui.model_views import size
from alignchat.ui.views import table

_NUMBER = re.compile(r"(?<!\S)[+-]?\d[\d.,]*\d")
# What comparisons say in English, phrase by phrase, for the page in Italian.
_ITALIAN_PHRASES = (
    (r"^less toxic than", "meno tossico di"),
    (r"^more toxic than", "più tossico di"),
    (r"^less (\w+) regard than", r"meno considerazione \1 di"),
    (r"^more (\w+) regard than", r"più considerazione \1 di"),
    (r"considerazione negative\b", "considerazione negativa"),
    (r"considerazione positive\b", "considerazione positiva"),
    (r"considerazione neutral\b", "considerazione neutra"),
    (r"considerazione other\b", "considerazione d'altro tipo"),
    (r"^less hurtful than", "meno offensivo di"),
    (r"^more hurtful than", "più offensivo di"),
    (r"^fewer hurtful words than", "meno parole offensive di"),
    (r"^more hurtful words than", "più parole offensive di"),
    (r"^lower logarithm of perplexity than", "logaritmo della perplessità più basso di"),
    (r"^higher logarithm of perplexity than", "logaritmo della perplessità più alto di"),
    (r"^shorter replies than", "risposte più corte di"),
    (r"^longer replies than", "risposte più lunghe di"),
    (r"^less repetitive than", "meno ripetitivo di"),
    (r"^more repetitive than", "più ripetitivo di"),
    (r"^less often in the prompt's language than", "meno spesso nella lingua chiesta di"),
    (r"^more often in the prompt's language than", "più spesso nella lingua chiesta di"),
    (r"^less known by heart than", "meno a memoria di"),
    (r"^more known by heart than", "più a memoria di"),
    (r"^less of its training rows by heart than", "meno righe di training a memoria di"),
    (r"^more of its training rows by heart than", "più righe di training a memoria di"),
    (r"\bdi base:", "della base:"),
    (r"\bdi round", "del round"),
    (r"95 % between (\S+) and (\S+), (\S+) prompts", r"95 % tra \1 e \2, \3 prompt"),
    (r"no difference can be seen with (\S+) prompts", r"con \1 prompt non si vede alcuna differenza"),
    (r"about (\S+) would show one this small", r"circa \1 ne mostrerebbero una così piccola"),
    (r"chance may have made it among so many scores", "fra tante misure può essere un caso"),
    (r"\(p = (\S+) after Holm\)", r"(p = \1 secondo Holm)"),
    (r"; other samples \(seeds (\S+) and (\S+)\)", r"; altri campioni (semi \1 e \2)"),
    (r"^Round (\d+) was not scored for it\.", r"Il round \1 non ha questa misura."),
    (r"^Made differently:", "Misurati in modo diverso:"),
    (r"; and ", "; e "),
)


def scores_table(cards: Sequence[Scorecard], texts: Texts, language: Language) -> str:
    """Return a table of all scores: a row for each measure and what made it, a column for each round."""
    chart_texts = TEXTS[language]
    columns = [texts["column_measure"], *(round_mark(card.round, texts) for card in cards)]
    kinds = dict.fromkeys((name, s.made_by, s.n) for card in cards for name, s in card.scores.items())
    rows = []
    for name, made_by, n in kinds:
        alike = [
            score if (score := card.scores.get(name)) and (score.made_by, score.n) == (made_by, n) else None
            for card in cards
        ]
        made = next(score for score in alike if score)
        rows.append(
            [
                _text(measure_name(name, texts)),
                *(_value(score, texts) for score in alike),
                _text(title(made, chart_texts)),
            ]
        )
    return table([*columns, texts["column_scorer"]], rows, texts["tab_scores"])


def differences(found: Comparison, texts: Texts, language: Language) -> str:
    """Return each difference with its sentence, what is certain first, then what cannot be compared."""
    ordered = sorted(found.differences.items(), key=lambda item: _direction(*item) == "none")
    lines = [
        f'<li class="{_direction(name, difference)}"><b>{_text(measure_name(name, texts))}</b> '
        f"<span>{_text(sentence(difference.sentence, language))}</span> "
        f"<small>p = {decimal(difference.p_holm, '.3f', texts)}</small></li>"
        for name, difference in ordered
    ]
    lines += [
        f'<li class="none"><b>{_text(measure_name(name, texts))}</b> '
        f"<span>{_text(sentence(reason, language))}</span></li>"
        for name, reason in found.not_compared.items()
    ]
    return f'<ul class="differences" aria-label="{_text(texts["differences"])}">{"".join(lines)}</ul>'


def measured_with(reports: Sequence[BiasSetReport], folder: Path | None, texts: Texts) -> str:
    """Return a table of what each measure uses now, and of the public sets; or the folder that is used."""
    if folder:
        return f"<p>{_text(texts['bias_data_folder'].format(folder=folder))}</p>"
    columns = [texts["bias_data_now"], texts["bias_data_set"]]
    return table(columns, [_set_row(report, texts) for report in reports], texts["bias_data"])


def _set_row(report: BiasSetReport, texts: Texts) -> list[str]:
    name, page = _text(texts[f"bias_set_{report.name}"]), _text(report.page)
    facts = [report.licence, size(report.bytes, texts)]
    facts[1:1] = [texts["bias_data_non_commercial"]] if report.non_commercial else []
    now = texts["bias_data_here" if report.here else "bias_data_stand_in"]
    return [
        f"{_text(texts[f'bias_for_{report.name}'])}<small>{_text(now)}</small>",
        f'<a href="{page}" target="_blank" rel="noopener noreferrer">{name}</a>'
        f"<small>{_text(' · '.join(facts))}</small>",
    ]


def sentence(english: str, language: Language) -> str:
    """Return a comparison's sentence in the page's language."""
    if language == "it":
        for pattern, translation in _ITALIAN_PHRASES:
            english = re.sub(pattern, translation, english)
        english = _NUMBER.sub(lambda found: punctuated(found[0], TEXTS[language]), english)
    return english[:1].upper() + english[1:]


def side_by_side(rows: Sequence[Row], place: str, texts: Texts) -> str:
    """Return prompts with the text of each round under one another, each with its score; `place` is where."""
    cards = "".join(
        f'<article><h3 lang="{_text(_first(row).language)}">{_text(row.prompt)}</h3>'
        f"<p>{_text(measure_name(_first(row).measure, texts))} · {_text(_first(row).group)} · "
        f"{_change(row.change, texts)}</p><dl>{_texts_of(row.samples, texts)}</dl></article>"
        for row in rows
    )
    return f'<p class="hint">{_text(place)}</p><div class="side-by-side">{cards}</div>'


def measure_name(name: str, texts: Texts) -> str:
    """Return what the page calls a score."""
    return texts.get(f"measure_{name}", name.replace("_", " "))


def _value(score: Score | None, texts: Texts) -> str:
    if score is None:
        return "–"
    low, high = figure(score.low, texts), figure(score.high, texts)
    return f"{figure(score.value, texts)}<small>{low} – {high}</small>"


def _texts_of(samples: Mapping[int, Sample], texts: Texts) -> str:
    return "".join(
        f"<dt>{_text(round_name(number, texts))} <b>{decimal(sample.score, '.2f', texts)}</b></dt>"
        f'<dd lang="{_text(sample.language)}">{_text(sample.text.strip()) or "–"}</dd>'
        for number, sample in sorted(samples.items())
    )


def _first(row: Row) -> Sample:
    return next(iter(row.samples.values()))


def _change(change: float, texts: Texts) -> str:
    kind = "worse" if change > 0 else "better" if change < 0 else "none"
    return f'<b class="{kind}">{decimal(change, "+.2f", texts)}</b>'


def _direction(name: str, difference: Difference) -> str:
    """Tell which way a difference goes, if it is told apart from chance among all that are shown."""
    if difference.p_holm > 0.05:
        return "none"
    # More neutral regard or longer replies are neither better nor worse by themselves.
    if name.startswith(("regard_", "reply_length", "kept_language")):
        return "moved"
    return "worse" if difference.interval.value > 0 else "better"


def _text(text: str) -> str:
    return escape(text, quote=True).replace("\n", " ")
