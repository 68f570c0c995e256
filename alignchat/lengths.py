"""Rows in tokens, by llama.cpp's own vocabulary: their lengths, what the model reads. Loads no weights."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, groupby

from alignchat.catalog import Model
from alignchat.llama import Vocabulary
from alignchat.preferences import Row, replies
from alignchat.row_ids import RowIds

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
        for prompt, group in groupby(rows, key=lambda row: row.prompt):
            size = len(self._ids.prompt_ids(prompt))
            for row in group:
                lengths.append((size, *map(len, self._ids.reply_ids(prompt, replies(row)))))
        return lengths

    def read(self, row: Row) -> TokenizedRow:
        """Return the texts of a row's tokens; a character that spans several tokens is shown as \ufffd."""
        answers = self._ids.reply_ids(row.prompt, replies(row))
        return TokenizedRow(
            prompt=self._texts(self._ids.prompt_ids(row.prompt)), replies=tuple(map(self._texts, answers))
        )

    def _texts(self, ids: Sequence[int]) -> tuple[str, ...]:
        return tuple(self._vocabulary.piece(i, control=True).decode("utf-8", "replace") for i in ids)

    def _control(self, text: str) -> int:
        (token,) = self._vocabulary.tokenize(text, add_special=False, parse_control=True)
        return token


class WordIds(dict[str, list[int]]):
    """Tokenises word by word and remembers the words: four times as fast as llama.cpp, with the same result.

    A token that reaches from one word over a single space into the next would be lost, so where the
    vocabulary has any such token, texts are tokenised as a whole.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self._vocabulary = vocabulary
        pieces = [vocabulary.piece(i) for i in range(vocabulary.vocabulary_size)]
        self.splits = not any(map(_ACROSS.search, pieces))
        # SentencePiece vocabularies put a space before a text, which stands for the one between words.
        self._gap = "" if pieces[self.whole("a")[0]].startswith(b" ") else " "

    def __missing__(self, word: str) -> list[int]:
        ids = self.whole(self._gap + word)
        if len(self) < MOST_WORDS:
            self[word] = ids
        return ids

    def of(self, text: str) -> list[int]:
        """Return the ids of a text in which control tokens are plain."""
        if not self.splits:
            return self.whole(text)
        first, *others = _GAP.split(text)
        ids = self.whole(first)
        ids.extend(chain.from_iterable(map(self.__getitem__, others)))
        return ids

    def whole(self, text: str) -> list[int]:
        """Return the same, as llama.cpp does it."""
        return self._vocabulary.tokenize(text, add_special=False, parse_control=False)
