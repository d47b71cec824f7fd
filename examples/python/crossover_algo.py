"""Two moving averages: buys when the fast one crosses the slow one upwards, sells all when downwards, and publishes both."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from intuition_algo import Algorithm, Buy, ParametersError, Reject, Sell, Tick, serve


class CrossoverAlgo(Algorithm):
    """Follows each symbol of the quotes by itself."""

    version = "1.0.0"
    parameters_schema = {
        "type": "object",
        "properties": {
            "fast": {"type": "integer", "minimum": 1, "default": 5, "description": "prices in the fast average"},
            "slow": {"type": "integer", "minimum": 2, "maximum": 100, "default": 20, "description": "prices in the slow average"},
        },
        "additionalProperties": False,
    }
    # By symbol: the last prices, as text, for Decimals are not JSON, and on which side the fast average was.
    state: dict[str, Any] = {}

    def initialize(self, params: dict[str, Any]) -> str:
        """Takes the two lengths."""
        self.fast = params.get("fast", 5)
        self.slow = params.get("slow", 20)
        if self.fast >= self.slow:
            raise ParametersError(f"fast: must be below slow ({self.slow}), is {self.fast}")
        return "quotes"

    def event(self, tick: Tick) -> Buy | Sell | Reject | None:
        """Averages what there is of the symbol; signals when the order of the averages has changed."""
        if len(self.state) >= 200 and tick.sid not in self.state:
            return Reject(f"{tick.sid}: 200 symbols are followed already")
        symbol = self.state.setdefault(tick.sid, {"prices": [], "above": None})
        symbol["prices"] = [*symbol["prices"], tick["quote"]][-self.slow :]
        prices = [Decimal(price) for price in symbol["prices"]]
        if len(prices) < self.slow:
            return None
        fast, slow = sum(prices[-self.fast :]) / self.fast, sum(prices) / self.slow
        self.publish("averages", {"sid": tick.sid, "fast": round(fast, 4), "slow": round(slow, 4), "time": tick["time"]})
        before, symbol["above"] = symbol["above"], fast > slow
        if before is None or before == symbol["above"]:
            return None
        return Buy() if symbol["above"] else Sell()


if __name__ == "__main__":
    serve(CrossoverAlgo)
