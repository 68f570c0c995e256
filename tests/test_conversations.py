"""Conversations: branches and versions, names, search, deletion and its undoing, files out and in."""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignchat import config
from alignchat.cli import main
from alignchat.engine import Adapter, Sampling, ScriptedEngine
from alignchat.errors import DataError, SettingsError
from alignchat.loop import Loop
from alignchat.talk.conversations import Tree, history
from feedback_store import Completion, Message, StoreError

OpenLoop = Callable[[Path], Loop]


@pytest.fixture
def open_loop() -> Iterator[OpenLoop]:
    opened: list[Loop] = []

    def one(data: Path) -> Loop:
        made = count(1)

        def numbered(messages: Sequence[Message], *_: Sampling | Adapter | None) -> str:
            return f"reply {next(made)} to {messages[-1].content}"

        opened.append(Loop.open(config.load(data), lambda: ScriptedEngine(numbered)))
        return opened[-1]

    yield one
    for loop in opened:
        loop.close()


@pytest.fixture
def loop(open_loop: OpenLoop, tmp_path: Path) -> Loop:
    return open_loop(tmp_path / "data")


def ended(replies: Any) -> tuple[str, str]:
    """Return (conversation id, completion id) of a reply that has come to its end."""
    *_, reply = replies
    return reply.conversation_id, reply.completion_id


def said(loop: Loop, conversation: str, head: str | None = None) -> list[str]:
    return [turn.message.content for turn in loop.conversations.turns(conversation, head)]


def versions(loop: Loop, conversation: str, head: str | None = None) -> list[tuple[str, ...]]:
    turns = loop.conversations.turns(conversation, head)
    return [turn.versions for turn in turns if turn.completion]


# Branches


def test_asking_again_makes_a_version_and_the_newest_is_shown(loop: Loop) -> None:
    conversation, first = ended(loop.reply(None, "a"))
    _, second = ended(loop.again(first))
    assert said(loop, conversation) == ["a", "reply 2 to a"]
    assert said(loop, conversation, first) == ["a", "reply 1 to a"]
    assert versions(loop, conversation) == versions(loop, conversation, first) == [(first, second)]


def test_a_conversation_goes_on_from_the_version_that_is_shown(loop: Loop) -> None:
    conversation, first = ended(loop.reply(None, "a"))
    ended(loop.again(first))
    _, below = ended(loop.reply(conversation, "b", after=first))
    assert said(loop, conversation) == ["a", "reply 1 to a", "b", "reply 3 to b"]
    assert loop.conversations.newest_below(first) == below


def test_other_words_in_place_of_ones_own_are_a_branch_beside_it(loop: Loop) -> None:
    conversation, first = ended(loop.reply(None, "a"))
    _, second = ended(loop.reply(conversation, "b"))
    _, other = ended(loop.again(second, "B"))
    assert said(loop, conversation) == ["a", "reply 1 to a", "B", "reply 3 to B"]
    assert said(loop, conversation, second) == ["a", "reply 1 to a", "b", "reply 2 to b"]
    _, opening = ended(loop.again(first, "A"))
    assert said(loop, conversation) == ["A", "reply 4 to A"]
    assert versions(loop, conversation, other) == [(first, opening), (second, other)]


def test_switching_a_version_shows_the_newest_that_goes_on_from_it(loop: Loop) -> None:
    conversation, first = ended(loop.reply(None, "a"))
    _, second = ended(loop.again(first))
    _, below = ended(loop.reply(conversation, "b", after=first))
    _, deeper = ended(loop.again(below))
    assert loop.conversations.newest_below(first) == deeper
    assert loop.conversations.newest_below(second) == second


def test_an_edited_reply_is_a_version_of_a_persons_and_says_nothing_by_itself(loop: Loop) -> None:
    conversation, first = ended(loop.reply(None, "a"))
    edited = loop.edit(first, "better")
    turn = loop.conversations.turns(conversation)[-1]
    assert (turn.message.content, turn.versions) == ("better", (first, edited))
    assert turn.completion is not None
    assert turn.completion.round is None
    assert loop.preview("dpo")["train"] == 0
    assert loop.feedback.stats()["edits"] == 0
    ended(loop.reply(conversation, "b"))
    assert said(loop, conversation)[:3] == ["a", "better", "b"]


def test_an_edited_reply_counts_as_preferred_once_the_person_says_so(loop: Loop) -> None:
    _, first = ended(loop.reply(None, "a"))
    loop.prefer(loop.edit(first, "better"))
    assert set(loop.preview("dpo")["sources"]) == {"edit"}
    with pytest.raises(DataError, match="Only a reply that you have edited"):
        loop.prefer(first)
    with pytest.raises(DataError, match="cannot be empty"):
        loop.edit(first, " \n")


def test_the_system_prompt_may_change_on_the_way_without_losing_the_place(loop: Loop) -> None:
    conversation, first = ended(loop.reply(None, "a", system="Be brief."))
    assert said(loop, conversation)[0] == "Be brief."
    _, second = ended(loop.reply(conversation, "b"))
    _, third = ended(loop.reply(conversation, "c", system="Be kind."))
    prompts = {c.id: c.prompt for c in map(loop.conversations.completion, (second, third))}
    assert [m.content for m in prompts[second] if m.role == "system"] == ["Be brief."]
    assert [m.content for m in prompts[third] if m.role == "system"] == ["Be kind."]
    assert versions(loop, conversation) == [(first,), (second,), (third,)]
    _, other = ended(loop.again(second, system=""))
    assert [m.role for m in loop.conversations.completion(other).prompt] == ["user", "assistant", "user"]
    assert versions(loop, conversation, other) == [(first,), (second, other)]


def test_a_reply_cannot_go_on_from_another_conversation_or_a_deleted_one(loop: Loop) -> None:
    conversation, _ = ended(loop.reply(None, "a"))
    _, elsewhere = ended(loop.reply(None, "b"))
    with pytest.raises(DataError, match="of another conversation"):
        loop.reply(conversation, "c", after=elsewhere)
    with pytest.raises(StoreError, match="no completion"):
        loop.conversations.turns(conversation, elsewhere)
    loop.conversations.delete(conversation)
    with pytest.raises(StoreError, match="no conversation"):
        loop.reply(conversation, "c")


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_that_cannot_hold_is_refused(loop: Loop, seed: int) -> None:
    with pytest.raises(SettingsError, match="from 0 to 2147483647"):
        loop.reply(None, "a", seed=seed)


@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from("ab"), st.sampled_from("xy")), max_size=20))
def test_every_branch_repeats_the_prompt_of_its_head_whatever_was_asked_and_replied(
    acts: list[tuple[int, str, str]],
) -> None:
    """Texts repeat on purpose: replies with one text are told apart by their ids, not by their place."""
    made: list[Completion] = []
    for i, (parent, asked, text) in enumerate(acts):
        before = history(made[parent % len(made)]) if made and parent else ()
        prompt = (*before, Message(role="user", content=asked))
        made.append(Completion(id=str(i), conversation_id="c", prompt=prompt, text=text, model="m", round=0))
    tree = Tree.of(made)
    for completion in made:
        branch = tree.branch(completion.id)
        spoken = [m for c in branch for m in (c.prompt[-1], Message(role="assistant", content=c.text))]
        assert tuple(spoken) == history(completion)
        assert branch[-1] == completion
        assert completion.id in tree.versions[tree.places[completion.id]]
        newest = tree.newest_below(completion.id)
        assert completion in tree.branch(newest)
        assert int(newest) >= int(completion.id)


# Names, search, deletion


def test_a_conversation_is_named_by_its_first_words_and_renamed(loop: Loop) -> None:
    conversation, _ = ended(loop.reply(None, "what  is\nthe sea"))
    assert loop.conversations.get(conversation).title == "what is the sea"
    loop.conversations.rename(conversation, "  Il mare ")
    assert [c.title for c in loop.conversations.all()] == ["Il mare"]
    with pytest.raises(DataError, match="needs a title"):
        loop.conversations.rename(conversation, " ")


def test_search_finds_titles_and_words_of_every_branch_whatever_case_and_accent(loop: Loop) -> None:
    sea, first = ended(loop.reply(None, "Perché il mare è salato?"))
    ended(loop.again(first, "Un'altra domanda"))
    bread, _ = ended(loop.reply(None, "bread"))
    found = loop.conversations.search("PERCHE il  mare")
    assert [f.conversation.id for f in found] == [sea]
    loop.conversations.rename(sea, "Acqua")
    (found_again,) = loop.conversations.search("è sala")
    assert "mare è salato?" in found_again.excerpt
    assert [f.conversation.id for f in loop.conversations.search("reply 3")] == [bread]
    assert loop.conversations.search("nowhere") == []
    assert len(loop.conversations.search(" ")) == 2


def test_a_deleted_conversation_is_gone_and_not_trained_on_until_it_is_brought_back(loop: Loop) -> None:
    conversation, first = ended(loop.reply(None, "hello"))
    loop.rate(first, True)
    loop.conversations.delete(conversation)
    assert loop.conversations.all() == loop.conversations.search("hello") == []
    assert loop.preview("kto")["removed"] == {"reply deleted": 1}
    assert loop.feedback.stats()["up"] == 0
    loop.conversations.undelete(conversation)
    assert loop.feedback.stats()["up"] == 1
    assert [c.id for c in loop.conversations.all()] == [conversation]
    assert loop.preview("kto")["desirable"] == 1
    turn = loop.conversations.turns(conversation)[-1]
    assert turn.thumb is not None


# Files


def test_an_exported_conversation_comes_back_elsewhere_as_it_was(
    loop: Loop, open_loop: OpenLoop, tmp_path: Path
) -> None:
    conversation, first = ended(loop.reply(None, "a"))
    _, second = ended(loop.again(first))
    ended(loop.reply(conversation, "b", after=first))
    loop.rate(second, False)
    loop.prefer(loop.edit(first, "better"))
    loop.choose(first, second, "left")
    exported = json.loads(json.dumps(loop.conversations.export_json(conversation)))
    other = open_loop(tmp_path / "other")
    assert other.conversations.import_json(exported)["new"] == 8
    assert other.conversations.export_json(conversation) == exported
    assert other.conversations.turns(conversation) == loop.conversations.turns(conversation)
    assert other.preview("dpo")["sha256"] == loop.preview("dpo")["sha256"]


def test_importing_twice_adds_nothing_and_brings_a_deleted_conversation_back(loop: Loop) -> None:
    conversation, _ = ended(loop.reply(None, "a"))
    exported = loop.conversations.export_json(conversation)
    loop.conversations.rename(conversation, "Mine")
    loop.conversations.delete(conversation)
    assert loop.conversations.import_json(exported)["new"] == 0
    assert [c.title for c in loop.conversations.all()] == ["Mine"]


@pytest.mark.parametrize("change", ["kind", "newer", "lost", "foreign", "thumb", "type", "prompt"])
def test_what_is_no_conversation_is_one_sentence_and_nothing_is_imported(
    loop: Loop, open_loop: OpenLoop, tmp_path: Path, change: str
) -> None:
    conversation, first = ended(loop.reply(None, "a"))
    loop.rate(first, True)
    value: Any = loop.conversations.export_json(conversation)
    match change:
        case "kind":
            value = [1, 2]
        case "newer":
            value["alignchat_conversation"] = 2
        case "lost":
            del value["completions"][0]["text"]
        case "foreign":
            value["completions"][0]["conversation_id"] = "other"
        case "thumb":
            value["thumbs"][0]["completion_id"] = "other"
        case "type":
            value["conversation"]["title"] = 7
        case "prompt":
            value["completions"][0]["prompt"] = [["user"]]
    other = open_loop(tmp_path / "other")
    with pytest.raises((DataError, StoreError)) as raised:
        other.conversations.import_json(value)
    assert str(raised.value).count(".") <= 2
    assert other.conversations.all() == []
    assert other.feedback.stats()["completions"] == 0


def test_markdown_tells_who_said_what_and_how_it_was_rated(loop: Loop) -> None:
    conversation, first = ended(loop.reply(None, "a", system="Be brief."))
    loop.rate(first, True)
    ended(loop.reply(conversation, "b"))
    assert loop.conversations.export_markdown(conversation, first) == (
        "# a\n\n## System\n\nBe brief.\n\n## User\n\na\n\n"
        "## Assistant (starter, base)\n\nreply 1 to a\n\n> Thumb up\n"
    )
    assert loop.conversations.export_markdown(conversation).endswith("reply 2 to b\n")


# The command line


def test_the_command_line_lists_shows_finds_names_deletes_and_brings_back(
    loop: Loop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation, first = ended(loop.reply(None, "Perché?"))
    _, second = ended(loop.again(first))
    loop.rate(second, True)

    def run(*arguments: str, status: int = 0) -> Any:
        assert main(["--data", str(tmp_path / "data"), "conversations", *arguments, "--json"]) == status
        out = capsys.readouterr()
        return out.err if status else json.loads(out.out)

    assert [c["id"] for c in run("list")] == [conversation]
    reply = run("show", conversation)["turns"][-1]
    assert (reply["completion_id"], reply["versions"]) == (second, [first, second])
    assert reply["thumb"]["up"] is True
    assert run("show", conversation, "--head", first)["turns"][-1]["thumb"] is None
    assert run("search", "perche")[0]["id"] == conversation
    assert run("rename", conversation, "Why")["title"] == "Why"
    assert run("delete", conversation) == {"deleted": conversation}
    assert run("list") == []
    assert "There is no conversation" in run("show", conversation, status=1)
    assert run("restore", conversation)["title"] == "Why"
    exported = run("export", conversation)
    run("export", conversation, "--out", str(tmp_path / "a.json"))
    run("export", conversation, "--format", "markdown", "--out", str(tmp_path / "a.md"))
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == exported
    assert (tmp_path / "a.md").read_text("utf-8").startswith("# Why\n\n## User\n\nPerché?\n")
    assert run("import", str(tmp_path / "a.json"))["new"] == 0
    assert "is not JSON" in run("import", str(tmp_path / "a.md"), status=1)
    assert "cannot be written" in run("export", conversation, "--out", "/dev/null/x", status=1)
