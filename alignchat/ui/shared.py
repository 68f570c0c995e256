"""What every tab is given: the application, the language, and the parts of the page they all change."""

import time
from dataclasses import dataclass
from typing import Any

import gradio as gr

from alignchat.loop import Loop
from alignchat.reports import RoundReport
from alignchat.ui import views
from alignchat.ui.i18n import Language, Texts, round_name

ACTIVE = -1  # stands for "the round in use" in a list of numbers
Choices = list[tuple[str, int]]


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
        return next(r.number for r in self.loop.list_rounds() if r.active)

    def strip_now(self) -> str:
        """Return the strip of counts as it stands, as a new value: votes change the shown one in place."""
        loop = self.loop
        now = views.strip(loop.feedback.stats(), loop.model.name, self.active(), self.running(), self.texts)
        return f"<!-- {stamp()} -->{now}"

    def voices(self) -> Choices:
        """Return whom one can talk to: the round in use, and each by its number."""
        named = [(round_name(n, self.texts, capital=True), n) for n in self.loop.talkable()]
        return [
            (self.texts["voice_active"].format(round=round_name(self.active(), self.texts)), ACTIVE),
            *named,
        ]

    def followed(self) -> list[Any]:
        """Return what `follow` updates."""
        return [self.timer, self.strip, self.changed, self.watched]

    def follow(self, number: int) -> dict[Any, Any]:
        """Return the updates that follow the start of a round or of its measurement."""
        going = {self.timer: gr.Timer(active=True), self.watched: number}
        return {**going, self.strip: self.strip_now(), self.changed: stamp()}


def stamp() -> int:
    """Return a value that `changed` has not had."""
    return time.time_ns()


def round_or_none(value: int | None) -> int | None:
    """Return the round that a choice of `voices` stands for, None for the one in use."""
    return None if value is None or value == ACTIVE else value


def said(sentence: str) -> str:
    """Return a sentence on something done."""
    return views.notice(sentence, "done")
