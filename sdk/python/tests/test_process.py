"""The process: many accounts at once, code that blocks, signals, addresses."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from intuition_algo.hung import MAX_CALLS
from intuition_algo.server import GRACE_SECONDS
from serving import ALGORITHMS, PATIENCE_SECONDS, Client, Events, Server, sides
from waiting import wait_for

PROBE = ALGORITHMS / "probe.py"


@contextmanager
def blocked(stream: Events, folder: Path) -> Iterator[Path]:
    """A stream whose event() waits for somebody to open the pipe for writing."""
    folder.mkdir()
    os.mkfifo(folder / "go")
    stream.send_quotes(f"block:{folder}")
    wait_for("event() to begin", (folder / "began").exists)
    yield folder / "go"


def test_a_blocking_event_holds_up_neither_describe_nor_other_accounts(tmp_path: Path) -> None:
    with Server(PROBE) as server, Client(server.address) as client:
        stream = client.started()
        with blocked(stream, tmp_path / "a") as go:
            assert client.describe().name == "probe-algo"
            assert sides(client.started().quotes("answer:buy")) == [["buy"]]
            assert client.event({}, "answer:sell").result.signals
            go.write_text("on")
        assert stream.result().state


def test_two_hundred_accounts_are_served_at_once() -> None:
    with Server(PROBE) as server, Client(server.address) as client:
        streams = [client.started() for _ in range(200)]
        for _ in range(3):
            for stream in streams:
                stream.send_quotes("answer:buy")
            for stream in streams:
                assert sides(stream.result()) == [["buy"]]
        assert client.describe().name == "probe-algo"


def test_stream_cancelled_while_it_computes_leaves_the_others_alone(tmp_path: Path) -> None:
    with Server(PROBE) as server, Client(server.address) as client:
        stream = client.started()
        with blocked(stream, tmp_path / "a") as go:
            stream.cancel()
            assert sides(client.started().quotes("answer:buy")) == [["buy"]]
            go.write_text("on")
        threads = Path(f"/proc/{server.process.pid}/task")
        idle = len(list(threads.iterdir()))
        for _ in range(50):
            client.started().cancel()
        wait_for("the threads of cancelled streams to end", lambda: len(list(threads.iterdir())) <= idle)


def test_call_outlasting_its_stream_is_logged_with_symbol_and_stack(tmp_path: Path) -> None:
    with Server(PROBE) as server, Client(server.address) as client:
        stream = client.started()
        with blocked(stream, tmp_path / "a") as go:
            stream.cancel()
            hung = f"default/test: ProbeAlgo.event at block:{tmp_path / 'a'} (event 1) has not returned after "
            assert float(server.wait_for_log(hung).split(hung)[1].split()[0]) >= 1
            server.wait_for_log("in on_block")
            go.write_text("on")
            assert "its answer is void" in server.wait_for_log(" returned after ")


def test_account_with_hung_calls_gets_no_further_thread(tmp_path: Path) -> None:
    with Server(PROBE) as server, Client(server.address) as client:
        threads = Path(f"/proc/{server.process.pid}/task")
        for number in range(MAX_CALLS):
            stream = client.started()
            with blocked(stream, tmp_path / str(number)):
                stream.cancel()
        wait_for("the calls to be counted", lambda: refused(client))
        before = len(list(threads.iterdir()))
        for _ in range(20):
            code, details = client.opened().status()
            assert code == grpc.StatusCode.UNAVAILABLE
            assert f"{MAX_CALLS} calls of default/test have not returned, the first is ProbeAlgo.event at block:" in details
        wait_for("no thread of a refused stream", lambda: len(list(threads.iterdir())) <= before)
        other = client.opened("default/other")
        assert next(other.answers).initialized.channels
        # A call that returns makes room.
        (tmp_path / "0" / "go").write_text("on")
        wait_for("the account to be served again", lambda: not refused(client))


def refused(client: Client) -> bool:
    stream = client.opened()
    stream.close()
    return stream.ended()[0] == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_idle_streams_and_the_process(number: signal.Signals) -> None:
    with Server(PROBE) as server, Client(server.address) as client:
        streams = [client.started() for _ in range(3)]
        streams[0].quotes("GOOG")
        server.signal(number)
        for stream in streams:
            assert stream.status() == (grpc.StatusCode.UNAVAILABLE, "the server shuts down")
        assert server.ended() == 0


def test_a_batch_that_is_being_decided_is_answered_before_the_shutdown(tmp_path: Path) -> None:
    with Server(PROBE) as server, Client(server.address) as client:
        stream = client.started()
        with blocked(stream, tmp_path / "a") as go:
            server.signal(signal.SIGTERM)
            server.wait_for_log("shutting down")
            go.write_text("on")
        assert stream.result().state
        assert stream.status()[0] == grpc.StatusCode.UNAVAILABLE
        assert server.ended() == 0


def test_an_event_that_never_returns_does_not_keep_the_process_alive(tmp_path: Path) -> None:
    with Server(PROBE) as server, Client(server.address) as client:
        stream = client.started()
        with blocked(stream, tmp_path / "a"):
            server.signal(signal.SIGTERM)
            assert stream.status()[0] in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
            assert server.ended() == 0


def test_who_watches_its_health_does_not_hold_up_the_shutdown() -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with Server(PROBE) as server, Client(server.address) as client:
        stub: Any = health_pb2_grpc.HealthStub(client.channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        server.signal(signal.SIGTERM)
        assert server.process.wait(GRACE_SECONDS - 1) == 0


def test_it_serves_on_a_unix_socket(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/algo.sock"
    with Server(PROBE, address) as server, Client(address) as client:
        assert server.address == address
        assert sides(client.started().quotes("answer:buy")) == [["buy"]]


def test_what_a_killed_server_left_of_its_socket_is_in_nobodys_way(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/algo.sock"
    with Server(PROBE, address) as server:
        server.signal(signal.SIGKILL)
        server.ended()
        assert (tmp_path / "algo.sock").exists()
    with Server(PROBE, address), Client(address) as client:
        assert client.describe().name == "probe-algo"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROBE), *arguments],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, env={**os.environ, **environment}, check=False,
    )


def test_an_address_in_use_is_said_and_ends_the_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        ended = run("--addr", address)
    assert ended.returncode == 1
    assert f"cannot listen on {address}" in ended.stderr
    assert "--addr chooses another address" in ended.stderr


def test_two_servers_do_not_share_a_port() -> None:
    with Server(PROBE) as server:
        assert run("--addr", server.address).returncode == 1


@pytest.mark.parametrize("address", ["50051", "http://127.0.0.1:50051", "127.0.0.1", "unix:"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    for ended in (run("--addr", address), run(INTUITION_ADDR=address)):
        assert ended.returncode == 2
        assert "is not HOST:PORT" in ended.stderr


def test_it_tells_its_version_and_its_options() -> None:
    assert run("--version").stdout.strip() == "probe-algo, version 1.2.3"
    assert "--addr" in run("--help").stdout
