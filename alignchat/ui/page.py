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
from alignchat.ui.shared import AT_ONCE, BESIDE, Page, stamp

POLL_SECONDS = 1.0
# Gradio keeps 0.6 MB of every page that was ever opened, of the last 10,000. A page that was not used while
# so many others were begins anew with its next press.
MOST_PAGES = 100


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
            with gr.Tab(texts["tab_compare"], id="compare", elem_id="tab-compare") as tab:
                arena = ArenaTab(page)
                arena.opened_by(tab)
            with gr.Tab(texts["tab_label"], id="label", elem_id="tab-label") as tab:
                label = LabelTab(page)
                label.opened_by(tab)
            with gr.Tab(texts["tab_feedback"], id="feedback", elem_id="tab-feedback") as tab:
                feedback = FeedbackTab(page)
                feedback.opened_by(tab)
            with gr.Tab(texts["tab_data"], id="data", elem_id="tab-data") as tab:
                data = DataTab(page)
                data.opened_by(tab)
            with gr.Tab(texts["tab_rounds"], id="rounds", elem_id="tab-rounds") as tab:
                rounds = RoundsTab(page)
                rounds.opened_by(tab)
            with gr.Tab(texts["tab_scores"], id="scores", elem_id="tab-scores") as tab:
                scores = ScoresTab(page)
                scores.opened_by(tab)
            with gr.Tab(texts["tab_models"], id="models", elem_id="tab-models") as tab:
                models = ModelsTab(page)
                models.opened_by(tab)
        retrain.click(lambda: gr.Tabs(selected="rounds"), None, tabs, **AT_ONCE)
        _open_replies(feedback, chat, tabs)
        _offer_minerva(blocks, chat, models, tabs)
        blocks.load(lambda: views.who(people.here(), texts), None, who, **BESIDE)
        _follow(blocks, page, chat, arena, rounds, scores)
        blocks.load(models.follow, None, models.going(), **BESIDE)
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
    hear.click(lambda: None, None, None, trigger_mode="multiple", **BESIDE)
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
    feedback.open.change(handler, feedback.open, [feedback.notice, tabs, *chat.opened()], **BESIDE)


def _offer_minerva(blocks: gr.Blocks, chat: ChatTab, models: ModelsTab, tabs: gr.Tabs) -> None:
    offer = chat.offer
    opened = [chat.notice, *offer.shown()]
    blocks.load(chat.notices.guard(offer.refresh), offer.dismissed, opened, **BESIDE)
    offer.get.click(
        lambda: (gr.Tabs(selected="models"), MINERVA, gr.Row(visible=False)),
        None,
        [tabs, models.which, offer.row],
        **AT_ONCE,
    )


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
            **rounds.advanced.unset(),
            **going,
            rounds.which: newest,
        }

    def tick(drawn: str | None, watched: int | None) -> Updates:
        running = page.running()
        if running is None:
            ended = {} if watched is None else rounds.ended(watched)
            stopped = {page.timer: gr.Timer(active=False), page.changed: stamp()}
            return {page.strip: page.strip_now(), **stopped, **ended}
        return {page.strip: page.strip_now(), **rounds.tick(running, drawn), **scores.tick(running)}

    numbers = [*chat.how.sampling.values(), *rounds.advanced.unset()]
    opened = [*chat.opened(), *numbers, page.timer, page.watched]
    voices = [chat.voice, *arena.voices]
    blocks.load(load, [chat.head, chat.how.kept], [*opened, *voices, rounds.which], **BESIDE)
    shown = [rounds.notice, rounds.progress, rounds.chart, rounds.drawn, scores.progress]
    ticking = [page.timer, page.strip, page.changed, *shown]
    page.timer.tick(tick, [rounds.drawn, page.watched], ticking, **BESIDE)
    page.changed.change(lambda: chat.refresh() | arena.refresh(), None, voices, **BESIDE)
    page.changed.change(scores.refresh, scores.chosen(), scores.shown(), **BESIDE)
