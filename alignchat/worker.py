"""One round, from frozen rows to scores: `python -m alignchat.worker ROUND_FOLDER [--evaluate]`.

Everything it needs is in the folder; it never opens the feedback store and reads no settings but the
round's own. Each phase is left out if its last-written file is there, so the same command resumes. Under
`accelerate launch` several processes train; the first alone writes and scores.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from alignchat import catalog, dataset, jobs
from alignchat.config import EvaluationSettings, TrainingSettings, process_rank
from alignchat.engine import Adapter, Sampling
from alignchat.errors import EXPECTED, AdapterError, Cancelled, DiskError, ModelError, RoundError
from alignchat.evaluation.scorecard import Sample, Scorecard
from alignchat.files import FileLock, read_json, write_bytes, write_json
from alignchat.making.assessment import assess
from alignchat.making.guard import Finding, Guard, repeated, sentence
from alignchat.making.reports import Progress, findings, scorecard, steps
from alignchat.rounds import (
    ADAPTER_FILE,
    ADAPTER_FOLDER,
    ADAPTER_GGUF,
    ERROR_FILE,
    EVALUATION_FILE,
    GUARD_FILE,
    LOCK_FILE,
    PROGRESS_FILE,
    REPLIES_FILE,
    SAMPLES_FILE,
    SCORECARD_FILE,
    STEPS_FILE,
    TRAIN_FILE,
    Round,
    Rounds,
    read_round,
)

if TYPE_CHECKING:
    from alignchat.evaluation.plan import Trained
    from alignchat.llamacpp.weights import BatchModel
    from alignchat.training.trainer import TrainSummary

CACHE_FOLDER = "cache"
TEXTS_FOLDER = "texts"
REPLIES = 8
WANT_OF_MEMORY = ("out of memory", "allocate memory", "not enough memory", "bad_alloc", "start new thread")
WANT_OF_DISK = ("no space left", "file too large", "quota exceeded", "file write failed", "disk is full")
OUT_OF_DISK = "The disk is full, so a file of the round could not be written; free some space and resume."
OUT_OF_MEMORY = (
    "The machine ran out of memory; close other programs and resume, or begin a round with a smaller "
    "training.batch_size or with training.recompute."
)
SAMPLED = Sampling(temperature=0.7, max_tokens=96, seed=0)


class Worker:
    """The work on one round's folder, phase by phase."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder.parents[2]  # data/rounds/<model>/<number>
        self.rounds = Rounds(folder.parent)
        self.record = read_round(folder)
        self.model = self._model(self.record)
        self._batch: BatchModel | None = None
        self._findings = findings(folder)
        self._stopped_by: Finding | None = None

    @property
    def training(self) -> TrainingSettings:
        """The round's own settings."""
        return TrainingSettings.model_validate(self.record.settings["training"])

    def run(self) -> None:
        """Train, write the adapter, try it, and score the base and the round."""
        settings = EvaluationSettings.model_validate(self.record.settings["evaluation"])
        if not (self.folder / TRAIN_FILE).exists():
            self._train()
        if not (self.folder / ADAPTER_FILE).exists():
            self._convert()
        if not (self.folder / REPLIES_FILE).exists():
            self._reply()
        for number in (0, self.record.number):
            card = scorecard(self.rounds.folder(number))
            plans = self._plans(number, settings, settings.measures)
            if card is None or any(card.plans.get(name) != plan for name, plan in plans.items()):
                self.evaluate(number, settings)
        if self.training.use_when_better and not assess(self.rounds, self.record.number).against:
            self.rounds.activate(self.record.number)

    def evaluate(self, number: int, settings: EvaluationSettings) -> None:
        """Score a round of this model, the base included, and publish its samples and scorecard.

        Measures scored before stay if they were made as now asked: their texts are kept.
        """
        from alignchat.evaluation.kept import KeptTexts
        from alignchat.evaluation.run import evaluate
        from alignchat.llamacpp.llama_engine import LlamaEngine

        phase = "scoring the base model" if number == 0 else f"scoring round {number}"
        folder, adapter = self.rounds.folder(number), self.rounds.adapter(number)
        settings = self._with_earlier(number, settings)
        batch = self._for_batches()
        weights = f"{self.model.sha256} {batch.format} {settings.batch_size} {adapter and adapter.sha256}"
        kept = KeptTexts(folder / TEXTS_FOLDER, weights)
        engine = LlamaEngine(batch.model, context=256, sequences=settings.batch_size)
        try:
            scores, samples, generation = evaluate(
                engine,
                measures=settings.measures,
                settings=settings,
                adapter=adapter,
                data=self.data,
                trained=self._trained(number),
                kept=kept,
                on_progress=lambda done, total: self._progress(phase, done, total),
                should_stop=self._should_stop,
            )
        finally:
            engine.close()
        _write_samples(folder / SAMPLES_FILE, samples)
        card = Scorecard(
            round=number,
            model=self.model.name,
            scores=scores,
            generation=generation,
            settings={**settings.model_dump(mode="json"), "weights": batch.format},
            plans=self._plans(number, settings, settings.measures),
            samples=SAMPLES_FILE,
        )
        write_json(folder / SCORECARD_FILE, card.to_json())
        kept.prune()  # the card was made of what is left

    def _with_earlier(self, number: int, settings: EvaluationSettings) -> EvaluationSettings:
        """Return the settings with those measures that the round's card has and that need not change."""
        card = scorecard(self.rounds.folder(number))
        if card is None:
            return settings
        plans = self._plans(number, settings, tuple(card.plans))
        measures = {*settings.measures, *(name for name, plan in plans.items() if card.plans[name] == plan)}
        return EvaluationSettings.model_validate({**settings.model_dump(), "measures": sorted(measures)})

    def _plans(self, number: int, settings: EvaluationSettings, measures: Sequence[str]) -> dict[str, str]:
        """Return a digest of all that each measure's scores depend on besides the round's weights."""
        from alignchat.evaluation import plan

        how = [self._for_batches().format, settings.batch_size, settings.published_honest]
        trained = self._trained(number)
        return {
            name: plan.digest(
                [*how, *(task.digest for task in plan.tasks([name], settings, self.data, trained))]
            )
            for name in measures
        }

    def _trained(self, number: int) -> list["Trained"]:
        """Return what a round was trained to say, once each, by the conversations it is said in."""
        if number == 0:
            return []
        rows = dataset.load(self.rounds.folder(number), self.rounds.get(number).dataset_sha256).train
        said = {
            (row.prompt, row.chosen if isinstance(row, dataset.PairedRow) else row.completion): None
            for row in rows
            if isinstance(row, dataset.PairedRow) or row.label
        }
        return list(said)

    def _model(self, record: Round) -> catalog.Model:
        model = catalog.find(record.model_path)
        if model.sha256 != record.model_sha256:
            raise ModelError(
                f"{model.path} is no longer the file this round began with; put that file back and resume."
            )
        return model

    def _for_batches(self) -> "BatchModel":
        """Return what scores are made with; base and rounds alike, or they could not be compared."""
        from alignchat.llamacpp.weights import for_batches

        if self._batch is None:
            self._progress("making ready to measure", 0, 0)
            self._batch = for_batches(self.model, self.data / CACHE_FOLDER, self._should_stop)
        return self._batch

    def train_along(self) -> None:
        """Train as one of several processes, of which the first one writes what comes of it."""
        if not (self.folder / TRAIN_FILE).exists():
            with suppress(Cancelled):
                self._train_with(lambda _: None)

    def _train(self) -> None:
        from alignchat.training import checkpoints
        from alignchat.training.load import leave_cores

        self._progress("loading the model", 0, 0)
        if self.training.while_chatting == "yield":
            leave_cores()
        known = {(found.kind, found.stopped) for found in self._findings}
        guard = Guard(beta=self.training.beta, known=known, earlier=steps(self.folder))
        with (self.folder / STEPS_FILE).open("a", encoding="utf-8") as log:
            try:
                summary = self._train_with(lambda step: self._step(log, guard, step))
            except Cancelled:
                if self._stopped_by:
                    raise RoundError(sentence(self._stopped_by)) from None
                raise
        write_json(self.folder / TRAIN_FILE, asdict(summary))
        shutil.rmtree(self.folder / checkpoints.FOLDER, ignore_errors=True)

    def _train_with(self, on_step: Callable[[dict[str, float]], None]) -> "TrainSummary":
        from alignchat.training.trainer import REFERENCES, train

        rows = dataset.load(self.folder, self.record.dataset_sha256)
        parent = self.record.parent
        return train(
            model=self.model,
            method=rows.method,
            rows=dataset.in_a_pass(rows.train),
            test_rows=rows.test,
            settings=self.training,
            folder=self.folder,
            parent_adapter=self.rounds.folder(parent) / ADAPTER_FOLDER if parent else None,
            on_step=on_step,
            should_stop=self._should_stop,
            references=self.data / CACHE_FOLDER / REFERENCES,
        )

    def _step(self, log: TextIO, guard: Guard, step: dict[str, float]) -> None:
        log.write(json.dumps(step) + "\n")
        log.flush()
        for finding in guard.see(step):
            self._found(finding)
        done, total = int(step["step"]), int(step["steps"])
        facts = {name: step[name] for name in ("loss", "seconds_left")}
        self._progress("training", done, total, **facts)
        if self.training.while_chatting == "wait" and self._is_chatting():
            self._progress("waiting for the chat", done, total, loss=step["loss"])
            while self._is_chatting() and not self._should_stop():
                time.sleep(0.1)
            self._progress("training", done, total, **facts)
        if done == total:
            self._progress("measuring the held-out rows", 0, 0)

    def _is_chatting(self) -> bool:
        return jobs.is_chatting(self.rounds.root.parent)

    def _found(self, finding: Finding) -> None:
        self._findings.append(finding)
        write_json(self.folder / GUARD_FILE, [asdict(found) for found in self._findings])
        if finding.stopped:
            self._stopped_by = finding
            jobs.cancel(self.folder)  # for the other processes of this training, if there are any

    def _reply(self) -> None:
        """Let base and round reply to a few of the round's prompts, to see whether it repeats itself."""
        from alignchat.llamacpp.llama_engine import LlamaEngine

        rows = dataset.load(self.folder, self.record.dataset_sha256)
        prompts = list(dict.fromkeys(row.prompt for row in (*rows.test, *rows.train)))[:REPLIES]
        model = self._for_batches().model
        self._progress("trying the round", 0, 0)
        engine = LlamaEngine(model, context=1024, sequences=REPLIES)
        try:
            base, own = (
                engine.reply_many(prompts, SAMPLED, adapter=adapter, should_stop=self._should_stop)
                for adapter in (None, self.rounds.adapter(self.record.number))
            )
        finally:
            engine.close()
        said = [
            (p, b, o) for p, b, o in zip(prompts, base, own, strict=True) if b is not None and o is not None
        ]
        last = int(steps(self.folder)[-1]["step"])
        if said and (found := repeated([b for _, b, _ in said], [o for _, _, o in said], last)):
            self._found(found)
        replies = [{"prompt": p[-1].content, "base": b, "round": o} for p, b, o in said]
        write_json(self.folder / REPLIES_FILE, replies)

    def _convert(self) -> None:
        from alignchat.formats.conversion import adapter_to_gguf

        self._progress("writing the adapter", 0, 1)
        path = self.folder / ADAPTER_GGUF
        adapter = Adapter(
            path=path, sha256=adapter_to_gguf(self.folder / ADAPTER_FOLDER, self.model.path, path)
        )
        if problem := jobs.adapter_problem(str(self.model.path), adapter.path, adapter.sha256):
            raise AdapterError(
                f"The trained adapter does not load, resume the round to write it again: {problem}"
            )
        write_json(self.folder / ADAPTER_FILE, {"sha256": adapter.sha256, "bytes": path.stat().st_size})

    def _progress(self, phase: str, done: int, total: int, **facts: float) -> None:
        write_json(
            self.folder / PROGRESS_FILE, asdict(Progress(phase=phase, done=done, total=total, **facts))
        )

    def _should_stop(self) -> bool:
        return jobs.is_cancelled(self.folder)


def main() -> int:
    """Work on the folder named on the command line; leave one sentence there if it fails."""
    parser = argparse.ArgumentParser(prog="python -m alignchat.worker")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lock", type=int, help="the open lock file handed down by the parent")
    parser.add_argument("--evaluate", action="store_true", help="only score, as evaluation.json asks")
    options = parser.parse_args()
    if process_rank() > 0:
        Worker(options.folder).train_along()
        return 0
    lock = FileLock(options.folder / LOCK_FILE)
    if options.lock is None and not lock.acquire():
        print("another worker has this folder", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: jobs.cancel(options.folder))
    os.nice(5)  # the chat goes first
    try:
        worker = Worker(options.folder)
        if options.evaluate:
            asked = EvaluationSettings.model_validate(read_json(options.folder / EVALUATION_FILE))
            worker.evaluate(worker.record.number, asked)
            (options.folder / EVALUATION_FILE).unlink()  # what was asked is done
        else:
            worker.run()
    except Cancelled as stop:
        print(stop, file=sys.stderr)
        return 0
    except Exception as error:  # The outer edge: the person gets a sentence, the log gets the rest.
        if not isinstance(error, EXPECTED):
            with suppress(OSError):  # The log may be on the full disk that this is about.
                traceback.print_exc()
        return _fail(options.folder, _sentence(error))
    return 0


def _write_samples(path: Path, samples: Iterable[Sample]) -> None:
    lines = [json.dumps(sample.to_json(), ensure_ascii=False) + "\n" for sample in samples]
    write_bytes(path, "".join(lines).encode("utf-8", "surrogatepass"))


def _sentence(error: Exception) -> str:
    """Return what to tell a person; libraries hide a want of room in errors of their own."""
    hidden: BaseException | None = error
    while hidden:
        if isinstance(hidden, MemoryError) or any(sign in str(hidden).lower() for sign in WANT_OF_MEMORY):
            return OUT_OF_MEMORY
        hidden = hidden.__cause__ or hidden.__context__
    if isinstance(error, EXPECTED):
        return str(error)
    if any(sign in str(error).lower() for sign in WANT_OF_DISK):
        return OUT_OF_DISK
    return f"The round failed unexpectedly ({error}); worker.log in its folder tells more."


def _fail(folder: Path, sentence: str) -> int:
    content = json.dumps({"error": sentence}).encode()
    try:
        write_bytes(folder / ERROR_FILE, content)
    except DiskError:
        # On a full disk nothing new can be written whole; the progress file's block is there already.
        with suppress(OSError), (folder / PROGRESS_FILE).open("r+b") as place:
            place.write(content)
            place.truncate()
            (folder / PROGRESS_FILE).replace(folder / ERROR_FILE)
    with suppress(OSError):
        print(sentence, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
