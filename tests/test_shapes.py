"""TRL's shapes of a row: the same prompts, replies and labels as TRL's own helpers give."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignchat.rows.preferences import PairedRow, UnpairedRow
from alignchat.rows.shapes import ShapeError, canonical, rows_for

ASKED = [{"role": "user", "content": "Chi sei?"}]


def turn(text: Any, role: str = "assistant") -> dict[str, Any]:
    return {"role": role, "content": text}


def test_each_shape_of_a_pair_reads_the_same() -> None:
    expected = {"prompt": ASKED, "chosen": "Uno", "rejected": "Due"}
    assert canonical({"prompt": ASKED, "chosen": [turn("Uno")], "rejected": [turn("Due")]}) == expected
    assert canonical({"chosen": [*ASKED, turn("Uno")], "rejected": [*ASKED, turn("Due")]}) == expected
    assert canonical({"prompt": "Chi sei?", "chosen": "Uno", "rejected": "Due"}) == expected
    assert canonical({"question": "Chi sei?", "chosen": "Uno", "rejected": "Due"}) == expected
    repeated = {"prompt": "Chi sei?", "chosen": [*ASKED, turn("Uno")], "rejected": [*ASKED, turn("Due")]}
    assert canonical(repeated) == expected


@pytest.mark.parametrize("label", [True, 1, 1.0])
def test_a_label_may_be_a_number(label: Any) -> None:
    assert canonical({"prompt": "x", "completion": "y", "label": label})["label"] is True


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"prompt": "x", "completion": "y", "label": "good"}, "a label that is neither true nor false"),
        ({"prompt": "x", "completion": "y", "label": 2}, "a label that is neither true nor false"),
        ({"prompt": "x", "completion": "y"}, "a label that is neither true nor false"),
        ({"prompt": "x", "completion": " ", "label": True}, "empty reply"),
        ({"prompt": " ", "completion": "y", "label": True}, "no prompt"),
        ({"completion": "y", "label": True}, "a text that is neither text nor messages"),
        ({"prompt": "x", "chosen": "a", "rejected": "a"}, "same text on both sides"),
        (
            {"prompt": ASKED, "chosen": [turn("a"), turn("b")], "rejected": [turn("c")]},
            "a reply of several turns",
        ),
        (
            {"prompt": ASKED, "chosen": [turn("a", "user")], "rejected": [turn("c")]},
            "a reply of several turns",
        ),
        ({"prompt": 3, "chosen": "a", "rejected": "b"}, "a text that is neither text nor messages"),
        ({"chosen": "a", "rejected": [turn("b")]}, "a text that is neither text nor messages"),
        ({"prompt": "x", "text": "y"}, "no pair and no labelled reply"),
        (
            {"prompt": ASKED, "completion": [{**turn("a"), "tool_calls": [{"name": "f"}]}], "label": True},
            "tool calls",
        ),
    ],
)
def test_a_row_that_cannot_be_used_says_why(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(ShapeError) as refused:
        canonical(row)
    assert str(refused.value) == reason


def test_of_images_only_the_text_is_used_and_that_is_marked() -> None:
    prompt = [
        {"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": "Che cos'è?"}]}
    ]
    chosen, rejected = ([turn([{"type": "text", "text": text}])] for text in ("chosen", "rejected"))
    made = canonical({"prompt": prompt, "images": [b"..."], "chosen": chosen, "rejected": rejected})
    assert made["prompt"] == [{"role": "user", "content": "Che cos'è?"}]
    assert (made["chosen"], made["rejected"], made["images"]) == ("chosen", "rejected", True)


@given(st.data())
def test_whatever_a_row_holds_it_is_read_or_refused(data: st.DataObject) -> None:
    texts = st.text(max_size=4)
    messages = st.lists(
        st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": texts}), max_size=3
    )
    value = st.none() | texts | messages | st.integers() | st.lists(texts, max_size=2)
    row = data.draw(
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("prompt", "chosen", "rejected", "completion", "label"), value)
        )
    )
    with suppress(ShapeError):
        assert rows_for("kto", canonical(row), "x", 1.0)


def samples(shared_data: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (shared_data / name).read_text("utf-8").splitlines()]


@pytest.mark.shared
@pytest.mark.parametrize("name", ["hh_rlhf_harmless/train.jsonl", "preference_mix/train.jsonl"])
def test_implicit_prompts_are_extracted_as_trl_extracts_them(shared_data: Path, name: str) -> None:
    from trl.data_utils import maybe_extract_prompt

    compared = 0
    for row in samples(shared_data, name):
        implicit = {key: [*row["prompt"], *row[key]] for key in ("chosen", "rejected")}
        theirs = maybe_extract_prompt(dict(implicit))
        try:
            ours = canonical(implicit)
        except ShapeError:
            assert (
                len(theirs["chosen"]) != 1 or len(theirs["rejected"]) != 1 or row["chosen"] == row["rejected"]
            )
            continue
        assert ours["prompt"] == theirs["prompt"]
        assert [turn(ours["chosen"])] == theirs["chosen"]
        assert [turn(ours["rejected"])] == theirs["rejected"]
        compared += 1
    assert compared > 150


@pytest.mark.parametrize(
    ("chosen", "rejected"),
    [("The sky is blue.", "The sky is green."), ("Il mare", "Il monte"), ("a bc", "a bd")],
)
def test_implicit_plain_prompts_are_cut_where_trl_cuts_them(chosen: str, rejected: str) -> None:
    from trl.data_utils import extract_prompt

    theirs = extract_prompt({"chosen": chosen, "rejected": rejected})
    ours = canonical({"chosen": chosen, "rejected": rejected})
    assert ours == {**theirs, "prompt": [{"role": "user", "content": theirs["prompt"]}]}


def test_a_reply_that_is_the_beginning_of_the_other_is_refused() -> None:
    with pytest.raises(ShapeError, match="empty reply"):
        canonical({"chosen": "x y z", "rejected": "x y z t"})


@pytest.mark.shared
def test_pairs_are_unpaired_as_trl_unpairs_them(shared_data: Path) -> None:
    from datasets import Dataset
    from trl.data_utils import unpair_preference_dataset

    rows = samples(shared_data, "preference_mix/test.jsonl")
    theirs = unpair_preference_dataset(Dataset.from_list(rows))
    expected = sorted((r["prompt"][-1]["content"], r["completion"][0]["content"], r["label"]) for r in theirs)
    made = [one for row in rows for one in rows_for("kto", canonical(row), "x", 1.0)]
    ours = sorted((r.prompt[-1].content, r.completion, r.label) for r in made if isinstance(r, UnpairedRow))
    assert ours == expected


def test_a_labelled_reply_is_no_pair_and_a_pair_is_one() -> None:
    labelled = canonical({"prompt": "x", "completion": "y", "label": True})
    assert rows_for("dpo", labelled, "s", 1.0) == []
    pair = canonical({"prompt": "x", "chosen": "y", "rejected": "z"})
    (row,) = rows_for("dpo", pair, "s", 0.5)
    assert isinstance(row, PairedRow)
    assert (row.chosen, row.rejected, row.weight) == ("y", "z", 0.5)
