"""The examples, served as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator

import grpc
import pytest
from intuition_algo.proto import algorithm_pb2 as contract
from serving import EXAMPLES, Client, served, sides


@pytest.fixture(scope="module")
def random() -> Iterator[Client]:
    yield from served(EXAMPLES / "random_algo.py")


@pytest.fixture(scope="module")
def crossover() -> Iterator[Client]:
    yield from served(EXAMPLES / "crossover_algo.py")


def test_random_asks_for_quotes_and_buys_above_the_threshold(random: Client) -> None:
    assert list(random.initialize({}).channels) == ["quotes"]
    buys = {
        threshold: sum(map(len, sides(random.started({"threshold": threshold, "seed": 1}).quotes(*["GOOG"] * 256))))
        for threshold in (0, 0.5, 1)
    }
    assert buys[0] == 256
    assert 96 < buys[0.5] < 160
    assert buys[1] == 0


def test_a_restart_of_random_repeats_and_leaves_out_nothing(random: Client) -> None:
    parameters = {"threshold": 0.5, "seed": 42}
    whole = sides(random.started(parameters).quotes(*["GOOG"] * 100))
    first = random.started(parameters).quotes(*["GOOG"] * 60)
    second = random.started(parameters, first.state).quotes(*["GOOG"] * 40)
    assert sides(first) + sides(second) == whole


def test_new_threshold_keeps_the_random_numbers_and_new_seed_restarts(random: Client) -> None:
    stream = random.started({"threshold": 1, "seed": 3})
    stream.quotes(*["GOOG"] * 10)
    assert stream.reconfigure({"threshold": 0.5, "seed": 3}).refusal == ""
    whole = sides(random.started({"threshold": 0.5, "seed": 3}).quotes(*["GOOG"] * 50))
    assert sides(stream.quotes(*["GOOG"] * 40)) == whole[10:]
    stream.reconfigure({"threshold": 0.5, "seed": 4})
    assert sides(stream.quotes(*["GOOG"] * 50)) == sides(random.started({"threshold": 0.5, "seed": 4}).quotes(*["GOOG"] * 50))


def test_random_without_a_seed_draws_one_and_keeps_it(random: Client) -> None:
    states = [json.loads(random.started().quotes("GOOG").state) for _ in range(2)]
    assert states[0]["seed"] != states[1]["seed"]
    again = random.started(state=json.dumps(states[0]).encode()).quotes("GOOG")
    assert json.loads(again.state) == {"seed": states[0]["seed"], "drawn": 2}


def test_random_refuses_a_seed_that_is_none(random: Client) -> None:
    with pytest.raises(grpc.RpcError, match="seed: must be a whole number"):
        random.initialize({"seed": "x"})


def prices(stream: object, *texts: str, sid: str = "GOOG", number: int = 1) -> contract.EventBatchResult:
    from serving import Events, quote

    assert isinstance(stream, Events)
    events = [quote(number * 1000 + index, sid, text) for index, text in enumerate(texts)]
    return stream.ask(batch=contract.EventBatch(number=number, events=events)).result


def test_crossover_buys_upwards_sells_downwards_and_publishes_its_averages(crossover: Client) -> None:
    stream = crossover.started({"fast": 1, "slow": 2})
    result = prices(stream, "3", "2", "2.5", "2.6", "1")
    assert sides(result) == [[], [], ["buy"], [], ["sell"]]
    averages = [json.loads(one.payload) for one in result.publications]
    assert [(one["sid"], one["fast"], one["slow"]) for one in averages][:2] == [("GOOG", "2.0000", "2.5000"), ("GOOG", "2.5000", "2.2500")]


def test_a_restart_of_crossover_changes_nothing(crossover: Client) -> None:
    first = prices(crossover.started({"fast": 1, "slow": 2}), "3", "2")
    assert sides(prices(crossover.started({"fast": 1, "slow": 2}, first.state), "2.5")) == [["buy"]]


def test_crossover_refuses_lengths_in_the_wrong_order(crossover: Client) -> None:
    with pytest.raises(grpc.RpcError, match=r"fast: must be below slow \(20\), is 30"):
        crossover.initialize({"fast": 30})
