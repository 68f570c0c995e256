"""The rounds of the open model: freeze the feedback, start the worker, see how it goes, score, compare.

What is here needs no engine: work is done in a process of its own. Knows no conversation.
"""

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import TYPE_CHECKING, Any, TypeVar

from alignchat import catalog, dataset, jobs
from alignchat.config import EvaluationSettings, Method, Settings, TrainingSettings, override
from alignchat.engine import Engine
from alignchat.errors import AdapterError, RoundError, SettingsError
from alignchat.evaluation import plan
from alignchat.evaluation.compare import Comparison
from alignchat.evaluation.scorecard import Sample, Scorecard
from alignchat.files import FileLock, read_json, write_json
from alignchat.hub_sets import HubSets
from alignchat.llamacpp.llama_child import Quantisation
from alignchat.making import fit, presets, reports
from alignchat.making.assessment import Assessment, assess, compared
from alignchat.making.exporting import ExportFormat, export
from alignchat.making.round_data import RoundData
from alignchat.rounds import (
    EVALUATION_FILE,
    START_LOCK_FILE,
    Round,
    Rounds,
    Status,
    running_anywhere,
)
from alignchat.shelf.models import Models
from alignchat.talk.voices import Talker, Talkers
from feedback_store import FeedbackStore

if TYPE_CHECKING:
    from alignchat.rows.lengths import TokenizedRow

SETS_FOLDER = "sets"
T = TypeVar("T")


class Workshop:
    """Trains and scores; a part of `Loop`, which is what everybody else holds."""

    def __init__(
        self,
        settings: Settings,
        store: FeedbackStore,
        model: catalog.Model,
        make_engine: Callable[[catalog.Model], Engine],
    ) -> None:
        """Take parts that are open already."""
        self.settings = settings
        self.models = Models(settings.data)
        self._store = store
        self._make_engine = make_engine
        self._start_lock = threading.Lock()
        self._worker: Popen[bytes] | None = None
        self._working_on = Path()
        self._data: dict[Path, RoundData] = {}
        self._data_lock = threading.Lock()
        self._talkers = Talkers(self._talker(model), lambda name: self._talker(self.models.open(name)))

    @property
    def model(self) -> catalog.Model:
        """The model whose rounds are trained, scored and, where none is asked for, talked to."""
        return self._talkers.home.model

    @property
    def rounds(self) -> Rounds:
        """The rounds of that model."""
        return self._talkers.home.rounds

    @property
    def data(self) -> RoundData:
        """What the next round of that model would be trained on."""
        with self._data_lock:
            home = self._talkers.home
            if home.model.path not in self._data:
                sets = HubSets(self.settings.data / SETS_FOLDER)
                self._data[home.model.path] = RoundData(self._store, home.rounds, home.model, sets)
            return self._data[home.model.path]

    def close_data(self) -> None:
        """Give back the vocabularies' memory."""
        with self._data_lock:
            for data in self._data.values():
                data.close()

    def preview(self, method: Method, *, sets: Sequence[str] = ()) -> dict[str, Any]:
        """Return the manifest of what a round would be trained on now, with these preference sets.

        A set is NAME, NAME:ROWS or NAME:SHARE%; `data.get` brings one that is not here yet.
        """
        return self.data.build(method, self.settings.training, self.settings.dataset, sets).manifest()

    def preview_page(
        self, method: Method, sets: Sequence[str], which: str, start: int, count: int
    ) -> tuple[list[tuple[dataset.Row, "TokenizedRow"]], int]:
        """Return some rows of the preview as the model reads them, and how many there are.

        `which` is "train", "test" or a reason of the manifest's "removed".
        """
        asked, settings = self.settings.training, self.settings.dataset
        return self.data.page(method, asked, settings, sets, which, start, count)

    def start_round(
        self, method: Method, *, parent: int | None = None, sets: Sequence[str] = (), **training: Any
    ) -> int:
        """Freeze the feedback into a new round, start its worker, and return its number.

        `sets` are preference sets to mix in, as in `preview`; `parent` is the round to go on from, None and 0
        mean the base; `training` are fields of `TrainingSettings`, such as steps. Raise DataError if the
        feedback is not enough, SettingsError if a setting cannot hold, RoundError if a round is running.
        """
        with self._starting():
            if busy := running_anywhere(self._rounds_folder):
                raise RoundError(f"{busy} is still running; wait for it, or cancel it, then start the next.")
            asked = override(self.settings.training, "training", training)
            if parent:
                self._require_parent(parent, asked)
            rows = self.data.build(method, asked, self.settings.dataset, sets)
            dataset.require_trainable(method, rows.train, rows.removed)
            self._require_scorable(self.settings.evaluation)
            number = self.rounds.next_number()
            record = self._record(
                self.model, number, parent=parent or 0, method=method, rows=rows, training=asked
            )
            with self.rounds.create(record) as folder:
                dataset.save(rows, folder)
            self._start(number)
            return number

    def estimate_round(
        self,
        method: Method,
        *,
        sets: Sequence[str] = (),
        memory_bytes: int | None = None,
        calibrate: bool = False,
        **training: Any,
    ) -> fit.Estimate:
        """Say what a round begun now would take, and what would make it fit into `memory_bytes`.

        None is this machine's. With `calibrate` the machine is measured with the model if it was not yet.
        Raise as `start_round` does, where rows or settings cannot hold, or ModelError.
        """
        asked = presets.resolved(method, override(self.settings.training, "training", training))
        rows = self.data.build(method, asked, self.settings.dataset, sets)
        dataset.require_trainable(method, rows.train, rows.removed)
        known = self._calibration(fit.calibrated_with(method), asked, calibrate)
        a_pass = len(dataset.in_a_pass(rows.train))
        batch_size = min(asked.batch_size, a_pass)
        lengths = rows.manifest()["tokens"]
        load = fit.Load(
            prompt=lengths["prompt"]["mean"],
            reply=lengths["reply"]["mean"],
            longest=lengths["row"]["max"],
            rows=len(rows.train),
            steps=presets.count_steps(a_pass, batch_size, asked.steps),
            batch_size=batch_size,
        )
        budget = memory_bytes or (known.memory_bytes if known else fit.machine_memory())
        shape = fit.shape_of(self.model.path)
        return fit.estimate(shape, method, load, asked, calibration=known, budget_bytes=budget)

    def _calibration(
        self, method: Method, settings: TrainingSettings, measure: bool
    ) -> fit.Calibration | None:
        name = f"{self.model.sha256[:16]}-{method}-{settings.precision}.json"
        file = self.settings.data / "cache" / "fit" / name
        if not file.exists():
            if not measure:
                return None
            jobs.calibrate(self.model.path, file, method, settings.precision)
        return fit.Calibration.from_json(read_json(file))

    def cancel_round(self, number: int) -> None:
        """Ask a running round to stop; it keeps a checkpoint."""
        self._require(number, "running")
        jobs.cancel(self.rounds.folder(number))

    def stop_own_round(self, seconds: float) -> int | None:
        """Stop the round whose worker this process has started, and return its number; None if there is none.

        It keeps a checkpoint. Return when its process has ended or after so many seconds: then it is in the
        middle of a long step, and ends by itself after that.
        """
        if self._worker is None or self._worker.poll() is not None:
            return None
        jobs.cancel(self._working_on)
        with suppress(TimeoutExpired):
            self._worker.wait(seconds)
        return int(self._working_on.name)

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

    def assess(self, number: int) -> Assessment:
        """Return what speaks for and against using a round, compared with its parent."""
        return assess(self.rounds, number)

    def sample_replies(self, number: int) -> list[dict[str, str]]:
        """Return a few replies of the base and of a round to the same prompts."""
        return reports.replies(self.rounds.folder(number))

    def activate(self, number: int) -> None:
        """Let the chat use a round, after trying its adapter in a process of its own."""
        adapter = self.rounds.adapter(number)
        if adapter and (problem := jobs.adapter_problem(str(self.model.path), adapter.path, adapter.sha256)):
            raise AdapterError(f"Round {number} cannot be used, so the chat stays as it is: {problem}")
        self.rounds.activate(number)

    def talkable(self) -> list[int]:
        """Return the rounds that can be chatted with, the base first."""
        return [number for number in self.rounds.numbers() if self.rounds.has_adapter(number)]

    def export_round(
        self, number: int, format: ExportFormat, out: Path, quantisation: Quantisation = "F16"
    ) -> dict[str, str]:
        """Copy a round's adapter out as a PEFT folder or a GGUF, or merged into a whole model."""
        return export(self.rounds, self.model, number, format, out, quantisation)

    def evaluate(self, number: int, *, measures: Sequence[str] = (), **settings: Any) -> None:
        """Start scoring a round that has an adapter, or the base; `wait` for it, then see `scorecard`.

        `settings` are fields of `config.EvaluationSettings`; None leaves one as it is.
        """
        self.rounds.get(number)  # A damaged round is refused here rather than by its process.
        if not self.rounds.has_adapter(number):
            raise RoundError(f"Round {number} has no adapter yet; wait for it, or resume it.")
        asked = override(self.settings.evaluation, "evaluation", {"measures": measures or None, **settings})
        self._require_scorable(asked)
        write_json(self.rounds.folder(number) / EVALUATION_FILE, asked.model_dump(mode="json"))
        self._start(number, "--evaluate")

    def is_scored(self, number: int) -> bool:
        """Tell whether a round has scores and the last `evaluate` of it came to its end."""
        folder = self.rounds.folder(number)
        return reports.scorecard(folder) is not None and not (folder / EVALUATION_FILE).exists()

    def scorecard(self, number: int) -> Scorecard | None:
        """Return a round's scores, if it has any."""
        return reports.scorecard(self.rounds.folder(number))

    def samples(self, number: int) -> list[Sample]:
        """Return every text that a round's scores were made of; none if it has none."""
        return reports.samples(self.rounds.folder(number))

    def compare_rounds(self, number: int, other: int) -> Comparison:
        """Compare two scored rounds, `other` minus `number`; raise RoundError if one has no scores."""
        found = compared(self.rounds.folder(number), self.rounds.folder(other))
        if found is None:
            missing = number if self.scorecard(number) is None else other
            raise RoundError(f"Round {missing} has no scores yet: evaluate --round {missing}, then compare.")
        return found

    def scorecards(self) -> list[Scorecard]:
        """Return the scores of all rounds that have any and are not damaged, the base first."""
        reports = [report for report in self.list_rounds() if report.status != "damaged"]
        cards = [self.scorecard(report.number) for report in reports]
        return [card for card in cards if card is not None]

    def _telling(self, pieces: Iterator[T]) -> Generator[T, None, None]:
        """Hand on what is being written, and let a worker that waits for the chat know of it."""
        with jobs.chatting(self._rounds_folder):
            try:
                yield from pieces
            finally:
                if isinstance(pieces, Generator):
                    pieces.close()

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """Let one at a time look for a running round and start one, in this process and in others."""
        lock = FileLock(self._rounds_folder / START_LOCK_FILE)
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
        folder = self.rounds.folder(number)
        self._worker, self._working_on = jobs.start(folder, arguments), folder

    def _talker(self, model: catalog.Model) -> Talker:
        rounds = Rounds(self._rounds_folder / model.name)
        if 0 not in rounds.numbers():
            # Two programs may open a new folder at once; either one's round 0 will do.
            with suppress(RoundError), rounds.create(self._record(model, 0, parent=None, method=None)):
                pass
        return Talker(model, rounds, self._make_engine)

    @property
    def _rounds_folder(self) -> Path:
        return self.settings.data / "rounds"

    def _record(
        self,
        model: catalog.Model,
        number: int,
        *,
        parent: int | None,
        method: Method | None,
        rows: dataset.Dataset | None = None,
        training: TrainingSettings | None = None,
    ) -> Round:
        asked = training or self.settings.training
        return Round(
            number=number,
            parent=parent,
            method=method,
            model=model.name,
            model_path=str(model.path),
            model_sha256=model.sha256,
            dataset_sha256=rows.sha256 if rows else None,
            settings={
                "dataset": self.settings.dataset.model_dump(),
                "training": (presets.resolved(method, asked) if method else asked).model_dump(),
                "evaluation": self.settings.evaluation.model_dump(mode="json"),
            },
        )

    def _require_scorable(self, settings: EvaluationSettings) -> None:
        """Raise DataError now, rather than from a worker later, if prompts or scorers cannot be had."""
        plan.tasks(settings.measures, settings, self.settings.data)

    def _require_parent(self, number: int, asked: TrainingSettings) -> None:
        """Raise RoundError if a round has no adapter, SettingsError if training cannot go on from it so."""
        self.rounds.adapter(number)
        own = TrainingSettings.model_validate(self.rounds.get(number).settings["training"]).model_dump()
        wanted = asked.model_dump()
        for key in ("lora_rank", "lora_alpha", "lora_targets"):
            if wanted[key] != own[key]:
                raise SettingsError(
                    f"training.{key} is {wanted[key]}, but round {number} has {own[key]}; "
                    f"set it to {own[key]}, or start from the base."
                )

    def _require(self, number: int, *wanted: Status) -> None:
        report = self.round(number)
        if report.status == "damaged":
            raise RoundError(report.error)
        if report.status not in wanted:
            raise RoundError(
                f"Round {number} is {report.status}; this works on a round that is {' or '.join(wanted)}."
            )
