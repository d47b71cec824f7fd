"""Calls of algorithms that go on after their stream has ended: logged with their stack, counted by account, bounded.

A thread cannot be ended from outside. A call that never returns keeps its thread, and the runtime opens a stream anew after each
deadline. So the log names the place where the call hangs, and an account with too many such calls gets no further thread.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

from .stream import Stream
from .worker import Worker

MAX_CALLS = 32
"""Calls of one account that may be left behind. A quote at which `event` hangs leaves up to ten until the runtime rejects it."""

FIRST_LOG_SECONDS = 1.0
"""A call that has run for less is not logged: it may be about to return."""

AGAIN_SECONDS = 60.0
"""When the log has the call again; from then on each time the seconds have doubled."""

_LOG = logging.getLogger("intuition_algo")
_PACKAGE = Path(__file__).parent


class HungCalls:
    """The calls that were left behind, by account."""

    def __init__(self) -> None:
        self._calls: dict[str, list[_Call]] = {}

    def refusal(self, account: str) -> str | None:
        """Why the account gets no further stream; None: it gets one."""
        calls = self._calls.get(account, [])
        if len(calls) < MAX_CALLS:
            return None
        oldest = calls[0]
        return (
            f"{len(calls)} calls of {account or 'no account'} have not returned, the first is {oldest.what} since "
            f"{oldest.worker.seconds():.0f} s; the log has their stacks. Correct the algorithm and restart its server"
        )

    def stream_ended(self, stream: Stream, worker: Worker) -> None:
        """To be called when a stream has ended: a call of it that still runs is counted and logged until it returns."""
        running = worker.running()
        if running is None:
            return
        stream.leave()
        call = _Call(stream, worker)
        calls = self._calls.setdefault(stream.account, [])
        calls.append(call)

        def returned(_: asyncio.Future[Any]) -> None:
            calls.remove(call)
            if not calls and self._calls.get(stream.account) is calls:
                del self._calls[stream.account]
            call.returned()

        running.add_done_callback(returned)
        call.watch()


class _Call:
    """A call that was left behind."""

    def __init__(self, stream: Stream, worker: Worker) -> None:
        self._stream = stream
        self.worker = worker
        self.what = stream.doing
        self._logged: str | None = None
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        seconds = self.worker.seconds()
        if seconds < FIRST_LOG_SECONDS:
            self._again_in(FIRST_LOG_SECONDS - seconds)
            return
        # The call may have come to another event of its batch.
        self.what = self._stream.doing
        stack = _stack(self.worker.frame())
        place = " It is at the same place." if stack == self._logged else f" It is here:\n{stack}"
        account = self._stream.account or "by hand"
        _LOG.warning("%s: %s has not returned after %.1f s, and its stream has ended.%s", account, self.what, seconds, place)
        self._logged = stack
        self._again_in(max(seconds, AGAIN_SECONDS - seconds))

    def returned(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._logged is not None:
            account = self._stream.account or "by hand"
            _LOG.warning("%s: %s returned after %.1f s; its answer is void", account, self.what, self.worker.seconds())

    def _again_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self.watch)


def _stack(frame: FrameType | None) -> str:
    """The stack of the thread, from the first line of the user's code."""
    frames = traceback.extract_stack(frame) if frame is not None else traceback.StackSummary()
    own = [place for place, one in enumerate(frames) if Path(one.filename).parent == _PACKAGE]
    return "".join(traceback.format_list(frames[own[-1] + 1 if own and own[-1] + 1 < len(frames) else 0 :])).rstrip()
