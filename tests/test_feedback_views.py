"""Pieces of the tab Feedback without a browser: one line of escaped HTML each, in both languages."""

import pytest

from alignchat.judging import coach
from alignchat.judging.coach import Signals
from alignchat.judging.review import Judgement
from alignchat.ui import feedback_views, i18n
from alignchat.ui.i18n import Texts
from feedback_store import Choice, Completion, Edit, Message, Thumb

EN, IT = i18n.TEXTS["en"], i18n.TEXTS["it"]
EVIL = '<script>alert("x")</script>\n\n<form>'


def reply(id: str, round: int = 0) -> Completion:
    asked = (Message(role="user", content=EVIL),)
    return Completion(id=id, conversation_id="v", prompt=asked, text=EVIL, model="m", round=round)


def said(record: Thumb | Choice | Edit, *, counts: bool = True, replies_there: bool = True) -> Judgement:
    replies = (reply("a"), reply("b", 3)) if isinstance(record, Choice) else (reply("a"),)
    talked = not isinstance(record, Choice)
    return Judgement(
        record=record, replies=replies, counts=counts, replies_there=replies_there, in_conversation=talked
    )


THUMB = said(Thumb(id=EVIL, completion_id="a", up=False, tags=(EVIL,), comment=EVIL))
ALL = [
    THUMB,
    said(Choice(left_id="a", right_id="b", verdict="both_bad")),
    said(Edit(completion_id="a", text=EVIL), counts=False),
    said(Thumb(completion_id="a", up=True, created_at="long ago"), counts=False, replies_there=False),
]


@pytest.mark.parametrize("texts", [EN, IT])
def test_no_text_of_a_person_or_a_model_becomes_html(texts: Texts) -> None:
    for shown in (feedback_views.table(ALL, texts), *(feedback_views.whole(one, texts) for one in ALL)):
        assert "<script" not in shown
        assert "<form" not in shown
        assert "\n" not in shown


def test_a_row_offers_what_can_be_done() -> None:
    acts = {
        "counts": ("change", "retract", "open"),
        "taken back": ("change", "restore", "open"),
        "deleted": (),
    }
    for one, expected in ((ALL[0], "counts"), (ALL[2], "taken back"), (ALL[3], "deleted")):
        shown = feedback_views.table([one], EN)
        assert (
            tuple(act for act in ("change", "retract", "restore", "open") if f'"{act}"' in shown)
            == acts[expected]
        )
    assert IT["deleted_mark"] in feedback_views.table([ALL[3]], IT)


def test_each_verdict_has_its_words_and_both_rounds_are_named() -> None:
    shown = feedback_views.table(ALL, IT)
    for word in ("Cattiva", "Male entrambe", "Riscritta", "Buona", "long ago", "base, 3"):
        assert word in shown


def test_what_the_rows_of_a_round_lack_is_listed_where_one_can_start() -> None:
    rows = {"train": 36, "test": 4, "desirable": 30, "undesirable": 10, "prompts": 40}
    assert feedback_views.missing(coach.of_rows("kto", rows), "en").startswith("\n- Good to bad is 30 to 10;")
    assert "Cattive da aggiungere: 13" in feedback_views.missing(coach.of_rows("kto", rows), "it")
    assert feedback_views.missing(coach.of_rows("dpo", rows), "en") == ""
    assert feedback_views.missing(coach.of_rows("dpo", rows | {"train": 0, "test": 0}), "en") == ""
    assert feedback_views.missing(coach.of_rows("orpo", rows), "en") == ""


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_the_coach_names_each_thing_that_is_missing_with_its_paper(language: i18n.Language) -> None:
    texts = i18n.TEXTS[language]
    shown = feedback_views.coach(coach.outlooks(Signals(up=30, down=10, pairs=2)), language, texts)
    assert texts["coach_ready"] in shown
    assert shown.count('class="unmet"') == 4
    assert shown.count('class="met"') == 1
    assert "https://arxiv.org/abs/2402.01306" in shown
    assert ("13 more bad" if language == "en" else "Cattive da aggiungere: 13") in shown
