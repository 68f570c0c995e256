"""Names the language of a text, by py3langid's naive Bayes over character n-grams. Knows no rows."""

from collections.abc import Sequence

UNKNOWN = "und"  # ISO 639's code for undetermined
# Shorter texts are named wrongly too often ("Ciao" becomes Icelandic); longer ones tell no more.
SHORTEST, ENOUGH = 20, 300


def name_languages(texts: Sequence[str]) -> list[str]:
    """Return the ISO 639-1 code of each text's language, "und" for texts of less than 20 characters."""
    return [_name(text.strip()[:ENOUGH]) for text in texts]


def _name(text: str) -> str:
    # Its model is read at the first text: a fifth of a second.
    import py3langid  # type: ignore[import-untyped]  # it has no types

    return str(py3langid.classify(text)[0]) if len(text) >= SHORTEST else UNKNOWN
