"""The engine on an OpenAI-compatible server: a real llama.cpp server process with a base and a round."""

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alignchat import catalog, config
from alignchat.engine import Adapter, Sampling
from alignchat.errors import Cancelled, ModelError
from alignchat.llamacpp.llama_engine import LlamaEngine
from alignchat.loop import Loop
from alignchat.remote import RemoteEngine
from feedback_store import Message

GREEDY = Sampling(temperature=0, max_tokens=8)
KEY = "a key"
ASK = [Message(role="user", content="the answer")]


@pytest.fixture(scope="module")
def model(tiny_llama: catalog.Model) -> catalog.Model:
    return tiny_llama


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory, tiny_adapter: Callable[..., Adapter]) -> Adapter:
    folder = tmp_path_factory.mktemp("rounds") / "0003"
    folder.mkdir()
    return tiny_adapter(1, folder / "adapter.gguf")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, model: catalog.Model, adapter: Adapter) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"model": str(model.path), "n_ctx": 512, "verbose": False}
    settings = {
        "host": "127.0.0.1",
        "port": port,
        "api_key": KEY,
        "models": [
            {**common, "model_alias": "base"},
            {**common, "model_alias": "round-3", "lora_path": str(adapter.path)},
        ],
    }
    file = tmp_path_factory.mktemp("server") / "server.json"
    file.write_text(json.dumps(settings))
    server = subprocess.Popen(
        [sys.executable, "-m", "llama_cpp.server", "--config_file", str(file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/v1/models", server)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(10)


def _wait_for(address: str, server: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 60
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {KEY}"})
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(request):
            return
    raise RuntimeError("the llama.cpp server did not start")


@pytest.fixture
def remote(url: str) -> Iterator[RemoteEngine]:
    engine = RemoteEngine(url, model="base", key=KEY, sequences=4)
    yield engine
    engine.close()


def _letters(text: str) -> str:
    """Leave out what a model of random weights makes of halves of characters; servers differ in it."""
    return "".join(c for c in text if c.isascii() and c.isprintable())


def test_base_and_round_reply_as_they_do_here(
    remote: RemoteEngine, model: catalog.Model, adapter: Adapter
) -> None:
    here = LlamaEngine(model, context=512)
    texts = []
    for chosen in (None, adapter):
        wanted = "".join(here.stream(ASK, GREEDY, adapter=chosen))
        stream = remote.stream(ASK, GREEDY, adapter=chosen)
        assert _letters("".join(stream)) == _letters(wanted)
        assert stream.stop_reason == "length"
        texts.append(wanted)
    here.close()
    assert texts[0] != texts[1]


def test_texts_are_continued_as_they_are_here_in_the_order_given(
    remote: RemoteEngine, model: catalog.Model
) -> None:
    prompts = [f"the {word} in" for word in ("one", "two", "three", "four", "five", "six")]
    here = LlamaEngine(model, context=512)
    wanted = here.generate_many(prompts, GREEDY)
    here.close()
    got = remote.generate_many(prompts, GREEDY)
    # This server goes one token on where the last one ends inside a character.
    assert all(_letters(a).startswith(_letters(b)) for a, b in zip(got, wanted, strict=True))
    assert len(set(got)) == len(prompts)


def test_many_conversations_are_replied_to_as_one_by_one(remote: RemoteEngine) -> None:
    asked = [[Message(role="user", content=f"the {word}")] for word in ("one", "two", "three")]
    wanted = ["".join(remote.stream(each, GREEDY)) for each in asked]
    got = remote.reply_many(asked, GREEDY)
    assert [_letters(text or "") for text in got] == [_letters(text) for text in wanted]


def test_the_same_seed_gives_the_same_texts_and_equal_prompts_differ(remote: RemoteEngine) -> None:
    sampling = Sampling(temperature=1, max_tokens=8, seed=3)
    first = remote.generate_many(["the", "the"], sampling)
    assert first == remote.generate_many(["the", "the"], sampling)
    assert first[0] != first[1]


def test_a_closed_stream_says_it_was_stopped(remote: RemoteEngine) -> None:
    stream = remote.stream(ASK, GREEDY)
    next(stream)
    stream.close()
    assert stream.stop_reason == "stopped"


def test_a_batch_stops_when_told(remote: RemoteEngine) -> None:
    with pytest.raises(Cancelled):
        remote.generate_many(["the"] * 8, GREEDY, should_stop=lambda: True)


def test_a_wrong_key_and_a_server_that_is_gone_are_one_sentence(url: str) -> None:
    refused = RemoteEngine(url, model="base", key="wrong")
    with pytest.raises(ModelError, match=r"refuses the key; set remote\.key"):
        list(refused.stream(ASK, GREEDY))
    gone = RemoteEngine("http://127.0.0.1:9/v1", model="base")
    with pytest.raises(ModelError, match="does not answer"):
        gone.generate_many(["the"], GREEDY)
    refused.close()
    gone.close()


def test_the_loop_talks_to_the_server_that_the_settings_name(
    url: str, tmp_path: Path, model: catalog.Model
) -> None:
    remote = {"url": url, "model": "base", "key": KEY}
    settings = config.load(tmp_path, model=str(model.path), remote=remote, chat={"max_tokens": 4})
    with Loop.open(settings) as loop:
        *_, reply = loop.reply(None, "the answer")
    assert reply.tokens
    assert KEY not in repr(settings)
