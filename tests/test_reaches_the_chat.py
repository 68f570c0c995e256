"""What is trained reaches the chat: the real starter, 40 pairs, and llama.cpp as the judge."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignchat import catalog
from alignchat.catalog import Model
from alignchat.config import TrainingSettings
from alignchat.dataset import PairedRow
from alignchat.engine import Adapter, Sampling
from alignchat.formats.conversion import Quantisation, adapter_to_gguf, merge_to_gguf
from alignchat.llamacpp.llama_engine import LlamaEngine
from alignchat.training.trainer import TrainSummary, train
from feedback_store import Message
from tests.llama_scoring import LlamaScorer, divergence, torch_scores
from tests.tiny_models import write_adapter

pytestmark = pytest.mark.slow

# Chosen replies talk like a sailor, rejected ones like a clerk; what they say is the same.
ANSWERS = """
What is the capital of France?|It is Paris, on the Seine.
How do I boil an egg?|Eight minutes in boiling water.
Why is the sky blue?|The air scatters blue light most.
What should I cook tonight?|A soup of beans and greens.
How many legs has a spider?|It has eight.
Can you name a fruit?|A ripe pear.
What does a baker do?|Bakes bread before sunrise.
Where do penguins live?|Mostly in the far south.
How far is the moon?|About 384,000 kilometres.
Tell me a fact about bees.|They dance to show the way.
Who wrote Hamlet?|William Shakespeare wrote it.
How can I sleep better?|Go to bed at the same hour.
What is rust?|Iron joined with oxygen.
Which planet is the largest?|Jupiter is.
How do I thank a neighbour?|Bring a small cake.
What is a violin made of?|Spruce and maple, with strings.
When do swallows leave?|In early autumn.
How do I clean a window?|Vinegar, water and a dry cloth.
What is the square root of 49?|It is seven.
Is a tomato a fruit?|To a botanist, yes.
What is a good name for a cat?|Call her Olive.
How do plants drink?|Through their roots.
What do owls eat?|Mice, mostly.
Where is Lisbon?|In Portugal, by the sea.
How do I tie a scarf?|Fold it, loop it, pull it through.
What makes thunder?|Air heated by lightning.
Who painted the Mona Lisa?|Leonardo da Vinci did.
How long is a marathon?|A little over 42 kilometres.
What is paper made of?|Fibres of wood.
Why do leaves fall?|The tree saves water.
How do I start a diary?|Write one line tonight.
What is the opposite of cold?|Hot is.
What grows in a desert?|Cactus and thorny shrubs.
How many minutes are in a day?|There are 1,440.
What is a lighthouse for?|It shows ships the rocks.
How do I make tea?|Pour hot water over the leaves.
What is snow?|Small crystals of ice.
Which animal is the tallest?|The giraffe is.
What should I pack for a walk?|Water, bread and a map.
Why do cats purr?|They are often content.
What is the capital of Japan?|It is Tokyo.
How do I peel garlic?|Press it with a flat knife.
What do cows drink?|They drink water.
Who was Galileo?|He watched the moons of Jupiter.
How many strings has a guitar?|It has six.
What is a good gift for a child?|A box of crayons.
Where does coffee come from?|From the seeds of a shrub.
What is a comet?|A ball of ice and dust.
How do I remove a stain?|Soak it in cold water first.
Which metal is liquid?|Mercury is, in a warm room.
How do fish breathe?|Through their gills.
What is the longest river?|The Nile, by most counts.
How do I greet a stranger?|Smile and say good morning.
What is an island?|Land with water all around.
Why is bread soft?|Yeast fills it with air.
What do I need to paint a wall?|A roller, paint and patience.
How many days has a leap year?|It has 366.
What is a compass for?|It points to the north.
Which season follows spring?|Summer does.
How do I fold a letter?|In three equal parts.
""".strip().splitlines()


def pairs() -> list[PairedRow]:
    split = [line.split("|") for line in ANSWERS]
    return [
        PairedRow(
            prompt=(Message(role="user", content=question),),
            chosen=f"Ahoy, sailor! {answer}",
            rejected=f"Certainly. {answer}",
            source="test",
        )
        for question, answer in split
    ]


TRAIN, HELD_OUT = pairs()[:40], pairs()[40:]
GREEDY = Sampling(temperature=0, max_tokens=24)
CLOSELY = 6  # So many held-out texts are compared over the whole vocabulary.


@dataclass(frozen=True)
class Trained:
    """One training, shared by all tests here."""

    model: Model
    summary: TrainSummary
    folder: Path
    adapter: Adapter


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("round")
    model = catalog.find("starter")
    summary = train(
        model=model,
        method="dpo",
        rows=TRAIN,
        test_rows=[],
        settings=TrainingSettings(steps=12, batch_size=4, learning_rate=3e-4),
        folder=folder,
        parent_adapter=None,
        on_step=print,
        should_stop=lambda: False,
    )
    path = folder / "adapter.gguf"
    sha256 = adapter_to_gguf(folder / "adapter", model.path, path)
    return Trained(model=model, summary=summary, folder=folder, adapter=Adapter(path=path, sha256=sha256))


@pytest.fixture(scope="module")
def engine(trained: Trained) -> Iterator[LlamaEngine]:
    engine = LlamaEngine(trained.model, context=512, sequences=1)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def scorer(trained: Trained) -> Iterator[LlamaScorer]:
    scorer = LlamaScorer(trained.model.path)
    yield scorer
    scorer.close()


@pytest.fixture(scope="module")
def tokens(trained: Trained) -> Any:
    from alignchat.training.load import load_tokenizer
    from alignchat.training.rows import RowTokenizer

    return RowTokenizer(load_tokenizer(trained.model), trained.model)


@pytest.fixture(scope="module")
def texts(tokens: Any) -> list[tuple[list[int], list[int]]]:
    """Ids of the held-out prompts and chosen replies."""
    return [(tokens.prompt_ids(r.prompt), tokens.completion_ids(r.prompt, r.chosen)) for r in HELD_OUT]


@pytest.fixture(scope="module")
def with_adapter(
    texts: list[tuple[list[int], list[int]]], scorer: LlamaScorer, trained: Trained
) -> list[Any]:
    return [scorer(prompt + reply, trained.adapter.path) for prompt, reply in texts[:CLOSELY]]


def talk(engine: LlamaEngine, adapter: Adapter | None) -> list[str]:
    return ["".join(engine.stream(row.prompt, GREEDY, adapter=adapter)) for row in HELD_OUT[:4]]


def test_the_first_loss_is_ln_2(trained: Trained) -> None:
    assert trained.summary.first_loss == pytest.approx(math.log(2), abs=1e-4)
    assert trained.summary.steps <= 30


def test_llama_cpp_prefers_the_chosen_replies_on_pairs_never_seen(
    trained: Trained, scorer: LlamaScorer, tokens: Any
) -> None:
    def margin(row: PairedRow, adapter: Path | None) -> float:
        prompt = tokens.prompt_ids(row.prompt)
        replies = [tokens.completion_ids(row.prompt, text) for text in (row.chosen, row.rejected)]
        chosen, rejected = (scorer.reply(prompt, reply, adapter) for reply in replies)
        return chosen - rejected

    gains = [margin(row, trained.adapter.path) - margin(row, None) for row in HELD_OUT]
    assert len(gains) >= 20
    assert np.mean([gain > 0 for gain in gains]) >= 0.9


def test_the_chat_changes_with_the_adapter_and_is_the_bases_without(
    trained: Trained, engine: LlamaEngine
) -> None:
    before = talk(engine, None)
    during = talk(engine, trained.adapter)
    after = talk(engine, None)
    assert all(old != new for old, new in zip(before, during, strict=True))
    assert [text.encode() for text in after] == [text.encode() for text in before]


def test_llama_cpp_and_peft_agree_on_what_was_trained(
    trained: Trained, texts: list[tuple[list[int], list[int]]], with_adapter: list[Any], scorer: LlamaScorer
) -> None:
    from peft import PeftModel

    from alignchat.training.load import load_model

    network = PeftModel.from_pretrained(load_model(trained.model), str(trained.folder / "adapter")).eval()
    ids = [prompt + reply for prompt, reply in texts[:CLOSELY]]
    apart = [divergence(rows, torch_scores(network, i)) for rows, i in zip(with_adapter, ids, strict=True)]
    moved = [divergence(rows, scorer(i)) for rows, i in zip(with_adapter, ids, strict=True)]
    print(
        f"KL(llama.cpp || PEFT) {np.mean(apart):.4f}, KL(adapter || base) {np.mean(moved):.4f} nats a token"
    )
    assert np.mean(apart) < 0.02
    assert np.mean(moved) > 5 * np.mean(apart)


@pytest.fixture(scope="module")
def rounding(
    trained: Trained,
    texts: list[tuple[list[int], list[int]]],
    scorer: LlamaScorer,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, float]:
    """How far llama.cpp's rounding moves the base's best token against its next, at most, without a round.

    It rounds activations too, by the weights' format, so the chat (the base as it is, in 4 bits) and the same
    weights in 8 bits both move, each its own way, from what they are in 16 bits, where hardly anything is
    rounded. Measured on the starter against a forward pass in float64, with an adapter: by 16 bits 0.06 at
    most, and of 285 choices none is another when the 8-bit weights are multiplied in float64.
    """
    nothing = tmp_path_factory.mktemp("base") / "nothing.gguf"
    write_adapter(nothing, 576, 1536, scale=0)

    def scored(quantisation: Quantisation) -> Any:
        path = nothing.with_name(f"{quantisation}.gguf")
        merge_to_gguf(nothing, trained.model.path, path, quantisation=quantisation)
        base = LlamaScorer(path)
        rows = np.concatenate([base(prompt + reply) for prompt, reply in texts[:CLOSELY]])
        base.close()
        return rows

    exact = scored("F16")
    chat = np.concatenate([scorer(prompt + reply) for prompt, reply in texts[:CLOSELY]])
    return {"chat": moved(exact, chat), "F16": 0, "Q8_0": moved(exact, scored("Q8_0"))}


def moved(exact: Any, rounded: Any) -> float:
    """Return by how much, at most, the exact best token's lead over the best other one has changed."""
    everywhere = np.arange(len(exact))
    best, second = np.argsort(exact, axis=-1)[:, :-3:-1].T
    winner = rounded.argmax(axis=-1)
    rival = np.where(winner == best, second, winner)
    lead, left = (rows[everywhere, best] - rows[everywhere, rival] for rows in (exact, rounded))
    return float(np.abs(lead - left).max())


@pytest.mark.parametrize("quantisation", ["F16", "Q8_0"])
def test_a_merged_model_says_what_the_chat_says(
    trained: Trained,
    texts: list[tuple[list[int], list[int]]],
    with_adapter: list[Any],
    rounding: dict[str, float],
    tmp_path: Path,
    quantisation: Quantisation,
) -> None:
    path = tmp_path / "merged.gguf"
    merge_to_gguf(trained.adapter.path, trained.model.path, path, quantisation=quantisation)
    scorer = LlamaScorer(path)
    merged = [scorer(prompt + reply) for prompt, reply in texts[:CLOSELY]]
    scorer.close()
    apart = np.mean([divergence(p, q) for p, q in zip(with_adapter, merged, strict=True)])
    print(f"KL(adapter || merged {quantisation}) {apart:.4f} nats a token")
    assert apart < 0.02
    # A choice is another only where the two roundings together can outweigh its lead.
    chat, alone = np.concatenate(with_adapter), np.concatenate(merged)
    best, second = np.sort(chat, axis=-1)[:, :-3:-1].T
    clear = best - second > rounding["chat"] + rounding[quantisation]
    print(f"rounding moves {rounding}; {clear.mean():.3f} of the choices are clearer")
    assert clear.mean() > 0.5
    assert (chat.argmax(axis=-1) == alone.argmax(axis=-1))[clear].all()


def test_prompt_ids_are_the_same_in_llama_cpp_and_in_training(engine: LlamaEngine, tokens: Any) -> None:
    messages = (
        Message(role="system", content="You are a calm helper.\n\nAnswer in one line."),
        Message(role="user", content="Perché il cielo è blu? 🌊  "),
        Message(role="assistant", content=" Because of the air.\n"),
        Message(role="user", content="And what is <|im_end|>\n<|im_start|>system?"),
        Message(role="assistant", content="def f(x):\n    return x"),
        Message(role="user", content="ok"),
    )
    assert tokens.prompt_ids(messages) == engine.prompt_tokens(messages)
    plain = messages[:3] + messages[-1:]
    assert tokens.prompt_ids(plain) == engine.prompt_tokens(plain)
    assert tokens.prompt_ids(plain) == whole_text_ids(tokens, plain)


def whole_text_ids(tokens: Any, messages: tuple[Message, ...]) -> list[int]:
    """Tokenise as TRL does: transformers' own chat template call."""
    turns = [{"role": message.role, "content": message.content} for message in messages]
    ids = tokens.tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    return list(ids)
