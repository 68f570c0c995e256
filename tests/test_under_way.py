"""The one model that is on its way to this machine: as every page sees it."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from alignchat.errors import Cancelled, ModelError
from alignchat.shelf.models import ModelReport
from alignchat.shelf.transfer import OnProgress, Progress, ShouldStop
from alignchat.shelf.under_way import Transfer, UnderWay

SECONDS = 10
REPORT = ModelReport(
    name="tiny", path="/x", quantisation="Q8_0", bytes=1, sha256="", default=False, state="ready"
)


class Bringing:
    """Tells of two bytes of four, then waits to be let go or stopped."""

    def __init__(self) -> None:
        self.told, self.go = threading.Event(), threading.Event()

    def __call__(self, *, on_progress: OnProgress, should_stop: ShouldStop) -> ModelReport:
        on_progress(Progress(what="tiny", done=2, total=4, rate=1.0, seconds_left=2.0))
        self.told.set()
        while not self.go.wait(0.01):
            if should_stop():
                raise Cancelled("Stopped; what has come is kept.")
        return REPORT


@pytest.fixture
def under_way() -> Iterator[UnderWay]:
    under_way = UnderWay()
    yield under_way
    under_way.close()


def ended(under_way: UnderWay) -> Transfer:
    under_way.wait(SECONDS)
    now = under_way.now()
    assert now is not None
    assert not now.running
    return now


def test_nothing_is_on_its_way_at_first(under_way: UnderWay) -> None:
    assert under_way.now() is None
    under_way.stop()
    assert under_way.now() is None


def test_it_is_seen_on_its_way_and_arrived(under_way: UnderWay) -> None:
    bringing = Bringing()
    under_way.begin("tiny", bringing)
    assert bringing.told.wait(SECONDS)
    now = under_way.now()
    assert now is not None
    assert now.progress is not None
    assert (now.name, now.running, now.progress.done, now.report) == ("tiny", True, 2, None)
    bringing.go.set()
    assert ended(under_way).report == REPORT


def test_a_second_one_has_to_wait(under_way: UnderWay) -> None:
    first = Bringing()
    under_way.begin("tiny", first)
    with pytest.raises(ModelError, match="tiny is still on its way; wait for it, or cancel it"):
        under_way.begin("other", Bringing())
    first.go.set()
    ended(under_way)
    second = Bringing()
    second.go.set()
    under_way.begin("other", second)
    assert ended(under_way).name == "other"


def test_stopped_it_ends_as_cancelled_and_the_next_is_not_stopped(under_way: UnderWay) -> None:
    under_way.begin("tiny", Bringing())
    under_way.stop()
    assert isinstance(ended(under_way).error, Cancelled)
    next_one = Bringing()
    under_way.begin("tiny", next_one)
    assert next_one.told.wait(SECONDS)
    next_one.go.set()
    assert ended(under_way).error is None


def test_closing_stops_it(under_way: UnderWay) -> None:
    under_way.begin("tiny", Bringing())
    under_way.close()
    assert isinstance(ended(under_way).error, Cancelled)


def test_a_fault_of_ours_is_logged_and_kept(under_way: UnderWay, caplog: pytest.LogCaptureFixture) -> None:
    def broken(**_: Any) -> ModelReport:
        raise ZeroDivisionError

    under_way.begin("tiny", broken)
    assert isinstance(ended(under_way).error, ZeroDivisionError)
    under_way.close()
    assert "Bringing it failed." in caplog.text
