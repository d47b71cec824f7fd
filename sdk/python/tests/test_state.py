"""State: saved where it changed, there again before initialize, nobody else's."""

from __future__ import annotations

import json
from collections.abc import Iterator

import grpc
import pytest
from intuition_algo.proto import algorithm_pb2 as contract
from serving import ALGORITHMS, Client, served, sides


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    yield from served(ALGORITHMS / "probe.py")


@pytest.fixture(scope="module")
def in_place() -> Iterator[Client]:
    yield from served(ALGORITHMS / "in_place.py")


def test_it_is_saved_after_the_batch_and_goes_on_from_there(client: Client) -> None:
    first = client.started().quotes("A", "B")
    assert json.loads(first.state) == {"seen": ["A", "B"]}
    second = client.started(state=first.state).quotes("C")
    assert json.loads(second.state) == {"seen": ["A", "B", "C"]}


def test_it_is_absent_where_nothing_changed(client: Client, in_place: Client) -> None:
    stream = client.started()
    assert json.loads(stream.quotes("state:none").state) is None
    assert not in_place.started({"after": 9}).quotes("GOOG").HasField("state")
    stream = client.started(state=b'{"seen": ["keep"]}')
    unchanged = stream.ask(batch=contract.EventBatch(number=1, events=[contract.InputEvent(event=1)])).result
    assert not unchanged.HasField("state")


def test_accounts_share_nothing(client: Client) -> None:
    one, other = client.started(), client.started()
    one.quotes("A")
    assert json.loads(other.quotes("B").state) == {"seen": ["B"]}
    assert json.loads(client.started().quotes("C").state) == {"seen": ["C"]}


@pytest.mark.parametrize(
    ("sid", "complaint"),
    [
        ("state:big", "has 1048578 bytes as JSON; at most 1048576"),
        ("state:tuple", "keep lists instead of tuples"),
        ("state:decimal", "state is Decimal('1'), of the type decimal.Decimal (write str(...)), which JSON cannot carry"),
        ("state:nan", "state is nan, which JSON cannot carry"),
    ],
)
def test_unusable_state_ends_the_stream_at_once_not_after_a_restart(client: Client, sid: str, complaint: str) -> None:
    stream = client.started()
    stream.send_quotes(sid)
    code, details = stream.status()
    assert code == grpc.StatusCode.INTERNAL
    assert complaint in details


def test_by_hand_it_goes_in_and_out(client: Client) -> None:
    first = client.event({}, "answer:buy")
    assert [signal.event for signal in first.result.signals] == [1]
    second = client.event({}, "publish:a", first.state)
    assert json.loads(second.state) == {"seen": ["answer:buy", "publish:a"]}
    assert [one.channel for one in second.publications] == ["a"]


def test_new_parameters_start_a_new_instance_with_the_state_of_the_old(client: Client) -> None:
    stream = client.started()
    stream.quotes("A")
    answer = stream.reconfigure({"channels": ["other"]})
    assert (list(answer.channels), answer.refusal) == (["other"], "")
    assert json.loads(stream.quotes("B").state) == {"seen": ["A", "B"]}


def test_refused_parameters_leave_the_old_ones(client: Client) -> None:
    stream = client.started()
    stream.quotes("A")
    assert stream.reconfigure({"refuse": "no"}).refusal == "no"
    assert json.loads(stream.quotes("B").state) == {"seen": ["A", "B"]}


def test_an_algorithm_may_reconfigure_itself_in_place(in_place: Client) -> None:
    stream = in_place.started({"after": 2})
    assert sides(stream.quotes("A", "A")) == [[], []]
    assert list(stream.reconfigure({"after": 3}).channels) == []
    assert stream.reconfigure({"after": -1}).refusal == "after: must not be negative"
    assert list(stream.reconfigure({"after": 3, "channels": ["b"]}).channels) == ["b"]
    assert sides(stream.quotes("A", "A")) == [[], ["buy"]]
