"""A reply that a thread of its own brings on, told piece by piece to the event loop. Knows no shape."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import closing, suppress

from alignchat.errors import ModelError
from alignchat.talk.chat import Reply


class Running:
    """The pieces of one reply; to be made in an event loop, and run in a thread."""

    def __init__(self, begin: Callable[[], Generator[Reply, None, None]], ended: Callable[[], None]) -> None:
        """Take what begins the reply, and what is to be called when its thread has ended."""
        self._begin, self._ended = begin, ended
        self._loop = asyncio.get_running_loop()
        self._told: asyncio.Queue[Reply | Exception] = asyncio.Queue()
        self._stopped = threading.Event()

    def run(self) -> None:
        """Bring the reply on until it ends, or to the next piece after a stop; what has come is kept."""
        try:
            with closing(self._begin()) as replies:
                for reply in replies:
                    self._tell(reply)
                    if self._stopped.is_set():
                        break
            self._tell(ModelError("The app is ending; ask again when it is back."))
        except Exception as error:  # The edge: it is raised where the reply is read.
            self._tell(error)
        finally:
            self._ended()

    def stop(self) -> None:
        """Let the reply end where it is; wait for nothing."""
        self._stopped.set()

    async def __aiter__(self) -> AsyncIterator[Reply]:
        """Yield the reply as it grows, the finished one last; raise what went wrong."""
        while True:
            told = await self._told.get()
            if isinstance(told, Exception):
                raise told
            if told.finished and told.stop_reason == "stopped":
                continue  # the engine was closed under it
            yield told
            if told.finished:
                return

    def _tell(self, piece: Reply | Exception) -> None:
        with suppress(RuntimeError):  # The event loop has ended: nobody listens.
            self._loop.call_soon_threadsafe(self._told.put_nowait, piece)
