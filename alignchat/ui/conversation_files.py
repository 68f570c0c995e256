"""What the page's script asks for by id: a reply's text as it is, and a conversation as a file to keep."""

import re
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from alignchat.errors import EXPECTED
from alignchat.loop import Loop
from alignchat.ui import people


def router(loop: Loop) -> APIRouter:
    """Return the routes; an id of a reply stands for the branch that ends in it."""
    routes = APIRouter(prefix="/conversations")

    @routes.get("/{completion_id}/text")
    def text(request: Request, completion_id: str) -> Response:
        conversations = loop.conversations.of(people.of(request.scope).talks_of)
        try:
            reply = conversations.completion(completion_id)
        except EXPECTED as error:
            return PlainTextResponse(str(error), 404)
        return JSONResponse({"asked": reply.prompt[-1].content, "text": reply.text})

    @routes.get("/{completion_id}/{kind}")
    def file(request: Request, completion_id: str, kind: str) -> Response:
        conversations = loop.conversations.of(people.of(request.scope).talks_of)
        try:
            conversation = conversations.get(conversations.completion(completion_id).conversation_id)
            if kind == "markdown":
                markdown = conversations.export_markdown(conversation.id, completion_id)
                return _file(PlainTextResponse(markdown.encode("utf-8", "replace")), conversation.title, "md")
            if kind == "json":
                return _file(
                    JSONResponse(conversations.export_json(conversation.id)), conversation.title, kind
                )
        except EXPECTED as error:
            return PlainTextResponse(str(error), 404)
        return Response(status_code=404)

    return routes


def _file(response: Any, title: str, ending: str) -> Response:
    name = re.sub(r"[^\w-]+", "-", title).strip("-") or "conversation"
    response.headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(name)}.{ending}"
    assert isinstance(response, Response)
    return response
