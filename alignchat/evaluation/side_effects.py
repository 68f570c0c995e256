"""What alignment may cost, as scorers: replies' length, repetition and language, and what they copy.

Knows no model; the definitions are in `cost.py` and `memorization.py`.
"""

from collections.abc import Sequence

from alignchat.evaluation import cost, memorization
from alignchat.evaluation.scorers import Judgement, Scorer
from alignchat.languages import UNKNOWN, name_languages


class ReplyFacts(Scorer):
    """A reply's length in words, its repetition, and whether it keeps its prompt's language.

    A reply too short to tell its language counts as keeping it. The score is the repetition.
    """

    name = "counted; languages named by py3langid"

    def __init__(self, language: str) -> None:
        """Take the language that the prompts are in."""
        self._language = language

    def judge(self, texts: Sequence[str]) -> list[Judgement]:
        """Judge each reply."""
        named = [self._language if name == UNKNOWN else name for name in name_languages(texts)]
        kept = cost.kept_language(named, [self._language] * len(texts))
        return [
            Judgement(
                score=cost.repetition(text),
                labels={"length": float(cost.length(text)), "kept_language": same},
            )
            for text, same in zip(texts, kept, strict=True)
        ]


class Copying(Scorer):
    """The share of a text's n-grams that occur in given texts, and its longest exact run, in words."""

    name = f"counted: exact {memorization.NGRAM}-grams"

    def __init__(self, given: Sequence[str]) -> None:
        """Take the texts to look in, at least one."""
        self._given = tuple(given)

    def judge(self, texts: Sequence[str]) -> list[Judgement]:
        """Judge each text; `word` is the longest run."""
        return [
            Judgement(score=found.share, labels={"longest_run": float(found.longest)}, word=found.run)
            for found in memorization.copied(texts, self._given)
        ]


class Unjudged(Scorer):
    """What only the model itself scores: its perplexity on a text."""

    name = "the model's own log-probabilities"

    def judge(self, texts: Sequence[str]) -> list[Judgement]:
        """Say nothing of the texts."""
        return [Judgement(score=0.0) for _ in texts]
