"""OpenAI's answers: models, completions, events of a stream, errors. Knows no request."""

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from alignchat.errors import (
    EXPECTED,
    UNKNOWN,
    UNSAVED,
    DiskError,
    ModelError,
    PromptError,
    RoundError,
    TooLongError,
)
from alignchat.talk.chat import Reply

FINISHED = {"end": "stop", "length": "length"}
# The first that an error is one of: its status, the parameter it is about, OpenAI's word for it.
STATUS: tuple[tuple[type[Exception], int, str | None, str | None], ...] = (
    (TooLongError, 400, "messages", "context_length_exceeded"),
    (PromptError, 400, "messages", None),
    (RoundError, 404, "model", "model_not_found"),
    (UNKNOWN, 404, None, "not_found"),
    (UNSAVED, 503, None, None),
    (DiskError, 503, None, None),
    (ModelError, 503, None, None),
)

log = logging.getLogger(__name__)


class Refused(Exception):
    """A request that gets an error, with its HTTP status."""

    def __init__(
        self, status: int, sentence: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(sentence)
        self.status, self.param, self.code = status, param, code

    @classmethod
    def of(cls, error: Exception) -> "Refused":
        """Return what a request gets for an error; what nobody expected goes to the log."""
        if isinstance(error, Refused):
            return error
        for kind, status, param, code in STATUS:
            if isinstance(error, kind):
                return cls(status, str(error), param=param, code=code)
        if isinstance(error, EXPECTED):
            return cls(400, str(error))
        log.error("A request to the API failed.", exc_info=error)
        return cls(500, "Something unexpected happened; the program's log tells what.")

    @property
    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        kinds = {429: "rate_limit_error", 500: "server_error", 503: "server_error"}
        kind = kinds.get(self.status, "invalid_request_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}

    @property
    def headers(self) -> dict[str, str]:
        """What goes with it."""
        known = {401: {"www-authenticate": "Bearer"}, 429: {"retry-after": "1"}}
        return known.get(self.status, {})


def model(id: str, owner: str) -> dict[str, Any]:
    """Return an entry of the list of models."""
    return {"id": id, "object": "model", "created": 0, "owned_by": owner}


def completion(reply: Reply, model: str) -> dict[str, Any]:
    """Return a whole completion."""
    message = {"role": "assistant", "content": reply.text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": FINISHED[reply.stop_reason]}
    return {**_head(reply, model), "object": "chat.completion", "choices": [choice], "usage": _usage(reply)}


def chunk(reply: Reply, model: str, delta: Mapping[str, str], finish_reason: str | None = None) -> str:
    """Return an event that tells of a reply what is new."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return event({**_head(reply, model), "choices": [choice]})


def usage(reply: Reply, model: str) -> str:
    """Return the event that tells a reply's tokens."""
    return event({**_head(reply, model), "choices": [], "usage": _usage(reply)})


def event(content: Mapping[str, Any]) -> str:
    """Return JSON as a server-sent event."""
    return f"data: {json.dumps(content)}\n\n"


def _head(reply: Reply, model: str) -> dict[str, Any]:
    now = int(time.time())
    return {"id": reply.completion_id, "object": "chat.completion.chunk", "created": now, "model": model}


def _usage(reply: Reply) -> dict[str, int]:
    read, written = reply.prompt_tokens, reply.tokens
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
