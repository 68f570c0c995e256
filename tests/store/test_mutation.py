"""Do the tests bite? Each promise is broken in a copy of the package, and some test must fail there."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Mutant:
    """A promise, how to break it, and where that should be noticed."""

    name: str
    module: str
    before: str
    after: str
    tests: str
    chosen: str
    times: int = 1


MUTANTS = [
    Mutant(
        "no fsync",
        "journal",
        "            self._disk.sync(self._open_handle())",
        "            pass",
        "faults",
        "power_loss_anywhere",
    ),
    Mutant(
        "acknowledge before the fsync, which a later one makes good",
        "journal",
        "        try:\n            self._sync()\n        except OSError:",
        "        try:\n            if start % 2:\n                self._sync()\n        except OSError:",
        "faults",
        "power_loss_anywhere",
    ),
    Mutant(
        "acknowledge what failed",
        "journal",
        "        if ticket.error:\n            raise ticket.error\n",
        "        if ticket.error:\n            return 0\n",
        "faults",
        "every_call_failing",
    ),
    Mutant(
        "no checksum",
        "lines",
        "    if line[-_SEAL_LENGTH:] != seal_of(content):",
        "    if not content:",
        "faults",
        "damage_is_quarantined",
    ),
    Mutant(
        "no fsync of the folder",
        "journal",
        "            self._disk.sync_folder(self.path.parent)",
        "            pass",
        "faults",
        "power_loss_anywhere",
    ),
    Mutant(
        "no lock",
        "journal",
        "self._disk.lock(self._open_handle(), shared=shared)",
        "pass",
        "processes",
        "three_processes",
        2,
    ),
    Mutant(
        "no truncation after a full disk",
        "journal",
        "            self._disk.truncate(self._open_handle(), length)",
        "            pass",
        "faults",
        "full_disk or half_a_write",
    ),
    Mutant(
        "a failed fsync is tried again",
        "journal",
        '            self.read_only = f"the disk failed while saving ({error.strerror})"\n',
        "",
        "faults",
        "failed_sync or sync_that_fails",
    ),
    Mutant(
        "others' appends are not read",
        "journal",
        "            self._catch_up(self._open_handle(), self.reading)\n            yield",
        "            yield",
        "processes",
        "three_processes",
    ),
    Mutant(
        "a torn end stays",
        "journal",
        "            self._mend_end(",
        "            len(",
        "faults",
        "torn_batch or power_loss_anywhere",
    ),
    Mutant(
        "a batch may count in part",
        "reading",
        "                if not (events and events[-1][0].more):",
        "                if True:",
        "faults",
        "torn_batch",
    ),
    Mutant(
        "a record twice counts twice",
        "view",
        'if event.op == "add" and entry is None and',
        'if event.op == "add" and',
        "processes",
        "line_that_is_there_twice",
    ),
    Mutant(
        "a retry is not synced",
        "journal",
        '        self._put(b"".join(lines))',
        '        self._put(b"".join(lines)) if lines else None',
        "faults",
        "retry_of_what",
    ),
    Mutant(
        "another file's name is not noticed",
        "journal",
        "        return named.identity == own.identity",
        "        return True",
        "faults",
        "replaced_by_another",
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_a_broken_promise_is_noticed(mutant: Mutant, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "feedback_store", tmp_path / "feedback_store")
    shutil.copytree(ROOT / "tests" / "store", tmp_path / "tests" / "store")
    file = tmp_path / "feedback_store" / f"{mutant.module}.py"
    source = file.read_text("utf-8")
    assert source.count(mutant.before) == mutant.times, "the mutation no longer fits the source"
    file.write_text(source.replace(mutant.before, mutant.after), "utf-8")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--timeout=60"]
    chosen = [f"tests/store/test_{mutant.tests}.py", "-k", mutant.chosen]
    done = subprocess.run(
        [*command, *chosen],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, f"nobody noticed: {done.stdout[-2000:]}{done.stderr[-500:]}"
    assert "FAILED" in done.stdout
    assert "SyntaxError" not in done.stdout
