"""What all tests share. With ALIGNCHAT_REQUIRE_ALL=1 nothing may be skipped: CI sets it."""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
from tiny_models import write_adapter, write_llama

from alignchat import catalog
from alignchat.engine import Adapter
from alignchat.files import sha256
from alignchat.llamacpp.llama_engine import LlamaEngine

REQUIRE_ALL = os.environ.get("ALIGNCHAT_REQUIRE_ALL") == "1"
SHARED_DATA = Path(
    os.environ.get("ALIGNCHAT_SHARED_DATA") or Path(__file__).parent.parent.parent / "shared" / "data"
)

# A busy machine is slow now and then; that is no finding.
hypothesis.settings.register_profile("alignchat", deadline=None)
hypothesis.settings.load_profile("alignchat")


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


@pytest.fixture(scope="session")
def starter() -> catalog.Model:
    """The embedded model."""
    return catalog.find(catalog.STARTER)


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> catalog.Model:
    """Two layers of random weights, which answer at thousands of tokens a second."""
    return catalog.find(str(write_llama(tmp_path_factory.mktemp("model") / "tiny.gguf", tied=False)))


@pytest.fixture(scope="session")
def tiny_adapter(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Adapter]:
    """Write an adapter of the tiny model; by its seed, or anew at a given path."""
    folder = tmp_path_factory.mktemp("adapters")

    def make(seed: int, path: Path | None = None) -> Adapter:
        path = path or folder / f"{seed}.gguf"
        write_adapter(path, 64, 128, seed=seed, scale=0.5)
        return Adapter(path=path, sha256=sha256(path))

    return make


@pytest.fixture
def tiny_engine(tiny_llama: catalog.Model) -> Iterator[LlamaEngine]:
    """A fresh engine on the tiny model; one thread, since two wait for each other on a busy machine."""
    engine = LlamaEngine(tiny_llama, context=1024, threads=1)
    yield engine
    engine.close()
