"""Gets files from a Hugging Face hub: probe, list, download with resume, checksum. Knows no model.

The hub's own client does addresses, headers, tokens and error kinds. The download loop is ours: the client's
cannot be stopped, waits without a limit, and does not notice a file that changes between two parts.
"""

import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from alignchat.errors import Cancelled, ModelError
from alignchat.files import sha256, sync_folder, writing
from alignchat.shelf.transfer import ShouldStop

PROBE_SECONDS = 3.0
PROBE_REMEMBERED = 60.0
TIMEOUT = 10.0
# Also the longest that a stop can take while the hub is silent.
SILENCE = 5.0
BEGINNING = 64 * 1024
RETRIES = 3

_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_SHA256, _GIT = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository of a model or a data set at one commit."""

    name: str
    revision: str
    files: Sequence[str]
    licence: str = ""
    kind: Literal["model", "dataset"] = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file on the hub at one commit; `etag` is the SHA-256 of large files, a git hash of small ones."""

    repository: str
    name: str
    revision: str
    url: str
    etag: str
    size: int


class Hub:
    """A hub, the one in HF_ENDPOINT if no other is given; it reads the token where its client keeps it."""

    def __init__(self, endpoint: str | None = None) -> None:
        self._endpoint = endpoint
        self._probed: tuple[float, bool] | None = None
        self._probing = threading.Lock()

    def is_reachable(self) -> bool:
        """Tell whether the hub answers; takes at most three seconds, and nothing if asked again soon."""
        with self._probing:
            now = time.monotonic()
            if self._probed is None or now - self._probed[0] > PROBE_REMEMBERED:
                self._probed = (time.monotonic(), self._answers())
            return self._probed[1]

    def has_token(self) -> bool:
        """Tell whether the hub's client has an access token."""
        from huggingface_hub import get_token

        return get_token() is not None

    def repository(self, name: str) -> Repository:
        """Return a repository's newest state; raise ModelError with what to do if it cannot be had."""
        if not is_repository(name):
            raise ModelError(f"{name!r} is not the name of a model on the hub; it looks like OWNER/NAME.")
        self._require_reachable()
        with _explained(name):
            info = self._api().model_info(name, timeout=TIMEOUT)
        card = info.card_data
        return Repository(
            name=name,
            revision=info.sha or "main",
            files=tuple(sibling.rfilename for sibling in info.siblings or ()),
            licence=str(card.get("license") or "") if card else "",
        )

    def data_revision(self, name: str, revision: str | None) -> str:
        """Return the commit a revision of a data set stands for, the newest if None; raise ModelError."""
        self._require_reachable("sets whose rows are on this machine")
        if revision and _GIT.fullmatch(revision):
            return revision
        with _explained(f"datasets/{name}"):
            info = self._api().dataset_info(name, revision=revision, timeout=TIMEOUT)
        if not _GIT.fullmatch(info.sha or ""):
            raise ModelError(f"The hub does not say which commit of {name} this is; try again later.")
        return str(info.sha)

    def file(self, repository: Repository, name: str) -> RemoteFile:
        """Ask for a file's size and checksum; raise ModelError with what to do if it cannot be had."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        url = hf_hub_url(
            repository.name,
            name,
            repo_type=repository.kind,
            revision=repository.revision,
            endpoint=self._endpoint,
        )
        with _explained(repository.name):
            facts = get_hf_file_metadata(url, timeout=TIMEOUT)
        if facts.etag is None or facts.size is None:
            raise ModelError(
                f"The hub does not say how large {name} of {repository.name} is; try again later."
            )
        return RemoteFile(
            repository=repository.name,
            name=name,
            revision=facts.commit_hash or repository.revision,
            url=url,
            etag=facts.etag,
            size=facts.size,
        )

    def download(
        self,
        file: RemoteFile,
        target: Path,
        advance: Callable[[int], None],
        should_stop: ShouldStop,
        inspect: Callable[[Path], None] | None = None,
    ) -> None:
        """Fetch a file to `target`, going on from an earlier try's part; `advance` gets bytes as they come.

        `inspect` gets the part once its beginning is there, and may raise to refuse the rest.
        Raise Cancelled or ModelError; what has come stays beside the target for the next try.
        """
        part = part_of(target, file)
        for stale in set(target.parent.glob(f"{target.name}.*.part")) - {part}:
            stale.unlink()  # Parts of an earlier version of the file.
        advance(min(_size(part), file.size))
        failures = 0
        while (before := _size(part)) < file.size:
            try:
                self._read(file, part, advance, should_stop, inspect)
            except _Broken as error:
                failures = 1 if _size(part) > before else failures + 1
                if failures > RETRIES:
                    raise ModelError(
                        f"The connection to the hub broke off after {_size(part):,} of {file.size:,} bytes "
                        f"of {file.name}; what has come is kept, so get it again to go on."
                    ) from error
                _wait(0.2 * 2**failures, should_stop)
        if not is_same(part, file):
            part.unlink()
            raise ModelError(
                f"What came of {file.name} is not what the hub holds (its checksum differs); get it again."
            )
        part.replace(target)
        sync_folder(target.parent)

    def _read(
        self,
        file: RemoteFile,
        part: Path,
        advance: Callable[[int], None],
        should_stop: ShouldStop,
        inspect: Callable[[Path], None] | None,
    ) -> None:
        from huggingface_hub import get_session
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # it lists no names

        start = _size(part)
        headers = {
            **build_hf_headers(),
            "Accept-Encoding": "identity",
            "Range": f"bytes={start}-",
        }
        with (
            _explained(file.repository),
            get_session().stream("GET", file.url, headers=headers, timeout=SILENCE) as response,
        ):
            _require_same(response, file)
            if start and response.status_code == 200:  # It cannot send a part, so from the beginning.
                part.unlink()
                advance(-start)
            with writing(part), part.open("ab") as out:
                for chunk in response.iter_bytes():
                    out.write(chunk)
                    advance(len(chunk))
                    if inspect and out.tell() >= BEGINNING:
                        out.flush()
                        inspect(part)
                        inspect = None
                    if should_stop():
                        raise Cancelled(f"Stopped; what has come of {file.name} is kept.")
        if _size(part) < file.size:
            raise _Broken(f"The hub sent only {_size(part):,} of {file.size:,} bytes of {file.name}.")
        if _size(part) > file.size:
            part.unlink()
            raise _changed(file)

    def _require_reachable(self, what: str = "models already on this machine") -> None:
        if not self.is_reachable():
            raise ModelError(
                "The hub cannot be reached: there is no network, or HF_HUB_OFFLINE is set; "
                f"{what} work without it."
            )

    def _answers(self) -> bool:
        # A name server that does not answer cannot be given a time limit, so a thread is left behind.
        answered: list[bool] = []
        thread = threading.Thread(target=lambda: answered.append(self._ask()), daemon=True)
        thread.start()
        thread.join(PROBE_SECONDS)
        return answered == [True]

    def _ask(self) -> bool:
        import httpx2
        from huggingface_hub import get_session
        from huggingface_hub.errors import OfflineModeIsEnabled

        try:
            get_session().head(self._api().endpoint, timeout=PROBE_SECONDS, follow_redirects=False)
        except (httpx2.HTTPError, OfflineModeIsEnabled, OSError):
            return False
        return True

    def _api(self) -> Any:
        from huggingface_hub import HfApi

        return HfApi(endpoint=self._endpoint)


class _Broken(ModelError):
    """The connection ended before the file did: a reason to try again while downloading, else to give up."""


def is_repository(name: str) -> bool:
    """Tell whether a text looks like OWNER/NAME on the hub."""
    return _REPO.fullmatch(name) is not None and ".." not in name


def part_of(target: Path, file: RemoteFile) -> Path:
    """Return where a file's first bytes wait for the rest; another version of it has another place."""
    return target.with_name(f"{target.name}.{hashlib.sha256(file.etag.encode()).hexdigest()[:16]}.part")


def is_same(path: Path, file: RemoteFile) -> bool:
    """Tell whether a file's bytes have the size and the checksum the hub gave."""
    if not path.exists() or path.stat().st_size != file.size:
        return False
    if _SHA256.fullmatch(file.etag):
        return sha256(path) == file.etag
    if _GIT.fullmatch(file.etag):
        content = path.read_bytes()
        blob = b"blob %d\0" % len(content) + content
        return hashlib.sha1(blob, usedforsecurity=False).hexdigest() == file.etag
    return True


def _require_same(response: Any, file: RemoteFile) -> None:
    """Raise an error of the hub, or ModelError if the file is no longer the one that was asked about."""
    from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]  # it lists no names

    if response.status_code == 416:
        raise _changed(file)
    hf_raise_for_status(response)
    own = (response.history or [response])[0]  # A store that it sends us on to has marks of its own.
    etag = own.headers.get("X-Linked-Etag") or own.headers.get("ETag")
    whole = response.headers.get("Content-Range", "").rpartition("/")[2]
    if (etag and etag.removeprefix("W/").strip('"') != file.etag) or (
        response.status_code == 206 and whole.isdigit() and int(whole) != file.size
    ):
        raise _changed(file)


def _changed(file: RemoteFile) -> ModelError:
    return ModelError(f"{file.name} of {file.repository} changed on the hub under way; get it again.")


@contextlib.contextmanager
def _explained(repository: str) -> Iterator[None]:
    """Turn the hub client's errors into sentences; a connection that breaks off is left to the caller."""
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise ModelError("HF_HUB_OFFLINE is set, so the hub is not asked; unset it to get models.") from error
    except errors.HfHubHTTPError as error:
        raise ModelError(_sentence(error, repository)) from error
    except (errors.FileMetadataError, json.JSONDecodeError) as error:
        raise ModelError(
            f"What answers for {repository} is not a hub; sign in to the network, or mend HF_ENDPOINT."
        ) from error
    except httpx2.TransportError as error:
        raise _Broken(
            f"The hub stopped answering while asked for {repository}; try again when the network is back."
        ) from error


def _sentence(error: Any, repository: str) -> str:
    from huggingface_hub import errors

    status, page = error.response.status_code, f"https://huggingface.co/{repository}"
    token = "put an access token into HF_TOKEN (or run: hf auth login)"
    if isinstance(error, errors.GatedRepoError):
        return f"{repository} is gated: accept its terms at {page}, then {token} and get it again."
    if status in (401, 403):
        return f"The hub refuses {repository} ({status}): accept its terms, if any, at {page}, then {token}."
    if isinstance(error, errors.RepositoryNotFoundError) or status == 404:
        return f"The hub has no such file or model in {repository} (404); check the name at {page}."
    if status == 429:
        wait = error.response.headers.get("Retry-After", "")
        pause = f"{wait} seconds" if wait.isdigit() else "some minutes"
        return f"The hub asks for fewer requests (429); wait {pause} and get it again, what has come is kept."
    return f"The hub has a fault of its own ({status}); try again later, what has come is kept."


def _wait(seconds: float, should_stop: ShouldStop) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if should_stop():
            raise Cancelled("Stopped; what has come is kept.")
        time.sleep(0.05)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
