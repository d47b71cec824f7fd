"""One account's algorithm, taken through the contract: what `Events` does between two messages. No I/O."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from .algorithm import Algorithm, overrides_reconfigure
from .errors import AlgorithmError, ParametersError, RequestError
from .hints import hint
from .limits import MAX_MESSAGE, channel_list, parameters_from, sentence, state_bytes, state_from
from .proto import algorithm_pb2 as contract
from .proto import types_pb2 as types
from .signals import Buy, Reject, Sell, plain_quantity, signals
from .tick import Tick

_LOG = logging.getLogger("intuition_algo")
_PACKAGE = Path(__file__).parent
_Returned = TypeVar("_Returned")


class CallFailed(Exception):
    """The algorithm raised or broke the contract. The text says what, where, and at which event."""


class Stream:
    """The instance of one account, and the state that the other side has of it."""

    def __init__(self, algorithm: type[Algorithm]) -> None:
        self._class = algorithm
        self._instance: Algorithm | None = None
        self.account = ""
        """Whose it is; empty before Initialize."""
        self.doing = ""
        """The call of the user's code that was made last, as in `MyAlgo.event at GOOG (event 5)`. Other threads read it."""
        self._left = False
        self._saved = b""

    def leave(self) -> None:
        """Ends the batch under way behind the event that runs, for a stream that has ended. Any thread may call it."""
        self._left = True

    def initialize(self, request: contract.InitializeRequest) -> contract.InitializeResponse:
        """Makes the instance. ParametersError: refused."""
        params = parameters_from(request.parameters_json)
        self.account = request.account
        # As this would write it, to be compared with what the instance will have.
        self._saved = state_bytes(state_from(request.state)) if request.state else b""
        channels, self._instance = self._begin(params, self._saved)
        return contract.InitializeResponse(channels=channels)

    def reconfigure(self, request: contract.Reconfigure) -> contract.ReconfigureResponse:
        """Changes the parameters. ParametersError: refused, and the old ones go on."""
        params = parameters_from(request.parameters_json)
        instance = self._running()
        if overrides_reconfigure(instance):
            wanted = self._call("reconfigure", lambda: instance.reconfigure(params))
            channels = [] if wanted is None else self._call("reconfigure", lambda: channel_list(wanted))
        else:
            state = self._call("reconfigure", lambda: state_bytes(instance.state))
            channels, self._instance = self._begin(params, state)
        return contract.ReconfigureResponse(channels=channels)

    def batch(self, batch: contract.EventBatch) -> contract.EventBatchResult:
        """Decides a batch."""
        instance = self._running()
        instance._publications = []
        try:
            results = self._events(instance, batch.events)
            publications = instance._publications
        finally:
            instance._publications = None
        answer = contract.EventBatchResult(
            number=batch.number,
            results=results,
            publications=[types.Publication(channel=channel, payload=payload) for channel, payload in publications],
        )
        state = self._call("event", lambda: state_bytes(instance.state))
        # What keeps no state has none to save.
        stateless = self._saved == b"" and instance.state is None and self._class.state is None
        changed = state != self._saved and not stateless
        if changed:
            answer.state = state
        if answer.ByteSize() > MAX_MESSAGE:
            raise CallFailed(
                f"{self._class.__name__}: signals, state and publications of {len(results)} events have {answer.ByteSize()} bytes; "
                f"at most {MAX_MESSAGE} are allowed in one answer"
            )
        if changed:
            self._saved = state
        return answer

    def _begin(self, params: dict[str, Any], state: bytes) -> tuple[list[str], Algorithm]:
        instance = self._call("__init__", self._class)
        if state:
            instance.state = state_from(state)
        wanted = self._call("initialize", lambda: instance.initialize(params))
        return self._call("initialize", lambda: channel_list(wanted)), instance

    def _running(self) -> Algorithm:
        if self._instance is None:
            raise RequestError("the first message has to be initialize")
        return self._instance

    def _events(self, instance: Algorithm, events: Iterable[contract.InputEvent]) -> list[contract.EventResult]:
        """A result for each event. Values of indicators wait for the quote that they include, which is behind them in the batch."""
        results = []
        waiting: list[types.Indicator] = []
        for event in events:
            kind = event.WhichOneof("kind")
            if kind == "quote":
                # Values about another symbol belong to no quote.
                tick = Tick.of(event.quote, [values for values in waiting if values.sid == event.quote.sid])
                waiting = []
                results.append(self._decide(instance, event.event, tick))
                continue
            if kind == "indicator":
                waiting.append(event.indicator)
            # An event of another kind is passed over.
            results.append(contract.EventResult(event=event.event))
        return results

    def _decide(self, instance: Algorithm, event: int, tick: Tick) -> contract.EventResult:
        if self._left:
            raise CallFailed("the stream has ended")
        result = contract.EventResult(event=event)
        answer = self._call(f"event at {tick.sid} (event {event})", lambda: decide(instance, tick))
        if isinstance(answer, Reject):
            result.reject = sentence(answer.reason)
            return result
        for signal in answer:
            if isinstance(signal, Sell):
                quantity = "" if signal.quantity is None else plain_quantity(signal.quantity)
                result.signals.add(event=event, side=types.SIDE_SELL, quantity=quantity)
            else:
                result.signals.add(event=event, side=types.SIDE_BUY)
        return result

    def _call(self, what: str, call: Callable[[], _Returned]) -> _Returned:
        """Runs the user's code. What it raises becomes one sentence for whoever runs it, and a traceback in the log."""
        self.doing = f"{self._class.__name__}.{what}"
        try:
            return call()
        except (ParametersError, RequestError):
            raise
        # SystemExit too: one account's algorithm does not end the process that serves the others.
        except BaseException as error:
            self._fail(what, error)

    def _fail(self, what: str, error: BaseException) -> NoReturn:
        _LOG.error("%s: %s failed in %s", self.account or "by hand", self._class.__name__, what, exc_info=error)
        kind = "" if isinstance(error, AlgorithmError) else f"{type(error).__name__}: "
        raise CallFailed(f"{self._class.__name__}.{what}{_place(error)}: {kind}{_text(error)}") from None


def decide(instance: Algorithm, tick: Tick) -> list[Buy | Sell] | Reject:
    """What `event` answers, checked."""
    try:
        return signals(instance.event(tick))
    except Reject as reject:
        return reject
    except ParametersError as error:
        # It refuses parameters, which nobody gave here.
        raise AlgorithmError(f"ParametersError is for initialize and reconfigure; in event, Reject refuses an event ({error})") from error


def _text(error: BaseException) -> str:
    try:
        told = hint(error)
        return f"{error} ({told})" if told else str(error)
    except Exception:
        return "(its text cannot be had)"


def _place(error: BaseException) -> str:
    """File and line of the user's code, the innermost that is not this package."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        path = Path(frame.filename)
        if _PACKAGE not in path.parents and "site-packages" not in path.parts and not frame.filename.startswith("<"):
            return f", {path.name} line {frame.lineno}"
    return ""
