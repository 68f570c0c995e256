"""The page's edge: expected errors become one sentence where they happened, all others one fixed one.

`Notices` wraps every handler of a tab. A handler's result clears the sentence of the one before.
"""

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from html import escape
from typing import Any

import gradio as gr

from alignchat.errors import EXPECTED
from alignchat.ui import people, views
from alignchat.ui.i18n import TEXTS, Language, error_sentence

Updates = dict[Any, Any]
Handler = Callable[..., Any]

log = logging.getLogger(__name__)


def tell(how: Callable[..., None], sentence: str, title: str) -> None:
    """Show a sentence in a corner for some seconds, with gr.Warning or gr.Info, which take HTML."""
    how(escape(sentence), duration=6, title=title)


class Notices:
    """Where the sentences of a group of handlers are shown."""

    def __init__(self, place: gr.Markdown, language: Language) -> None:
        self.place = place
        self._language = language

    def guard(
        self, handler: Handler, *, reset: Callable[..., Updates] | None = None, owner: bool = False
    ) -> Handler:
        """Return the handler with its errors shown; `reset` gives updates for its inputs after one.

        With `owner` it answers nobody else, whatever the page shows.
        """
        allow = (lambda: people.require_owner(people.here())) if owner else people.here
        if inspect.isgeneratorfunction(handler):

            @functools.wraps(handler)
            def steps(*inputs: Any) -> Iterator[Updates]:
                try:
                    allow()
                    with closing(handler(*inputs)) as updates:
                        for update in updates:
                            yield {self.place: "", **update}
                except Exception as error:  # The edge: a person gets a sentence, the log the rest.
                    yield self._show(error) | (reset(*inputs) if reset else {})

            return steps

        @functools.wraps(handler)
        def step(*inputs: Any) -> Updates:
            try:
                allow()
                return {self.place: "", **handler(*inputs)}
            except Exception as error:  # The edge, as above.
                return self._show(error) | (reset(*inputs) if reset else {})

        return step

    def _show(self, error: Exception) -> Updates:
        if isinstance(error, EXPECTED):
            sentence = error_sentence(error, self._language)
        else:
            log.error("A handler failed.", exc_info=error)
            sentence = TEXTS[self._language]["unexpected"]
        tell(gr.Warning, sentence, TEXTS[self._language]["notice"])
        return {self.place: views.notice(sentence)}
