"""The application: chat, say what is good, retrain, measure, talk to the result.

The browser, the command line and scripts all call this one object. It holds no state of a user's;
what it knows is in the data folder. It knows no screen, and starts training without importing it.
"""

import shutil
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import Popen
from typing import Any, Literal

from alignchat import catalog, dataset, jobs, presets, reports
from alignchat.arena import VERDICTS, Arena
from alignchat.chat import Chat, Reply, Voice
from alignchat.config import EvaluationSettings, Method, Settings, override
from alignchat.conversations import Conversations
from alignchat.engine import Engine
from alignchat.errors import AdapterError, DataError, ModelError, RoundError
from alignchat.evaluation import plan
from alignchat.evaluation.compare import Comparison, compare
from alignchat.evaluation.scorecard import Sample, Scorecard
from alignchat.feedback import Feedback, open_store
from alignchat.files import FileLock, publish_folder, sha256, write_bytes, write_json, writing
from alignchat.labelling import Labelling
from alignchat.models import Models
from alignchat.replies_ahead import RepliesAhead
from alignchat.rounds import ADAPTER_FOLDER, EVALUATION_FILE, START_LOCK_FILE, Round, Rounds, Status
from alignchat.under_way import UnderWay
from feedback_store import Choice, FeedbackStore, Verdict

__all__ = ["VERDICTS", "ExportFormat", "Loop"]

ExportFormat = Literal["peft", "gguf-lora", "gguf"]


class Loop:
    """One data folder and one model; safe to call from several threads."""

    def __init__(
        self,
        settings: Settings,
        store: FeedbackStore,
        model: catalog.Model,
        make_engine: Callable[[], Engine],
    ) -> None:
        """Use `Loop.open`; this takes parts that are open already."""
        self.settings = settings
        self.model = model
        self.rounds = Rounds(settings.data / "rounds" / model.name)
        self.feedback = Feedback(store)
        self.conversations = Conversations(store)
        self.under_way = UnderWay()
        self.models = Models(settings.data)
        self._store = store
        self._make_engine = make_engine
        self._engine: Engine | None = None
        self._engine_lock = threading.Lock()
        self._start_lock = threading.Lock()
        self._worker: Popen[bytes] | None = None
        self.arena = Arena(store)
        self._chat = Chat(store, settings.chat, lambda: self.engine)
        self.labelling = self._labelling()
        if 0 not in self.rounds.numbers():
            # Two programs may open a new folder at once; either one's round 0 will do.
            with suppress(RoundError), self.rounds.create(self._record(0, parent=None, method=None)):
                pass

    @classmethod
    def open(cls, settings: Settings, make_engine: Callable[[], Engine] | None = None) -> "Loop":
        """Open a data folder; raise one of `errors.EXPECTED` if it or the model cannot be used."""
        model = Models(settings.data).open(settings.model)
        store = open_store(settings)
        return cls(settings, store, model, make_engine or (lambda: _engine(model, settings)))

    def __enter__(self) -> "Loop":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back files and memory; a running round goes on by itself."""
        self.under_way.close()
        self.labelling.ahead.close()
        if self._engine:
            self._engine.close()
        self._store.close()

    @property
    def engine(self) -> Engine:
        """The engine, made at its first use."""
        with self._engine_lock:
            if self._engine is None:
                self._engine = self._make_engine()
            return self._engine

    def warm_up(self) -> None:
        """Load the model now, so that the first reply need not wait; raise ModelError if it cannot be."""
        _ = self.engine

    # Chat

    def reply(
        self,
        conversation_id: str | None,
        text: str,
        *,
        after: str | None = None,
        system: str | None = None,
        round: int | None = None,
        annotator: str = "local",
        **sampling: Any,
    ) -> Generator[Reply, None, None]:
        """Reply to `text` in a conversation (a new one if None), yielding the reply as it grows.

        `after` is the completion to go on from, None the newest; `system` replaces the system prompt;
        `round` None means the active one; `sampling` are fields of `engine.Sampling`. Closing the
        iterator stops the model; what has come is kept.
        """
        voice = self._voice(round)
        return self._chat.reply(voice, conversation_id, text, annotator, sampling, after=after, system=system)

    def again(
        self,
        completion_id: str,
        text: str | None = None,
        *,
        system: str | None = None,
        round: int | None = None,
        annotator: str = "local",
        **sampling: Any,
    ) -> Generator[Reply, None, None]:
        """Reply once more to what a completion replied to, or to `text` put in its place.

        The earlier reply stays, unjudged by this.
        """
        voice = self._voice(round)
        return self._chat.again(voice, completion_id, annotator, sampling, text=text, system=system)

    def edit(self, completion_id: str, text: str, *, annotator: str = "local") -> str:
        """Keep one's own version of a reply beside it and return its id; neither is judged by this."""
        return self._chat.edit(completion_id, text, annotator).id

    def prefer(self, edited_id: str, *, annotator: str = "local") -> None:
        """Say that one's own version is better than the reply it was made of."""
        self._chat.prefer(edited_id, annotator)

    def compare(
        self,
        text: str,
        *,
        left: int | None = None,
        right: int | None = None,
        blind: bool = False,
        annotator: str = "local",
        **sampling: Any,
    ) -> Iterator[list[Reply | None]]:
        """Reply twice to one prompt, side by side; a side's round None means the active one.

        `blind` shuffles the sides. The comparison's id is the replies' `conversation_id`.
        """
        voices = [self._voice(left), self._voice(right)]
        return self._chat.compare(voices, text, annotator, sampling, blind=blind)

    # Feedback

    def rate(self, completion_id: str, up: bool | None, *, annotator: str = "local") -> None:
        """Set one's thumb on a completion, up or down; None takes it back."""
        self.feedback.rate(completion_id, up, annotator=annotator)

    def choose(self, left_id: str, right_id: str, verdict: Verdict, *, annotator: str = "local") -> Choice:
        """Say which of two replies to one prompt is better: left, right, tie or both_bad."""
        left, right = self._store.completion(left_id), self._store.completion(right_id)
        if left.id == right.id or left.prompt != right.prompt:
            raise DataError("A choice is between two replies to the same prompt; compare them first.")
        choice = Choice(left_id=left_id, right_id=right_id, verdict=verdict, annotator=annotator)
        self._store.add(choice)
        return choice

    def preview(self, method: Method) -> dict[str, Any]:
        """Return the manifest of what a round would be trained on now."""
        return self._dataset(method).manifest()

    # Rounds

    def start_round(self, method: Method, *, parent: int | None = None, **training: Any) -> int:
        """Freeze the feedback into a new round, start its worker, and return its number.

        `parent` is the round to go on from; None and 0 mean the base. `training` are fields of
        `TrainingSettings`, such as steps. Raise DataError if the feedback is not enough, SettingsError if a
        setting cannot hold, RoundError if a round is running.
        """
        with self._starting():
            busy = self.rounds.running()
            if busy is not None:
                raise RoundError(
                    f"Round {busy} is still running; wait for it, or cancel it, then start the next."
                )
            rows = self._dataset(method)
            dataset.require_trainable(rows)
            self._require_scorable(self.settings.evaluation)
            if parent:
                self.rounds.adapter(parent)
            number = self.rounds.next_number()
            record = self._record(number, parent=parent or 0, method=method, rows=rows, training=training)
            with self.rounds.create(record) as folder:
                dataset.save(rows, folder)
            self._start(number)
            return number

    def cancel_round(self, number: int) -> None:
        """Ask a running round to stop; it keeps a checkpoint."""
        self._require(number, "running")
        jobs.cancel(self.rounds.folder(number))

    def resume_round(self, number: int) -> None:
        """Go on with a round that was cancelled, interrupted or failed."""
        with self._starting():
            self._require(number, "cancelled", "interrupted", "failed")
            self._start(number)

    def wait(
        self, number: int, on_change: Callable[[reports.RoundReport], None] | None = None
    ) -> reports.RoundReport:
        """Return when a round is no longer running, telling of its progress meanwhile."""
        seen = None
        pause = threading.Event()
        while True:
            now = self.round(number)
            if on_change and now != seen:
                on_change(now)
            if now.status != "running":
                return now
            seen = now
            pause.wait(0.2)

    def round(self, number: int) -> reports.RoundReport:
        """Return how a round stands."""
        return reports.report(self.rounds, number)

    def list_rounds(self) -> list[reports.RoundReport]:
        """Return how all rounds stand, the base first."""
        return [self.round(number) for number in self.rounds.numbers()]

    def steps(self, number: int) -> list[dict[str, float]]:
        """Return the training metrics of a round, a step each."""
        return reports.steps(self.rounds.folder(number))

    def activate(self, number: int) -> None:
        """Let the chat use a round, after trying its adapter in a process of its own."""
        adapter = self.rounds.adapter(number)
        if adapter and (problem := jobs.adapter_problem(str(self.model.path), adapter.path, adapter.sha256)):
            raise AdapterError(f"Round {number} cannot be used, so the chat stays as it is: {problem}")
        self.rounds.activate(number)

    def talkable(self) -> list[int]:
        """Return the rounds that can be chatted with, the base first."""
        return [number for number in self.rounds.numbers() if self.rounds.has_adapter(number)]

    def export_round(self, number: int, format: ExportFormat, out: Path) -> dict[str, str]:
        """Copy a round's adapter out as a PEFT folder or a GGUF, or merged into a whole model."""
        adapter = self.rounds.adapter(number)
        if adapter is None:
            raise RoundError(f"Round 0 is the base model and has no adapter; its file is {self.model.path}.")
        with writing(out):
            if out.exists():
                raise RoundError(f"{out} is there already; give another --out, nothing was written.")
            if format == "gguf":
                from alignchat.conversion import merge_to_gguf

                return {"path": str(out), "sha256": merge_to_gguf(adapter.path, self.model.path, out)}
            if format == "gguf-lora":
                write_bytes(out, adapter.path.read_bytes())
                return {"path": str(out), "sha256": sha256(out)}
            with publish_folder(out, replace=False) as folder:
                shutil.copytree(self.rounds.folder(number) / ADAPTER_FOLDER, folder, dirs_exist_ok=True)
            return {"path": str(out), "sha256": sha256(out / "adapter_model.safetensors")}

    # Scores

    def evaluate(self, number: int, *, measures: Sequence[str] = (), **settings: Any) -> None:
        """Start scoring a round that has an adapter, or the base; `wait` for it, then see `scorecard`.

        `settings` are fields of `config.EvaluationSettings`; None leaves one as it is.
        """
        if not self.rounds.has_adapter(number):
            raise RoundError(f"Round {number} has no adapter yet; wait for it, or resume it.")
        asked = override(self.settings.evaluation, "evaluation", {"measures": measures or None, **settings})
        self._require_scorable(asked)
        write_json(self.rounds.folder(number) / EVALUATION_FILE, asked.model_dump(mode="json"))
        self._start(number, "--evaluate")

    def scorecard(self, number: int) -> Scorecard | None:
        """Return a round's scores, if it has any."""
        return reports.scorecard(self.rounds.folder(number))

    def samples(self, number: int) -> list[Sample]:
        """Return every text that a round's scores were made of; none if it has none."""
        return reports.samples(self.rounds.folder(number))

    def compare_rounds(self, number: int, other: int) -> Comparison:
        """Compare two scored rounds, `other` minus `number`; raise RoundError if one has no scores."""
        cards = [self.scorecard(each) for each in (number, other)]
        if missing := [each for each, card in zip((number, other), cards, strict=True) if card is None]:
            raise RoundError(
                f"Round {missing[0]} has no scores yet: evaluate --round {missing[0]}, then compare."
            )
        before, after = (card for card in cards if card)
        return compare(before, self.samples(number), after, self.samples(other))

    def scorecards(self) -> list[Scorecard]:
        """Return the scores of all rounds that have any, the base first."""
        cards = [self.scorecard(number) for number in self.rounds.numbers()]
        return [card for card in cards if card is not None]

    # Models

    def remove_model(self, name: str) -> None:
        """Take a model off this machine, unless it is the one that is open."""
        if any(
            report.name == name and report.path == str(self.model.path) for report in self.models.reports()
        ):
            raise ModelError(f"{name} is the model you are talking to; open another one, then remove it.")
        self.models.remove(name)

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """Let one at a time look for a running round and start one, in this process and in others."""
        lock = FileLock(self.rounds.root / START_LOCK_FILE)
        with self._start_lock:
            if not lock.acquire():
                raise RoundError("Another program is starting a round right now; try again.")
            try:
                yield
            finally:
                lock.release()

    def _start(self, number: int, *arguments: str) -> None:
        if self._worker:
            self._worker.poll()  # Collects the exit status of the last one, which else stays a zombie.
        self._worker = jobs.start(self.rounds.folder(number), arguments)

    def _voice(self, round: int | None) -> Voice:
        number = self.rounds.active() if round is None else round
        return Voice(model=self.model.name, round=number, adapter=self.rounds.adapter(number))

    def _labelling(self) -> Labelling:
        ahead = RepliesAhead(
            self._store, self.settings.data / "labelling", lambda: self.engine, self._chat.sampling
        )
        return Labelling(
            self._store,
            ahead,
            lambda: (self._voice(0), self._voice(None)),
            self.settings.chat.system_prompt,
        )

    def _dataset(self, method: Method) -> dataset.Dataset:
        earlier = [dataset.load(self.rounds.folder(number)) for number in self.rounds.numbers() if number]
        trained = {row.prompt for rows in earlier for row in rows.train}
        share = self.settings.training.test_share
        return dataset.build(self._store, method, test_share=share, trained=trained)

    def _record(
        self,
        number: int,
        *,
        parent: int | None,
        method: Method | None,
        rows: dataset.Dataset | None = None,
        training: Mapping[str, Any] | None = None,
    ) -> Round:
        asked = override(self.settings.training, "training", training or {})
        return Round(
            number=number,
            parent=parent,
            method=method,
            model=self.model.name,
            model_path=str(self.model.path),
            model_sha256=self.model.sha256,
            dataset_sha256=rows.sha256 if rows else None,
            settings={
                "training": (presets.resolved(method, asked) if method else asked).model_dump(),
                "evaluation": self.settings.evaluation.model_dump(mode="json"),
            },
        )

    def _require_scorable(self, settings: EvaluationSettings) -> None:
        """Raise DataError now, rather than from a worker later, if prompts or scorers cannot be had."""
        plan.tasks(settings.measures, settings, self.settings.data)

    def _require(self, number: int, *wanted: Status) -> None:
        status = self.rounds.status(number)
        if status not in wanted:
            raise RoundError(
                f"Round {number} is {status}; this works on a round that is {' or '.join(wanted)}."
            )


def _engine(model: catalog.Model, settings: Settings) -> Engine:
    remote, sequences = settings.remote, settings.evaluation.batch_size
    if remote.url:
        from alignchat.remote import RemoteEngine

        key = remote.key.get_secret_value() if remote.key else None
        return RemoteEngine(remote.url, model=remote.model, key=key, sequences=sequences)
    from alignchat.llama_engine import LlamaEngine

    return LlamaEngine(model, context=settings.chat.context, sequences=sequences)
