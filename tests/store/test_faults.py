"""A disk that fails, fills up, forgets or is changed by others: what was acknowledged stays."""

import errno
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from feedback_store import (
    DiskFullError,
    FeedbackStore,
    JournalChangedError,
    NotSavedError,
    ReadOnlyError,
    StoreError,
)
from tests.store.disks import FaultyDisk, MemoryDisk, PowerLoss
from tests.store.makers import completion, thumb
from tests.store.trials import FACTOR, tell


class Witness:
    """Does things to a store and remembers what was acknowledged: by id, whether the record counts now."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, bool] = {}
        self.uncertain: set[str] = set()
        self.refused = 0

    def add(self, store: FeedbackStore, text: str = "x") -> None:
        record = completion(text)
        self.uncertain.add(record.id)
        store.add(record)
        self.uncertain.discard(record.id)
        self.acknowledged[record.id] = True

    def retract(self, store: FeedbackStore, id: str) -> None:
        self.uncertain.add(id)
        store.retract(id)
        self.uncertain.discard(id)
        self.acknowledged[id] = False

    def counting(self) -> list[str]:
        return [id for id, counts in self.acknowledged.items() if counts]

    def check(self, store: FeedbackStore) -> None:
        for id, counts in self.acknowledged.items():
            if id not in self.uncertain:
                assert (store.get(id) is not None) == counts, "acknowledged and lost"
        known = {made.id for made in store.completions()}
        assert known <= self.acknowledged.keys() | self.uncertain


def life(store: FeedbackStore, witness: Witness, backup: Path) -> None:
    """Do a bit of everything; an error of one act does not stop the next."""
    acts = [
        lambda: witness.add(store),
        lambda: witness.add(store, "y" * 3000),
        lambda: witness.retract(store, next(iter(witness.acknowledged), "")),
        lambda: witness.add(store),
        lambda: store.backup(backup),
        store.compact,
        lambda: witness.add(store),
        lambda: store.completions(),
        store.verify,
    ]
    for act in acts:
        try:
            act()
        except StoreError as error:
            witness.refused += 1
            text = str(error)
            if isinstance(error, NotSavedError):
                assert "not saved" in text.lower()
            assert text.endswith(".")


@pytest.mark.parametrize(
    "error", [errno.EIO, errno.ENOSPC, errno.EACCES, None], ids=["EIO", "ENOSPC", "EACCES", "short"]
)
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
def test_every_call_failing_in_turn_loses_nothing_acknowledged(
    tmp_path: Path, error: int | None, lasting: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    counting = FaultyDisk()
    with FeedbackStore.open(tmp_path / "0", disk=counting) as store:
        life(store, Witness(), tmp_path / "b0")
    refused = 0
    for at in range(1, len(counting.calls) + 1):
        folder = tmp_path / str(at)
        disk, witness = FaultyDisk(at, error, lasting=lasting), Witness()
        try:
            store = FeedbackStore.open(folder, disk=disk)
        except StoreError:
            refused += 1
            continue
        life(store, witness, tmp_path / f"b{at}")
        disk.heal()
        store.close()
        refused += bool(witness.refused)
        with FeedbackStore.open(folder) as again:
            witness.check(again)
            witness.add(again)
            assert not again.damage
    tell(
        capsys, f"{len(counting.calls)} calls made to fail in turn, {refused} runs refused something, 0 lost"
    )


def test_a_full_disk_says_not_saved_leaves_nothing_behind_and_works_again(tmp_path: Path) -> None:
    disk = FaultyDisk()
    store = FeedbackStore.open(tmp_path, disk=disk)
    kept = completion("prima")
    store.add(kept)
    length = (tmp_path / "journal.jsonl").stat().st_size
    disk.fail_at, disk.error, disk.lasting = (
        len(disk.calls) + disk_calls_until(tmp_path, "write"),
        errno.ENOSPC,
        True,
    )
    for _ in range(3):
        with pytest.raises(DiskFullError, match=r"Not saved.*full.*free some space"):
            store.add(completion("troppo"))
    assert (tmp_path / "journal.jsonl").stat().st_size == length
    assert store.completions() == [kept]
    disk.heal()
    later = completion("dopo")
    store.add(later)
    assert reopened(tmp_path).completions() == [kept, later]


def disk_calls_until(folder: Path, name: str) -> int:
    """Count the calls of one add up to and with its first call of a name."""
    disk = FaultyDisk()
    with FeedbackStore.open(folder.with_name(folder.name + "-probe"), disk=disk) as store:
        store.add(completion())
        before = len(disk.calls)
        store.add(completion())
        return disk.calls[before:].index(name) + 1


def test_half_a_write_before_the_disk_fills_is_taken_back(tmp_path: Path) -> None:
    class Filling(FaultyDisk):
        room = 10_000

        def write(self, handle: int, content: bytes | memoryview) -> int:
            if not self.room:
                raise OSError(errno.ENOSPC, "full")
            taken = bytes(content)[: self.room]
            self.room -= len(taken)
            return os.write(handle, taken)

    disk = Filling()
    with FeedbackStore.open(tmp_path, disk=disk) as store:
        length = (tmp_path / "journal.jsonl").stat().st_size
        disk.room = 100
        with pytest.raises(DiskFullError):
            store.add(completion("x" * 1000))
        assert (tmp_path / "journal.jsonl").stat().st_size == length


def test_a_failed_sync_makes_the_store_read_only_and_is_never_retried(tmp_path: Path) -> None:
    disk = FaultyDisk()
    store = FeedbackStore.open(tmp_path, disk=disk)
    kept = completion()
    store.add(kept)
    disk.fail_at = len(disk.calls) + disk_calls_until(tmp_path, "sync")
    with pytest.raises(NotSavedError):
        store.add(completion("perso?"))
    syncs = disk.calls.count("sync")
    with pytest.raises(ReadOnlyError, match=r"Not saved.*disk failed"):
        store.add(completion("no"))
    assert disk.calls.count("sync") == syncs
    assert store.completions() == [kept]
    assert reopened(tmp_path).completions() == [kept]


def test_power_loss_anywhere_keeps_what_was_acknowledged(capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(3)
    losses, trials, folder = 0, 300 * FACTOR, Path("/data/feedback")
    for _ in range(trials):
        disk, witness = MemoryDisk(rng), Witness()
        for _ in range(3):
            disk.steps_left = rng.randint(5, 120)
            try:
                store = FeedbackStore.open(folder, disk=disk)
                while True:
                    if witness.counting() and rng.random() < 0.1:
                        witness.retract(store, rng.choice(witness.counting()))
                    elif rng.random() < 0.05:
                        store.compact()
                    else:
                        witness.add(store, "z" * rng.choice([1, 300, 2000]))
            except PowerLoss:
                losses += 1
            disk = disk.power_loss()
            after = FeedbackStore.open(folder, disk=disk)
            witness.check(after)
    tell(capsys, f"{losses} power losses in {trials} lives, 0 acknowledged records lost")


def test_a_sync_that_fails_never_leads_to_a_false_acknowledgement(capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(4)
    trials = 200 * FACTOR
    for _ in range(trials):
        disk, witness = MemoryDisk(rng), Witness()
        store = FeedbackStore.open(Path("/feedback"), disk=disk)
        for i in range(8):
            disk.failing_sync = i == 4
            try:
                witness.add(store, "w" * rng.choice([10, 900]))
            except NotSavedError:
                witness.refused += 1
        assert witness.refused == 4
        disk.failing_sync = False
        witness.check(FeedbackStore.open(Path("/feedback"), disk=disk.power_loss()))
    tell(capsys, f"{trials} failed syncs followed by power loss, 0 false acknowledgements")


def test_a_retry_of_what_a_killed_writer_left_unsynced_is_made_durable() -> None:
    rng, seen = random.Random(5), 0
    for _ in range(50):
        disk, record = MemoryDisk(rng), completion("una volta")
        reader = FeedbackStore.open(Path("/feedback"), disk=disk)
        writer = FeedbackStore.open(Path("/feedback"), disk=disk)
        disk.steps_left = 2  # it locks and writes, and dies before the sync
        with pytest.raises(PowerLoss):
            writer.add(record)
        disk.steps_left = None
        seen += reader.get(record.id) == record  # otherwise it died in the middle of the line
        reader.add(record)
        assert FeedbackStore.open(Path("/feedback"), disk=disk.power_loss()).get(record.id) == record
    assert seen > 10


def test_a_full_tmpfs_refuses_keeps_and_recovers(tmp_path: Path) -> None:
    script = Path(__file__).with_name("fill_disk.py")
    mount = f"mount -t tmpfs -o size=512k none {tmp_path} && {sys.executable} {script} {tmp_path}"
    if not shutil.which("unshare"):
        pytest.skip("NOT TESTED: a real full disk, because there is no unshare command here")
    shell = ["unshare", "-m", "sh", "-c"] if os.geteuid() == 0 else ["unshare", "-rm", "sh", "-c"]
    probe = subprocess.run([*shell, f"mount -t tmpfs none {tmp_path}"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("NOT TESTED: a real full disk, because mounting a tmpfs is not permitted here")
    done = subprocess.run(
        [*shell, mount],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert "0 lost" in done.stdout


def reopened(folder: Path) -> FeedbackStore:
    return FeedbackStore.open(folder)


def test_any_flipped_bit_costs_at_most_its_line_and_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [completion(text) for text in ("uno", "due \u2028 'tre'", '{"v":2,"seq":1}\n', "quattro")]
    with FeedbackStore.open(tmp_path / "good") as store:
        for record in records:
            store.add(record)
    good = (tmp_path / "good" / "journal.jsonl").read_bytes()
    folder = tmp_path / "bad"
    folder.mkdir()
    rng = random.Random(6)
    places = range(len(good)) if FACTOR > 1 else sorted(rng.sample(range(len(good)), 350))
    newlines = [place for place, byte in enumerate(good) if byte == ord("\n")]
    flips = 0
    for place in {*places, *newlines}:
        line = good.count(b"\n", 0, place)
        for bit in range(8) if place in newlines else (rng.randrange(8),):
            flips += 1
            bad = bytearray(good)
            bad[place] ^= 1 << bit
            (folder / "journal.jsonl").write_bytes(bad)
            with FeedbackStore.open(folder) as store:
                kept = store.completions()
                others = [record for i, record in enumerate(records, 1) if i != line]
                assert [record for record in kept if record in others] == others
                assert all(record in records for record in kept)
                assert store.damage or place == newlines[-1] or len(kept) == len(records)
                later = completion("dopo")
                store.add(later)
            with FeedbackStore.open(folder) as again:
                assert again.completions() == [*kept, later]
            shutil.rmtree(folder / "quarantine", ignore_errors=True)
    tell(capsys, f"{flips} single bits flipped, 0 neighbours lost")


def test_damage_is_quarantined_counted_and_shown(tmp_path: Path) -> None:
    with FeedbackStore.open(tmp_path) as store:
        for i in range(3):
            store.add(thumb(f"k{i}"))
    path = tmp_path / "journal.jsonl"
    content = path.read_bytes().replace(b'"k1"', b'"kX"')
    path.write_bytes(content + b'{"v":2,"torn')
    with FeedbackStore.open(tmp_path) as store:
        assert [mark.completion_id for mark in store.thumbs()] == ["k0", "k2"]
        report = store.verify()
        assert (report.ok, len(report.damaged), len(store.damage)) == (False, 1, 1)
        kept = [file.read_bytes() for file in sorted((tmp_path / "quarantine").iterdir())]
        assert len(report.quarantined) == 2
        assert b'"kX"' in kept[0]
        assert kept[1] == b'{"v":2,"torn'
        store.compact()
        assert store.verify().ok


def test_a_journal_whose_name_is_gone_refuses_writes_and_can_be_rescued(tmp_path: Path) -> None:
    folder = tmp_path / "feedback"
    store = FeedbackStore.open(folder)
    record = completion()
    store.add(record)
    (folder / "journal.jsonl").rename(tmp_path / "moved")
    with pytest.raises(JournalChangedError, match=r"moved or deleted.*not saved.*backup"):
        store.add(completion("no"))
    assert store.completions() == [record]
    store.backup(tmp_path / "rescue")
    assert reopened_from(tmp_path / "rescue", tmp_path / "new") == [record]
    (tmp_path / "moved").rename(folder / "journal.jsonl")
    store.add(completion("sì"))
    assert len(store.completions()) == 2


def reopened_from(backup: Path, folder: Path) -> list[object]:
    with FeedbackStore.open(folder) as store:
        store.restore(backup)
        return list(store.completions())


def test_a_journal_replaced_by_another_refuses_writes_and_an_equal_copy_does_not(tmp_path: Path) -> None:
    store, path = FeedbackStore.open(tmp_path / "a"), tmp_path / "a" / "journal.jsonl"
    record = completion()
    store.add(record)
    shutil.copy(path, tmp_path / "copy")
    (tmp_path / "copy").replace(path)
    store.add(completion("ancora"))
    with FeedbackStore.open(tmp_path / "b") as other:
        other.add(completion("altro"))
    (tmp_path / "b" / "journal.jsonl").replace(path)
    with pytest.raises(JournalChangedError, match=r"replaced.*not saved"):
        store.add(completion("no"))
    assert len(store.completions()) == 2
    assert record in store.completions()


def test_a_shortened_journal_refuses_writes_and_keeps_what_is_in_memory(tmp_path: Path) -> None:
    store = FeedbackStore.open(tmp_path)
    records = [completion(str(i)) for i in range(3)]
    store.add_many(records)
    path = tmp_path / "journal.jsonl"
    os.truncate(path, path.stat().st_size - 5)
    with pytest.raises(JournalChangedError, match=r"shortened.*not saved"):
        store.add(completion("no"))
    assert store.completions() == records


def test_a_torn_batch_counts_not_at_all(tmp_path: Path) -> None:
    with FeedbackStore.open(tmp_path) as store:
        store.add(thumb("prima"))
        start = (tmp_path / "journal.jsonl").stat().st_size
        store.add_many([thumb(f"k{i}") for i in range(5)])
    whole = (tmp_path / "journal.jsonl").read_bytes()
    for cut in range(start, len(whole) - 1, 37):
        (tmp_path / "journal.jsonl").write_bytes(whole[:cut])
        with FeedbackStore.open(tmp_path) as store:
            assert [mark.completion_id for mark in store.thumbs()] == ["prima"]
            assert (tmp_path / "journal.jsonl").stat().st_size == start
    (tmp_path / "journal.jsonl").write_bytes(whole[:-1])
    with FeedbackStore.open(tmp_path) as store:
        assert len(store.thumbs()) == 6


def test_clocks_that_jump_change_nothing(tmp_path: Path) -> None:
    times = ["2030-01-01T00:00:00+00:00", "1970-01-01T00:00:00+00:00", "nonsense", ""]
    marks = [thumb("k", up=i % 2 == 0, created_at=time) for i, time in enumerate(times)]
    with FeedbackStore.open(tmp_path) as store:
        for mark in marks:
            store.add(mark)
        assert store.thumbs() == [marks[-1]]
    assert reopened(tmp_path).thumbs() == [marks[-1]]


def test_a_store_taken_across_a_fork_refuses_to_write(tmp_path: Path) -> None:
    store = FeedbackStore.open(tmp_path)
    child = os.fork()
    if not child:
        try:
            store.add(thumb())
        except StoreError as error:
            os._exit(0 if "another process" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
