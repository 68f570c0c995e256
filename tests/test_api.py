"""The HTTP API by OpenAI's own client: models, completions, streams, errors, ratings; and who is let in."""

import http.client
import json
import os
import re
import subprocess
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import openai
import pytest
from browser import Served, served
from fastapi.testclient import TestClient
from visitors import Visitor

from alignchat import api, catalog, config, serving
from alignchat.accounts import Accounts
from alignchat.api import Api
from alignchat.engine import Adapter, Sampling, ScriptedEngine, Stream
from alignchat.errors import ModelError, SettingsError
from alignchat.llamacpp.llama_engine import LlamaEngine
from alignchat.loop import Loop
from alignchat.remote import RemoteEngine
from feedback_store import Completion, Message
from tests.made_rounds import add_round

KEY = "a-key-that-nobody-guesses"
ON = {"enabled": True, "key": KEY}
AT_ONCE = 4


class Engine(ScriptedEngine):
    """Echoes; asked for something endless, says a word each hundredth of a second until it is stopped."""

    def __init__(self) -> None:
        super().__init__(self.say)
        self.begun, self.ended, self.read = Event(), Event(), [Message(role="", content="")]

    def say(self, messages: Sequence[Message], _: Sampling, adapter: Adapter | None) -> str:
        if messages[-1].content == "break":
            raise ModelError("The model is not well.")
        if messages[-1].content == "bug":
            raise ZeroDivisionError("of the engine")
        self.read = list(messages)
        return f"{'tuned' if adapter else 'base'} says {messages[-1].content}"

    def stream(
        self, messages: Sequence[Message], sampling: Sampling, *, adapter: Adapter | None = None
    ) -> Stream:
        if messages[-1].content == "endless":
            return Stream(self.endless)
        return super().stream(messages, sampling, adapter=adapter)

    def endless(self, _: Stream) -> Generator[str, None, None]:
        self.begun.set()
        try:
            while not self.ended.wait(0.01):
                yield "word "
        finally:
            self.ended.set()


@dataclass
class Scene:
    """A served app, its engine, and OpenAI's client with the key."""

    app: Served
    engine: Engine
    client: openai.OpenAI

    @property
    def loop(self) -> Loop:
        return self.app.loop

    @property
    def name(self) -> str:
        return self.loop.model.name

    def ask(self, text: str = "hello", **asked: Any) -> Any:
        asked = {"model": self.name, "messages": [{"role": "user", "content": text}]} | asked
        return self.client.chat.completions.create(**asked)

    def kept(self, id: str) -> Completion:
        return self.loop.conversations.completion(id)


def client_of(app: Served, key: str = KEY) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"http://127.0.0.1:{app.port}/v1", api_key=key, max_retries=0)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    engine = Engine()
    settings = config.load(tmp_path_factory.mktemp("data"), api=ON)
    with pytest.MonkeyPatch.context() as patch, Loop.open(settings, lambda: engine) as loop:
        patch.setattr(api, "AT_ONCE", AT_ONCE)
        add_round(loop)
        with served(loop) as app, client_of(app) as client:
            yield Scene(app=app, engine=engine, client=client)


@pytest.fixture
def scene(running: Scene) -> Scene:
    """The app, with no reply under way."""
    running.engine.begun.clear()
    running.engine.ended.clear()
    running.loop.rounds.activate(0)
    wait_for(lambda: is_answered(running))
    return running


def is_answered(scene: Scene) -> bool:
    try:
        scene.ask()
    except openai.RateLimitError:
        return False
    return True


def wait_for(condition: Callable[[], bool]) -> None:
    while not condition():  # pytest's time limit ends it
        Event().wait(0.01)


def refused(error: pytest.ExceptionInfo[Any]) -> tuple[int, str | None, str | None]:
    """Return status, parameter and code of an error, which must be in OpenAI's shape."""
    said = error.value.response.json()["error"]
    assert set(said) == {"message", "type", "param", "code"}
    assert said["message"].endswith(".")
    return error.value.status_code, said["param"], said["code"]


# Models


def test_the_rounds_are_models_and_the_models_name_is_the_one_in_use(scene: Scene) -> None:
    name = scene.name
    assert [each.id for each in scene.client.models.list()] == [name, f"{name}:base", f"{name}:round-1"]
    assert scene.client.models.retrieve(f"{name}:round-1").owned_by == name
    said = [scene.ask(model=f"{name}{round}") for round in ("", ":base", ":round-1")]
    assert [each.choices[0].message.content.split()[0] for each in said] == ["base", "base", "tuned"]
    scene.loop.rounds.activate(1)
    in_use = scene.ask()
    assert in_use.choices[0].message.content == "tuned says hello"
    assert in_use.model == f"{name}:round-1"
    assert scene.kept(in_use.id).round == 1


@pytest.mark.parametrize("name", ["nobody", "round-1", "starter:round-2", "../../etc/passwd", "a/b"])
def test_a_model_that_is_not_there_is_told_with_those_that_are(scene: Scene, name: str) -> None:
    with pytest.raises(openai.NotFoundError, match=f"{scene.name}:round-1") as error:
        scene.ask(model=name)
    assert refused(error) == (404, "model", "model_not_found")
    with pytest.raises(openai.NotFoundError):
        scene.client.models.retrieve(name)


# Completions


def test_a_completion_is_answered_and_kept_under_its_id(scene: Scene) -> None:
    answer = scene.ask("how are you", user="someone", metadata={"a": "b"}, n=1, presence_penalty=0)
    choice = answer.choices[0]
    assert (choice.message.content, choice.finish_reason) == ("base says how are you", "stop")
    usage = answer.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 5, 8)
    kept = scene.kept(answer.id)
    assert (kept.text, kept.annotator, kept.finished) == ("base says how are you", "api", True)
    assert kept.prompt == (Message(role="user", content="how are you"),)


def test_a_stream_comes_in_pieces_with_its_tokens_at_the_end(scene: Scene) -> None:
    chunks = list(scene.ask("how are you", stream=True, stream_options={"include_usage": True}))
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    (id,) = {chunk.id for chunk in chunks}
    pieces = [chunk.choices[0].delta.content for chunk in chunks[:-1]]
    assert pieces == ["", "base", " says", " how", " are", " you", None]
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * 6 + ["stop"]
    assert (chunks[-1].choices, chunks[-1].usage.total_tokens) == ([], 8)
    assert scene.kept(id).text == "base says how are you"


def test_what_is_asked_of_the_sampling_arrives(scene: Scene) -> None:
    asked = {"temperature": 0.5, "top_p": 0.5, "seed": 7, "stop": ["END", "###"], "max_tokens": 2}
    answer = scene.ask("how are you", extra_body={"top_k": 3}, **asked)
    sampling = scene.kept(answer.id).sampling
    assert {key: sampling[key] for key in (*asked, "top_k")} == {**asked, "top_k": 3}
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("base says", "length")
    assert scene.kept(scene.ask(max_completion_tokens=1, max_tokens=9).id).text == "base"
    assert scene.kept(scene.ask(stop="END").id).sampling["stop"] == ["END"]


def test_a_whole_conversation_is_read_and_goes_on_where_it_was(scene: Scene) -> None:
    said: list[Any] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
    ]
    first = scene.ask(messages=said)
    said += [first.choices[0].message, {"role": "user", "content": "three"}]
    again = [scene.kept(scene.ask(messages=said).id) for _ in range(2)]
    assert [(m.role, m.content) for m in scene.engine.read] == [
        ("system", "Be brief."),
        ("user", "one\ntwo"),
        ("assistant", "base says one\ntwo"),
        ("user", "three"),
    ]
    place = scene.kept(first.id).conversation_id
    assert {each.conversation_id for each in again} == {place}
    turns = scene.loop.conversations.turns(place)
    assert (turns[2].completion.id, turns[4].versions) == (first.id, tuple(each.id for each in again))
    scene.loop.conversations.delete(place)
    assert scene.kept(scene.ask(messages=said).id).conversation_id != place


def test_without_a_system_message_the_settings_own_opens_the_conversation(tmp_path: Path) -> None:
    settings = config.load(tmp_path, api=ON, chat={"system_prompt": "Be kind."})
    with Loop.open(settings, Engine) as loop:
        asked = {"model": loop.model.name, "messages": [{"role": "user", "content": "hello"}]}
        answer = within(loop).post("/v1/chat/completions", json=asked).json()
        assert loop.conversations.system(answer["id"]) == "Be kind."


@pytest.mark.parametrize("stream", [True, False])
def test_who_goes_away_stops_the_reply_which_is_kept_unfinished(scene: Scene, stream: bool) -> None:
    before = {completion.id for completion in scene.loop._store.completions()}
    message = {"role": "user", "content": "endless"}
    body = json.dumps({"model": scene.name, "messages": [message], "stream": stream})
    connection = http.client.HTTPConnection("127.0.0.1", scene.app.port)
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", body, headers)
    assert scene.engine.begun.wait(60)
    connection.close()
    assert scene.engine.ended.wait(60)
    wait_for(lambda: len(scene.loop._store.completions()) > len(before))
    (stopped,) = (each for each in scene.loop._store.completions() if each.id not in before)
    assert not stopped.finished
    assert stopped.text.startswith("word ")


def test_closing_a_stream_stops_it(scene: Scene) -> None:
    stream = scene.ask("endless", stream=True)
    id = next(stream).id
    stream.close()
    assert scene.engine.ended.wait(60)
    wait_for(lambda: scene.loop._store.get(id) is not None)
    assert not scene.kept(id).finished


def test_one_more_than_can_wait_is_asked_to_come_again(scene: Scene) -> None:
    streams = [scene.ask("endless", stream=True) for _ in range(AT_ONCE)]
    with pytest.raises(openai.RateLimitError) as error:
        scene.ask()
    assert refused(error) == (429, None, "rate_limit_exceeded")
    assert error.value.response.headers["retry-after"] == "1"
    for stream in streams:
        stream.close()
    wait_for(lambda: is_answered(scene))


# Errors


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stop": [""]}, "stop.0"),
        ({"seed": -1}, "seed"),
        ({"n": 2}, "n"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"reasoning_effort": "low"}, "reasoning_effort"),
        ({"extra_body": {"min_p": 0.1}}, "min_p"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "42", "tool_call_id": "1"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content.type"),
        ({"messages": [{"role": "user", "content": " "}]}, None),
        ({"messages": [{"role": "assistant", "content": "I begin"}]}, None),
    ],
)
def test_what_would_change_the_result_and_cannot_be_done_is_refused(
    scene: Scene, asked: dict[str, Any], param: str | None
) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        scene.ask(**asked)
    status, named, code = refused(error)
    assert (status, named) == (400, param)
    assert (code is None) == (param is None)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"\\ud800"', b"\xff", b"[" * 10_000, b'{"model": NaN}'])
def test_a_body_that_is_no_request_is_refused(scene: Scene, body: bytes) -> None:
    for path in ("/chat/completions", "/feedback"):
        with pytest.raises(openai.BadRequestError) as error:
            scene.client.post(path, cast_to=object, content=body, options=JSON)
        assert refused(error)[0] == 400


JSON: Any = {"headers": {"content-type": "application/json"}}


@pytest.mark.parametrize("stream", [True, False])
def test_a_model_that_fails_is_told_and_a_bug_tells_nothing_of_itself(scene: Scene, stream: bool) -> None:
    with pytest.raises(openai.InternalServerError, match="The model is not well") as failed:
        scene.ask("break", stream=stream)
    assert refused(failed)[0] == 503
    with pytest.raises(openai.InternalServerError, match="log tells what") as bug:
        scene.ask("bug", stream=stream)
    assert refused(bug)[0] == 500
    assert "engine" not in bug.value.response.text


def test_a_stream_that_the_end_of_the_app_cuts_off_says_so(tmp_path: Path) -> None:
    engine = Engine()
    with Loop.open(config.load(tmp_path, api=ON), lambda: engine) as loop:

        def ending(*_: Any) -> str:
            loop._chat.end()
            return "one two three"

        engine._reply = ending
        asked = {"model": loop.model.name, "messages": [{"role": "user", "content": "hello"}]}
        lines = within(loop).post("/v1/chat/completions", json={**asked, "stream": True}).text.split("\n\n")
        assert json.loads(lines[-2].removeprefix("data: "))["error"]["type"] == "server_error"
        whole = within(loop).post("/v1/chat/completions", json=asked)
        assert (whole.status_code, whole.json()["error"]["type"]) == (503, "server_error")


# What docs/api.md shows

DOCUMENT = (Path(__file__).parent.parent / "docs" / "api.md").read_text("utf-8")


def test_the_python_that_is_shown_runs(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{scene.app.port}/v1")
    before = scene.loop.feedback.stats("api")
    (shown,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    exec(shown, {})
    after = scene.loop.feedback.stats("api")
    assert {key: after[key] - before[key] for key in ("completions", "up", "pairs")} == {
        "completions": 2,
        "up": 1,
        "pairs": 1,
    }


def test_the_curl_that_is_shown_is_answered(scene: Scene) -> None:
    (shown,) = re.findall(r"```sh\n(curl .*?)```", DOCUMENT, re.DOTALL)
    told = shown.replace("7860", str(scene.app.port)).replace('"starter"', f'"{scene.name}"')
    environment = {**os.environ, "ALIGNCHAT_API__KEY": KEY}
    done = subprocess.run(
        ["sh", "-c", told], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout)["choices"][0]["message"]["content"] == "base says Hello"


# Ratings


def rate(scene: Scene, **said: Any) -> Any:
    return scene.client.post("/feedback", cast_to=object, body=said)


def test_a_thumb_arrives_and_is_taken_back(scene: Scene) -> None:
    id = scene.ask().id
    for up, comment in ((False, "so so"), (True, "good after all")):
        assert rate(scene, completion_id=id, up=up, tags=["polite"], comment=comment)["saved"] is True
    (thumb,) = scene.loop._store.thumbs(completion_id=id)
    assert (thumb.up, thumb.annotator, thumb.tags) == (True, "api", ("polite",))
    assert thumb.comment == "good after all"
    rate(scene, completion_id=id, up=None)
    assert scene.loop._store.thumbs(completion_id=id) == []


def test_a_choice_between_two_rounds_arrives_and_is_taken_back(scene: Scene) -> None:
    left, right = (scene.ask("which?", model=f"{scene.name}:{r}").id for r in ("base", "round-1"))
    before = scene.loop._store.choices(annotator="api")
    rate(scene, left_id=left, right_id=right, verdict="left")
    rate(scene, left_id=right, right_id=left, verdict="left")
    *others, choice = scene.loop._store.choices(annotator="api")
    assert (choice.chosen_id, choice.rejected_id, others) == (right, left, before)
    assert scene.loop.preview("dpo")["removed"] == {}
    rate(scene, left_id=left, right_id=right, verdict=None)
    assert scene.loop._store.choices(annotator="api") == before


def test_only_what_came_with_the_key_can_be_rated_with_it(scene: Scene) -> None:
    *_, anothers = scene.loop.reply(None, "hello")
    own = scene.ask().id
    for said in (
        {"completion_id": anothers.completion_id, "up": True},
        {"completion_id": "nothing", "up": True},
        {"left_id": own, "right_id": anothers.completion_id, "verdict": "left"},
    ):
        with pytest.raises(openai.NotFoundError) as error:
            rate(scene, **said)
        assert refused(error) == (404, None, "not_found")
    for said in (
        {"completion_id": own},
        {"completion_id": own, "up": "yes"},
        {"completion_id": own, "up": True, "annotator": "anna"},
        {"left_id": own, "right_id": own, "verdict": "left"},
        {"left_id": own, "right_id": own, "verdict": "none"},
    ):
        with pytest.raises(openai.BadRequestError) as error:
            rate(scene, **said)
        assert refused(error)[0] == 400
    assert scene.loop._store.thumbs(completion_id=own) == []


def test_the_settings_say_whose_the_ratings_are(tmp_path: Path) -> None:
    with Loop.open(config.load(tmp_path, api={**ON, "annotator": "anna"}), Engine) as loop:
        *_, reply = loop.reply(None, "hello", annotator="anna")
        said = {"completion_id": reply.completion_id, "up": True}
        assert within(loop).post("/v1/feedback", json=said).status_code == 200
        assert loop.feedback.stats("anna")["up"] == 1


# Who is let in


def within(loop: Loop) -> TestClient:
    """Return a client of the API itself, with the key."""
    return TestClient(Api(loop), headers={"authorization": f"Bearer {KEY}"})


def test_without_the_key_nothing_is_answered(scene: Scene) -> None:
    with (
        client_of(scene.app, "a-key-that-is-another") as stranger,
        pytest.raises(openai.AuthenticationError) as error,
    ):
        stranger.models.list()
    assert refused(error) == (401, None, "invalid_api_key")
    visitor = Visitor(port=scene.app.port)
    for given in ({}, {"authorization": KEY}, {"authorization": f"Basic {KEY}"}, {"authorization": "Bearer"}):
        for method, path in (("GET", "/v1/models"), ("POST", "/v1/feedback"), ("GET", "/v1/nothing")):
            assert visitor.ask(method, path, headers=given)[0] == 401


def test_the_pages_cookie_opens_no_api_and_the_key_no_page(scene: Scene) -> None:
    visitor = Visitor.opening(scene.app.url)
    assert visitor.ask("GET", "/en/")[0] == 200
    assert visitor.ask("GET", "/v1/models")[0] == 401
    key = {"authorization": f"Bearer {KEY}"}
    assert Visitor(port=scene.app.port).ask("GET", "/en/", headers=key)[0] == 401
    assert Visitor(port=scene.app.port).ask("GET", "/v1/models", headers=key)[0] == 200


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (403, {"host": "evil.example"}),
        (403, {"origin": "http://evil.example"}),
        (403, {"origin": "null"}),
        (403, {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}),
        (415, {"content-type": "text/plain"}),
        (413, {"content-length": "99999999"}),
    ],
)
def test_other_sites_do_not_reach_the_api_even_with_the_key(
    scene: Scene, status: int, headers: dict[str, str]
) -> None:
    given = {"authorization": f"Bearer {KEY}"} | headers
    found, body = Visitor(port=scene.app.port).ask("POST", "/v1/chat/completions", "{}", given)
    assert (found, set(json.loads(body)["error"])) == (status, {"message", "type", "param", "code"})


@pytest.mark.parametrize("asked", ["GET /v1/", "PUT /v1/models", "POST /v1/models", "GET /v1/models/"])
def test_there_is_nothing_else(scene: Scene, asked: str) -> None:
    method, path = asked.split()
    status, body = Visitor(port=scene.app.port).ask(method, path, headers={"authorization": f"Bearer {KEY}"})
    assert status == (405 if method == "PUT" else 404)
    assert json.loads(body)["error"]["type"] == "invalid_request_error"


def test_it_is_off_until_it_is_switched_on(tmp_path: Path) -> None:
    with Loop.open(config.load(tmp_path, api={"key": KEY}), Engine) as loop:
        answer = within(loop).get("/v1/models")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "api_off")


@pytest.mark.parametrize("key", [None, "", "short"])
def test_the_app_does_not_start_with_an_api_without_a_good_key(tmp_path: Path, key: str | None) -> None:
    settings = config.load(tmp_path, api={"enabled": True, "key": key})
    with pytest.raises(SettingsError, match=r"api\.key must have 16 characters .* ALIGNCHAT_API__KEY"):
        serving.serve(settings, open_browser=False)


def test_the_key_is_not_handed_to_other_processes_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIGNCHAT_API__KEY", KEY)
    settings = config.load()
    assert settings.api.key
    assert KEY not in repr(settings)
    assert KEY not in str([config.child_environment(), config.online_child_environment()])


def test_in_a_team_the_keys_ratings_are_its_annotators(tmp_path: Path) -> None:
    users = Accounts(tmp_path)
    users.add("anna", "owner", "a good password")
    with Loop.open(config.load(tmp_path, api=ON), Engine) as loop, served(loop, users) as app:
        with client_of(app) as client:
            asked: Any = [{"role": "user", "content": "hello"}]
            id = client.chat.completions.create(model=loop.model.name, messages=asked).id
            client.post("/feedback", cast_to=object, body={"completion_id": id, "up": True})
        assert loop.feedback.stats("api")["up"] == 1
        assert Visitor(port=app.port).ask("GET", "/v1/models")[0] == 401


# A real model with an adapter


@pytest.fixture(scope="module")
def real(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_llama: catalog.Model,
    tiny_adapter: Callable[..., Adapter],
) -> Iterator[tuple[Loop, openai.OpenAI]]:
    settings = config.load(tmp_path_factory.mktemp("real"), model=str(tiny_llama.path), api=ON)
    engine = LlamaEngine(tiny_llama, context=512, threads=1)
    with Loop.open(settings, lambda: engine) as loop:
        add_round(loop, tiny_adapter(1))
        with served(loop) as app, client_of(app) as client:
            yield loop, client


def say(real: tuple[Loop, openai.OpenAI], round: str, **asked: Any) -> Any:
    loop, client = real
    message: Any = {"role": "user", "content": "the answer"}
    asked = {"temperature": 0, "max_tokens": 12, "messages": [message], **asked}
    return client.chat.completions.create(model=f"{loop.model.name}:{round}", **asked)


def test_base_and_round_of_a_real_model_differ_and_streams_say_the_same(
    real: tuple[Loop, openai.OpenAI],
) -> None:
    texts = {}
    for round in ("base", "round-1"):
        whole = say(real, round)
        texts[round] = whole.choices[0].message.content
        chunks = list(say(real, round, stream=True))
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == texts[round]
        loop = real[0]
        prompt = loop.conversations.completion(whole.id).prompt
        assert whole.usage.prompt_tokens == len(loop.engine.prompt_tokens(prompt))  # type: ignore[attr-defined]
        assert (whole.usage.completion_tokens, whole.choices[0].finish_reason) == (12, "length")
    assert texts["base"] != texts["round-1"]


def test_a_stop_string_ends_a_real_reply_before_it(real: tuple[Loop, openai.OpenAI]) -> None:
    text = say(real, "base").choices[0].message.content
    mark = text[4:6]
    stopped = say(real, "base", stop=mark).choices[0]
    assert (stopped.message.content, stopped.finish_reason) == (text[: text.index(mark)], "stop")


def test_a_conversation_that_is_too_long_is_refused_by_name(real: tuple[Loop, openai.OpenAI]) -> None:
    for stream in (True, False):
        message = {"role": "user", "content": "x " * 600}
        with pytest.raises(openai.BadRequestError, match="the context holds 512") as error:
            say(real, "base", messages=[message], stream=stream)
        assert refused(error) == (400, "messages", "context_length_exceeded")


def test_one_alignchat_can_be_the_remote_server_of_another(real: tuple[Loop, openai.OpenAI]) -> None:
    loop, client = real
    engine = RemoteEngine(str(client.base_url), model=f"{loop.model.name}:base", key=KEY)
    stream = engine.stream(
        [Message(role="user", content="the answer")], Sampling(temperature=0, max_tokens=12)
    )
    whole = say(real, "base")
    assert "".join(stream) == whole.choices[0].message.content
    assert (stream.prompt_tokens, stream.stop_reason) == (whole.usage.prompt_tokens, "length")
    engine.close()
