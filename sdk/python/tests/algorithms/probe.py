"""Does what its parameters and the symbols of its events say, so that a test can make anything happen."""

from __future__ import annotations

import os
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

from intuition_algo import Algorithm, Buy, ParametersError, Reject, Sell, Tick, serve


class ProbeAlgo(Algorithm):
    version = "1.2.3"
    parameters_schema = {"type": "object", "properties": {"channels": {}}}
    state: dict[str, Any] = {"seen": []}

    def initialize(self, params: dict[str, Any]) -> Any:
        if "refuse" in params:
            raise ParametersError(params["refuse"])
        if params.get("fail"):
            raise KeyError("threshold")
        self.params = params
        self.thread = threading.get_ident()
        return params.get("channels", ["quotes"])

    def event(self, tick: Tick) -> Any:
        assert threading.get_ident() == self.thread, "an instance is used by one thread"
        self.state["seen"].append(tick.sid)
        what, _, argument = tick.sid.partition(":")
        return getattr(self, f"on_{what}", lambda *_: None)(argument, tick)

    def on_answer(self, argument: str, _tick: Tick) -> Any:
        return {
            "buy": Buy(),
            "sell": Sell(),
            "some": Sell(Decimal("1.50")),
            "words": ["buy", "sell"],
            "several": (Buy(), Sell(3)),
            "refusal": Reject("no such symbol"),
            "many": [Buy()] * 65,
            "class": Buy,
            "number": 5,
            "float": None,
        }[argument]

    def on_float(self, _argument: str, _tick: Tick) -> Any:
        return Sell(0.5)  # type: ignore[arg-type]

    def on_refuse(self, argument: str, _tick: Tick) -> None:
        raise Reject(argument)

    def on_raise(self, argument: str, _tick: Tick) -> None:
        raise ZeroDivisionError(argument)

    def on_exit(self, _argument: str, _tick: Tick) -> None:
        sys.exit(3)

    def on_publish(self, argument: str, tick: Tick) -> None:
        self.publish(argument, {"price": tick.price, "time": tick["time"]})

    def on_big(self, argument: str, _tick: Tick) -> None:
        self.publish("big", b"x" * int(argument))

    def on_state(self, argument: str, _tick: Tick) -> None:
        states: dict[str, Any] = {"big": "x" * (1024 * 1024), "tuple": (1, 2), "decimal": Decimal(1), "nan": float("nan"), "none": None}
        self.state = states[argument]

    def on_block(self, argument: str, _tick: Tick) -> None:
        """Says that it began, and waits until it may go on."""
        Path(argument, "began").touch()
        with open(Path(argument, "go")) as pipe:
            pipe.read()

    def on_indicators(self, _argument: str, tick: Tick) -> None:
        self.publish("indicators", {name: dict(values) for name, values in tick.indicators.items()})

    def on_pid(self, _argument: str, _tick: Tick) -> None:
        self.publish("pid", str(os.getpid()))


if __name__ == "__main__":
    serve(ProbeAlgo)
