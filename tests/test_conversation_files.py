"""What the page's script asks for by id, over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from alignchat import config
from alignchat.engine import ScriptedEngine
from alignchat.loop import Loop
from alignchat.ui.conversation_files import router
from tests.visitors import as_person


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    with Loop.open(config.load(tmp_path), lambda: ScriptedEngine(lambda *_: "<b>one</b>")) as opened:
        yield opened


@pytest.fixture
def client(loop: Loop) -> TestClient:
    app = FastAPI()
    app.include_router(router(loop))
    return TestClient(as_person(app))


def test_a_reply_is_given_as_it_was_written(client: TestClient, loop: Loop) -> None:
    *_, reply = loop.reply(None, "hello")
    answer = client.get(f"/conversations/{reply.completion_id}/text")
    assert answer.json() == {"asked": "hello", "text": "<b>one</b>"}


def test_a_conversation_is_a_file_under_its_title(client: TestClient, loop: Loop) -> None:
    *_, reply = loop.reply(None, 'Perché "il mare"/\r\n?')
    markdown = client.get(f"/conversations/{reply.completion_id}/markdown")
    named = "attachment; filename*=UTF-8''Perch%C3%A9-il-mare.md"
    assert markdown.headers["content-disposition"] == named
    assert "<b>one</b>" in markdown.text
    exported = client.get(f"/conversations/{reply.completion_id}/json")
    assert exported.json() == loop.conversations.export_json(reply.conversation_id)


@pytest.mark.parametrize("kind", ["text", "markdown", "json", "other"])
def test_what_is_not_there_or_was_deleted_is_not_given(client: TestClient, loop: Loop, kind: str) -> None:
    assert client.get(f"/conversations/nobody/{kind}").status_code == 404
    *_, reply = loop.reply(None, "hello")
    loop.conversations.delete(reply.conversation_id)
    if kind != "text":
        assert client.get(f"/conversations/{reply.completion_id}/{kind}").status_code == 404
