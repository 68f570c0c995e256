"""The fair queue: nobody is let in too early, nobody is forgotten."""

import threading
from collections.abc import Callable

import pytest

from alignchat.llamacpp.places import Places


def start(job: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=job, daemon=True)
    thread.start()
    return thread


def wait_until_queued(places: Places, count: int) -> None:
    while len(places._waiting) != count:
        threading.Event().wait(0.001)


def test_no_more_are_inside_than_there_are_places() -> None:
    places, lock, inside, most = Places(3), threading.Lock(), [0], [0]

    def visit(count: int) -> None:
        for _ in range(50):
            with places.take(count):
                with lock:
                    inside[0] += count
                    most[0] = max(most[0], inside[0])
                with lock:
                    inside[0] -= count

    threads = [start(lambda n=n: visit(n)) for n in (1, 2, 3, 1, 2)]
    for thread in threads:
        thread.join(20)
    assert inside == [0]
    assert most[0] <= 3


def test_places_are_given_in_the_order_of_asking_so_that_a_pair_is_not_overtaken() -> None:
    places, order = Places(2), []
    first = places.take(1)
    first.__enter__()

    def ask(name: str, count: int) -> None:
        with places.take(count):
            order.append(name)

    pair = start(lambda: ask("pair", 2))
    wait_until_queued(places, 1)
    single = start(lambda: ask("single", 1))
    wait_until_queued(places, 2)
    assert order == []
    first.__exit__(None, None, None)
    pair.join(5)
    single.join(5)
    assert order == ["pair", "single"]


def test_one_who_gives_up_waiting_does_not_block_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places(1)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with places.take(1), monkeypatch.context() as patch:
        patch.setattr(places._changed, "wait_for", interrupted)
        with pytest.raises(KeyboardInterrupt):
            places.take(1).__enter__()
    with places.take(1):
        pass


def test_an_error_inside_gives_the_place_back() -> None:
    places = Places(1)
    with pytest.raises(ZeroDivisionError), places.take(1):
        _ = 1 / 0
    with places.take(1):
        pass
