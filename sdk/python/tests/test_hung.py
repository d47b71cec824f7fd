"""Calls that go on after their stream has ended, without a server."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any, ClassVar

import pytest
from intuition_algo import Algorithm, Tick, hung
from intuition_algo.hung import HungCalls
from intuition_algo.proto import algorithm_pb2 as contract
from intuition_algo.stream import Stream
from intuition_algo.worker import Worker
from serving import PATIENCE_SECONDS, quote


class WaitsAlgo(Algorithm):
    may_return: ClassVar[threading.Event] = threading.Event()
    seen: ClassVar[list[str]] = []

    def initialize(self, params: dict[str, Any]) -> str:
        return "quotes"

    def event(self, tick: Tick) -> None:
        self.seen.append(tick.sid)
        assert self.may_return.wait(PATIENCE_SECONDS)


async def left_behind(calls: HungCalls) -> Worker:
    """Leaves a call behind that waits."""
    stream, worker = Stream(WaitsAlgo), Worker("test")
    await worker.run(lambda: stream.initialize(contract.InitializeRequest(account="default/a", parameters_json="{}")))
    batch = contract.EventBatch(number=1, events=[quote(1, "A"), quote(2, "B")])
    running = asyncio.ensure_future(worker.run(lambda: stream.batch(batch)))
    while not WaitsAlgo.seen:
        await asyncio.sleep(0)
    running.cancel()
    worker.end()
    calls.stream_ended(stream, worker)
    return worker


def test_hung_call_is_logged_until_it_returns_and_its_batch_ends(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hung, "FIRST_LOG_SECONDS", 0.0)
    monkeypatch.setattr(hung, "AGAIN_SECONDS", 0.01)
    caplog.set_level(logging.WARNING)

    async def scenario() -> None:
        worker = await left_behind(HungCalls())
        while len(caplog.records) < 3:
            await asyncio.sleep(0.001)
        WaitsAlgo.may_return.set()
        while worker.running() is not None:
            await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_SECONDS))
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0].startswith("default/a: WaitsAlgo.event at A (event 1) has not returned after ")
    assert "self.may_return.wait(PATIENCE_SECONDS)" in messages[0]
    assert messages[1].endswith("It is at the same place.")
    assert any("its answer is void" in message for message in messages)
    assert WaitsAlgo.seen == ["A"], "the rest of a batch that has no reader is not computed"
