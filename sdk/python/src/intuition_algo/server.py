"""Starts the server, and stops it without losing an answer."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from .algorithm import Algorithm
from .limits import MAX_MESSAGE
from .service import SERVICE, Service

GRACE_SECONDS = 10.0
"""How long a shutdown waits for what the algorithm is busy with. A pod is given 30 s."""

_LOG = logging.getLogger("intuition_algo")
_OPTIONS: list[tuple[str, int]] = [
    # A second server on the port would get half of the connections and nobody would know.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE + 64 * 1024),
    # A client may ask as often as it likes whether we are alive; by default it is sent away for that.
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    # One that vanished without a word is noticed, and its thread ends.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
]


class CannotListenError(Exception):
    """The address cannot be listened on."""


async def run(algorithm: type[Algorithm], address: str, started: Callable[[str], None] | None = None) -> None:
    """Serves until SIGTERM or SIGINT. `started` gets the address, with the port that was chosen where 0 was asked for."""
    service = Service(algorithm)
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers((service.handler(),))
    alive = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(alive, server)
    names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)
    bound = _listen(server, address)
    stop = _stop_signal()
    await server.start()
    for name in ("", SERVICE):
        await alive.set(name, health_pb2.HealthCheckResponse.SERVING)
    _LOG.info("%s %s listens on %s", algorithm.name, algorithm.version, bound)
    if started is not None:
        started(bound)
    await stop.wait()
    _LOG.info("shutting down")
    await _shut_down(server, service, alive)


async def _shut_down(server: grpc.aio.Server, service: Service, alive: health.aio.HealthServicer) -> None:
    await alive.enter_graceful_shutdown()
    # No new calls from here on. It returns when all have ended, watches of the health among them: those are cut below.
    closing = asyncio.ensure_future(server.stop(GRACE_SECONDS))
    try:
        await asyncio.wait_for(service.stop(), GRACE_SECONDS)
    except asyncio.TimeoutError:
        _LOG.warning("the algorithm is still busy after %.0f s; it is left alone", GRACE_SECONDS)
    await server.stop(None)
    await closing


def _listen(server: grpc.aio.Server, address: str) -> str:
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise CannotListenError(f"cannot listen on {address}: {error}") from error
    host, colon, _ = address.rpartition(":")
    return address if address.startswith("unix:") else f"{host}{colon}{port}"


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
