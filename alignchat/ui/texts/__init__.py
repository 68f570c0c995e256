"""What the page says, by key: one module a tab, English and Italian side by side. Knows no component."""

from collections import ChainMap
from collections.abc import Mapping
from typing import Literal

from alignchat.ui.texts import chat, compare, data, feedback, label, models, page, rounds, scores, training

Language = Literal["en", "it"]
Texts = Mapping[str, str]

LANGUAGES: tuple[Language, ...] = ("en", "it")
_PARTS = (page, chat, compare, data, feedback, label, rounds, training, scores, models)
_BOTH = ChainMap(*(part.TEXTS for part in _PARTS))
TEXTS: Mapping[Language, Texts] = {
    language: {key: both[place] for key, both in _BOTH.items()} for place, language in enumerate(LANGUAGES)
}
