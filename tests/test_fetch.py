"""Getting files from a hub that breaks off, refuses, changes its mind or is not there."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alignchat import fetch
from alignchat.errors import Cancelled, ModelError
from alignchat.fetch import Hub, RemoteFile
from alignchat.shelf import transfer
from alignchat.shelf.transfer import Progress
from tests.hub import Fault, LoopbackHub, loopback_hub

CONTENT = bytes(range(256)) * 16384  # 4 MiB
NAME = "minerva/tiny"
FILE = "tiny.gguf"


@pytest.fixture
def server() -> Iterator[LoopbackHub]:
    with loopback_hub(minerva__tiny={FILE: CONTENT, "config.json": b"{}"}) as hub:
        yield hub


def remote(server: LoopbackHub, file: str = FILE) -> tuple[Hub, RemoteFile]:
    hub = Hub(server.url)
    return hub, hub.file(hub.repository(NAME), file)


def get(server: LoopbackHub, target: Path, stop_after: int | None = None) -> int:
    """Download; return how many bytes were counted."""
    hub, file = remote(server)
    counted = [0]
    target.parent.mkdir(exist_ok=True)

    def advance(count: int) -> None:
        counted[0] += count

    hub.download(file, target, advance, lambda: stop_after is not None and counted[0] >= stop_after)
    return counted[0]


@pytest.mark.parametrize("file", [FILE, "config.json"])
def test_a_file_comes_whole_with_its_checksum(server: LoopbackHub, tmp_path: Path, file: str) -> None:
    hub, known = remote(server, file)
    hub.download(known, tmp_path / file, lambda _: None, lambda: False)
    assert (tmp_path / file).read_bytes() == server.repositories[NAME][file]
    assert [path.name for path in tmp_path.iterdir()] == [file]


def test_a_connection_that_breaks_off_is_taken_up_where_it_was(server: LoopbackHub, tmp_path: Path) -> None:
    server.fail("/resolve/", Fault(break_after=1_500_000), Fault(break_after=10))
    assert get(server, tmp_path / FILE) == len(CONTENT)
    assert (tmp_path / FILE).read_bytes() == CONTENT
    starts = [headers["Range"] for headers in server.asked(FILE)]
    assert starts[0] == "bytes=0-"
    assert all(start != "bytes=0-" for start in starts[1:])


def test_after_too_many_breaks_the_part_is_kept_for_the_next_try(server: LoopbackHub, tmp_path: Path) -> None:
    server.fail("/resolve/", Fault(break_after=2_000_000), *[Fault(break_after=0)] * (fetch.RETRIES + 1))
    with pytest.raises(ModelError, match=r"broke off after 2,000,000 of 4,194,304 bytes .* get it again"):
        get(server, tmp_path / FILE)
    get(server, tmp_path / FILE)
    assert server.asked(FILE)[-1]["Range"] == "bytes=2000000-"
    assert (tmp_path / FILE).read_bytes() == CONTENT


def test_what_was_stopped_goes_on_where_it_stopped(server: LoopbackHub, tmp_path: Path) -> None:
    with pytest.raises(Cancelled, match="is kept"):
        get(server, tmp_path / FILE, stop_after=1_000_000)
    assert not (tmp_path / FILE).exists()
    get(server, tmp_path / FILE)
    assert int(server.asked(FILE)[-1]["Range"].strip("bytes=-")) >= 1_000_000
    assert (tmp_path / FILE).read_bytes() == CONTENT


def test_a_file_that_changes_between_two_tries_begins_anew(server: LoopbackHub, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        get(server, tmp_path / FILE, stop_after=1_000_000)
    server.repositories[NAME][FILE] = CONTENT[::-1]
    get(server, tmp_path / FILE)
    assert (tmp_path / FILE).read_bytes() == CONTENT[::-1]
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("new", [CONTENT[::-1], CONTENT[:1_000_000]])
def test_a_file_that_changes_under_way_is_refused(server: LoopbackHub, tmp_path: Path, new: bytes) -> None:
    server.fail("/resolve/", Fault(break_after=2_000_000), Fault(replace=(NAME, FILE, new)))
    with pytest.raises(ModelError, match="changed on the hub under way; get it again"):
        get(server, tmp_path / FILE)
    get(server, tmp_path / FILE)
    assert (tmp_path / FILE).read_bytes() == new


def test_damaged_bytes_are_found_and_thrown_away(server: LoopbackHub, tmp_path: Path) -> None:
    hub, file = remote(server)
    fetch.part_of(tmp_path / FILE, file).write_bytes(b"x" * 100)
    with pytest.raises(ModelError, match="checksum differs"):
        hub.download(file, tmp_path / FILE, lambda _: None, lambda: False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (
            Fault(401, "GatedRepo"),
            "accept its terms at .*/minerva/tiny, then put an access",
        ),
        (Fault(403), "accept its terms, .* HF_TOKEN"),
        (Fault(404, "EntryNotFound"), "no such file or model"),
        (Fault(429), "fewer requests .* wait 7 seconds"),
        (Fault(500), "fault of its own .* try again later"),
        (Fault(503), "fault of its own"),
    ],
)
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_each_refusal_is_one_sentence_that_says_what_to_do(
    server: LoopbackHub, tmp_path: Path, fault: Fault, says: str, method: str
) -> None:
    server.fail("/resolve/", Fault(fault.status, fault.code, method=method))
    with pytest.raises(ModelError, match=says) as raised:
        get(server, tmp_path / FILE)
    assert "\n" not in str(raised.value)


def test_a_refusal_half_way_keeps_what_has_come(server: LoopbackHub, tmp_path: Path) -> None:
    server.fail("/resolve/", Fault(break_after=2_000_000), Fault(429))
    with pytest.raises(ModelError, match="what has come is kept"):
        get(server, tmp_path / FILE)
    get(server, tmp_path / FILE)
    assert server.asked(FILE)[-1]["Range"] == "bytes=2000000-"


def test_a_model_that_is_not_there_is_said_to_be_so(server: LoopbackHub) -> None:
    with pytest.raises(ModelError, match="no such file or model in minerva/none"):
        Hub(server.url).repository("minerva/none")


@pytest.mark.parametrize("name", ["../etc", "a/b/c", "/etc/passwd", "a/..", "a", "a b/c", ""])
def test_what_is_no_name_of_a_repository_is_not_asked_for(server: LoopbackHub, name: str) -> None:
    with pytest.raises(ModelError, match="OWNER/NAME"):
        Hub(server.url).repository(name)
    assert server.requests == []


def test_a_hub_that_takes_connections_and_says_nothing_is_given_up_in_three_seconds_and_once() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hub = Hub(f"http://127.0.0.1:{silent.getsockname()[1]}")
        begun = time.monotonic()
        with pytest.raises(ModelError, match="cannot be reached"):
            hub.repository(NAME)
        assert time.monotonic() - begun < fetch.PROBE_SECONDS + 0.5
        begun = time.monotonic()
        assert not hub.is_reachable()
        assert time.monotonic() - begun < 0.1


def test_offline_is_known_at_once(monkeypatch: pytest.MonkeyPatch, server: LoopbackHub) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    begun = time.monotonic()
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE"):
        Hub(server.url).repository(NAME)
    assert time.monotonic() - begun < 1
    assert server.requests == []


def test_a_full_disk_is_noticed_before(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"not enough room .* are needed and .* are free"):
        transfer.require_room(tmp_path, 10**18)


def test_progress_tells_bytes_rate_and_time_left() -> None:
    told: list[Progress] = []
    meter = transfer.Meter("tiny.gguf", 300, told.append)
    meter.advance(100)  # What an earlier try left.
    meter.advance(200)
    assert (told[-1].done, told[-1].total, told[-1].seconds_left) == (300, 300, 0)
    assert told[-1].rate > 0
