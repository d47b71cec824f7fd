"""Reconfigures itself in place."""

from __future__ import annotations

from typing import Any

from intuition_algo import Algorithm, Buy, ParametersError, Tick, serve


class InPlace(Algorithm):
    def initialize(self, params: dict[str, Any]) -> str:
        self.params = params
        self.events = 0
        return "quotes"

    def event(self, tick: Tick) -> Buy | None:
        self.events += 1
        return Buy() if self.events > self.params["after"] else None

    def reconfigure(self, params: dict[str, Any]) -> list[str] | None:
        if params["after"] < 0:
            raise ParametersError("after: must not be negative")
        self.params = params
        return params.get("channels")


if __name__ == "__main__":
    serve(InPlace)
