"""The helper for unit tests of an algorithm."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import Any

import pytest
from intuition_algo import Algorithm, AlgorithmError, Answer, Buy, ParametersError, Reject, Sell, Tick
from intuition_algo.testing import run


class LimitAlgo(Algorithm):
    state: dict[str, Any] = {"seen": 0}

    def initialize(self, params: dict[str, Any]) -> list[str]:
        if params.get("limit", 1) <= 0:
            raise ParametersError("limit: must be above 0")
        self.params = params
        return ["quotes"]

    def event(self, tick: Tick) -> Answer:
        self.state["seen"] += 1
        if tick.sid == "?":
            raise Reject("unknown symbol")
        if tick.sid == "mixed":
            tick.price * 1.01  # type: ignore[operator]
        if tick.sid == "state":
            self.state["last"] = tick.price
        self.publish(f"prices/{tick.sid}", {"price": tick.price, "seen": self.state["seen"]})
        return Buy() if tick.price > self.params.get("limit", 100) else [Sell(1), "sell"]


def test_a_run_has_signals_rejects_publications_and_state() -> None:
    told = run(LimitAlgo, [("GOOG", "345.10"), Tick("?", "1"), ("AAPL", Decimal("99"), 5), ("AAPL", 101)])
    assert told.channels == ["quotes"]
    assert told.signals == [[Buy()], [], [Sell(1), Sell()], [Buy()]]
    assert told.rejects == {1: "unknown symbol"}
    assert told.publications[:2] == [("prices/GOOG", b'{"price":"345.10","seen":1}'), ("prices/AAPL", b'{"price":"99","seen":3}')]
    assert told.state == {"seen": 4}
    assert LimitAlgo.state == {"seen": 0}


def test_a_run_goes_on_from_the_state_of_another_with_other_parameters() -> None:
    first = run(LimitAlgo, [("GOOG", "50")])
    second = run(LimitAlgo, [("GOOG", "50")], params={"limit": 40}, state=first.state)
    assert (first.signals, second.signals, second.state) == ([[Sell(1), Sell()]], [[Buy()]], {"seen": 2})
    assert first.state == {"seen": 1}, "the state given is left as it was"


def test_what_the_algorithm_raises_reaches_the_test() -> None:
    with pytest.raises(ParametersError, match="limit: must be above 0"):
        run(LimitAlgo, [], params={"limit": 0})
    with pytest.raises(AlgorithmError, match=r"state\['last'\] is Decimal"):
        run(LimitAlgo, [("state", "1")])
    with pytest.raises(TypeError) as mixed:
        run(LimitAlgo, [("mixed", "1")])
    if sys.version_info >= (3, 11):
        assert "Decimal('1.01')" in mixed.value.__notes__[0]


class AboveAverageAlgo(Algorithm):
    def initialize(self, params: dict[str, Any]) -> list[str]:
        return ["intuition/default/indicator.averages/joined"]

    def event(self, tick: Tick) -> Answer:
        average = tick.indicators.get("sma-20")
        return Buy() if average is not None and tick.price > average.value else None


def test_ticks_of_a_run_may_come_with_indicators() -> None:
    ticks = [Tick("GOOG", price, indicators={"sma-20": "99.5"}) for price in ("99.5", "99.6")]
    assert run(AboveAverageAlgo, [("GOOG", "100"), *ticks]).signals == [[], [], [Buy()]]
