"""What every tab is given: the application, the language, and the parts of the page they all change."""

import json
import time
from dataclasses import dataclass
from typing import Any

import gradio as gr

from alignchat.errors import DataError
from alignchat.loop import Loop
from alignchat.making.reports import RoundReport
from alignchat.ui import people, views
from alignchat.ui.i18n import Language, Texts, round_name, translated

# A voice is a model, null for the open one, and a round, null for the one in use.
ACTIVE, BASE = "[null, null]", "[null, 0]"
Choices = list[tuple[str, int]]
# How a handler is called: at once, outside Gradio's queue, or in it, beside others of its kind.
AT_ONCE: Any = {"queue": False, "show_progress": "hidden"}
BESIDE: Any = {"concurrency_limit": None, "show_progress": "hidden"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The parts that are there before the tabs; `changed` tells the tabs that rounds have changed,
    `watched` is the round that was last seen running, and `sets` are the preference sets mixed in."""

    loop: Loop
    texts: Texts
    language: Language
    strip: gr.Markdown
    timer: gr.Timer
    changed: gr.State
    watched: gr.State
    sets: gr.BrowserState

    def running(self) -> RoundReport | None:
        """Return the round that a worker is busy with, if any."""
        return next((r for r in self.loop.list_rounds() if r.status == "running"), None)

    def active(self) -> int:
        """Return the round in use."""
        return self.loop.rounds.active()

    def strip_now(self) -> str:
        """Return the strip of counts as it stands, as a new value: votes change the shown one in place."""
        loop, at = self.loop, stamp()
        stats = loop.feedback.stats(people.here().ratings_of)
        strip = views.strip(stats, at, loop.model.name, self.active(), self.running(), self.texts)
        return strip + views.notice(translated(loop.rounds.active_fault() or "", self.language))

    def voices(self) -> list[tuple[str, str]]:
        """Return whom one can talk to: the round in use, each by its number, other models on this machine."""
        loop, texts = self.loop, self.texts
        active = texts["voice_active"].format(round=round_name(self.active(), texts))
        rounds = [(round_name(n, texts, capital=True), json.dumps([None, n])) for n in loop.talkable()]
        ready = [report.name for report in loop.models.reports() if report.state == "ready"]
        others = [(name, json.dumps([name, None])) for name in ready if name != loop.model.name]
        return [(active, ACTIVE), *rounds, *others]

    def voice(self, asked: str) -> tuple[str | None, int | None]:
        """Return the model and the round that a choice of `voices` stands for; or raise DataError."""
        if asked not in (ACTIVE, BASE) and asked not in (voice for _, voice in self.voices()):
            raise DataError("Whom you chose to talk to is not here any more; choose again.")
        model, round = json.loads(asked)
        return model, round

    def followed(self) -> list[Any]:
        """Return what `follow` updates."""
        return [self.timer, self.strip, self.changed, self.watched]

    def follow(self, number: int) -> dict[Any, Any]:
        """Return the updates that follow the start of a round or of its measurement."""
        going = {self.timer: gr.Timer(active=True), self.watched: number}
        return {**going, self.strip: self.strip_now(), self.changed: stamp()}


def stamp() -> int:
    """Return the time in microseconds since 1970: a value that `changed` has not had, exact in JavaScript."""
    return time.time_ns() // 1000


def said(sentence: str) -> str:
    """Return a sentence on something done."""
    return views.notice(sentence, "done")
