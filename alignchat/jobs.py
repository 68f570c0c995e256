"""Starts, watches and cancels the process that trains or evaluates a round. Knows no training.

The lock is taken here and handed to the child as an open file, so that a round is running from the
moment it is started until its worker's last breath, with no gap and no stored process id.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from alignchat.config import PACKAGES, Method, child_environment
from alignchat.errors import ModelError, RoundError
from alignchat.files import FileLock, is_locked, write_json, writing
from alignchat.rounds import CANCEL_FILE, ERROR_FILE, LOCK_FILE, LOG_FILE, PROGRESS_FILE

CHATTING_FILE = "chatting"
# A model loads at the pace of its disk: a tenth of a slow hard disk's, in bytes a second, is generous.
TRIAL_SECONDS, TRIAL_PACE = 120.0, 10_000_000


def start(folder: Path, arguments: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Start a worker on a round's folder; raise RoundError if one is at it already."""
    lock = FileLock(folder / LOCK_FILE)
    if not lock.acquire():
        raise RoundError(f"Round {int(folder.name)} is being worked on already; wait for it, or cancel it.")
    try:
        for name in (CANCEL_FILE, ERROR_FILE):
            (folder / name).unlink(missing_ok=True)
        # What is on the disk already can take the worker's last words once the disk is full.
        write_json(folder / PROGRESS_FILE, {"phase": "starting", "done": 0, "total": 0})
        handle = lock.handle
        with (folder / LOG_FILE).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "alignchat.worker", str(folder), "--lock", str(handle), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[handle],
                start_new_session=True,
                cwd=PACKAGES,
                env=child_environment(),
            )
    finally:
        lock.release()


def cancel(folder: Path) -> None:
    """Ask a round's worker to stop at its next step."""
    (folder / CANCEL_FILE).touch()


def is_cancelled(folder: Path) -> bool:
    """Tell whether the round's worker has been asked to stop."""
    return (folder / CANCEL_FILE).exists()


@contextmanager
def chatting(root: Path) -> Iterator[None]:
    """Let workers know, for the length of the block, that a reply is being written."""
    lock = FileLock(root / CHATTING_FILE)
    with writing(lock.path):
        lock.share()
    try:
        yield
    finally:
        lock.release()


def is_chatting(root: Path) -> bool:
    """Tell whether a living process is writing a reply."""
    return is_locked(root / CHATTING_FILE)


def calibrate(model: Path, out: Path, method: Method, precision: str) -> None:
    """Measure this machine with a model, which takes about half a minute; raise ModelError if it fails."""
    out.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "alignchat.training.calibrate", str(model), str(out), method, precision]
    ended = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=PACKAGES,
        env=child_environment(),
        check=False,
    )
    if ended.returncode:
        last_words = ended.stderr.strip().splitlines()[-1:] or ["it broke off, perhaps for want of memory"]
        raise ModelError(f"This machine could not be measured with {model.name}: {last_words[0]}")


def trial_seconds(path: Path) -> float:
    """Return after how many seconds a trial of a model file counts as one that hangs."""
    return TRIAL_SECONDS + (path.stat().st_size if path.exists() else 0) / TRIAL_PACE


def adapter_problem(model: str, adapter: Path, sha256: str) -> str | None:
    """Try an adapter in a process of its own, since llama.cpp may crash on it; return what went wrong."""
    command = [sys.executable, "-m", "alignchat.llamacpp.trial", model, str(adapter), sha256]
    seconds = trial_seconds(Path(model))
    try:
        trial = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=PACKAGES,
            env=child_environment(),
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return f"llama.cpp was still trying it after {seconds:.0f} s, so it was ended."
    if trial.returncode == 0:
        return None
    last_words = trial.stderr.strip().splitlines()[-1:]
    return last_words[0] if last_words else "llama.cpp crashed on it."
