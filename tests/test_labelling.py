"""The label queue over a scripted engine: made ahead, given out once, kept, and measured for agreement."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from made_rounds import add_round

from alignchat import config
from alignchat.engine import Adapter, Sampling, ScriptedEngine
from alignchat.errors import DataError, ModelError
from alignchat.judging.labelling import LEASE_SECONDS, Labelling
from alignchat.loop import Loop
from feedback_store import Message

OpenLoop = Callable[..., Loop]
Reply = Callable[[Sequence[Message], Sampling, Adapter | None], str]


def counted() -> Reply:
    """Return a script whose replies are all different."""
    said = iter(range(10**9))
    return lambda messages, _, adapter: (
        f"{'tuned' if adapter else 'base'} {next(said)} {messages[-1].content}"
    )


@pytest.fixture
def open_loop(tmp_path: Path) -> Iterator[OpenLoop]:
    opened: list[Loop] = []

    def one(reply: Reply | None = None, **sections: object) -> Loop:
        settings = config.load(tmp_path / "data", **sections)
        opened.append(Loop.open(settings, lambda: ScriptedEngine(reply or counted())))
        return opened[-1]

    yield one
    for loop in opened:
        loop.close()


@pytest.fixture
def loop(open_loop: OpenLoop) -> Loop:
    return open_loop()


def prepared(loop: Loop, count: int, overlap: int = 1) -> Labelling:
    text = "\n".join(f"question {i}" for i in range(count))
    loop.labelling.prepare(loop.labelling.read(text), count=count, overlap=overlap)
    loop.labelling.ahead.wait(30)
    assert loop.labelling.ahead.now().error is None
    return loop.labelling


def test_each_prompt_gets_a_reply_of_the_base_and_one_of_the_round_in_use(loop: Loop) -> None:
    loop.rounds.activate(add_round(loop))
    queue = prepared(loop, 12)
    lefts = set()
    for item in queue.take(count=20):
        shown = loop.arena.comparison(item.id)
        assert {shown.left.round, shown.right.round} == {0, 1}
        assert (shown.left.text, shown.right.text) == (item.left, item.right)
        assert ("tuned" in item.left) == (shown.left.round == 1)
        assert shown.blind
        lefts.add(shown.left.round)
    assert lefts == {0, 1}


def test_without_a_round_in_use_a_pair_is_two_samples_of_the_base(loop: Loop) -> None:
    (item,) = prepared(loop, 1).take()
    assert item.left != item.right
    shown = loop.arena.comparison(item.id)
    assert (shown.left.round, shown.right.round) == (0, 0)


def test_the_system_prompt_opens_each_prompt(open_loop: OpenLoop) -> None:
    (item,) = prepared(open_loop(chat={"system_prompt": "Be brief."}), 1).take()
    assert [message.role for message in item.prompt] == ["system", "user"]


def test_pairs_that_say_the_same_or_nothing_are_left_out_and_counted(open_loop: OpenLoop) -> None:
    loop = open_loop(lambda messages, *_: "the same" if "1" in messages[-1].content else " ")
    assert prepared(loop, 5).take(count=9) == []
    assert (loop.labelling.ahead.now().useless, loop.labelling.ahead.now().waiting) == (5, 0)


def test_two_people_never_get_the_same_pair(loop: Loop) -> None:
    queue = prepared(loop, 60)
    taken: dict[str, list[str]] = {name: [] for name in ("anna", "bruno", "carla")}

    def work(name: str) -> None:
        while items := queue.take(annotator=name, count=2):
            for item in items:
                taken[name].append(item.id)
                loop.arena.vote(item.id, "left", annotator=name)

    threads = [threading.Thread(target=work, args=[name]) for name in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    everything = [id for ids in taken.values() for id in ids]
    assert len(everything) == len(set(everything)) == 60


def test_two_pages_of_one_person_do_not_show_the_same_pair_and_a_reloaded_one_shows_its_own(
    loop: Loop,
) -> None:
    queue = prepared(loop, 4)
    first = queue.take(holder="one", count=2)
    second = queue.take(holder="two", count=9)
    assert not {i.id for i in first} & {i.id for i in second}
    assert queue.take(holder="one", count=9) == first
    assert queue.take(holder="one", have=[i.id for i in first], count=9) == []


def test_what_nobody_answered_in_time_goes_to_others(open_loop: OpenLoop) -> None:
    loop, now = open_loop(), [0.0]
    prepared(loop, 1)
    queue = loop.labelling
    queue._clock = lambda: now[0]
    (item,) = queue.take(annotator="anna")
    now[0] = LEASE_SECONDS - 1
    assert queue.take(annotator="bruno") == []
    queue.take(annotator="anna", have=[item.id])
    now[0] = 2 * LEASE_SECONDS - 2
    assert queue.take(annotator="bruno") == []
    now[0] = 2 * LEASE_SECONDS
    assert queue.take(annotator="bruno") == [item]


def test_with_overlap_so_many_people_get_a_pair_and_their_agreement_is_told(loop: Loop) -> None:
    queue = prepared(loop, 4, overlap=2)
    verdicts = {"anna": ["left", "left", "tie", "both_bad"], "bruno": ["left", "right", "tie", "both_bad"]}
    for name, said in verdicts.items():
        items = queue.take(annotator=name, count=9)
        assert len(items) == 4
        for item, verdict in zip(items, said, strict=True):
            loop.arena.vote(item.id, verdict, annotator=name)  # type: ignore[arg-type]
    assert queue.take(annotator="carla", count=9) == []
    agreement = queue.state(annotator="anna").agreement
    # Of eight labels three are left, one right, two tie and two both bad, and one pair disagrees.
    assert (agreement.items, agreement.labels) == (4, 8)
    assert agreement.alpha == pytest.approx(1 - 7 * 2 / (3 * 5 + 1 * 7 + 2 * 6 + 2 * 6), abs=1e-12)


def test_a_pair_put_off_comes_back_at_the_end_and_stores_nothing(loop: Loop) -> None:
    queue = prepared(loop, 3)
    first, *_ = queue.take(count=3)
    queue.later(first.id)
    assert queue.take(count=3)[-1] == first
    assert (queue.state().left, queue.state().later) == (3, 1)
    assert loop.feedback.stats()["choices"] == 0


def test_a_discarded_pair_is_gone_until_that_is_undone_and_a_labelled_one_stays(loop: Loop) -> None:
    queue = prepared(loop, 2)
    first, second = queue.take(count=2)
    queue.discard(first.id)
    assert queue.take(count=9) == [second]
    queue.restore(first.id)
    assert {item.id for item in queue.take(count=9)} == {first.id, second.id}
    loop.arena.vote(second.id, "tie", annotator="anna")
    with pytest.raises(DataError, match="labelled this pair already"):
        queue.discard(second.id)
    with pytest.raises(DataError, match="no longer in the queue"):
        queue.discard("nothing")


def test_an_undone_vote_brings_the_pair_back_and_the_next_vote_is_still_blind(loop: Loop) -> None:
    queue = prepared(loop, 1)
    (item,) = queue.take()
    loop.arena.vote(item.id, "left")
    assert (queue.take(), queue.state().labelled) == ([], 1)
    loop.arena.vote(item.id, None)
    assert queue.take() == [item]
    choice = loop.arena.vote(item.id, "right")
    assert choice is not None
    assert choice.blind


def test_an_edited_reply_is_preferred_over_the_original_once(loop: Loop) -> None:
    queue = prepared(loop, 1)
    (item,) = queue.take()
    for _ in range(2):
        queue.edit(item.id, "right", "better", edit_id="e" * 32)
    (edit,) = loop._store.edits()
    assert (edit.text, edit.completion_id) == ("better", loop.arena.comparison(item.id).right.id)
    assert loop.preview("dpo")["train"] == 1
    with pytest.raises(DataError, match="cannot be empty"):
        queue.edit(item.id, "left", " ")


def test_the_queue_and_what_was_said_are_there_after_a_restart(open_loop: OpenLoop) -> None:
    first = open_loop()
    items = prepared(first, 3).take(count=3)
    first.arena.vote(items[0].id, "left")
    first.close()
    again = open_loop().labelling
    assert again.take(count=9) == items[1:]
    assert again.state().labelled == 1


def test_what_was_not_made_waits_for_a_restart_and_none_is_made_twice(open_loop: OpenLoop) -> None:
    begun, go = threading.Event(), threading.Event()
    told = counted()

    def slow(*given: object) -> str:
        if not begun.is_set():
            begun.set()
            go.wait(20)
        return told(*given)  # type: ignore[arg-type]

    first = open_loop(slow)
    first.labelling.prepare(first.labelling.read("a\nb\nc\nd\ne"), count=9)
    assert begun.wait(20)
    with pytest.raises(DataError, match="being made for the queue already"):
        first.labelling.prepare(first.labelling.read("f"), count=1)
    other = open_loop()
    with pytest.raises(DataError, match="being made for the queue already"):
        other.labelling.prepare(other.labelling.read("f"), count=1)
    first.labelling.ahead.stop()
    go.set()
    first.close()
    again = open_loop()
    waiting = again.labelling.ahead.now().waiting
    assert waiting > 0
    again.labelling.go_on()
    again.labelling.ahead.wait(20)
    asked = [item.prompt[-1].content for item in again.labelling.take(count=9)]
    assert sorted(asked) == ["a", "b", "c", "d", "e"]


def test_a_batch_that_was_kept_before_a_crash_is_not_made_again(open_loop: OpenLoop) -> None:
    loop = open_loop()
    file = loop.settings.data / "labelling" / "waiting.json"
    ahead = loop.labelling.ahead
    prepared(loop, 2)
    ids = [item.id for item in loop.labelling.take(count=2)]
    file.write_text(json.dumps([[id, 1, [["user", "x"]]] for id in ids]))
    loop.labelling.go_on()
    ahead.wait(20)
    assert loop.feedback.stats()["completions"] == 4


def test_what_the_model_refuses_is_told_and_the_prompts_wait(open_loop: OpenLoop) -> None:
    def refuse(*_: object) -> str:
        raise ModelError("The model is gone.")

    ahead = open_loop(refuse).labelling.ahead
    queue = open_loop(refuse).labelling
    queue.prepare(queue.read("a\nb"), count=2)
    queue.ahead.wait(20)
    now = queue.ahead.now()
    assert (str(now.error), now.waiting, now.running) == ("The model is gone.", 2, False)
    ahead.forget()
    assert ahead.now().waiting == 0


def test_prompts_that_have_a_pair_of_these_rounds_are_passed_over(loop: Loop) -> None:
    prompts = loop.labelling.starters("it")
    assert len(prompts) == 50
    assert loop.labelling.prepare(prompts, count=3) == 3
    loop.labelling.ahead.wait(20)
    assert loop.labelling.prepare(prompts[:4], count=3) == 1
    loop.labelling.ahead.wait(20)
    with pytest.raises(DataError, match="no new prompts"):
        loop.labelling.prepare(prompts[:4], count=3)
    loop.rounds.activate(add_round(loop))
    assert loop.labelling.prepare(prompts[:4], count=3) == 3


def test_prompts_are_read_from_lines_and_from_json_lines_and_refused_with_their_line(
    loop: Loop, tmp_path: Path
) -> None:
    queue = loop.labelling
    assert [p[-1].content for p in queue.read(" one \n\ntwo\n")] == ["one", "two"]
    rows = [{"prompt": "one"}, {"prompt": [{"role": "user", "content": "two"}]}]
    text = "\n".join(map(json.dumps, rows))
    assert [p[-1].content for p in queue.read(text)] == ["one", "two"]
    file = tmp_path / "prompts.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len(queue.read_file(file)) == 2
    for bad in (
        '{"prompt": ""}',
        '{"text": "x"}',
        "{",
        '{"messages": [{"role": "assistant", "content": ""}]}',
    ):
        with pytest.raises(DataError, match="Line 2 has no prompt"):
            queue.read('{"prompt": "x"}\n' + bad if bad != "{" else '{"prompt": "x"}\n{')
    with pytest.raises(DataError, match="no prompts here"):
        queue.read(" \n")
    with pytest.raises(DataError, match="cannot be read"):
        queue.read_file(tmp_path / "nowhere.txt")


def test_prompts_come_from_a_preference_set_that_is_here_once_each(loop: Loop, tmp_path: Path) -> None:
    rows = [{"prompt": f"question {i % 2}", "chosen": f"yes {i}", "rejected": f"no {i}"} for i in range(4)]
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    assert [p[-1].content for p in loop.labelling.of_set(str(file))] == ["question 0", "question 1"]
    with pytest.raises(DataError, match="get it first"):
        loop.labelling.of_set("trl-lib/kto-mix-14k:20")
    with pytest.raises(DataError, match="names no preference set"):
        loop.labelling.of_set("")


def test_history_is_what_was_asked_once_each_without_the_queues_own(loop: Loop) -> None:
    for text in ("one", "two", "one"):
        list(loop.reply(None, text))
    prepared(loop, 2)
    assert [p[-1].content for p in loop.labelling.history()] == ["one", "two"]
