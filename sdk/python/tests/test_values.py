"""Ticks, signals and classes, without a server."""

from __future__ import annotations

import copy
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from intuition_algo import Algorithm, AlgorithmError, Buy, Reject, Sell, Tick
from intuition_algo.algorithm import check_class
from intuition_algo.hints import hint
from intuition_algo.indicators import AnyValue
from intuition_algo.limits import schema_text, sentence, state_bytes, state_from
from intuition_algo.proto import types_pb2 as types
from intuition_algo.signals import plain_quantity, signals


class HTTPFeed2Algo(Algorithm):
    state: dict[str, Any] = {"list": []}

    def initialize(self, params: dict[str, Any]) -> str:
        return "quotes"

    def event(self, tick: Tick) -> None:
        return None


def test_a_tick_is_an_object_and_a_mapping() -> None:
    tick = Tick("GOOG", "0.1000000001", 1_767_322_645_678_001)
    assert tick.sid == tick["sid"] == "GOOG"
    assert tick.price == Decimal("0.1000000001")
    assert tick["quote"] == "0.1000000001"
    assert tick.time == datetime(2026, 1, 2, 2, 57, 25, 678_001, tzinfo=timezone.utc)
    assert tick.time_micros == 1_767_322_645_678_001
    assert dict(tick) == {"sid": "GOOG", "quote": "0.1000000001", "time": "2026-01-02T02:57:25.678001Z"}
    assert tick.get("volume") is None
    with pytest.raises(KeyError, match="a tick has sid, quote, time; the exact value is tick.price"):
        tick["price"]


DECIMALS = ("size", "open", "high", "low", "volume", "bid", "ask")


def test_a_tick_has_the_values_that_its_publisher_gave_and_none_for_others() -> None:
    quote = types.Quote(sid="GOOG", price="3", time_micros=7, size="0", bid="3.5", ask="2.50", interval_micros=60_000_000)
    tick = Tick.of(quote)
    assert (tick.sid, tick.price, tick.time_micros) == ("GOOG", Decimal(3), 7)
    assert [getattr(tick, name) for name in DECIMALS] == [Decimal(0), None, None, None, None, Decimal("3.5"), Decimal("2.5")]
    assert tick.interval == timedelta(minutes=1)
    assert repr(tick).endswith("size=0, bid=3.5, ask=2.50, interval=0:01:00)")
    plain = Tick.of(types.Quote(sid="GOOG", price="3"))
    assert [getattr(plain, name) for name in (*DECIMALS, "interval")] == [None] * 8
    assert dict(tick) == {**dict(plain), "time": tick["time"]}


def test_a_tick_of_a_unit_test_has_exact_values_too() -> None:
    values: dict[str, Any] = dict(zip(DECIMALS, ("9999999999999999999999999999.99999999", Decimal("1.10"), 4, "1", 0, "0.0000000001", "999999999999.9999999999")))
    tick = Tick("GOOG", "3", **values, interval=timedelta(days=1))
    assert [getattr(tick, name) for name in DECIMALS] == [Decimal(value) for value in values.values()]
    assert tick.interval == timedelta(days=1)
    with pytest.raises(KeyError, match="the exact value is tick.bid"):
        tick["bid"]


MACD: dict[str, AnyValue] = {"line": "-0.4377327039", "signal": Decimal("0.10"), "histogram": 0}


def test_a_tick_has_the_values_of_indicators_by_name() -> None:
    tick = Tick("GOOG", "3", indicators={"sma-20": "44.1040000001", "macd": MACD})
    assert tick.indicators["sma-20"].value == tick.indicators["sma-20"]["value"] == Decimal("44.1040000001")
    assert dict(tick.indicators["macd"]) == {"line": Decimal("-0.4377327039"), "signal": Decimal("0.1"), "histogram": Decimal(0)}
    assert list(tick.indicators) == ["sma-20", "macd"] and "rsi-14" not in tick.indicators
    assert tick.indicators.get("rsi-14") is None
    assert repr(tick).endswith("indicators=Indicators(IndicatorValues('sma-20': value=44.1040000001), "
                               "IndicatorValues('macd': line=-0.4377327039, signal=0.10, histogram=0)))")
    assert dict(tick) == dict(Tick("GOOG", "3")) and not Tick("GOOG", "3").indicators


def test_a_value_that_is_not_there_is_an_error_that_names_the_values_that_are() -> None:
    tick = Tick("GOOG", "3", indicators={"sma-20": "44", "macd": MACD})
    with pytest.raises(KeyError, match="'sma-50': the tick came with sma-20, macd"):
        tick.indicators["sma-50"]
    with pytest.raises(KeyError, match="'sma-50': the tick came without indicators"):
        Tick("GOOG", "3").indicators["sma-50"]
    with pytest.raises(KeyError, match="'middle': the indicator 'macd' has line, signal, histogram"):
        tick.indicators["macd"]["middle"]
    with pytest.raises(AttributeError, match=r"'macd' has no single value, it has line, signal, histogram: write tick.indicators\['macd'\]\['line'\]"):
        tick.indicators["macd"].value
    with pytest.raises(KeyError, match=r"the indicator is tick.indicators\['sma-20'\]"):
        tick["sma-20"]
    with pytest.raises(TypeError) as compared:
        tick.price > tick.indicators["sma-20"]  # type: ignore[operator]
    assert "write tick.indicators['sma-20'].value" in hint(compared.value)


def test_a_time_before_the_epoch_is_one_too() -> None:
    assert Tick("GOOG", "1", -1_000_000).time == datetime(1969, 12, 31, 23, 59, 59, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("quantity", "text"),
    [(Decimal("1E+3"), "1000"), (Decimal("1.50"), "1.5"), (1, "1"), ("0.00000001", "0.00000001"), (Decimal("1E-8"), "0.00000001")],
)
def test_a_quantity_is_written_plainly(quantity: Any, text: str) -> None:
    assert plain_quantity(quantity) == text


@pytest.mark.parametrize("quantity", [0.5, True, "x", "-1", 0, Decimal("NaN"), Decimal("Infinity"), "0.000000001", Decimal("1E+20"), [1]])
def test_a_quantity_that_is_none_is_refused_where_it_is_made(quantity: Any) -> None:
    with pytest.raises(AlgorithmError, match="quantity: "):
        Sell(quantity)


def test_answers_become_signals() -> None:
    assert signals(None) == []
    assert signals("sell") == [Sell()]
    assert signals(iter([Buy(), "buy"])) == [Buy(), Buy()]
    for answer in ("hold", b"buy", {"buy": 1}, [None], [Reject("x")], True):
        with pytest.raises(AlgorithmError, match="event returned"):
            signals(answer)
    with pytest.raises(AlgorithmError, match="needs a reason"):
        Reject(" ")


def test_the_name_is_that_of_the_class_unless_it_has_one() -> None:
    class Named(HTTPFeed2Algo):
        name = "random"

    class MovingAverage(Named):
        pass

    assert [one.name for one in (HTTPFeed2Algo, Named, MovingAverage)] == ["http-feed2-algo", "random", "moving-average"]
    assert HTTPFeed2Algo.version == "0"


def test_a_sentence_is_cut_to_the_bytes_of_the_contract() -> None:
    assert sentence("fast: below slow") == "fast: below slow"
    assert sentence("é" * 512) == "é" * 512
    assert sentence("é" * 513) == "é" * 510 + "..."
    assert sentence("\ud800") == "?"


@pytest.mark.parametrize(
    ("attributes", "complaint"),
    [({"name": "a b"}, "name: 'a b'"), ({"name": "x" * 65}, "name: "), ({"version": 1}, "version: 1"), ({"version": "v" * 65}, "version: "), ({"version": "1\n"}, "version: ")],
)
def test_a_class_that_cannot_be_described_is_refused(attributes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AlgorithmError, match=complaint):
        check_class(type("Wrong", (HTTPFeed2Algo,), attributes))


def test_what_is_no_algorithm_is_refused() -> None:
    class Half(Algorithm):
        def initialize(self, params: dict[str, Any]) -> str:
            return "quotes"

    with pytest.raises(AlgorithmError, match="Half lacks event"):
        check_class(Half)  # type: ignore[type-abstract]
    with pytest.raises(AlgorithmError, match="takes a subclass of Algorithm"):
        check_class(HTTPFeed2Algo())  # type: ignore[arg-type]


def test_a_schema_is_a_dict_that_json_can_carry() -> None:
    assert schema_text(None) == ""
    for schema in (["object"], {"default": {1, 2}}, {"description": "x" * 262_144}):
        with pytest.raises(AlgorithmError, match="parameters_schema: "):
            schema_text(schema)


def test_each_instance_has_a_copy_of_the_state_of_the_class() -> None:
    HTTPFeed2Algo().state["list"].append(1)
    assert HTTPFeed2Algo().state == {"list": []}


@pytest.mark.parametrize("state", [{"a": [1, 0.1, None, True, "ö\u2028"]}, [], "", 0, {"a": {"b": {}}}])
def test_state_comes_back_as_it_was(state: Any) -> None:
    assert state_from(state_bytes(state)) == state


@pytest.mark.parametrize("state", [{1: "a"}, (1,), {"a": (1,)}, {1, 2}, b"x", float("inf"), "\ud800"])
def test_state_that_would_come_back_as_something_else_is_refused(state: Any) -> None:
    with pytest.raises(AlgorithmError, match="^state"):
        state_bytes(state)


class Flag:
    """Stands for `numpy.bool_`, which is no bool."""


Flag.__module__ = "numpy"


@pytest.mark.parametrize(
    ("state", "complaint"),
    [
        ({"a": {"GOOG": [1, Decimal("1.5")]}}, "state['a']['GOOG'][1] is Decimal('1.5'), of the type decimal.Decimal (write str(...))"),
        ({"a": [{"b": (1, 2)}]}, "state['a'][0]['b'] is (1, 2), of the type tuple; keep lists instead of tuples"),
        ({"a": {1: "x"}}, "state['a'] has the key 1, of the type int"),
        ({"a": float("nan")}, "state['a'] is nan, which JSON cannot carry"),
        ({"a": {"up": Flag()}}, "of the type numpy.Flag (write .item()), which JSON cannot carry"),
    ],
)
def test_an_error_about_the_state_names_the_key(state: Any, complaint: str) -> None:
    with pytest.raises(AlgorithmError) as refused:
        state_bytes(state)
    assert complaint in str(refused.value)


def test_the_commonest_mistakes_have_a_hint() -> None:
    with pytest.raises(AlgorithmError, match=r"write Buy\(\)"):
        Buy(10)  # type: ignore[call-arg]
    assert Buy() == Buy()
    tick = Tick("GOOG", "1.5")
    with pytest.raises(AttributeError, match="a tick has no 'quote', it has sid, price, time, time_micros, size, open.*; the price is tick.price"):
        tick.quote  # type: ignore[attr-defined]
    assert not hasattr(tick, "vwap")
    assert copy.copy(tick) == tick
    with pytest.raises(TypeError) as mixed:
        tick.price * 1.01  # type: ignore[operator]
    assert hint(mixed.value).startswith("a price is an exact Decimal: write Decimal('1.01')")
    assert hint(TypeError("other")) == ""


def test_publishing_is_for_event() -> None:
    with pytest.raises(AlgorithmError, match="publish: is for event"):
        HTTPFeed2Algo().publish("a", "b")


def test_serving_what_is_no_algorithm_says_so_and_ends() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "from intuition_algo import serve; serve(dict)"], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "error: serve takes a subclass of Algorithm" in ended.stderr
