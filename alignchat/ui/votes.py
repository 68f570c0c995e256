"""Where the page's votes arrive: `POST /votes`, outside gradio, so that no vote waits for a model.

A vote is JSON with an id that the browser made; it may come again, and counts once. It speaks of replies
by the ids they have here, never by their text; whose vote it is, the session tells. The answer is 200 only
when the vote is on the disk.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Literal, TypeAlias

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from alignchat.accounts import Person
from alignchat.errors import EXPECTED, UNSAVED, DataError
from alignchat.loop import Loop
from alignchat.ui import people
from alignchat.ui.i18n import TEXTS, choose, error_sentence
from alignchat.ui.shared import stamp

# A vote waits for the disk, not for the processor, and writers that wait together share a sync.
WRITERS = 16
COUNTED = ("up", "down", "pairs")

log = logging.getLogger(__name__)


class Vote(BaseModel):
    """What all votes have."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = Field(pattern=r"^[0-9a-f]{32}$")


class ThumbVote(Vote):
    """A thumb on a reply, with reasons; `up` null takes it back."""

    completion_id: str = Field(max_length=64)
    up: bool | None
    tags: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=20)] = []
    comment: str = Field("", max_length=10_000)

    def save(self, loop: Loop, person: Person) -> None:
        """Save the vote; raise one of `errors.EXPECTED` if it was not."""
        loop.conversations.of(person.talks_of).completion(self.completion_id)
        loop.feedback.rate(
            self.completion_id,
            self.up,
            tags=self.tags,
            comment=self.comment,
            annotator=person.name,
            id=self.id,
        )


class ChoiceVote(Vote):
    """Which side of a comparison is better; `verdict` null takes it back."""

    comparison_id: str = Field(max_length=64)
    verdict: Literal["left", "right", "tie", "both_bad"] | None

    def save(self, loop: Loop, person: Person) -> None:
        """Save the vote; raise one of `errors.EXPECTED` if it was not."""
        shown = loop.arena.comparison(self.comparison_id)
        if not shown.queued:
            loop.conversations.of(person.talks_of).completion(shown.left.id)
        loop.arena.vote(self.comparison_id, self.verdict, id=self.id, annotator=person.name)


class RewriteVote(Vote):
    """A person's version of one reply in the label queue."""

    comparison_id: str = Field(max_length=64)
    side: Literal["left", "right"]
    text: str = Field(max_length=100_000)

    def save(self, loop: Loop, person: Person) -> None:
        """Save the vote; raise one of `errors.EXPECTED` if it was not."""
        loop.labelling.edit(self.comparison_id, self.side, self.text, annotator=person.name, edit_id=self.id)


AnyVote: TypeAlias = ThumbVote | ChoiceVote | RewriteVote
READ: TypeAdapter[AnyVote] = TypeAdapter(AnyVote)


def router(loop: Loop) -> APIRouter:
    """Return the route that takes votes, with threads of its own."""
    routes, writers = APIRouter(), ThreadPoolExecutor(WRITERS, thread_name_prefix="votes")

    @routes.post("/votes")
    async def votes(request: Request) -> JSONResponse:
        body, language = await request.body(), choose(request.headers.get("accept-language"))
        person = people.of(request.scope)
        try:
            counts = await asyncio.get_running_loop().run_in_executor(writers, _save, loop, body, person)
        except UNSAVED as error:
            return JSONResponse({"error": error_sentence(error, language)}, 503)
        except EXPECTED as error:
            return JSONResponse({"error": error_sentence(error, language)}, 400)
        except Exception:  # The edge: a person gets a sentence, the log the rest.
            log.exception("A vote failed.")
            return JSONResponse({"error": TEXTS[language]["unexpected"]}, 500)
        return JSONResponse({"saved": True, "counts": counts})

    return routes


def _save(loop: Loop, body: bytes, person: Person) -> dict[str, int]:
    _read(body).save(loop, person)
    at = stamp()
    stats = loop.feedback.stats(person.ratings_of)
    return {"at": at, **{key: stats[key] for key in COUNTED}}


def _read(body: bytes) -> AnyVote:
    try:
        return READ.validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "vote"
        raise DataError(
            f"The vote cannot be read ({place}: {first['msg'].lower()}); reload the page."
        ) from error
