"""What the tab Label asks for: the next pairs as HTML, and what is put off, discarded or brought back.

Outside gradio, since a page that works through hundreds wants the next pair before it is needed. A pair is
its comparison's id, the texts and nothing else, so nothing here tells whose reply is whose. Votes go to
`/votes`.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from markdown_it import MarkdownIt
from pydantic import BaseModel, ConfigDict, Field

from alignchat.errors import EXPECTED
from alignchat.judging.labelling import Item
from alignchat.loop import Loop
from alignchat.ui import people
from alignchat.ui.i18n import TEXTS, choose, error_sentence
from alignchat.ui.messages import visible

# HTML in a text is shown as it is written; nothing in it is fetched, and nothing leads away.
MARKDOWN = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table")
MARKDOWN.disable(["link", "autolink", "image", "html_block", "html_inline", "reference"])
Id = Annotated[str, Field(max_length=64)]
T = TypeVar("T")

log = logging.getLogger(__name__)


class Asked(BaseModel):
    """A pair, and the page that speaks of it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Id
    page: Id


def router(loop: Loop) -> APIRouter:
    """Return the routes; each runs in a thread of the server's pool."""
    routes = APIRouter(prefix="/label")
    queue = loop.labelling

    @routes.get("/next")
    def following(
        request: Request,
        page: Id,
        count: Annotated[int, Query(ge=0, le=20)] = 5,
        have: Annotated[list[Id] | None, Query(max_length=100)] = None,
    ) -> JSONResponse:
        def find() -> dict[str, Any]:
            name, holder = _who(request, page)
            items = queue.take(annotator=name, holder=holder, have=have or (), count=count)
            return {"items": [_shown(item) for item in items], "state": asdict(queue.state(annotator=name))}

        return _answered(request, find)

    @routes.post("/later")
    def later(request: Request, asked: Asked) -> JSONResponse:
        def put_off() -> None:
            name, holder = _who(request, asked.page)
            queue.later(asked.id, annotator=name, holder=holder)

        return _answered(request, put_off)

    def of_the_owner(request: Request, act: Callable[[], None]) -> JSONResponse:
        def allowed() -> None:
            people.require_owner(people.of(request.scope))
            act()

        return _answered(request, allowed)

    @routes.post("/discard")
    def discard(request: Request, asked: Asked) -> JSONResponse:
        return of_the_owner(request, lambda: queue.discard(asked.id))

    @routes.post("/restore")
    def restore(request: Request, asked: Asked) -> JSONResponse:
        return of_the_owner(request, lambda: queue.restore(asked.id))

    return routes


def _who(request: Request, page: str) -> tuple[str, str]:
    """Return whose the session is, and that page of theirs: nobody speaks for another's page."""
    name = people.of(request.scope).name
    return name, f"{name}/{page}"


def html(text: str) -> str:
    """Return a text's Markdown as HTML that holds only text and its marks."""
    rendered: str = MARKDOWN.render(visible(text))
    return rendered


def _shown(item: Item) -> dict[str, str]:
    asked = "".join(
        f'<div class="turn {turn.role}">{html(turn.content)}</div>'
        for turn in item.prompt
        if turn.role in ("user", "assistant")
    )
    sides = {"left": item.left, "right": item.right}
    return {
        "id": item.id,
        "prompt_html": asked,
        **sides,
        **{f"{side}_html": html(text) for side, text in sides.items()},
    }


def _answered(request: Request, act: Callable[[], object]) -> JSONResponse:
    language = choose(request.headers.get("accept-language"))
    try:
        return JSONResponse(act() or {})
    except EXPECTED as error:
        return JSONResponse({"error": error_sentence(error, language)}, 400)
    except Exception:  # The edge: a person gets a sentence, the log the rest.
        log.exception("A request of the tab Label failed.")
        return JSONResponse({"error": TEXTS[language]["unexpected"]}, 500)
