"""The tab Feedback: all one has said, found, changed, taken back, opened; and what is missing for a round."""

from typing import Any

import gradio as gr

from alignchat.judging import coach
from alignchat.judging.review import SIDES, THUMBS, VERDICTS, Filters, Judgement, Review
from alignchat.ui import feedback_views, people
from alignchat.ui.errors import Notices, Updates
from alignchat.ui.feedback_files import FeedbackFiles
from alignchat.ui.i18n import round_name
from alignchat.ui.shared import AT_ONCE, BESIDE, Page, said

PAGE = 25
ANY = -1  # stands for "any round"
SHOWN = {"all": None, "counting": True, "retracted": False}


class FeedbackTab:
    """The components of the tab and their handlers.

    `offset` is where the page begins; `editing` the judgement being changed, by its id. The table's buttons
    speak through `act`, as "change ID", and through `open`, which the page listens to.
    """

    def __init__(self, page: Page) -> None:
        """Lay the tab out; call inside the tab's block."""
        self.page, self.texts = page, page.texts
        self.offset, self.editing = gr.State(0), gr.State(None)
        self.act, self.open = self._unseen("feedback-act"), self._unseen("feedback-open")
        self.coach = gr.Markdown(elem_id="coach", sanitize_html=False)
        self._lay_filters()
        self.notice = gr.Markdown(elem_id="feedback-notice", elem_classes="notices")
        self._lay_change()
        self.table = gr.Markdown(elem_id="feedback-table", sanitize_html=False)
        with gr.Row(elem_id="feedback-pages"):
            self.before = gr.Button(self.texts["page_before"], size="sm", elem_id="page-before")
            self.count = gr.Markdown(elem_id="feedback-count")
            self.after = gr.Button(self.texts["page_after"], size="sm", elem_id="page-after")
        self.files = FeedbackFiles(page)
        self.notices = Notices(self.notice, page.language)
        self._wire()

    @property
    def review(self) -> Review:
        """The ratings that the person who asks may see and change."""
        return self.page.loop.feedback.review.of(people.here().ratings_of)

    def _unseen(self, name: str) -> gr.Textbox:
        apart = gr.InputHTMLAttributes(tabindex=-1)
        return gr.Textbox(elem_id=name, show_label=False, container=False, html_attributes=apart)

    def _lay_filters(self) -> None:
        texts, none = self.texts, (self.texts["filter_any"], "")
        verdicts = [none, *((feedback_views.said(verdict, texts), verdict) for verdict in VERDICTS)]
        shown = [(texts[f"filter_{name}"], name) for name in SHOWN]
        with gr.Row(elem_id="feedback-filters"):
            self.text = gr.Textbox(
                label=texts["find"],
                max_lines=1,
                placeholder=texts["find_hint"],
                elem_id="find",
                min_width=220,
                scale=2,
            )
            self.verdict = self._filter("verdict", verdicts, "")
            self.round = self._filter("round", [(none[0], ANY)], ANY)
            self.tag = self._filter("tag", [none], "")
            self.annotator = self._filter("annotator", [none], "")
            self.counts = self._filter("counts", shown, "all")
            self.since = self._day("since")
            self.until = self._day("until")
        self.filters: list[Any] = [self.text, self.verdict, self.round, self.tag, self.annotator]
        self.filters += [self.counts, self.since, self.until]

    def _filter(self, name: str, choices: list[Any], value: Any) -> gr.Dropdown:
        label = self.texts[f"filter_{name}"]
        return gr.Dropdown(
            choices, value=value, label=label, elem_id=f"filter-{name}", filterable=False, min_width=120
        )

    def _day(self, name: str) -> gr.DateTime:
        label = self.texts[f"filter_{name}"]
        return gr.DateTime(
            label=label, include_time=False, type="string", elem_id=f"filter-{name}", min_width=150
        )

    def _lay_change(self) -> None:
        texts = self.texts
        with gr.Column(visible=False, elem_id="change") as self.panel:
            self.whole = gr.Markdown(elem_id="change-about", sanitize_html=False)
            self.new_verdict = gr.Radio([], label=texts["change_verdict"], elem_id="change-verdict")
            self.new_tags = gr.Dropdown(
                [],
                label=texts["change_tags"],
                multiselect=True,
                allow_custom_value=True,
                elem_id="change-tags",
            )
            self.new_comment = gr.Textbox(label=texts["change_comment"], elem_id="change-comment")
            self.new_text = gr.Textbox(label=texts["change_text"], lines=3, elem_id="change-text")
            with gr.Row():
                self.save = gr.Button(texts["change_save"], variant="primary", elem_id="change-save")
                self.close = gr.Button(texts["change_close"], elem_id="change-close")
        self.changed: list[Any] = [self.new_verdict, self.new_tags, self.new_comment, self.new_text]

    def _wire(self) -> None:
        guard, seen = self.notices.guard, [self.notice, *self.shown()]
        gr.on(
            [part.change for part in self.filters],
            guard(lambda *filters: self._page(0, *filters)),
            self.filters,
            seen,
            trigger_mode="always_last",
            **AT_ONCE,
        )
        self.before.click(guard(self._newer), [self.offset, *self.filters], seen, **AT_ONCE)
        self.after.click(guard(self._older), [self.offset, *self.filters], seen, **AT_ONCE)
        panel = [self.panel, self.whole, self.editing, *self.changed]
        self.act.change(
            guard(self._act),
            [self.act, self.offset, *self.filters],
            [*seen, *panel, self.page.strip],
            **AT_ONCE,
        )
        self.save.click(
            guard(self._save),
            [self.editing, *self.changed, self.offset, *self.filters],
            [*seen, self.panel, self.page.strip],
            **AT_ONCE,
        )
        self.close.click(lambda: gr.Column(visible=False), None, self.panel, **AT_ONCE)
        self.files.imported.change(guard(self.refresh), self.inputs(), self.outputs(), **AT_ONCE)

    def opened_by(self, tab: gr.Tab) -> None:
        """Show what is new whenever the tab is opened."""
        tab.select(self.notices.guard(self.refresh), self.inputs(), self.outputs(), **BESIDE)

    def shown(self) -> list[Any]:
        """Return what every handler of the table updates."""
        return [self.table, self.count, self.before, self.after, self.offset]

    def outputs(self) -> list[Any]:
        """Return what `refresh` updates."""
        return [self.notice, *self.shown(), self.coach, self.round, self.tag, self.annotator, self.page.strip]

    def inputs(self) -> list[Any]:
        """Return what `refresh` reads."""
        return [self.offset, *self.filters]

    def reply_to_open(self, asked: str) -> str:
        """Return the reply that a button of the table asks to be opened."""
        return self.review.get(asked.split()[1]).replies[0].id

    def refresh(self, offset: int, *filters: Any) -> Updates:
        """Return the updates that show everything in the tab as it stands."""
        texts, review = self.texts, self.review
        none, annotators = (texts["filter_any"], ""), review.annotators()
        rounds = [(round_name(n, texts, capital=True), n) for n in review.rounds()]
        tags = [(feedback_views.reason(tag, texts), tag) for tag in review.tags()]
        return {
            **self._page(offset, *filters),
            self.coach: self._coach(),
            self.round: gr.Dropdown([(none[0], ANY), *rounds]),
            self.tag: gr.Dropdown([none, *tags]),
            self.annotator: gr.Dropdown([none, *annotators], visible=len(annotators) > 1),
            self.page.strip: self.page.strip_now(),
        }

    def _page(self, offset: int, *filters: Any) -> Updates:
        wanted = self._wanted(*filters)
        found, total = self.review.find(wanted, offset=offset, limit=PAGE)
        if offset and not found:
            offset = max(0, (total - 1) // PAGE * PAGE)
            found, total = self.review.find(wanted, offset=offset, limit=PAGE)
        first, last = offset + 1, offset + len(found)
        none = "said_not_found" if wanted != Filters() else "said_none"
        count = self.texts["said_page"].format(first=first, last=last, total=total)
        return {
            self.table: feedback_views.table(found, self.texts) if found else self.texts[none],
            self.count: count if found else "",
            self.before: gr.Button(interactive=offset > 0, visible=total > PAGE),
            self.after: gr.Button(interactive=last < total, visible=total > PAGE),
            self.offset: offset,
        }

    def _wanted(self, *filters: Any) -> Filters:
        text, verdict, round, tag, annotator, counts, since, until = filters
        return Filters(
            text=text or "",
            verdict=verdict or None,
            round=None if round in (None, ANY) else round,
            tag=tag or None,
            annotator=annotator or None,
            since=_day_of(since),
            until=_day_of(until),
            counts=SHOWN[counts],
        )

    def _newer(self, offset: int, *filters: Any) -> Updates:
        return self._page(max(0, offset - PAGE), *filters)

    def _older(self, offset: int, *filters: Any) -> Updates:
        return self._page(offset + PAGE, *filters)

    def _act(self, asked: str, offset: int, *filters: Any) -> Updates:
        act, id, *_ = [*asked.split(), "", ""]
        if act == "change":
            return self._edit(self.review.get(id))
        done = self.review.retract(id) if act == "retract" else self.review.restore(id)
        sentence = "said_restored" if done.counts else "said_retracted"
        return self._after(sentence, offset, *filters) | {self.panel: gr.Column(visible=False)}

    def _edit(self, judgement: Judgement) -> Updates:
        texts, word = self.texts, judgement.said
        thumb, edit = word in THUMBS, word == "edit"
        words = THUMBS if thumb else () if edit else SIDES
        settings = self.page.loop.settings.chat
        offered = settings.reasons_up + settings.reasons_down
        tags = dict.fromkeys([*judgement.tags, *offered, *self.review.tags()])
        return {
            self.panel: gr.Column(visible=True),
            self.whole: feedback_views.whole(judgement, texts),
            self.editing: judgement.record.id,
            self.new_verdict: gr.Radio(
                [(feedback_views.said(w, texts), w) for w in words],
                value=None if edit else word,
                visible=not edit,
            ),
            self.new_tags: gr.Dropdown(
                [(feedback_views.reason(tag, texts), tag) for tag in tags],
                value=list(judgement.tags),
                visible=thumb,
            ),
            self.new_comment: gr.Textbox(judgement.comment, visible=thumb),
            self.new_text: gr.Textbox(judgement.rewrite, visible=edit),
        }

    def _save(
        self, id: str, verdict: str, tags: list[str], comment: str, text: str, offset: int, *filters: Any
    ) -> Updates:
        word = self.review.get(id).said
        parts: dict[str, Any] = {"verdict": verdict}
        if word in THUMBS:
            parts |= {"tags": tags, "comment": comment}
        self.review.change(id, **({"text": text} if word == "edit" else parts))
        return self._after("said_changed", offset, *filters) | {self.panel: gr.Column(visible=False)}

    def _after(self, sentence: str, offset: int, *filters: Any) -> Updates:
        return {
            **self._page(offset, *filters),
            self.notice: said(self.texts[sentence]),
            self.page.strip: self.page.strip_now(),
        }

    def _coach(self) -> str:
        if people.here().role != "owner":
            return ""  # it speaks of rounds, and of what everybody said
        outlooks = coach.outlooks(self.review.signals())
        return feedback_views.coach(outlooks, self.page.language, self.texts)


def _day_of(value: str | None) -> str | None:
    """Return the day of what the calendar gives, which has a time of day with it."""
    return value.split()[0] if value and value.split() else None
