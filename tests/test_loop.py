"""The application over a scripted engine: chat, feedback, and rounds that need no training."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from alignchat import config
from alignchat.engine import Adapter, Sampling, ScriptedEngine
from alignchat.errors import DataError, ModelError, RoundError, SettingsError
from alignchat.files import FileLock
from alignchat.loop import Loop
from alignchat.rounds import LOCK_FILE, START_LOCK_FILE
from alignchat.talk import chat
from alignchat.ui import i18n
from feedback_store import Message, StoreError
from tests.made_rounds import add_round

OpenLoop = Callable[[], Loop]


def echo(messages: Sequence[Message], _: Sampling, adapter: Adapter | None) -> str:
    return f"{'tuned' if adapter else 'base'} says {messages[-1].content}"


@pytest.fixture
def open_loop(tmp_path: Path) -> Iterator[OpenLoop]:
    opened: list[Loop] = []

    def one() -> Loop:
        opened.append(Loop.open(config.load(tmp_path / "data"), lambda: ScriptedEngine(echo)))
        return opened[-1]

    yield one
    for loop in opened:
        loop.close()


@pytest.fixture
def loop(open_loop: OpenLoop) -> Loop:
    return open_loop()


def ask(loop: Loop, text: str, conversation_id: str | None = None) -> tuple[str, str]:
    """Return (conversation id, completion id) of one exchange."""
    *_, reply = loop.reply(conversation_id, text)
    return reply.conversation_id, reply.completion_id


def test_a_reply_grows_and_is_kept(loop: Loop) -> None:
    replies = list(loop.reply(None, "hello there"))
    assert [reply.text for reply in replies] == [
        "base",
        "base says",
        "base says hello",
        "base says hello there",
        "base says hello there",
    ]
    assert [reply.finished for reply in replies] == [False, False, False, False, True]
    turns = loop.conversations.turns(replies[-1].conversation_id)
    assert [turn.message.content for turn in turns] == ["hello there", "base says hello there"]
    assert turns[1].completion.id == replies[-1].completion_id


def test_a_conversation_goes_on_where_it_was(loop: Loop) -> None:
    conversation, _ = ask(loop, "one")
    ask(loop, "two", conversation)
    contents = [turn.message.content for turn in loop.conversations.turns(conversation)]
    assert contents == ["one", "base says one", "two", "base says two"]


def test_everything_said_is_there_after_a_restart(open_loop: OpenLoop) -> None:
    first = open_loop()
    conversation, completion = ask(first, "hello")
    first.rate(completion, True)
    first.close()
    turns = open_loop().conversations.turns(conversation)
    assert turns[1].thumb.up is True


def test_a_stopped_reply_is_kept_as_unfinished_and_never_trained_on(loop: Loop) -> None:
    replies = loop.reply(None, "a long story please")
    reply = next(replies)
    replies.close()  # type: ignore[attr-defined]  # an iterator that is a generator
    turns = loop.conversations.turns(reply.conversation_id)
    assert (turns[1].message.content, turns[1].completion.finished) == ("base", False)
    loop.rate(reply.completion_id, True)
    assert loop.preview("kto")["removed"] == {"reply stopped before its end": 1}


def test_a_reply_at_its_length_limit_is_a_finished_one(loop: Loop) -> None:
    *_, reply = loop.reply(None, "a long story", max_tokens=2)
    assert reply.text == "base says"
    assert loop.conversations.turns(reply.conversation_id)[1].completion.finished


def test_asking_again_judges_nothing_and_keeps_the_earlier_reply(loop: Loop) -> None:
    _, completion = ask(loop, "hello")
    *_, second = loop.again(completion)
    assert second.completion_id != completion
    assert loop.feedback.stats()["completions"] == 2
    assert loop.feedback.stats()["down"] == 0


def test_the_last_thumb_counts_and_can_be_taken_back(loop: Loop) -> None:
    conversation, completion = ask(loop, "hello")
    seen = []
    for up in (True, False, None):
        loop.rate(completion, up)
        thumb = loop.conversations.turns(conversation)[1].thumb
        seen.append(thumb and thumb.up)
    assert seen == [True, False, None]


def test_a_thumb_on_an_unknown_reply_is_refused(loop: Loop) -> None:
    with pytest.raises(StoreError, match="no completion"):
        loop.rate("nobody", True)


def test_a_comparison_gives_two_replies_to_choose_between(loop: Loop) -> None:
    *_, (left, right) = loop.compare("hello")
    assert left is not None
    assert right is not None
    choice = loop.choose(left.completion_id, right.completion_id, "right")
    assert choice.chosen_id == right.completion_id
    assert loop.feedback.stats()["pairs"] == 1


def test_a_comparison_is_not_among_the_conversations(loop: Loop) -> None:
    list(loop.compare("hello"))
    ask(loop, "hello")
    assert len(loop.conversations.all()) == 1


def test_two_comparisons_at_once_do_not_wait_for_each_other_for_ever(loop: Loop) -> None:
    ended = []
    threads = [threading.Thread(target=lambda: ended.append(list(loop.compare("hello")))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(ended) == 8


def test_one_who_waits_for_a_place_is_told_how_many_are_before_and_may_leave(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "TOLD_SECONDS", 0)
    having = [loop.reply(None, "hello there") for _ in range(chat.REPLIES_AT_ONCE)]
    for replies in having:
        next(replies)
    fifth, sixth, seventh = (loop.reply(None, f"wait {i}") for i in range(3))
    assert [next(replies).waiting for replies in (fifth, sixth, seventh)] == [0, 1, 2]
    left = next(sixth)
    sixth.close()
    assert next(seventh).waiting == 1
    having[0].close()
    assert [*fifth][-1].text == "base says wait 0"
    assert [*seventh][-1].text == "base says wait 2"
    (turn, reply) = loop.conversations.turns(left.conversation_id)
    assert turn.message.content == "wait 1"
    assert reply.completion
    assert (reply.completion.text, reply.completion.finished) == ("", False)


def test_eight_at_once_each_get_their_own_conversation_while_five_hundred_votes_are_cast(
    loop: Loop,
) -> None:
    _, judged = ask(loop, "judge me")
    failures: list[str] = []

    def talk(who: str) -> None:
        conversation = None
        for turn in range(6):
            *_, reply = loop.reply(conversation, f"{who} says {turn}")
            conversation = reply.conversation_id
            if reply.text != f"base says {who} says {turn}":
                failures.append(reply.text)
        said = [turn.message.content for turn in loop.conversations.turns(conversation or "")]
        if len(said) != 12 or not all(who in text for text in said):
            failures.append(str(said))

    def vote(annotator: str) -> None:
        for i in range(125):
            loop.rate(judged, i % 2 == 0, annotator=annotator)

    acts = [(talk, f"person {i}") for i in range(8)] + [(vote, f"annotator {i}") for i in range(4)]
    threads = [threading.Thread(target=act, args=(name,)) for act, name in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert loop.feedback.stats()["up"] == 4
    assert len([event for event in loop._store.events() if event.kind == "thumb"]) == 500


def test_replies_to_different_prompts_cannot_be_chosen_between(loop: Loop) -> None:
    _, one = ask(loop, "one")
    _, two = ask(loop, "two")
    with pytest.raises(DataError, match="two replies to the same prompt"):
        loop.choose(one, two, "left")


def test_an_empty_message_is_refused(loop: Loop) -> None:
    with pytest.raises(DataError, match="write a message first"):
        loop.reply(None, "  \n")


def test_the_system_prompt_opens_every_conversation(tmp_path: Path) -> None:
    settings = config.load(tmp_path, chat={"system_prompt": "Be brief."})
    with Loop.open(settings, lambda: ScriptedEngine(lambda messages, *_: messages[0].content)) as loop:
        *_, reply = loop.reply(None, "hello")
    assert reply.text == "Be brief."


def test_a_round_without_enough_feedback_is_refused_and_leaves_nothing(loop: Loop) -> None:
    _, completion = ask(loop, "hello")
    loop.rate(completion, True)
    with pytest.raises(DataError, match="there are 1 and 0: mark at least one disliked"):
        loop.start_round("kto")
    with pytest.raises(DataError, match="no pairs for DPO"):
        loop.start_round("dpo")
    assert loop.rounds.numbers() == [0]
    assert loop.feedback.stats()["up"] == 1


@pytest.mark.parametrize("steps", [0, -3])
def test_a_round_with_impossible_steps_is_refused_by_name(loop: Loop, steps: int) -> None:
    for up in (True, False):
        _, completion = ask(loop, f"hello {up}")
        loop.rate(completion, up)
    with pytest.raises(SettingsError, match=r"training\.steps"):
        loop.start_round("kto", steps=steps)
    assert loop.rounds.numbers() == [0]


def test_rounds_that_are_not_there_are_named_with_those_that_are(loop: Loop) -> None:
    calls = [loop.round, loop.activate, loop.cancel_round, loop.resume_round, loop.evaluate]
    for call in calls:
        with pytest.raises(RoundError, match="no round 7; the rounds are: 0"):
            call(7)
    with pytest.raises(RoundError, match="no round 7"):
        loop.reply(None, "hello", round=7)


def test_the_base_is_round_0_it_is_active_and_has_no_adapter_to_export(loop: Loop, tmp_path: Path) -> None:
    report = loop.round(0)
    assert (report.number, report.status, report.parent, report.active) == (0, "done", None, True)
    with pytest.raises(RoundError, match="is the base model"):
        loop.export_round(0, "peft", tmp_path / "out")


def test_a_round_is_running_for_as_long_as_its_lock_is_held(loop: Loop) -> None:
    lock = FileLock(loop.rounds.folder(0) / LOCK_FILE)
    assert lock.acquire()
    assert loop.round(0).status == "running"
    with pytest.raises(RoundError, match="still running"):
        loop.start_round("kto")
    lock.release()
    assert loop.round(0).status == "done"


def test_a_missing_model_says_what_to_do(tmp_path: Path) -> None:
    for name in ("minerva-9000", str(tmp_path / "no.gguf")):
        with pytest.raises(ModelError, match="starter"):
            Loop.open(config.load(tmp_path / "data", model=name))


def test_a_data_folder_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingsError, match="choose another with --data"):
        Loop.open(config.load(tmp_path / "file" / "data"))


def test_a_round_published_by_another_program_is_kept(loop: Loop) -> None:
    record = loop.rounds.get(0)
    again = replace(record, number=1)
    with (
        pytest.raises(RoundError, match="Round 1 is there already"),
        loop.rounds.create(again),
        loop.rounds.create(again) as first,
    ):
        (first / "first").touch()
    assert (loop.rounds.folder(1) / "first").exists()


def test_two_programs_do_not_start_a_round_at_once(loop: Loop) -> None:
    lock = FileLock(loop.rounds.root.parent / START_LOCK_FILE)
    assert lock.acquire()
    with pytest.raises(RoundError, match="Another program is starting a round"):
        loop.start_round("kto")
    lock.release()
    with pytest.raises(DataError, match="KTO needs"):
        loop.start_round("kto")


@pytest.mark.parametrize("temperature", [-1.0, float("nan"), 1e9])
def test_a_temperature_that_cannot_hold_is_refused_before_a_conversation_begins(
    loop: Loop, temperature: float
) -> None:
    with pytest.raises(SettingsError, match=r"chat\.temperature"):
        loop.reply(None, "hello", temperature=temperature)
    assert loop.conversations.all() == []


@pytest.mark.parametrize("key", ["lora_rank", "lora_alpha", "lora_targets"])
def test_a_round_does_not_begin_from_one_whose_adapter_is_otherwise(loop: Loop, key: str) -> None:
    number = add_round(loop)
    before = loop.settings.training.model_dump()[key]
    other = "attention" if before == "all" else before // 2
    sentence = rf"training\.{key} is {other}, but round {number} has {before}; set it to {before}, or start"
    with pytest.raises(SettingsError, match=sentence) as refused:
        loop.start_round("kto", parent=number, **{key: other})
    assert i18n.error_sentence(refused.value, "it").startswith(f"{key} è {other}, ma il round {number}")
    with pytest.raises(DataError, match="KTO needs"):  # then it is but the feedback that is missing
        loop.start_round("kto", parent=number)
    assert loop.rounds.numbers() == [0, number]
