"""Trading algorithms for Intuition: write a class, serve it.

    import random
    from intuition_algo import Algorithm, Buy, serve

    class RandomAlgo(Algorithm):
        def initialize(self, params):
            self.threshold = params.get("threshold", 0.5)
            return ["quotes"]

        def event(self, data):
            if random.random() > self.threshold:
                return Buy()

    if __name__ == "__main__":
        serve(RandomAlgo)

`algorithm` is what you subclass, `signals` what you return, `tick` what you get, with the values of `indicators`, `cli.serve` what runs it. Behind them:
`stream` takes one account through the contract, `limits` are the contract's, `service` speaks gRPC, `worker` keeps your code
off its thread, `hung` watches calls that do not return, `server` starts and stops. `testing` is for your unit tests.
"""

from .algorithm import Algorithm
from .cli import serve
from .errors import AlgorithmError, ParametersError
from .indicators import Indicators, IndicatorValues
from .signals import Answer, Buy, Reject, Sell, Signal
from .tick import Tick

__all__ = [
    "Algorithm",
    "AlgorithmError",
    "Answer",
    "Buy",
    "IndicatorValues",
    "Indicators",
    "ParametersError",
    "Reject",
    "Sell",
    "Signal",
    "Tick",
    "serve",
]
