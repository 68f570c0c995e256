"""What a request asks, read from OpenAI's shape. Knows no model.

A parameter that would change the result is taken or refused, never dropped.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from alignchat.api.answers import Refused
from alignchat.talk.chat import SEEDS

# What changes nothing of a reply, and what does not with this value or none.
IGNORED = {
    "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key",
    "prompt_cache_retention", "parallel_tool_calls", "prediction",
}  # fmt: skip
NEUTRAL: dict[str, Any] = {
    "n": 1, "frequency_penalty": 0, "presence_penalty": 0, "logit_bias": {}, "logprobs": False,
    "top_logprobs": 0, "tools": [], "tool_choice": "none", "functions": [], "function_call": "none",
    "modalities": ["text"], "response_format": {"type": "text"},
}  # fmt: skip


def _joined(content: Any) -> Any:
    """Join a message's parts if it comes in parts; only texts can be."""
    if not isinstance(content, list):
        return content
    return "\n".join(Part.model_validate(part).text for part in content)


def _listed(stop: Any) -> Any:
    return [stop] if isinstance(stop, str) else stop


class Part(BaseModel):
    """A part of a message."""

    type: Literal["text"]
    text: str


class Turn(BaseModel):
    """One message of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_joined)]
    tool_calls: None = None


class StreamOptions(BaseModel):
    """What a stream tells beside the text."""

    include_usage: bool | None = None


class Strict(BaseModel):
    """What is not in it is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Asked(Strict):
    """A chat completion; what is not set is as in the settings of the chat."""

    model: str
    messages: list[Turn] = Field(min_length=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    stop: Annotated[list[Annotated[str, Field(min_length=1)]] | None, BeforeValidator(_listed)] = None
    seed: int | None = Field(None, ge=0, lt=SEEDS)
    stream: bool | None = None
    stream_options: StreamOptions | None = None

    @property
    def turns(self) -> list[tuple[str, str]]:
        """The messages as (role, text)."""
        return [("system" if m.role == "developer" else m.role, m.content) for m in self.messages]

    @property
    def sampling(self) -> dict[str, Any]:
        """How tokens are drawn, as fields of `engine.Sampling`."""
        own = {"max_tokens": self.max_completion_tokens or self.max_tokens, "stop": tuple(self.stop or ())}
        return own | {key: getattr(self, key) for key in ("temperature", "top_p", "top_k", "seed")}


class ThumbSaid(Strict):
    """A thumb on a completion; `up` null takes it back."""

    completion_id: str
    up: bool | None
    tags: list[Annotated[str, Field(max_length=100)]] = Field([], max_length=20)
    comment: str = Field("", max_length=10_000)


class ChoiceSaid(Strict):
    """Which of two completions is better; `verdict` null takes it back."""

    left_id: str
    right_id: str
    verdict: Literal["left", "right", "tie", "both_bad"] | None


Asking = TypeVar("Asking", bound=BaseModel)


def read_completion(body: bytes) -> Asked:
    """Return what is asked; raise Refused naming a parameter that cannot be taken."""
    values = _values(body)
    for name in NEUTRAL.keys() & values.keys():
        if values.pop(name) not in (None, NEUTRAL[name]):
            sentence = f"{name} is not supported with this value; leave it out."
            raise Refused(400, sentence, param=name, code="unsupported_parameter")
    return _read(Asked, {name: value for name, value in values.items() if name not in IGNORED})


def read_feedback(body: bytes) -> ThumbSaid | ChoiceSaid:
    """Return what is said: a choice if there is a verdict, else a thumb; raise Refused."""
    values = _values(body)
    return _read(ChoiceSaid, values) if "verdict" in values else _read(ThumbSaid, values)


def _values(body: bytes) -> dict[str, Any]:
    try:
        values = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Refused(400, f"The body is no JSON: {error}.") from error
    if not isinstance(values, dict):
        raise Refused(400, "The body has to be a JSON object.")
    return values


def _read(kind: type[Asking], values: dict[str, Any]) -> Asking:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place, unknown = ".".join(map(str, first["loc"])), first["type"] == "extra_forbidden"
        code = "unknown_parameter" if unknown else "invalid_value"
        raise Refused(400, f"{place}: {first['msg']}.", param=place, code=code) from error
