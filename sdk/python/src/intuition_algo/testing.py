"""For unit tests of an algorithm: runs a class over ticks in this process, without a server.

    from intuition_algo.testing import run

    def test_it_buys_above_100():
        told = run(MyAlgo, [("GOOG", "99"), ("GOOG", "101")], params={"limit": 100})
        assert told.signals == [[], [Buy()]]

A tick with values of indicators is `Tick("GOOG", "101", indicators={"sma-20": "99.5", "macd": {"line": "1.2", "signal": "0.8"}})`.

An exception of the algorithm reaches the test as it was raised. The contract's limits hold as in the server: an answer, a
publication or a state that the runtime would not get raises AlgorithmError.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Union

from .algorithm import Algorithm, check_class
from .hints import hinted
from .limits import channel_list, schema_text, state_bytes, state_from
from .signals import Reject, Signal
from .stream import decide
from .tick import Tick

AnyTick = Union[Tick, tuple[str, Union[str, int, Decimal]], tuple[str, Union[str, int, Decimal], int]]
"""A tick, or its symbol and price, and its time in microseconds since the epoch."""


@dataclass(frozen=True)
class Run:
    """What came of a run."""

    channels: list[str]
    """The channels that `initialize` returned."""

    signals: list[list[Signal]] = field(default_factory=list)
    """For each tick, in order: its signals. A tick that was rejected has none."""

    rejects: dict[int, str] = field(default_factory=dict)
    """The reason of each reject, by the index of its tick."""

    publications: list[tuple[str, bytes]] = field(default_factory=list)
    """Channel and payload of each message that was published, in order."""

    state: Any = None
    """The state after the last tick, as the next start gets it."""


def run(
    algorithm: type[Algorithm], ticks: Iterable[AnyTick], params: Mapping[str, Any] | None = None, state: Any = None
) -> Run:
    """Runs a new instance of the class over the ticks, each a batch of its own.

    `params`: as in the resource; the threshold is 0.5 where they have none. `state`: saved by an earlier run, so that
    `run(MyAlgo, rest, state=first.state)` is a restart in between. Parameters are not checked against `parameters_schema`.
    """
    check_class(algorithm)
    schema_text(algorithm.parameters_schema)
    instance = algorithm()
    if state is not None:
        instance.state = state_from(state_bytes(state))
    # As they come from the runtime: through JSON.
    parameters = json.loads(json.dumps({"threshold": 0.5, **(params or {})}))
    signals: list[list[Signal]] = []
    rejects: dict[int, str] = {}
    publications: list[tuple[str, bytes]] = []
    with hinted():
        channels = channel_list(instance.initialize(parameters))
        for index, tick in enumerate(ticks):
            instance._publications = []
            try:
                answer = decide(instance, tick if isinstance(tick, Tick) else _tick(*tick))
                publications.extend(instance._publications)
            finally:
                instance._publications = None
            if isinstance(answer, Reject):
                rejects[index] = answer.reason
                answer = []
            signals.append(answer)
            state_bytes(instance.state)
        return Run(channels, signals, rejects, publications, state_from(state_bytes(instance.state)))


def _tick(sid: str, price: str | int | Decimal, time_micros: int = 0) -> Tick:
    return Tick(sid, str(price), time_micros)
