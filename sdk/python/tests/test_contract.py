"""The contract over a real socket: what comes in, what goes out, and how it ends when something is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from intuition_algo.proto import algorithm_pb2 as contract
from intuition_algo.proto import types_pb2 as types
from serving import ALGORITHMS, Client, quote, served, sides


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    yield from served(ALGORITHMS / "probe.py")


def test_it_describes_itself(client: Client) -> None:
    described = client.describe()
    assert (described.name, described.version, described.contract) == ("probe-algo", "1.2.3", "intuition.v1")
    assert json.loads(described.parameters_schema_json) == {"type": "object", "properties": {"channels": {}}}


@pytest.mark.parametrize(
    ("wanted", "channels"),
    [("quotes", ["quotes"]), (["quotes", "fx/+/eur", "news/#"], ["quotes", "fx/+/eur", "news/#"]), (["ö" * 128], ["ö" * 128])],
)
def test_channels_are_one_text_or_several(client: Client, wanted: object, channels: list[str]) -> None:
    assert list(client.initialize({"channels": wanted}).channels) == channels


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ([], "1 to 64 are allowed, there are 0"),
        (["a"] * 65, "1 to 64 are allowed, there are 65"),
        (["ö" * 129], "is not 1 to 256 bytes"),
        ([""], "is not 1 to 256 bytes"),
        (["fx/#/eur"], "wildcard in the wrong place"),
        (["fx+"], "wildcard in the wrong place"),
        (["$share/a/quotes"], "shared subscription"),
        ([5], "5 is no text"),
        (5, "is no list of MQTT topics"),
        (None, "initialize returned no channels"),
    ],
)
def test_channels_that_are_none_are_the_algorithms_error(client: Client, wanted: object, complaint: str) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        client.initialize({"channels": wanted})
    assert failed.value.code() == grpc.StatusCode.INTERNAL
    details = failed.value.details() or ""
    assert "ProbeAlgo.initialize" in details
    assert complaint in details


def test_signals_rejects_and_silence_are_answered_in_order(client: Client) -> None:
    result = client.started().quotes(
        "answer:buy", "nothing", "answer:sell", "answer:some", "answer:words", "answer:several", "answer:refusal", "refuse:not today", "GOOG"
    )
    assert sides(result) == [["buy"], [], ["sell"], ["sell 1.5"], ["buy", "sell"], ["buy", "sell 3"], [], [], []]
    assert [one.reject for one in result.results] == ["", "", "", "", "", "", "no such symbol", "not today", ""]
    assert all(signal.event == one.event for one in result.results for signal in one.signals)


def test_events_of_kinds_that_are_not_known_are_passed_over(client: Client) -> None:
    stream = client.started()
    batch = contract.EventBatch(number=1, events=[contract.InputEvent(event=7), quote(8, "answer:buy")])
    result = stream.ask(batch=batch).result
    assert [(one.event, len(one.signals)) for one in result.results] == [(7, 0), (8, 1)]


def indicator(event: int, sid: str, name: str, **values: str) -> contract.InputEvent:
    named = [types.IndicatorValue(name=key, value=value) for key, value in values.items()]
    return contract.InputEvent(event=event, indicator=types.Indicator(name=name, sid=sid, values=named))


def told(result: contract.EventBatchResult) -> list[Any]:
    """The indicators that each quote of `indicators:` came with, as the algorithm saw them."""
    return [json.loads(publication.payload) for publication in result.publications]


def test_a_quote_has_the_values_that_stand_directly_in_front_of_it(client: Client) -> None:
    stream = client.started()
    events = [
        indicator(1, "indicators:A", "sma-20", value="-0.0000000001"),
        indicator(2, "indicators:A", "macd", line="9999999999999999.9999999999", signal="1.50"),
        quote(3, "indicators:A"),
        quote(4, "indicators:A"),
        indicator(5, "indicators:B", "sma-20", value="5"),
        contract.InputEvent(event=6),
        indicator(7, "indicators:A", "rsi-14", value="70"),
        quote(8, "indicators:B"),
        quote(9, "indicators:A"),
        # Values of a quote that did not come, and behind them the values of this quote.
        indicator(10, "indicators:A", "sma-20", value="1"),
        indicator(11, "indicators:A", "sma-20", value="2"),
        quote(12, "indicators:A"),
    ]
    result = stream.ask(batch=contract.EventBatch(number=1, events=events)).result
    assert [(one.event, list(one.signals), one.reject) for one in result.results] == [(event.event, [], "") for event in events]
    both = {"sma-20": {"value": "-0.0000000001"}, "macd": {"line": "9999999999999999.9999999999", "signal": "1.50"}}
    assert told(result) == [both, {}, {"sma-20": {"value": "5"}}, {}, {"sma-20": {"value": "2"}}]


def test_values_of_one_batch_do_not_reach_the_quotes_of_the_next(client: Client) -> None:
    stream = client.started()
    first = stream.ask(batch=contract.EventBatch(number=1, events=[indicator(1, "indicators:A", "sma-20", value="5")])).result
    assert [(one.event, len(one.signals)) for one in first.results] == [(1, 0)]
    assert not first.publications
    assert told(stream.ask(batch=contract.EventBatch(number=2, events=[quote(2, "indicators:A")])).result) == [{}]


def test_a_single_call_passes_over_the_values_of_an_indicator(client: Client) -> None:
    answer = client.single({}, indicator(5, "answer:buy", "sma-20", value="5"))
    assert (answer.result.event, list(answer.result.signals), answer.result.reject) == (5, [], "")
    assert json.loads(answer.state) == {"seen": []}


@pytest.mark.parametrize(
    ("sid", "complaint"),
    [
        ("answer:many", "65 signals for one event; at most 64"),
        ("answer:class", "write Buy(), not Buy"),
        ("answer:number", "event returned 5; it may return"),
        ("float:", "quantity: 0.5 is a float; it has to be exact"),
        ("raise:by zero", "probe.py line"),
        ("raise:by zero", "ZeroDivisionError: by zero"),
        (f"raise:{'ö' * 3000}", "öö..."),
        ("exit:", "SystemExit: 3"),
        ("publish:averages/#", "has a wildcard; it names one topic"),
        ("publish:averages/+", "has a wildcard; it names one topic"),
        (f"big:{256 * 1024 + 1}", "has 262145 bytes; at most 262144"),
    ],
)
def test_error_in_event_ends_the_stream_and_names_place_and_symbol(client: Client, sid: str, complaint: str) -> None:
    stream = client.started()
    stream.send_quotes("GOOG", sid)
    code, details = stream.status()
    assert code == grpc.StatusCode.INTERNAL
    assert f"ProbeAlgo.event at {sid} (event 2)"[:900] in details
    assert complaint in details
    # The server and other streams go on.
    assert sides(client.started().quotes("answer:buy")) == [["buy"]]


def test_an_error_in_initialize_says_where(client: Client) -> None:
    stream = client.events()
    stream.send(initialize=contract.InitializeRequest(parameters_json='{"fail": true}'))
    code, details = stream.status()
    assert code == grpc.StatusCode.INTERNAL
    assert "ProbeAlgo.initialize, probe.py line" in details
    assert "KeyError: 'threshold'" in details


def test_refused_parameters_are_an_answer_in_a_stream_and_a_status_by_hand(client: Client) -> None:
    stream = client.events()
    answer = stream.ask(initialize=contract.InitializeRequest(parameters_json='{"refuse": "fast: must be below slow"}'))
    assert answer.initialized.refusal == "fast: must be below slow"
    assert stream.status()[0] == grpc.StatusCode.OK
    for call in (lambda: client.initialize({"refuse": "no"}), lambda: client.event({"refuse": "no"}, "GOOG")):
        with pytest.raises(grpc.RpcError) as refused:
            call()
        assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "no")


def test_a_text_that_is_none_is_still_carried(client: Client) -> None:
    answer = client.events().ask(initialize=contract.InitializeRequest(parameters_json='{"refuse": "a\\ud800b"}'))
    assert answer.initialized.refusal == "a?b"


def test_a_refusal_without_a_reason_is_still_one(client: Client) -> None:
    answer = client.events().ask(initialize=contract.InitializeRequest(parameters_json='{"refuse": ""}'))
    assert answer.initialized.refusal


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({"batch": contract.EventBatch(number=1)}, "initialize has to be the first message"),
        ({}, "initialize has to be the first message"),
        ({"initialize": contract.InitializeRequest(parameters_json="[]")}, "must be one JSON object"),
        ({"initialize": contract.InitializeRequest(parameters_json="{")}, "is no JSON"),
        ({"initialize": contract.InitializeRequest(parameters_json="")}, "is no JSON"),
        ({"initialize": contract.InitializeRequest(parameters_json="[" * 100_000)}, "is no JSON"),
        ({"initialize": contract.InitializeRequest(parameters_json="{}", state=b"\xff")}, "is not what this algorithm saved"),
    ],
)
def test_a_first_message_that_is_wrong_is_the_callers_error(client: Client, message: dict[str, object], complaint: str) -> None:
    stream = client.events()
    stream.send(**message)
    code, details = stream.status()
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert complaint in details


def test_a_second_initialize_is_the_callers_error(client: Client) -> None:
    stream = client.started()
    stream.send(initialize=contract.InitializeRequest(parameters_json="{}"))
    assert stream.status()[0] == grpc.StatusCode.INVALID_ARGUMENT


def test_a_message_of_a_newer_contract_is_refused_and_not_passed_over(client: Client) -> None:
    stream = client.started()
    stream.send()
    code, details = stream.status()
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "newer contract" in details


def test_the_stream_ends_with_ok_when_the_other_side_closes(client: Client) -> None:
    stream = client.started()
    stream.quotes("GOOG")
    stream.close()
    assert stream.status()[0] == grpc.StatusCode.OK


def test_publications_go_with_the_batch_in_order(client: Client) -> None:
    result = client.started().quotes("publish:a", "GOOG", "publish:b/c")
    assert [one.channel for one in result.publications] == ["a", "b/c"]
    assert json.loads(result.publications[0].payload) == {"price": "345", "time": "2026-01-02T02:57:25.678000Z"}
    assert not client.started().quotes("GOOG").publications


def test_an_answer_that_would_be_too_large_for_a_message_says_so(client: Client) -> None:
    stream = client.started()
    stream.send_quotes(*[f"big:{256 * 1024}"] * 16)
    code, details = stream.status()
    assert code == grpc.StatusCode.INTERNAL
    assert "at most 4194304 are allowed in one answer" in details


def test_a_whole_batch_of_256_is_answered(client: Client) -> None:
    assert len(client.started().quotes(*["answer:buy"] * 256).results) == 256


def test_health_and_reflection_are_served(client: Client) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    stub: Any = health_pb2_grpc.HealthStub(client.channel)
    for service in ("", "intuition.v1.Algorithm"):
        assert stub.Check(health_pb2.HealthCheckRequest(service=service)).status == health_pb2.HealthCheckResponse.SERVING
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    [answer] = stub.ServerReflectionInfo(iter([asked]))
    assert "intuition.v1.Algorithm" in [service.name for service in answer.list_services_response.service]
