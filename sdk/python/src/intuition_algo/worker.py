"""A thread for one account's algorithm, so that code that blocks holds up nobody else."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from types import TracebackType
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
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    async def run(self, call: Callable[[], _Returned]) -> _Returned:
        """Runs the call and returns what it returned, or raises what it raised."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_Returned] = loop.create_future()
        self._jobs.put((loop, future, call))
        return await future

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends the thread behind the call that runs."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            loop, future, call = job
            if future.cancelled():
                continue
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
