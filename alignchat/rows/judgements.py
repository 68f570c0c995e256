"""What people said of replies, one judgement each, and what it amounts to. Knows the store; knows no rows.

A judgement is what a person said, never what may be inferred: a reply that was not chosen is rejected in
its pair, not thumbed down (unless that is asked for); a reply asked for again is not judged at all.

Where judgements of one reply (or of one pair) differ, each person's latest counts, then the majority; an
even vote says nothing. Every such case is counted.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from feedback_store import Choice, Completion, Edit, FeedbackStore, Message, Thumb

Prompt = tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One person's word on one reply, or on two in the order of their texts.

    `label` is True for a desirable reply, and where the first of two is chosen; a text where there is no
    preference, such as "tie".
    """

    prompt: Prompt
    texts: tuple[str, ...]
    label: bool | str
    source: str
    annotators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """How much was left out for which reason, and how many replies or pairs had conflicting judgements."""

    removed: Counter[str] = field(default_factory=Counter)
    conflicts: Counter[str] = field(default_factory=Counter)


def pair(prompt: Prompt, chosen: str, rejected: str, source: str, annotators: tuple[str, ...]) -> Judgement:
    """Return the judgement that one text is better than another."""
    first, second = sorted((chosen, rejected))
    return Judgement(
        prompt=prompt, texts=(first, second), label=chosen == first, source=source, annotators=annotators
    )


def unpaired(feedback: FeedbackStore, counts: Counts, *, label_choices: bool) -> list[Judgement]:
    """Return what feedback amounts to, reply by reply.

    Thumbs, both replies of a "both bad", an edit and its original; with `label_choices` also the two
    replies of a choice.
    """
    return list(settle(_Reader(feedback, counts).single(label_choices=label_choices), counts))


def paired(feedback: FeedbackStore, counts: Counts, *, pair_thumbs: bool) -> list[Judgement]:
    """Return what feedback amounts to, pair by pair.

    Choices, and edits over their originals; with `pair_thumbs` also replies thumbed up over replies thumbed
    down for the same prompt, each at least once, where nobody compared the two.
    """
    reader = _Reader(feedback, counts)
    settled = list(settle(reader.double(), counts))
    if pair_thumbs:
        thumbs = settle(reader.single(thumbs_only=True), counts)
        compared = {(said.prompt, said.texts) for said in settled}
        settled += (said for said in _pairs(thumbs) if (said.prompt, said.texts) not in compared)
    return settled


def settle(judgements: Iterable[Judgement], counts: Counts) -> Iterator[Judgement]:
    """Make one judgement of all those on the same thing, given in the order they were made."""
    said: defaultdict[tuple[Prompt, tuple[str, ...]], dict[tuple[str, ...], Judgement]] = defaultdict(dict)
    for judgement in judgements:
        by_person = said[judgement.prompt, judgement.texts]
        if before := by_person.pop(judgement.annotators, None):
            if before.label == judgement.label:
                counts.removed["duplicate"] += 1
            else:
                counts.conflicts["by time"] += 1
        by_person[judgement.annotators] = judgement
    for by_person in said.values():
        if agreed := _majority(list(by_person.values()), counts):
            yield agreed


def _majority(judgements: list[Judgement], counts: Counts) -> Judgement | None:
    votes = Counter(judgement.label for judgement in judgements).most_common()
    if len(votes) > 1:
        counts.conflicts["by person"] += 1
        if votes[0][1] == votes[1][1]:
            counts.removed["as many for as against"] += 1
            return None
    label = votes[0][0]
    if isinstance(label, str):
        counts.removed[label] += 1
        return None
    agreeing = [judgement for judgement in judgements if judgement.label == label]
    counts.removed["duplicate"] += len(agreeing) - 1
    counts.removed["outvoted"] += len(judgements) - len(agreeing)
    annotators = sorted({name for judgement in agreeing for name in judgement.annotators})
    first = agreeing[0]
    return Judgement(
        prompt=first.prompt, texts=first.texts, label=label, source=first.source, annotators=tuple(annotators)
    )


def _pairs(thumbs: Iterable[Judgement]) -> Iterator[Judgement]:
    by_prompt: defaultdict[Prompt, dict[bool, list[Judgement]]] = defaultdict(lambda: {True: [], False: []})
    for said in thumbs:
        by_prompt[said.prompt][said.label is True].append(said)
    for prompt, sides in by_prompt.items():
        ups, downs = sides[True], sides[False]
        if not ups or not downs:
            continue
        for i in range(max(len(ups), len(downs))):
            up, down = ups[i % len(ups)], downs[i % len(downs)]
            annotators = tuple(sorted({*up.annotators, *down.annotators}))
            yield pair(prompt, up.texts[0], down.texts[0], "thumbs", annotators)


class _Reader:
    """Reads judgements out of the store, leaving out and counting those on replies that cannot be used."""

    def __init__(self, feedback: FeedbackStore, counts: Counts) -> None:
        self._judgements = feedback.said_in_order()
        self._completions: Mapping[str, Completion] = {
            c.id: c for c in feedback.completions(visible_only=True)
        }
        self._removed = counts.removed

    def single(self, *, label_choices: bool = False, thumbs_only: bool = False) -> Iterator[Judgement]:
        for said in self._judgements:
            if isinstance(said, Thumb):
                yield from self._one(said.completion_id, said.up, "thumb", said.annotator)
            elif thumbs_only:
                continue
            elif isinstance(said, Edit):
                yield from self._edited(said)
            elif said.verdict == "both_bad":
                for id in (said.left_id, said.right_id):
                    yield from self._one(id, False, "both bad", said.annotator)
            elif label_choices and said.chosen_id and said.rejected_id:
                yield from self._one(said.chosen_id, True, "choice", said.annotator)
                yield from self._one(said.rejected_id, False, "choice", said.annotator)

    def double(self) -> Iterator[Judgement]:
        for said in self._judgements:
            if isinstance(said, Choice):
                yield from self._chosen(said)
            elif isinstance(said, Edit) and (found := self._usable(said.completion_id)):
                original = found[0]
                yield from self._pair(original.prompt, said.text, original.text, "edit", said.annotator)

    def _one(self, id: str, up: bool, source: str, annotator: str) -> Iterator[Judgement]:
        for reply in self._usable(id):
            yield _single(reply.prompt, reply.text, up, source, annotator)

    def _edited(self, edit: Edit) -> Iterator[Judgement]:
        for original in self._usable(edit.completion_id):
            if edit.text == original.text:
                self._removed["same text on both sides"] += 1
            else:
                yield _single(original.prompt, original.text, False, "edit", edit.annotator)
                yield _single(original.prompt, edit.text, True, "edit", edit.annotator)

    def _chosen(self, choice: Choice) -> Iterator[Judgement]:
        found = self._usable(choice.left_id, choice.right_id)
        if not found:
            return
        left, right = found
        if left.prompt != right.prompt:
            self._removed["the two prompts differ"] += 1
        elif choice.verdict in ("left", "right"):
            better, worse = (left, right) if choice.verdict == "left" else (right, left)
            yield from self._pair(left.prompt, better.text, worse.text, "choice", choice.annotator)
        else:
            texts = (min(left.text, right.text), max(left.text, right.text))
            yield Judgement(
                prompt=left.prompt,
                texts=texts,
                label=choice.verdict,
                source="choice",
                annotators=(choice.annotator,),
            )

    def _pair(
        self, prompt: Prompt, chosen: str, rejected: str, source: str, annotator: str
    ) -> Iterator[Judgement]:
        if chosen == rejected:
            self._removed["same text on both sides"] += 1
            return
        yield pair(prompt, chosen, rejected, source, (annotator,))

    def _usable(self, *ids: str) -> list[Completion]:
        found = [self._completions[id] for id in ids if id in self._completions]
        if len(found) < len(ids):
            reason = "reply deleted"
        elif not all(reply.finished for reply in found):
            reason = "reply stopped before its end"
        elif not all(reply.text.strip() for reply in found):
            reason = "empty reply"
        else:
            return found
        self._removed[reason] += 1
        return []


def _single(prompt: Prompt, text: str, up: bool, source: str, annotator: str) -> Judgement:
    return Judgement(prompt=prompt, texts=(text,), label=up, source=source, annotators=(annotator,))
