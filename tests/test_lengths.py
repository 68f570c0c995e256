"""Rows in tokens: word by word as llama.cpp does it whole, and as the trainer reads them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignchat import catalog
from alignchat.llamacpp.llama import Vocabulary
from alignchat.rows.lengths import RowReader, WordIds
from alignchat.rows.preferences import PairedRow, Row, UnpairedRow
from feedback_store import Message
from tests.tiny_models import write_llama

WORDS = st.sampled_from(
    ["the", "inn", "On", "42", "it's", "perché", "🌊", "\n", "  ", "\t", "a", "—", "1.5", "<|im_end|>"]
)
TEXTS = st.lists(st.sampled_from([" ", "", "\n", "  "]) | WORDS | st.text(max_size=5), max_size=20).map(
    " ".join
)


def ask(*texts: str) -> tuple[Message, ...]:
    roles = ("user", "assistant")
    return tuple(Message(role=roles[i % 2], content=text) for i, text in enumerate(texts))


ROWS: tuple[Row, ...] = (
    UnpairedRow(prompt=ask("On the hill"), completion="the inn", label=True, source="x"),
    UnpairedRow(prompt=ask("On the hill"), completion="", label=False, source="x"),
    PairedRow(
        prompt=ask("a", "b", "what  is\n\nit?"), chosen=" the  inn ", rejected="<|im_end|> the", source="x"
    ),
    PairedRow(
        prompt=(Message(role="system", content="Sii breve."), *ask("</s> 🌊")),
        chosen="x",
        rejected="y\n",
        source="x",
    ),
)


@pytest.fixture(scope="module")
def words(starter: catalog.Model) -> WordIds:
    return WordIds(Vocabulary(starter.path))


@given(text=TEXTS)
def test_word_by_word_a_text_has_the_tokens_it_has_as_a_whole(words: WordIds, text: str) -> None:
    assert words.splits
    assert words.of(text) == words.whole(text)


@pytest.fixture(scope="module")
def sentencepiece(tmp_path_factory: pytest.TempPathFactory) -> catalog.Model:
    path = tmp_path_factory.mktemp("model") / "pieces.gguf"
    return catalog.find(str(write_llama(path, sentencepiece=True)))


@given(text=TEXTS)
def test_so_it_has_where_a_vocabulary_puts_a_space_before_a_text(
    sentencepiece: catalog.Model, text: str
) -> None:
    words = WordIds(Vocabulary(sentencepiece.path))
    assert words.of(text) == words.whole(text)


@pytest.mark.parametrize("kind", ["starter", "sentencepiece"])
def test_rows_have_the_tokens_that_the_trainer_reads(kind: str, request: pytest.FixtureRequest) -> None:
    from alignchat.training.load import load_tokenizer
    from alignchat.training.rows import RowTokenizer

    model: catalog.Model = request.getfixturevalue(kind)
    trainer, reader = RowTokenizer(load_tokenizer(model), model), RowReader(model)
    for row, length in zip(ROWS, reader.measure(ROWS), strict=True):
        columns = trainer.columns(row)
        replies = [columns[key] for key in ("completion_ids", "chosen_ids", "rejected_ids") if key in columns]
        assert length == (len(columns["prompt_ids"]), *map(len, replies))
    reader.close()


def test_a_row_is_shown_as_the_model_reads_it(starter: catalog.Model) -> None:
    reader = RowReader(starter)
    shown = reader.read(ROWS[2])
    whole = "".join(shown.prompt)
    assert whole.endswith("<|im_start|>user\nwhat  is\n\nit?<|im_end|>\n<|im_start|>assistant\n")
    assert ["".join(reply) for reply in shown.replies] == [" the  inn <|im_end|>", "<|im_end|> the<|im_end|>"]
    assert len(shown.replies[1]) > 3  # what somebody typed is no control token
    reader.close()


def test_a_model_file_that_is_none_is_one_sentence(starter: catalog.Model, tmp_path: Path) -> None:
    from dataclasses import replace

    from alignchat.errors import ModelError

    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF no more")
    with pytest.raises(ModelError, match="cannot load"):
        RowReader(replace(starter, path=broken))
