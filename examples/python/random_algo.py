"""The article's algorithm: buys whenever a random number is above the threshold."""

from __future__ import annotations

import random
from typing import Any

from intuition_algo import Algorithm, Buy, ParametersError, Tick, serve


class RandomAlgo(Algorithm):
    """Tosses a coin at every price."""

    name = "random-python"
    version = "1.0.0"
    parameters_schema = {
        "type": "object",
        "properties": {"seed": {"type": "integer", "minimum": 0, "description": "makes the run reproducible"}},
        "additionalProperties": False,
    }

    def initialize(self, params: dict[str, Any]) -> list[str]:
        """Reads the threshold, and goes on with the sequence of numbers where it stood."""
        self.threshold = float(params.get("threshold", 0.5))
        seed = params.get("seed")
        if seed is not None and not isinstance(seed, int):
            raise ParametersError(f"seed: must be a whole number, is {seed!r}")
        # A first start, or another seed: the sequence begins at its beginning. Without a seed, each account draws its own.
        if self.state is None or seed not in (None, self.state["seed"]):
            self.state = {"seed": random.getrandbits(63) if seed is None else seed, "drawn": 0}
        return ["quotes"]

    def event(self, tick: Tick) -> Buy | None:
        """Buys when the next number is above the threshold."""
        self.state["drawn"] += 1
        if self.number() > self.threshold:
            return Buy()
        return None

    def number(self) -> float:
        """The number, from 0 to 1, that the state says: the same after a restart, and no generator has to be saved."""
        return random.Random(f"{self.state['seed']}/{self.state['drawn']}").random()


if __name__ == "__main__":
    serve(RandomAlgo)
