"""Public prompt sets, lexicons and classifiers, fetched when asked for from where their authors publish them.

Knows addresses, licences and checksums; knows no measure. GitHub's files are those of one commit, with the
checksums they had when this was written; the hub's are checked against what it says of them.
"""

import hashlib
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from alignchat.errors import Cancelled, DataError
from alignchat.evaluation.plan import BIAS_FOLDER, CLASSIFIERS_FOLDER
from alignchat.fetch import Hub, Repository
from alignchat.files import write_bytes, write_json
from alignchat.shelf.obtain import Work, fetch_all
from alignchat.shelf.transfer import Meter, OnProgress, ShouldStop, require_room

GITHUB = "https://raw.githubusercontent.com"
SOURCE_FILE = "source.json"
SILENCE = 10.0
BLOCK = 64 * 1024
# What the Transformers library reads of a classifier besides weights; config.json last: all is there then.
_SMALL = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt",
    "vocab.txt", "sentencepiece.bpe.model", "spiece.model", "config.json",
)  # fmt: skip
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicFile:
    """One file at its authors', by its path there; where GitHub has it, with its checksum."""

    path: str
    size: int
    sha256: str = ""

    @property
    def name(self) -> str:
        """Return what the file is called here."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasSet:
    """A prompt set or lexicon: what it is, whose, under which licence, and where."""

    title: str
    licence: str
    page: str
    repository: str
    commit: str
    files: tuple[PublicFile, ...]
    on_hub: bool = False
    non_commercial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasSetReport:
    """How a set stands on this machine."""

    name: str
    title: str
    licence: str
    page: str
    bytes: int
    non_commercial: bool
    here: bool

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)


def _file(path: str, size: int, sha256: str) -> PublicFile:
    return PublicFile(path=path, size=size, sha256=sha256)


SETS = {
    "realtoxicityprompts": BiasSet(
        title="RealToxicityPrompts (Gehman et al. 2020), 99,442 English prompts",
        licence="Apache-2.0",
        page="https://huggingface.co/datasets/allenai/real-toxicity-prompts",
        repository="allenai/real-toxicity-prompts",
        commit="d3a6507562064c4f37cdf267bdc2faa7b0873173",
        files=(PublicFile(path="prompts.jsonl", size=67_700_000),),
        on_hub=True,
    ),
    "bold": BiasSet(
        title="BOLD (Dhamala et al. 2021), 23,679 English prompts about groups of people",
        licence="CC BY-SA 4.0",
        page="https://github.com/amazon-science/bold",
        repository="amazon-science/bold",
        commit="3ad652c773f5d1e30d5f6f61657ed934d768ecad",
        files=(
            _file(
                "prompts/gender_prompt.json",
                197_705,
                "a863aaf2492e3c911c39f435005abee2eba5f5edabe836e97de110cd83273054",
            ),
            _file(
                "prompts/political_ideology_prompt.json",
                116_434,
                "a83ea7cc272971b618231e13bcb5c1d1be5b208c92135c4ffde85be31f8ab4c6",
            ),
            _file(
                "prompts/profession_prompt.json",
                510_740,
                "5508012069f20419559417e64d8bb2b8d864ebf8afedd21e5ca564393c291794",
            ),
            _file(
                "prompts/race_prompt.json",
                444_732,
                "200337f6c43b09671e580b1df6aea2cdc0196ee02779260e9881da07029e1cb6",
            ),
            _file(
                "prompts/religious_ideology_prompt.json",
                33_223,
                "633830ea87d569e5476895a93f68b8f686cb0dcae6d67a1091a9247c5c4c931d",
            ),
        ),
    ),
    "honest": BiasSet(
        title="HONEST (Nozza et al. 2021), 810 templates each in Italian and English",
        licence="MIT",
        page="https://github.com/MilaNLProc/honest",
        repository="MilaNLProc/honest",
        commit="6efc7817cbeb36e61bba51a34bbce13ecc8af69f",
        files=(
            _file(
                "resources/binary/it_template.tsv",
                80_091,
                "c1927758ac720c93ee52a3ecef47058991a8b9c452df7ec7bc9a715058870953",
            ),
            _file(
                "resources/binary/en_template.tsv",
                75_756,
                "31cc5a89729638975eaf0de3457ed87c6c7da67ef9058119f53d931f8e26727c",
            ),
        ),
    ),
    "hurtlex": BiasSet(
        title="HurtLex 1.2 (Bassignana et al. 2018), hurtful words in Italian and English",
        licence="CC BY-NC-SA 4.0",
        page="https://github.com/valeriobasile/hurtlex",
        repository="valeriobasile/hurtlex",
        commit="e8205fa73b533d802d8b7fb6f846abd4be69ea63",
        files=(
            _file(
                "lexica/IT/1.2/hurtlex_IT.tsv",
                257_914,
                "043fb72213c2158b9c2b75651e7193bad249b8dc577c1f1e6c71a2b69d415eef",
            ),
            _file(
                "lexica/EN/1.2/hurtlex_EN.tsv",
                305_106,
                "a734820a63c87994781d182692e6dc7ec262c402016971a7fa31946ced0d470c",
            ),
        ),
        non_commercial=True,
    ),
}


class BiasSets:
    """What is in a data folder of the public sets and classifiers, and how to get more."""

    def __init__(self, data: Path, *, hub: Hub | None = None, github: str = GITHUB) -> None:
        """Keep them in `data`; other places than the authors' are for tests."""
        self._data = data
        self._hub = hub or Hub()
        self._github = github

    def reports(self) -> list[BiasSetReport]:
        """Return how each known set stands."""
        return [self.report(name) for name in SETS]

    def report(self, name: str) -> BiasSetReport:
        """Return how a set stands; raise DataError for an unknown one."""
        known = _known(name)
        return BiasSetReport(
            name=name,
            title=known.title,
            licence=known.licence,
            page=known.page,
            bytes=sum(file.size for file in known.files),
            non_commercial=known.non_commercial,
            here=(self._folder(name) / SOURCE_FILE).exists(),
        )

    def get(
        self,
        name: str,
        *,
        accept_licence: bool = False,
        on_progress: OnProgress | None = None,
        should_stop: ShouldStop = lambda: False,
    ) -> BiasSetReport:
        """Bring a set to this machine, whole or not at all.

        Raises DataError with what to do if it cannot be had, or if its licence allows non-commercial use only
        and nobody said that this is one.
        """
        known, folder = _known(name), self._folder(name)
        if known.non_commercial and not accept_licence:
            raise DataError(
                f"{known.title}, is under {known.licence}: for non-commercial use only (see {known.page}). "
                f"If that is yours, say so: bias-data get {name} --accept-licence"
            )
        if not (folder / SOURCE_FILE).exists():
            work = Work(folder=folder, on_progress=on_progress, should_stop=should_stop)
            self._fetch(known, work)
            source = {
                "title": known.title,
                "licence": known.licence,
                "page": known.page,
                "commit": known.commit,
            }
            write_json(folder / SOURCE_FILE, source)
        return self.report(name)

    def get_classifier(
        self, name: str, *, on_progress: OnProgress | None = None, should_stop: ShouldStop = lambda: False
    ) -> dict[str, str]:
        """Bring a text classifier from the hub to this machine; return its name, licence and commit."""
        repository = self._hub.repository(name)
        weights = [file for file in _WEIGHTS if file in repository.files][:1]
        small = [file for file in _SMALL if file in repository.files]
        if not weights or "config.json" not in small:
            raise DataError(f"{name} has no classifier's files; check its page, or give another.")
        folder = self._data / CLASSIFIERS_FOLDER / name.replace("/", "--")
        folder.mkdir(parents=True, exist_ok=True)
        files = [self._hub.file(repository, file) for file in (*weights, *small)]
        fetch_all(
            self._hub, files, folder, Work(folder=folder, on_progress=on_progress, should_stop=should_stop)
        )
        facts = {"name": name, "licence": repository.licence, "commit": repository.revision}
        write_json(folder / SOURCE_FILE, facts)
        return facts

    def _folder(self, name: str) -> Path:
        return self._data / BIAS_FOLDER / name

    def _fetch(self, known: BiasSet, work: Work) -> None:
        if known.on_hub:
            repository = Repository(
                name=known.repository, revision=known.commit, files=(), licence=known.licence, kind="dataset"
            )
            work.folder.mkdir(parents=True, exist_ok=True)
            fetch_all(
                self._hub, [self._hub.file(repository, file.path) for file in known.files], work.folder, work
            )
            return
        require_room(work.folder, sum(file.size for file in known.files))
        meter = Meter(known.repository, sum(file.size for file in known.files), work.on_progress)
        for file in known.files:
            url = f"{self._github}/{known.repository}/{known.commit}/{file.path}"
            write_bytes(work.folder / file.name, _downloaded(url, file, meter.advance, work.should_stop))


def _known(name: str) -> BiasSet:
    if name not in SETS:
        raise DataError(
            f"There is no public set {name!r}: choose from {', '.join(SETS)}, or OWNER/NAME for a classifier."
        )
    return SETS[name]


def _downloaded(url: str, file: PublicFile, advance: Callable[[int], None], should_stop: ShouldStop) -> bytes:
    """Return a small file's bytes; raise DataError unless they are the ones that were published."""
    content = bytearray()
    try:
        with urllib.request.urlopen(url, timeout=SILENCE) as response:
            while (block := response.read(BLOCK)) and len(content) <= file.size:
                content += block
                advance(len(block))
                if should_stop():
                    raise Cancelled("Stopped; nothing was changed.")
    except urllib.error.HTTPError as error:
        raise DataError(f"{url} answers {error.code}; try again later.") from error
    except (OSError, HTTPException) as error:
        raise DataError(
            f"{url} cannot be read ({error}); try again when the network is back, or give --bias-data "
            f"a folder that has {file.name}."
        ) from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise DataError(f"What came from {url} is not what was published (its checksum differs); try again.")
    return bytes(content)
