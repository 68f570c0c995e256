"""The page's language: which one, its texts, and what rounds are called in it. Knows no component."""

import re

from alignchat.charts.texts import decimal, punctuated
from alignchat.ui.italian_errors import ITALIAN_ERRORS
from alignchat.ui.texts import LANGUAGES, TEXTS, Language, Texts

__all__ = [
    "LANGUAGES",
    "TEXTS",
    "Language",
    "Texts",
    "choose",
    "decimal",
    "error_sentence",
    "punctuated",
    "round_mark",
    "round_name",
]


def choose(accepted: str | None) -> Language:
    """Return the language of ours that an Accept-Language header prefers; English if it names none."""
    weights: list[tuple[float, int, Language]] = []
    for position, part in enumerate((accepted or "").split(",")):
        tag, _, quality = part.strip().partition(";q=")
        for language in LANGUAGES:
            if tag.lower().split("-")[0] == language and re.fullmatch(r"|[01](\.\d{0,3})?", quality):
                weights.append((-float(quality or 1), position, language))
    return min(weights)[2] if weights and min(weights)[0] < 0 else "en"


def error_sentence(error: Exception, language: Language) -> str:
    """Return an expected error's sentence, in Italian where there is one."""
    return translated(str(error), language)


def translated(sentence: str, language: Language) -> str:
    """Return a sentence of the application's in a language, in English if there is no other."""
    if language == "it":
        for pattern, translation in ITALIAN_ERRORS.items():
            if found := re.fullmatch(pattern, sentence, re.DOTALL):
                return found.expand(translation)
    return sentence


def round_name(number: int, texts: Texts, *, capital: bool = False) -> str:
    """Return what the page calls a round, 0 being the base model."""
    key = "round" if number else "base"
    return texts[key.capitalize() if capital else key].format(n=number)


def round_mark(number: int | None, texts: Texts) -> str:
    """Return a round's number for a table's cell."""
    return "–" if number is None else str(number) if number else texts["base_short"]
