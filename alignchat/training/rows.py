"""Turns rows of text into the columns of a trainer, with a tokenizer of transformers. Knows no trainer."""

from typing import Any

from transformers import PreTrainedTokenizerBase

from alignchat.catalog import Model
from alignchat.dataset import PairedRow, UnpairedRow
from alignchat.rows.preferences import replies
from alignchat.rows.row_ids import RowIds

Columns = dict[str, Any]

_SPACE = "\u2581"


class RowTokenizer(RowIds):
    """A tokenizer and a chat template, as one function from messages to ids."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, model: Model) -> None:
        super().__init__(model, self._plain, tokenizer.convert_tokens_to_ids)
        self.tokenizer = tokenizer
        self._prefixed = False
        first = tokenizer.convert_ids_to_tokens(self._plain("a"))[0]
        self._prefixed = first.startswith(_SPACE)

    def columns(self, row: PairedRow | UnpairedRow) -> Columns:
        """Return a row in the columns that the collators of DPOTrainer and KTOTrainer read."""
        prompt, answers = self.row_ids(row.prompt, replies(row))
        if isinstance(row, UnpairedRow):
            return {"prompt_ids": prompt, "completion_ids": answers[0], "label": row.label}
        return {"prompt_ids": prompt, "chosen_ids": answers[0], "rejected_ids": answers[1]}

    def _plain(self, text: str) -> list[int]:
        # SentencePiece vocabularies put a space before a text: llama.cpp always, transformers only
        # where there is none.
        if self._prefixed and text.startswith(" "):
            text = f" {text}"
        # An option of fast tokenizers that leaves control tokens unparsed.
        return list(self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))


def tokens(columns: Columns) -> int:
    """Return the tokens of all of a row's sequences, without padding; a pair holds its prompt twice."""
    replies = [columns[key] for key in ("chosen_ids", "rejected_ids", "completion_ids") if key in columns]
    return sum(len(columns["prompt_ids"]) + len(reply) for reply in replies)


def with_mismatched(rows: list[Columns], batch_size: int) -> list[Columns]:
    """Give each row the completion of the row before it in its batch, for the KL term of KTO.

    Section 4.1 of https://arxiv.org/abs/2402.01306: the KL is estimated from mismatched pairs, with the
    same completions as the batch's own, so each batch is rotated by one.
    """
    starts = range(0, len(rows), batch_size)
    batches = [rows[start : start + batch_size] for start in starts]
    return [
        {**row, "KL_completion_ids": batch[place - 1]["completion_ids"]}
        for batch in batches
        for place, row in enumerate(batch)
    ]
