"""The service `intuition.v1.Algorithm` over grpc.aio."""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc
import grpc.aio

from .algorithm import Algorithm, check_class
from .errors import ParametersError, RequestError
from .hung import HungCalls
from .limits import schema_text, sentence, status_text
from .proto import algorithm_pb2 as contract
from .stream import CallFailed, Stream
from .worker import Worker

SERVICE = "intuition.v1.Algorithm"
CONTRACT = "intuition.v1"
_Returned = TypeVar("_Returned")
_Context = grpc.aio.ServicerContext[Any, Any]


class Service:
    """Answers for one algorithm. The user's code runs in threads: this one answers Describe whatever they do."""

    def __init__(self, algorithm: type[Algorithm]) -> None:
        check_class(algorithm)
        self._class = algorithm
        self._described = contract.DescribeResponse(
            name=algorithm.name,
            version=algorithm.version,
            contract=CONTRACT,
            parameters_schema_json=schema_text(algorithm.parameters_schema),
        )
        self._stopping = asyncio.Event()
        self._numbers = itertools.count(1)
        self._hung = HungCalls()
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server registers."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Describe": grpc.unary_unary_rpc_method_handler(
                    self._describe, contract.DescribeRequest.FromString, contract.DescribeResponse.SerializeToString
                ),
                "Initialize": grpc.unary_unary_rpc_method_handler(
                    self._initialize, contract.InitializeRequest.FromString, contract.InitializeResponse.SerializeToString
                ),
                "Event": grpc.unary_unary_rpc_method_handler(
                    self._event, contract.EventRequest.FromString, contract.EventResponse.SerializeToString
                ),
                "Events": grpc.stream_stream_rpc_method_handler(
                    self._events, contract.EventsRequest.FromString, contract.EventsResponse.SerializeToString
                ),
            },
        )

    async def stop(self) -> None:
        """Ends all streams, each behind the answer it owes, and returns when all calls have ended."""
        self._stopping.set()
        await self._idle.wait()

    async def _describe(self, _request: contract.DescribeRequest, _context: _Context) -> contract.DescribeResponse:
        return self._described

    async def _initialize(self, request: contract.InitializeRequest, context: _Context) -> contract.InitializeResponse:
        stream = Stream(self._class)
        return await self._unary(context, request.account, stream, lambda: stream.initialize(request))

    async def _event(self, request: contract.EventRequest, context: _Context) -> contract.EventResponse:
        stream = Stream(self._class)
        return await self._unary(context, request.account, stream, lambda: _once(stream, request))

    async def _unary(self, context: _Context, account: str, stream: Stream, call: Callable[[], _Returned]) -> _Returned:
        await self._admit(account, context)
        with self._call(), self._worker(stream) as worker:
            try:
                return await _attempt(context, worker, call)
            except ParametersError as error:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, _refusal(error))
                raise

    async def _events(self, _requests: object, context: _Context) -> None:
        stream = Stream(self._class)
        with self._call(), self._worker(stream) as worker:
            first = True
            while (request := await self._next(context)) is not None:
                kind = request.WhichOneof("message")
                if first != (kind == "initialize"):
                    await context.abort(
                        grpc.StatusCode.INVALID_ARGUMENT, "initialize has to be the first message of a stream, and only the first"
                    )
                if first:
                    await self._admit(request.initialize.account, context)
                first = False
                answer = await _attempt(context, worker, functools.partial(_answer, stream, request))
                await context.write(answer)
                if answer.initialized.refusal:
                    # Nothing can follow: there is no instance.
                    return

    async def _next(self, context: _Context) -> contract.EventsRequest | None:
        """The next message; None when the other side has closed its side."""
        read = asyncio.ensure_future(context.read())
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({read, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not read.done():
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the server shuts down")
            request = read.result()
        finally:
            stopping.cancel()
            if not read.done():
                read.cancel()
        return request if isinstance(request, contract.EventsRequest) else None

    async def _admit(self, account: str, context: _Context) -> None:
        """Ends the call where too many earlier ones of the account have not returned."""
        refusal = self._hung.refusal(account)
        if refusal is not None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, status_text(refusal))

    @contextmanager
    def _worker(self, stream: Stream) -> Iterator[Worker]:
        worker = Worker(f"{self._class.name}-{next(self._numbers)}")
        try:
            yield worker
        finally:
            worker.end()
            self._hung.stream_ended(stream, worker)

    def _call(self) -> _Call:
        return _Call(self)


class _Call:
    """Counts a call for as long as it lasts."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def __enter__(self) -> None:
        self._service._busy += 1
        self._service._idle.clear()

    def __exit__(self, *_: object) -> None:
        self._service._busy -= 1
        if self._service._busy == 0:
            self._service._idle.set()


def _answer(stream: Stream, request: contract.EventsRequest) -> contract.EventsResponse:
    kind = request.WhichOneof("message")
    if kind == "initialize":
        try:
            return contract.EventsResponse(initialized=stream.initialize(request.initialize))
        except ParametersError as error:
            return contract.EventsResponse(initialized=contract.InitializeResponse(refusal=_refusal(error)))
    if kind == "batch":
        return contract.EventsResponse(result=stream.batch(request.batch))
    if kind == "reconfigure":
        try:
            return contract.EventsResponse(reconfigured=stream.reconfigure(request.reconfigure))
        except ParametersError as error:
            return contract.EventsResponse(reconfigured=contract.ReconfigureResponse(refusal=_refusal(error)))
    raise RequestError("a message has to be initialize, batch or reconfigure; this one is empty or of a newer contract")


def _refusal(error: ParametersError) -> str:
    # An empty one would be taken for an acceptance.
    return sentence(str(error)) or "the parameters are refused, no reason was given"


def _once(stream: Stream, request: contract.EventRequest) -> contract.EventResponse:
    """An event by hand: an instance for this one call."""
    stream.initialize(
        contract.InitializeRequest(account=request.account, parameters_json=request.parameters_json, state=request.state)
    )
    answer = stream.batch(contract.EventBatch(number=1, events=[request.event]))
    response = contract.EventResponse(result=answer.results[0], publications=answer.publications)
    if answer.HasField("state"):
        response.state = answer.state
    return response


async def _attempt(context: _Context, worker: Worker, call: Callable[[], _Returned]) -> _Returned:
    """Runs the call in the worker. What goes wrong ends the RPC with a status that says whose doing it was."""
    try:
        return await worker.run(call)
    except RequestError as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, status_text(str(error)))
        raise
    except CallFailed as error:
        await context.abort(grpc.StatusCode.INTERNAL, status_text(str(error)))
        raise
