"""A thread for one account's algorithm, so that code that blocks holds up no other account."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

_Returned = TypeVar("_Returned")
_Job = tuple["asyncio.AbstractEventLoop", "asyncio.Future[Any]", Callable[[], Any]]


class Worker:
    """Runs calls one after the other, in a thread of its own.

    Not an executor of the standard library: those are waited for when the process ends, and code that never returns would keep it
    alive. This thread is left behind.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._call: asyncio.Future[Any] | None = None
        self._since = 0.0
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    async def run(self, call: Callable[[], _Returned]) -> _Returned:
        """Runs the call and returns what it returned, or raises what it raised. A caller that is cancelled leaves the call running."""
        if self._call is None:
            # Not before: a stream that is refused has no thread.
            self._thread.start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_Returned] = loop.create_future()
        self._call, self._since = future, time.monotonic()
        self._jobs.put((loop, future, call))
        # Unlike awaiting the future, waiting for it leaves it alone when the caller is cancelled.
        await asyncio.wait({future})
        return future.result()

    def end(self) -> None:
        """Ends the thread behind the call that runs."""
        self._jobs.put(None)

    def running(self) -> asyncio.Future[Any] | None:
        """The call that has not returned; it is done when it has. None: the thread is idle."""
        return self._call if self._call is not None and not self._call.done() else None

    def seconds(self) -> float:
        """How long ago the last call began."""
        return time.monotonic() - self._since

    def frame(self) -> FrameType | None:
        """Where the thread is now; None where it has ended."""
        return sys._current_frames().get(self._thread.ident or 0)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            loop, future, call = job
            try:
                returned, raised = call(), None
            except BaseException as error:
                returned, raised = None, error
            try:
                loop.call_soon_threadsafe(_resolve, future, returned, raised)
            except RuntimeError:
                # The loop was closed meanwhile: the process ends.
                return


def _resolve(future: asyncio.Future[Any], returned: object, raised: BaseException | None) -> None:
    if future.done():
        return
    if raised is None:
        future.set_result(returned)
    else:
        future.set_exception(raised)
        # Without a reader asyncio would report the exception. It is in the log from where it was raised.
        future.exception()
