"""Rows in tokens, by llama.cpp's own vocabulary: their lengths, what the model reads. Loads no weights."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

from alignchat.catalog import Model
from alignchat.llamacpp.llama import Vocabulary
from alignchat.rows.preferences import Row, replies
from alignchat.rows.row_ids import RowIds

MOST_WORDS = 500_000
# A single space between two words; the space first, so that the search is fast.
_GAP = re.compile(r" (?<=\S )(?=\S)")
_ACROSS = re.compile(rb"[^\s] [^\s]|[^\s] $")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizedRow:
    """A row as the model reads it: the texts of the tokens of the prompt, and of each reply."""

    prompt: tuple[str, ...]
    replies: tuple[tuple[str, ...], ...]


class RowReader:
    """A model's vocabulary and template, applied to rows; safe to call from several threads."""

    def __init__(self, model: Model) -> None:
        """Read the vocabulary from the model's file: a tenth of a second."""
        self._vocabulary = Vocabulary(model.path)
        self._words = WordIds(self._vocabulary)
        self._ids = RowIds(model, self._words.of, self._control)

    def close(self) -> None:
        """Free the vocabulary."""
        self._vocabulary.close()

    def measure(self, rows: Sequence[Row]) -> list[tuple[int, ...]]:
        """Return for each row the tokens of its prompt and of each reply."""
        lengths: list[tuple[int, ...]] = []
        for row in rows:
            asked, answers = self._ids.row_ids(row.prompt, replies(row))
            lengths.append((len(asked), *map(len, answers)))
        return lengths

    def read(self, row: Row) -> TokenizedRow:
        """Return the texts of a row's tokens; a character that spans several tokens is shown as \ufffd."""
        asked, answers = self._ids.row_ids(row.prompt, replies(row))
        return TokenizedRow(prompt=self._texts(asked), replies=tuple(map(self._texts, answers)))

    def _texts(self, ids: Sequence[int]) -> tuple[str, ...]:
        return tuple(self._vocabulary.piece(i, control=True).decode("utf-8", "replace") for i in ids)

    def _control(self, text: str) -> int:
        (token,) = self._vocabulary.tokenize(text, add_special=False, parse_control=True)
        return token


class _Remembered(dict[str, list[int]]):
    """The ids of words, found once and kept."""

    def __init__(self, find: Callable[[str], list[int]]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, word: str) -> list[int]:
        ids = self._find(word)
        if len(self) < MOST_WORDS:
            self[word] = ids
        return ids


class WordIds:
    """Tokenises word by word and remembers the words: four times as fast as llama.cpp, with the same result.

    A token that reaches from one word over a single space into the next would be lost, so where the
    vocabulary has any such token, texts are tokenised as a whole.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        pieces = [vocabulary.piece(i) for i in range(vocabulary.vocabulary_size)]
        self.splits = not any(map(_ACROSS.search, pieces))
        # SentencePiece vocabularies put a space before a text, which stands for the one between words.
        gap = "" if pieces[self.whole("a")[0]].startswith(b" ") else " "
        self._first = _Remembered(self.whole)
        self._others = _Remembered(lambda word: self.whole(gap + word))

    def of(self, text: str) -> list[int]:
        """Return the ids of a text in which control tokens are plain."""
        if not self.splits:
            return self.whole(text)
        first, *others = _GAP.split(text)
        return list(chain(self._first[first], chain.from_iterable(map(self._others.__getitem__, others))))

    def whole(self, text: str) -> list[int]:
        """Return the same, as llama.cpp does it."""
        return self._vocabulary.tokenize(text, add_special=False, parse_control=False)
