"""Files that are whole or absent, and locks that die with their holder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alignchat.errors import DiskError
from alignchat.files import (
    FileLock,
    FolderThereError,
    is_locked,
    publish_folder,
    read_json,
    sha256,
    write_bytes,
    write_json,
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    value = {"text": "perché \ud800 \u2028", "number": 1.5, "none": None}
    write_json(tmp_path / "new" / "a.json", value)
    assert read_json(tmp_path / "new" / "a.json") == value


def test_a_value_that_is_not_json_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "a.json", float("nan"))
    assert read_json(tmp_path / "a.json") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_the_checksum_is_that_of_the_bytes(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"abc")
    assert sha256(tmp_path / "a").startswith("ba7816bf8f01cfea")


def test_a_folder_whose_filling_fails_is_not_there(tmp_path: Path) -> None:
    def fill_half() -> None:
        with publish_folder(tmp_path / "round") as folder:
            (folder / "half").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fill_half()
    assert list(tmp_path.iterdir()) == []


def test_a_published_folder_replaces_the_one_before(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with publish_folder(tmp_path / "round") as folder:
            (folder / name).write_text("x")
    assert [path.name for path in (tmp_path / "round").iterdir()] == ["two"]


def test_a_lock_is_seen_by_others_and_given_back(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    lock = FileLock(path)
    assert lock.acquire()
    assert is_locked(path)
    assert not FileLock(path).acquire()
    lock.release()
    assert not is_locked(path)


def test_a_shared_lock_is_held_until_the_last_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    one, other = FileLock(path), FileLock(path)
    one.share()
    other.share()
    one.release()
    assert is_locked(path)
    other.release()
    assert not is_locked(path)


def test_a_lock_handed_to_a_child_lives_as_long_as_the_child(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire()
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=[lock.handle]
    )
    lock.release()
    assert is_locked(tmp_path / "lock")
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert not is_locked(tmp_path / "lock")


def test_what_cannot_be_written_is_a_sentence_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    with pytest.raises(DiskError, match=r"file/a.json cannot be written \(.*choose another place"):
        write_json(tmp_path / "file" / "a.json", 1)
    with (
        pytest.raises(DiskError, match="file/round cannot be written"),
        publish_folder(tmp_path / "file" / "round"),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_published_first_is_not_replaced_unless_asked(tmp_path: Path) -> None:
    def later() -> None:
        with publish_folder(tmp_path / "round", replace=False) as folder:
            (folder / "later").write_text("x")
            with publish_folder(tmp_path / "round", replace=False) as first:
                (first / "first").write_text("x")

    with pytest.raises(FolderThereError):
        later()
    assert [path.name for path in tmp_path.rglob("*")] == ["round", "first"]


def test_a_lock_is_never_where_a_childs_standard_streams_will_be(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from alignchat.files import FileLock\n"
        "[os.close(handle) for handle in (0, 1, 2)]\n"
        "lock = FileLock(Path(sys.argv[1])); taken = lock.acquire(); os._exit(lock.handle if taken else 99)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "lock")], check=False)
    assert 3 <= ended.returncode < 99
