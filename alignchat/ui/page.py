"""The whole page: what is above the tabs, the tabs, and what makes them follow one another."""

from html import escape
from typing import Any

import gradio as gr

from alignchat.catalog import MINERVA
from alignchat.loop import Loop
from alignchat.ui import people, views
from alignchat.ui.arena import ArenaTab
from alignchat.ui.chat import ChatTab
from alignchat.ui.data import DataTab
from alignchat.ui.errors import Updates
from alignchat.ui.feedback import FeedbackTab
from alignchat.ui.i18n import LANGUAGES, TEXTS, Language, Texts
from alignchat.ui.label import LabelTab
from alignchat.ui.models import ModelsTab
from alignchat.ui.rounds import RoundsTab
from alignchat.ui.scores import ScoresTab
from alignchat.ui.shared import Page, stamp

POLL_SECONDS = 1.0
# Gradio keeps 0.6 MB of every page that was ever opened, of the last 10,000. A page that was not used while
# so many others were begins anew with its next press.
MOST_PAGES = 100
HIDDEN: Any = {"show_progress": "hidden", "concurrency_limit": None}


def build(loop: Loop, language: Language) -> gr.Blocks:
    """Build the page in one language."""
    texts = TEXTS[language]
    blocks: gr.Blocks
    with gr.Blocks(title="alignchat", analytics_enabled=False) as blocks:
        _lay_head(language, texts)
        page, retrain, who = _lay_strip(loop, language, texts)
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap") as tabs:
            with gr.Tab(texts["tab_chat"], id="chat", elem_id="tab-chat"):
                chat = ChatTab(page)
            with gr.Tab(texts["tab_compare"], id="compare", elem_id="tab-compare") as compare_tab:
                arena = ArenaTab(page)
            with gr.Tab(texts["tab_label"], id="label", elem_id="tab-label") as label_tab:
                label = LabelTab(page)
            with gr.Tab(texts["tab_feedback"], id="feedback", elem_id="tab-feedback") as feedback_tab:
                feedback = FeedbackTab(page)
            with gr.Tab(texts["tab_data"], id="data", elem_id="tab-data") as data_tab:
                data = DataTab(page)
            with gr.Tab(texts["tab_rounds"], id="rounds", elem_id="tab-rounds") as rounds_tab:
                rounds = RoundsTab(page)
            with gr.Tab(texts["tab_scores"], id="scores", elem_id="tab-scores") as scores_tab:
                scores = ScoresTab(page)
            with gr.Tab(texts["tab_models"], id="models", elem_id="tab-models") as models_tab:
                models = ModelsTab(page)
        retrain.click(lambda: gr.Tabs(selected="rounds"), None, tabs, queue=False, show_progress="hidden")
        compare_tab.select(arena.stand, arena.all, arena.standings, **HIDDEN)
        label_tab.select(label.open, None, [label.panel, *label.shown()], **HIDDEN)
        feedback_tab.select(
            feedback.notices.guard(feedback.refresh), feedback.inputs(), feedback.outputs(), **HIDDEN
        )
        _open_replies(feedback, chat, tabs)
        seen = [data.notice, *data.shown()]
        data_tab.select(
            data.notices.guard(data.refresh, owner=True),
            data.chosen_now(),
            seen,
            show_progress="minimal",
            show_progress_on=data.summary,
            concurrency_limit=None,
        )
        rounds_tab.select(rounds.refresh, rounds.chosen(), rounds.shown(), show_progress="hidden")
        scores_tab.select(scores.refresh, scores.chosen(), scores.shown(), show_progress="hidden")
        seen = [models.notice, *models.shown()]
        refresh = models.notices.guard(models.refresh)
        models_tab.select(refresh, models.which, seen, **HIDDEN)
        chat.offer.get.click(
            lambda: (gr.Tabs(selected="models"), MINERVA, gr.Row(visible=False)),
            None,
            [tabs, models.which, chat.offer.row],
            queue=False,
            show_progress="hidden",
        )
        blocks.load(lambda: views.who(people.here(), texts), None, who, **HIDDEN)
        _follow(blocks, page, chat, arena, rounds, scores)
        offering = [chat.notice, *chat.offer.shown()]
        blocks.load(chat.notices.guard(chat.offer.refresh), chat.offer.dismissed, offering, **HIDDEN)
        blocks.load(models.follow, None, models.going(), **HIDDEN)
    blocks.state_session_capacity = MOST_PAGES
    return blocks


def _lay_strip(loop: Loop, language: Language, texts: Texts) -> tuple[Page, gr.Button, gr.Markdown]:
    """Lay the strip above the tabs; return what every tab is given, the button to Rounds, and who is here."""
    with gr.Row(elem_id="strip-row"):
        strip = gr.Markdown(elem_id="strip", sanitize_html=False)
        retrain = gr.Button(
            texts["retrain"], size="sm", scale=0, min_width=110, elem_id="to-rounds", variant="primary"
        )
        who = gr.Markdown(elem_id="who", sanitize_html=False)
    # Pressed by answers.js, to have Gradio's stream of answers opened again.
    hear = gr.Button(elem_id="hear", elem_classes="pressed-by-script")
    hear.click(lambda: None, None, None, trigger_mode="multiple", **HIDDEN)
    page = Page(
        loop=loop,
        texts=texts,
        language=language,
        strip=strip,
        timer=gr.Timer(POLL_SECONDS, active=False),
        changed=gr.State(0),
        watched=gr.State(None),
        sets=gr.BrowserState([], storage_key="alignchat-sets", secret="alignchat"),
    )
    return page, retrain, who


def _lay_head(language: Language, texts: Texts) -> None:
    links = " ".join(
        f'<a href="/language/{code}" lang="{code}" {"aria-current=true" if code == language else ""}>'
        f"{code.upper()}</a>"
        for code in LANGUAGES
    )
    gr.Markdown(
        f'<header class="head" lang="{language}"><h1>alignchat</h1><p>{escape(texts["tagline"])}</p>'
        f'<p id="unsaved" role="status" data-one="{escape(texts["unsaved_one"])}" '
        f'data-many="{escape(texts["unsaved"])}" data-refused="{escape(texts["vote_refused"])}"></p>'
        f'<nav aria-label="{escape(texts["language"])}">{links}</nav></header>',
        sanitize_html=False,
        elem_id="head",
    )


def _open_replies(feedback: FeedbackTab, chat: ChatTab, tabs: gr.Tabs) -> None:
    def open(asked: str) -> Updates:
        return {tabs: gr.Tabs(selected="chat"), **chat.open(feedback.reply_to_open(asked))}

    handler = feedback.notices.guard(open)
    feedback.open.change(handler, feedback.open, [feedback.notice, tabs, *chat.opened()], **HIDDEN)


def _follow(
    blocks: gr.Blocks, page: Page, chat: ChatTab, arena: ArenaTab, rounds: RoundsTab, scores: ScoresTab
) -> None:
    def load(head: str | None, kept: dict[str, Any] | None) -> Updates:
        running = page.running()
        watched = running.number if running else None
        newest = rounds.rounds(page.loop.list_rounds()[-1].number if watched is None else watched)
        going = {page.timer: gr.Timer(active=running is not None), page.watched: watched}
        return {
            **chat.open(head),
            **chat.how.remembered(kept),
            **chat.refresh(),
            **arena.refresh(),
            **going,
            rounds.which: newest,
        }

    def tick(drawn: str | None, watched: int | None) -> Updates:
        running = page.running()
        if running is None:
            ended = {} if watched is None else rounds.ended(watched)
            return {
                page.timer: gr.Timer(active=False),
                page.strip: page.strip_now(),
                page.changed: stamp(),
            } | ended
        return {page.strip: page.strip_now(), **rounds.tick(running, drawn), **scores.tick(running)}

    opened = [*chat.opened(), *chat.how.sampling.values(), page.timer, page.watched]
    voices = [chat.voice, *arena.voices]
    blocks.load(load, [chat.head, chat.how.kept], [*opened, *voices, rounds.which], **HIDDEN)
    ticking = [
        page.timer,
        page.strip,
        page.changed,
        rounds.notice,
        rounds.progress,
        rounds.chart,
        rounds.drawn,
    ]
    page.timer.tick(tick, [rounds.drawn, page.watched], [*ticking, scores.progress], **HIDDEN)
    page.changed.change(lambda: chat.refresh() | arena.refresh(), None, voices, **HIDDEN)
    page.changed.change(scores.refresh, scores.chosen(), scores.shown(), **HIDDEN)
