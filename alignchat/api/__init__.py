"""The HTTP API for other programs: OpenAI's models and chat completions, and ratings of these.

Off unless `api.enabled`; each request shows the key, whatever cookies it brings. A call carries its whole
conversation; the reply is kept under the `id` it is answered with, as made and rated by `api.annotator`.
A face of `Loop` like the page and the command line; knows neither.
"""

import asyncio
import hmac
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import MappingProxyType
from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.requests import ClientDisconnect

from alignchat.api import answers
from alignchat.api.answers import Refused
from alignchat.api.asked import Asked, ChoiceSaid, ThumbSaid, read_completion, read_feedback
from alignchat.api.running import Running
from alignchat.config import ApiSettings
from alignchat.errors import UNKNOWN, SettingsError
from alignchat.loop import Loop
from alignchat.talk.chat import Reply
from alignchat.talk.conversations import Conversations

SHORTEST_KEY = 16
# Replies under way: the app writes four at a time, the others wait. One more is refused.
AT_ONCE = 16
# Conversations that are known again, by their messages, when they go on.
KNOWN_AGAIN = 1000
NO_STORE = {"cache-control": "no-store"}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def key_of(settings: ApiSettings) -> str | None:
    """Return the key, None where the API is off; raise SettingsError if it is on without a good one."""
    key = settings.key.get_secret_value() if settings.key else ""
    if settings.enabled and len(key) < SHORTEST_KEY:
        raise SettingsError(
            f"The setting api.key must have {SHORTEST_KEY} characters or more with api.enabled: set the "
            "variable ALIGNCHAT_API__KEY to a random text, or switch the API off."
        )
    return key if settings.enabled else None


class Api:
    """The ASGI application of all paths under /v1."""

    def __init__(self, loop: Loop) -> None:
        """Serve a loop; raise SettingsError if the API is on without a good key."""
        self._loop, self._key = loop, key_of(loop.settings.api)
        self._annotator = loop.settings.api.annotator
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="api")
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._known: OrderedDict[tuple[tuple[str, str], ...], str] = OrderedDict()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            self._require_key(request)
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except Exception as error:  # The edge: a program gets a sentence, the log the rest.
            refused = Refused.of(error)
            response = _json(refused.body, refused.status, refused.headers)
        await response(scope, receive, send)

    def _require_key(self, request: Request) -> None:
        if self._key is None:
            raise Refused(404, "The API is off; set api.enabled and api.key to switch it on.", code="api_off")
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode("latin-1"), self._key.encode())
        if kind.lower() != "bearer" or not right:
            sentence = "The key is missing or wrong; send the one in api.key, as Authorization: Bearer KEY."
            raise Refused(401, sentence, code="invalid_api_key")

    async def _answer(self, request: Request) -> Response:
        asked = f"{request.method} {request.scope['path']}"
        match asked.partition("/v1/models/"):
            case "GET ", _, id if id:
                return _json(answers.model(id, (await run_in_threadpool(self._speaker, id))[0]))
        match asked:
            case "GET /v1/models":
                return _json({"object": "list", "data": await run_in_threadpool(self._models)})
            case "POST /v1/chat/completions":
                return await self._complete(request)
            case "POST /v1/feedback":
                await run_in_threadpool(self._save, read_feedback(await request.body()))
                return _json({"object": "feedback", "saved": True})
        raise Refused(404, f"There is no {asked}.", code="unknown_url")

    # Models: NAME is what the chat uses, NAME:base and NAME:round-3 are always the same

    def _names(self) -> dict[str, int]:
        name = self._loop.model.name
        always = {_id(name, number): number for number in self._loop.talkable()}
        return {name: self._loop.rounds.active(), **always}

    def _models(self) -> list[dict[str, Any]]:
        return [answers.model(id, self._loop.model.name) for id in self._names()]

    def _speaker(self, id: str) -> tuple[str, int]:
        """Return a model's name and round by the id in the list; raise Refused."""
        names = self._names()
        if id not in names:
            sentence = f"There is no model {id[:100]}; there are {', '.join(names)}."
            raise Refused(404, sentence, param="model", code="model_not_found")
        return next(iter(names)), names[id]

    # Completions

    async def _complete(self, request: Request) -> Response:
        asked = read_completion(await request.body())
        model, round = await run_in_threadpool(self._speaker, asked.model)
        running = self._start(asked, model, round)
        try:
            if not asked.stream:
                reply = await self._whole(request, running, asked)
                return _json(answers.completion(reply, _id(model, round)))
            pieces = aiter(running)
            first = await anext(pieces)  # What cannot begin is refused with its status.
        except BaseException:
            running.stop()
            raise
        return Events(self._events(first, pieces, asked, _id(model, round)), running)

    def _start(self, asked: Asked, model: str, round: int) -> Running:
        """Begin a reply in a thread of its own; raise Refused if too many are under way."""
        if not self._places.acquire(blocking=False):
            sentence = f"{AT_ONCE} replies are under way already; ask again in a moment."
            raise Refused(429, sentence, code="rate_limit_exceeded")
        running = Running(partial(self._begin, asked, model, round), self._places.release)
        self._threads.submit(running.run)
        return running

    def _begin(self, asked: Asked, model: str, round: int) -> Generator[Reply, None, None]:
        return self._loop.answer(
            self._conversation(asked),
            asked.turns,
            model=model,
            round=round,
            annotator=self._annotator,
            **asked.sampling,
        )

    async def _whole(self, request: Request, running: Running, asked: Asked) -> Reply:
        """Return the finished reply; if who asked goes away before, stop it."""
        watching = asyncio.create_task(_stop_when_gone(request, running))
        try:
            *_, reply = [piece async for piece in running]
        finally:
            watching.cancel()
        self._note(asked, reply)
        return reply

    async def _events(
        self, reply: Reply, pieces: AsyncIterator[Reply], asked: Asked, model: str
    ) -> AsyncIterator[str]:
        tell, said = partial(answers.chunk, model=model), 0
        yield tell(reply, delta={"role": "assistant", "content": ""})
        try:
            while not reply.finished:
                if reply.waiting is not None:
                    yield ": waiting\n\n"
                else:
                    yield tell(reply, delta={"content": reply.text[said:]})
                said, reply = len(reply.text), await anext(pieces)
        except Exception as error:  # The edge: the stream has begun, so only it can say so.
            yield answers.event(Refused.of(error).body)
            return
        self._note(asked, reply)
        yield tell(reply, delta={}, finish_reason=answers.FINISHED[reply.stop_reason])
        if asked.stream_options and asked.stream_options.include_usage:
            yield answers.usage(reply, model)
        yield "data: [DONE]\n\n"

    # Conversations: callers keep them, and here a reply is put where the earlier ones are

    @property
    def _own(self) -> Conversations:
        return self._loop.conversations.of(frozenset([self._annotator]))

    def _conversation(self, asked: Asked) -> str | None:
        """Return the conversation that goes on with these messages; None if it is not known, or deleted."""
        known = self._known.get(tuple(asked.turns[:-1]))
        try:
            return known and self._own.get(known).id
        except UNKNOWN:
            return None

    def _note(self, asked: Asked, reply: Reply) -> None:
        self._known[(*asked.turns, ("assistant", reply.text))] = reply.conversation_id
        while len(self._known) > KNOWN_AGAIN:
            self._known.popitem(last=False)

    # Feedback

    def _save(self, said: ThumbSaid | ChoiceSaid) -> None:
        """Save what is said of completions that came by the key; raise one of `errors.EXPECTED` if not."""
        who = self._annotator
        if isinstance(said, ThumbSaid):
            id = self._own.completion(said.completion_id).id
            self._loop.feedback.rate(id, said.up, tags=said.tags, comment=said.comment, annotator=who)
            return
        left, right = (self._own.completion(id).id for id in (said.left_id, said.right_id))
        if said.verdict is None:
            self._loop.unchoose(left, right, annotator=who)
        else:
            self._loop.choose(left, right, said.verdict, annotator=who)


class Events(StreamingResponse):
    """A stream that stops its reply when nobody reads it any more."""

    def __init__(self, events: AsyncIterator[str], running: Running) -> None:
        super().__init__(events, media_type="text/event-stream", headers=NO_STORE)
        self._running = running

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._running.stop()


def _json(content: Any, status: int = 200, headers: Mapping[str, str] = MappingProxyType({})) -> Response:
    return JSONResponse(content, status, {**NO_STORE, **headers})


def _id(model: str, round: int) -> str:
    return f"{model}:round-{round}" if round else f"{model}:base"


async def _stop_when_gone(request: Request, running: Running) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    running.stop()
