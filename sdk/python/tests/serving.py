"""Servers of algorithms as processes, and a client that speaks the contract by hand."""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc
from intuition_algo.proto import algorithm_pb2 as contract
from intuition_algo.proto import types_pb2 as types

ALGORITHMS = Path(__file__).parent / "algorithms"
EXAMPLES = Path(__file__).parents[3] / "examples" / "python"
PATIENCE_SECONDS = 30.0


class Server:
    """A process that serves an algorithm on a real socket."""

    def __init__(self, program: Path, address: str = "127.0.0.1:0", arguments: Sequence[str] = ()) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(program), "--addr", address, *arguments], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        self.log: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.address = self.wait_for_log(" listens on ").split(" listens on ")[1].strip()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)
        self._lines.put(None)

    def wait_for_log(self, text: str) -> str:
        """The next line of the log with the text in it."""
        while True:
            line = self._lines.get(timeout=PATIENCE_SECONDS)
            assert line is not None, f"the server ended without saying {text!r}:\n{''.join(self.log)}"
            self.log.append(line)
            if text in line:
                return line

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Its exit code, waited for."""
        return self.process.wait(PATIENCE_SECONDS)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stderr is not None
        if kind is not None:
            while not self._lines.empty():
                self.log.append(self._lines.get() or "")
            print("".join(self.log), file=sys.stderr)


class Client:
    """The contract, call by call."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address)

    def describe(self) -> contract.DescribeResponse:
        call = self.channel.unary_unary(
            "/intuition.v1.Algorithm/Describe", contract.DescribeRequest.SerializeToString, contract.DescribeResponse.FromString
        )
        return call(contract.DescribeRequest(), timeout=PATIENCE_SECONDS)

    def initialize(self, parameters: Any, state: bytes = b"") -> contract.InitializeResponse:
        call = self.channel.unary_unary(
            "/intuition.v1.Algorithm/Initialize", contract.InitializeRequest.SerializeToString, contract.InitializeResponse.FromString
        )
        return call(_initialize(parameters, state), timeout=PATIENCE_SECONDS)

    def event(self, parameters: Any, sid: str, state: bytes = b"") -> contract.EventResponse:
        return self.single(parameters, quote(1, sid), state)

    def single(self, parameters: Any, event: contract.InputEvent, state: bytes = b"") -> contract.EventResponse:
        call = self.channel.unary_unary(
            "/intuition.v1.Algorithm/Event", contract.EventRequest.SerializeToString, contract.EventResponse.FromString
        )
        request = contract.EventRequest(
            account="default/test", parameters_json=json.dumps(parameters), state=state, event=event
        )
        return call(request, timeout=PATIENCE_SECONDS)

    def events(self) -> Events:
        return Events(self.channel)

    def opened(self, account: str = "default/test") -> Events:
        """A stream whose first message is on its way."""
        events = self.events()
        events.send(initialize=_initialize({}, b"", account))
        return events

    def started(self, parameters: Any = None, state: bytes = b"") -> Events:
        """A stream that is initialized."""
        events = self.events()
        answer = events.ask(initialize=_initialize(parameters or {}, state))
        assert not answer.initialized.refusal, answer
        return events

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()


class Events:
    """A stream."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._requests: queue.Queue[contract.EventsRequest | None] = queue.Queue()
        call = channel.stream_stream(
            "/intuition.v1.Algorithm/Events", contract.EventsRequest.SerializeToString, contract.EventsResponse.FromString
        )
        self.answers = call(iter(self._requests.get, None), timeout=4 * PATIENCE_SECONDS)
        self._number = 0
        self._event = 0

    def send(self, **message: Any) -> None:
        self._requests.put(contract.EventsRequest(**message))

    def ask(self, **message: Any) -> contract.EventsResponse:
        self.send(**message)
        return next(self.answers)

    def send_quotes(self, *sids: str) -> None:
        self._number += 1
        batch = contract.EventBatch(number=self._number)
        for sid in sids:
            self._event += 1
            batch.events.append(quote(self._event, sid))
        self.send(batch=batch)

    def quotes(self, *sids: str) -> contract.EventBatchResult:
        """The answer to a batch of these symbols."""
        self.send_quotes(*sids)
        return self.result()

    def result(self) -> contract.EventBatchResult:
        result = next(self.answers).result
        assert result.number == self._number
        assert [one.event for one in result.results] == list(range(self._event - len(result.results) + 1, self._event + 1))
        return result

    def reconfigure(self, parameters: Any) -> contract.ReconfigureResponse:
        return self.ask(reconfigure=contract.Reconfigure(parameters_json=json.dumps(parameters))).reconfigured

    def close(self) -> None:
        """Closes our side."""
        self._requests.put(None)

    def cancel(self) -> None:
        self.answers.cancel()
        self._requests.put(None)

    def status(self) -> tuple[grpc.StatusCode, str]:
        """How it ended, waited for."""
        code, details, rest = self.ended()
        assert rest == [], "answers that nobody asked for"
        return code, details

    def ended(self) -> tuple[grpc.StatusCode, str, list[contract.EventsResponse]]:
        """How it ended, waited for, and the answers until then."""
        rest: list[contract.EventsResponse] = []
        with contextlib.suppress(grpc.RpcError):
            rest.extend(self.answers)
        return self.answers.code(), self.answers.details(), rest


def _initialize(parameters: Any, state: bytes, account: str = "default/test") -> contract.InitializeRequest:
    text = parameters if isinstance(parameters, str) else json.dumps(parameters)
    return contract.InitializeRequest(account=account, parameters_json=text, state=state)


def quote(event: int, sid: str, price: str = "345", time_micros: int = 1_767_322_645_678_000) -> contract.InputEvent:
    return contract.InputEvent(event=event, quote=types.Quote(sid=sid, price=price, time_micros=time_micros))


def sides(result: contract.EventBatchResult) -> list[list[str]]:
    """What was signalled at each event: `buy`, `sell`, `sell 1.5`."""
    names = {types.SIDE_BUY: "buy", types.SIDE_SELL: "sell"}
    return [[f"{names[signal.side]} {signal.quantity}".strip() for signal in one.signals] for one in result.results]


def served(program: Path) -> Iterator[Client]:
    """For fixtures: a server and a client for all tests of a module."""
    with Server(program) as server, Client(server.address) as client:
        yield client
