"""What all tests share. With ALIGNCHAT_REQUIRE_ALL=1 nothing may be skipped: CI sets it."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest

REQUIRE_ALL = os.environ.get("ALIGNCHAT_REQUIRE_ALL") == "1"
SHARED_DATA = Path(
    os.environ.get("ALIGNCHAT_SHARED_DATA") or Path(__file__).parent.parent.parent / "shared" / "data"
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where everything is required."""
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid} was skipped, and ALIGNCHAT_REQUIRE_ALL=1 forbids it: {report.longrepr}"
        )
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was not run."""
    for report in terminalreporter.stats.get("skipped", []):
        terminalreporter.write_line(f"NOT RUN: {report.nodeid}: {report.longrepr[-1]}", yellow=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public samples; skips, or fails where everything is required, if it is not there."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no public samples at {SHARED_DATA}; set ALIGNCHAT_SHARED_DATA to their folder")
    return SHARED_DATA
