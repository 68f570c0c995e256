"""The engine on an OpenAI-compatible server (vLLM, llama-server), for models too large for this machine.

The server renders the chat template and samples. The base and every round are model names there:
an adapter in `rounds/MODEL/0003` is asked for as `round-3`. Knows no weights and no tokens.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import openai
from openai.types import Completion
from openai.types.chat import ChatCompletion

from alignchat.draw import seeds_for
from alignchat.engine import Adapter, Continuations, Progress, Sampling, Stream
from alignchat.errors import Cancelled, ModelError
from feedback_store import Message

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 300.0


class RemoteEngine:
    """Replies and continuations from a server; safe to call from several threads."""

    def __init__(self, url: str, *, model: str, key: str | None = None, sequences: int = 32) -> None:
        """Talk to the server at `url` (ending in /v1), whose name for the base is `model`."""
        timeout = openai.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        self._client = openai.OpenAI(base_url=url, api_key=key or "none", timeout=timeout, max_retries=1)
        self._url = url
        self._model = model
        self._sequences = sequences

    def stream(
        self, messages: Sequence[Message], sampling: Sampling, *, adapter: Adapter | None = None
    ) -> Stream:
        """Reply to a conversation; raise ModelError while iterating if the server refuses or is gone."""
        turns = [{"role": message.role, "content": message.content} for message in messages]
        streamed = {"stream": True, "stream_options": {"include_usage": True}}
        asked = {"messages": turns, **streamed, **self._asked(sampling, adapter)}
        return Stream(lambda stream: self._reply(stream, asked))

    def generate_many(
        self,
        prompts: Sequence[str],
        sampling: Sampling,
        *,
        adapter: Adapter | None = None,
        on_progress: Progress | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Continuations[str]:
        """Continue raw texts, so many at once; the server batches them as they come."""
        asked = self._asked(sampling, adapter)
        seeds = seeds_for(prompts, sampling.seed)
        each = [
            {**asked, "prompt": prompt, "seed": seed & 0x7FFFFFFF}
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]
        return self._all(self._complete, each, on_progress, should_stop)

    def reply_many(
        self,
        conversations: Sequence[Sequence[Message]],
        sampling: Sampling,
        *,
        adapter: Adapter | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Continuations[str | None]:
        """Reply to conversations, so many at once; the server refuses one that is too long for it."""
        turns = [[{"role": m.role, "content": m.content} for m in messages] for messages in conversations]
        asked = self._asked(sampling, adapter)
        seeds = seeds_for(list(map(str, turns)), sampling.seed)
        each = [
            {**asked, "messages": messages, "seed": seed & 0x7FFFFFFF}
            for messages, seed in zip(turns, seeds, strict=True)
        ]
        texts = self._all(self._answer, each, None, should_stop)
        return Continuations(texts, texts.tokens)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _asked(self, sampling: Sampling, adapter: Adapter | None) -> dict[str, Any]:
        return {
            "model": f"round-{int(adapter.path.parent.name)}" if adapter else self._model,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "seed": sampling.seed,
            "stop": list(sampling.stop) or None,
            "extra_body": {"top_k": sampling.top_k},
        }

    def _reply(self, stream: Stream, asked: dict[str, Any]) -> Generator[str, None, None]:
        with self._sentences():
            chunks = self._client.chat.completions.create(**asked)
            try:
                for chunk in chunks:
                    if chunk.usage:
                        stream.prompt_tokens = chunk.usage.prompt_tokens
                    for choice in chunk.choices:
                        if choice.delta.content:
                            stream.tokens += 1  # Servers send a token a chunk.
                            yield choice.delta.content
                        if choice.finish_reason:
                            stream.stop_reason = "length" if choice.finish_reason == "length" else "end"
            finally:
                chunks.close()

    def _all(
        self,
        ask: Callable[[dict[str, Any]], tuple[str, int]],
        each: Sequence[dict[str, Any]],
        on_progress: Progress | None,
        should_stop: Callable[[], bool] | None,
    ) -> Continuations[str]:
        texts, tokens = [""] * len(each), 0
        with ThreadPoolExecutor(self._sequences) as pool:
            futures: dict[Future[tuple[str, int]], int] = {
                pool.submit(ask, one): i for i, one in enumerate(each)
            }
            try:
                for done, future in enumerate(_as_they_end(futures, should_stop), 1):
                    texts[futures[future]], count = future.result()
                    tokens += count
                    if on_progress:
                        on_progress(done, len(each))
            finally:
                pool.shutdown(cancel_futures=True)
        return Continuations(texts, tokens)

    def _answer(self, asked: dict[str, Any]) -> tuple[str, int]:
        with self._sentences():
            answer = self._client.chat.completions.create(**asked)
            return str(answer.choices[0].message.content or ""), _counted(answer)

    def _complete(self, asked: dict[str, Any]) -> tuple[str, int]:
        with self._sentences():
            answer = self._client.completions.create(**asked)
            return str(answer.choices[0].text), _counted(answer)

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """Turn the client's errors into what a person can do."""
        try:
            yield
        except openai.APIConnectionError as error:
            raise ModelError(
                f"The server at {self._url} does not answer; start it, or unset remote.url."
            ) from error
        except openai.AuthenticationError as error:
            raise ModelError(
                f"The server at {self._url} refuses the key; set remote.key to the right one."
            ) from error
        except openai.NotFoundError as error:
            raise ModelError(
                f"The server at {self._url} does not have this model or round; load the round's adapter "
                "there under the name round-N, and the base under the name in remote.model."
            ) from error
        except openai.APIError as error:
            raise ModelError(f"The server at {self._url} failed: {error.message}.") from error


def _counted(answer: ChatCompletion | Completion) -> int:
    return answer.usage.completion_tokens if answer.usage else 0


def _as_they_end(
    futures: dict[Future[tuple[str, int]], int], should_stop: Callable[[], bool] | None
) -> Iterator[Future[tuple[str, int]]]:
    waiting = set(futures)
    while waiting:
        if should_stop and should_stop():
            raise Cancelled("Stopped as asked.")
        ended, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
        yield from ended
