"""Makes a GGUF file in a folder: from packages, from the hub, or from a Transformers folder.

Knows neither names nor defaults. Only safetensors and GGUF are read, and none of a model's own code is run.
"""

import hashlib
import importlib.util
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from alignchat.catalog import ARCHITECTURES, Package
from alignchat.errors import Cancelled, ModelError
from alignchat.fetch import BEGINNING, Hub, RemoteFile, Repository, is_same
from alignchat.files import TEMPORARY
from alignchat.formats import safetensors_files
from alignchat.formats.gguf_header import architecture_in
from alignchat.llamacpp.llama_child import QUANTISATIONS, Quantisation, quantise, try_model
from alignchat.shelf.transfer import Meter, OnProgress, ShouldStop, require_room

SOURCE_FOLDER = "source"
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)
# Shares of an F16 file that a quantised one takes, rounded up: to see whether the disk has room.
_SHARE = {"F16": 1.0, "BF16": 1.0, "Q8_0": 0.54, "Q6_K": 0.5, "Q5_K_M": 0.5, "Q4_K_M": 0.5, "Q4_0": 0.4}


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Where files are put, whom to tell of progress, and whether to go on."""

    folder: Path
    on_progress: OnProgress | None = None
    should_stop: ShouldStop = field(default=_never)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A GGUF file that is there now, and where it came from."""

    path: Path
    quantisation: str
    source: str
    licence: str = ""


def from_package(package: Package, work: Work) -> Path:
    """Join the parts of a file that lie in installed packages; raise ModelError if they are not installed."""
    parts = [_packaged(module, name, package) for module, name in package.parts]
    total = sum(part.stat().st_size for part in parts)
    require_room(work.folder, total)
    out = work.folder / parts[0].stem
    meter, digest = Meter(out.name, total, work.on_progress), hashlib.sha256()
    with temporary(out) as new:
        with new.open("wb") as file:
            for part in parts:
                for block in _blocks(part):
                    file.write(block)
                    digest.update(block)
                    meter.advance(len(block))
                    if work.should_stop():
                        raise Cancelled("Stopped; nothing was changed.")
        if digest.hexdigest() != package.sha256:
            raise ModelError(
                f"The parts of {out.name} are damaged; run: pip install --force-reinstall {package.project}"
            )
        new.replace(out)
    return out


def from_hub(
    hub: Hub, repository: Repository, quantisation: Quantisation | None, usual: Quantisation, work: Work
) -> Made:
    """Fetch a GGUF if the repository has a fitting one, else convert its safetensors.

    Its quantisation is the one asked for, else the usual one if there is a choice.
    """
    found = gguf_files(repository.files)
    wanted = quantisation or usual
    if quantisation is None and found and usual not in found:
        wanted = next(iter(found))
    if wanted in found:
        (path,) = fetch_all(hub, [hub.file(repository, found[wanted])], work.folder, work, _require_known)
        return _made(path, wanted, repository)
    if "config.json" in repository.files:
        return _made(from_hub_safetensors(hub, repository, wanted, work), wanted, repository)
    if found:
        raise ModelError(
            f"{repository.name} has no {wanted}; it has: {', '.join(found)}. Choose with --quant."
        )
    raise ModelError(f"{repository.name} holds neither GGUF files nor safetensors that can be converted.")


def from_hub_safetensors(hub: Hub, repository: Repository, quantisation: Quantisation, work: Work) -> Path:
    """Fetch a repository's safetensors and tokenizer, convert them, and throw them away."""
    source = work.folder / SOURCE_FOLDER
    source.mkdir(exist_ok=True)
    small = ["config.json", *(name for name in _TOKENIZER_FILES if name in repository.files)]
    if safetensors_files.INDEX_FILE in repository.files:
        small.append(safetensors_files.INDEX_FILE)
    fetch_all(hub, [hub.file(repository, name) for name in small], source, work)
    try:
        names = _convertible(source, repository)
    except ModelError:
        shutil.rmtree(source)
        raise
    shards = [hub.file(repository, name) for name in names]
    weights = sum(shard.size for shard in shards)
    require_room(work.folder, weights + int(weights * (1 + _SHARE[quantisation])))
    fetch_all(hub, shards, source, work)
    name = repository.name.partition("/")[2]
    out = from_folder(source, work.folder / f"{name}.{quantisation}.gguf", quantisation, work, name=name)
    shutil.rmtree(source)
    return out


def fetch_all(
    hub: Hub,
    files: Sequence[RemoteFile],
    folder: Path,
    work: Work,
    inspect: Callable[[Path], None] | None = None,
) -> list[Path]:
    """Fetch files into a folder, telling of the progress of all together; skip those that are there.

    `inspect` gets a part of each once its beginning is there, and may raise to refuse the rest.
    """
    names = [Path(file.name).name for file in files]
    missing = [file for file, name in zip(files, names, strict=True) if not is_same(folder / name, file)]
    there = sum(part.stat().st_size for part in folder.glob("*.part"))
    require_room(folder, max(0, sum(file.size for file in missing) - there))
    meter = Meter(names[0], sum(file.size for file in missing), work.on_progress)
    for file in missing:
        hub.download(file, folder / Path(file.name).name, meter.advance, work.should_stop, inspect)
    return [folder / name for name in names]


def from_folder(
    source: Path, out: Path, quantisation: Quantisation, work: Work, *, name: str = "", licence: str = ""
) -> Path:
    """Convert a Transformers folder to a GGUF file and see that llama.cpp reads and tokenises alike."""
    from alignchat.formats.safetensors_to_gguf import convert

    whole = quantisation if quantisation in ("F16", "BF16") else None
    names = safetensors_files.file_names(source)
    size = sum((source / name).stat().st_size for name in names if (source / name).exists())
    require_room(out.parent, int(size * ((0 if whole else 1) + _SHARE[quantisation])))
    meter = Meter(f"converting {name or source.name}", 1, work.on_progress)
    with temporary(out) as new, temporary(out) as middle:
        convert(
            source,
            new if whole else middle,
            format=whole,
            name=name or source.name,
            licence=licence,
            on_progress=meter.reach,
            should_stop=work.should_stop,
        )
        if not whole:
            quantise(middle, new, quantisation, work.should_stop)
        try_model(new, source / "tokenizer.json", work.should_stop)
        new.replace(out)
    return out


def gguf_files(names: Sequence[str]) -> dict[Quantisation, str]:
    """Return the whole-model GGUF files among some names by quantisation, the more exact first."""
    found: dict[Quantisation, str] = {}
    for kind in QUANTISATIONS:
        pattern = re.compile(rf"(?<![a-z0-9]){kind.lower()}(?![a-z0-9_])")
        for name in sorted(names):
            text = name.lower()
            whole = text.endswith(".gguf") and "-of-0" not in text and "mmproj" not in text
            if whole and pattern.search(text) and "imatrix" not in text:
                found.setdefault(kind, name)
    return found


@contextmanager
def temporary(out: Path) -> Iterator[Path]:
    """Give a name beside `out` to write to, and leave nothing there at the end."""
    path = out.with_name(f"{TEMPORARY}{out.name}-{uuid.uuid4().hex[:8]}")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _require_known(part: Path) -> None:
    """Remove the beginning of a GGUF file and raise ModelError if it says it is of another family."""
    with part.open("rb") as file:
        architecture = architecture_in(file.read(BEGINNING))
    if architecture not in (None, *ARCHITECTURES):
        part.unlink()
        raise ModelError(
            f"It is a {architecture} model, which cannot be used here, so the rest was not fetched; "
            f"choose one of these architectures: {', '.join(ARCHITECTURES)}."
        )


def _convertible(source: Path, repository: Repository) -> list[str]:
    """Return the names of the weight files; raise ModelError if what is here already cannot be converted."""
    from alignchat.formats import vocabulary
    from alignchat.formats.safetensors_to_gguf import read_config, read_shape

    names = safetensors_files.file_names(source)
    if not set(names) <= set(repository.files):
        raise ModelError(
            f"{repository.name} has no whole set of safetensors; nothing but these and GGUF is read."
        )
    vocabulary.read(source).padded(read_shape(read_config(source), source).vocabulary)
    return names


def _made(path: Path, quantisation: str, repository: Repository) -> Made:
    source = f"{repository.name}@{repository.revision}"
    return Made(path=path, quantisation=quantisation, source=source, licence=repository.licence)


def _packaged(module: str, name: str, package: Package) -> Path:
    found = importlib.util.find_spec(module)
    path = Path(found.origin).parent / name if found and found.origin else None
    if path is None or not path.exists():
        raise ModelError(f"The model's packages are not installed; run: pip install {package.project}")
    return path


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(4 * 1024 * 1024):
            yield block
