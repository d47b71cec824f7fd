"""What an algorithm is told: one price of one symbol at one moment, perhaps with the values of a bar or a book."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Optional, Union

from .indicators import AnyValues, Indicators
from .proto import types_pb2 as types

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_KEYS = ("sid", "quote", "time")
_DECIMALS = ("size", "open", "high", "low", "volume", "bid", "ask")
_ATTRIBUTES = ("sid", "price", "time", "time_micros", *_DECIMALS, "interval", "indicators")
_NO_INDICATORS = Indicators()

AnyDecimal = Optional[Union[str, int, Decimal]]
"""An exact decimal, or none."""


class Tick(Mapping[str, str]):
    """One price of one symbol at one moment.

    By attribute, with types to compute with: `tick.sid`, `tick.price` (an exact Decimal), `tick.time` (UTC). As a mapping,
    with the texts as published: `tick["sid"]`, `tick["quote"]`, `tick["time"]`.

    A publisher may give more than a price: `tick.bid`, `tick.ask`, `tick.size`, and for a bar `tick.open`, `tick.high`,
    `tick.low`, `tick.volume` and `tick.interval`. Each is None where it gave no such value. The price of a bar is its close.

    On a channel of an `Indicator`, `tick.indicators` has the values that include this price: `tick.indicators["sma-20"].value`,
    or `tick.indicators["macd"]["signal"]` of an indicator that has several.
    """

    __slots__ = ("_decimals", "_indicators", "_interval", "_price", "_sid", "_time_micros")

    def __init__(
        self,
        sid: str,
        price: str | Decimal,
        time_micros: int = 0,
        *,
        size: AnyDecimal = None,
        open: AnyDecimal = None,
        high: AnyDecimal = None,
        low: AnyDecimal = None,
        volume: AnyDecimal = None,
        bid: AnyDecimal = None,
        ask: AnyDecimal = None,
        interval: timedelta | None = None,
        indicators: Mapping[str, AnyValues] | None = None,
    ) -> None:
        self._sid = sid
        self._price = str(price)
        self._time_micros = time_micros
        given = zip(_DECIMALS, (size, open, high, low, volume, bid, ask))
        self._decimals = {name: str(value) for name, value in given if value is not None}
        self._interval = interval
        self._indicators = Indicators(indicators)

    @classmethod
    def of(cls, quote: types.Quote, indicators: Iterable[types.Indicator] = ()) -> Tick:
        """The tick of a quote of the contract and of the indicators that came with it."""
        tick = cls.__new__(cls)
        tick._sid = quote.sid
        tick._price = quote.price
        tick._time_micros = quote.time_micros
        present = {field.name: value for field, value in quote.ListFields()}
        tick._decimals = {name: present[name] for name in _DECIMALS if name in present}
        micros = present.get("interval_micros")
        tick._interval = None if micros is None else timedelta(microseconds=micros)
        tick._indicators = Indicators.of(indicators) if indicators else _NO_INDICATORS
        return tick

    @property
    def sid(self) -> str:
        """The symbol as published, case kept."""
        return self._sid

    @property
    def price(self) -> Decimal:
        """Price of one unit, exactly as published."""
        return Decimal(self._price)

    @property
    def time(self) -> datetime:
        """When the price was made, UTC; when it arrived, where its publisher said nothing."""
        return _EPOCH + timedelta(microseconds=self._time_micros)

    @property
    def time_micros(self) -> int:
        """The same in microseconds since the epoch."""
        return self._time_micros

    @property
    def size(self) -> Decimal | None:
        """Units that the trade moved."""
        return self._decimal("size")

    @property
    def open(self) -> Decimal | None:
        """First price of the bar or the day."""
        return self._decimal("open")

    @property
    def high(self) -> Decimal | None:
        """Highest price of the bar or the day."""
        return self._decimal("high")

    @property
    def low(self) -> Decimal | None:
        """Lowest price of the bar or the day."""
        return self._decimal("low")

    @property
    def volume(self) -> Decimal | None:
        """Units traded in the bar or the day."""
        return self._decimal("volume")

    @property
    def bid(self) -> Decimal | None:
        """Best price that a buyer offers. Some exchanges publish bids above the ask."""
        return self._decimal("bid")

    @property
    def ask(self) -> Decimal | None:
        """Best price that a seller asks for."""
        return self._decimal("ask")

    @property
    def interval(self) -> timedelta | None:
        """Length of the bar; None: the tick is no bar."""
        return self._interval

    @property
    def indicators(self) -> Indicators:
        """The indicators that came with the tick, by name; empty on a channel that has quotes alone."""
        return self._indicators

    def _decimal(self, name: str) -> Decimal | None:
        text = self._decimals.get(name)
        return None if text is None else Decimal(text)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            hint = "; the price is tick.price, its text tick['quote']" if name == "quote" else ""
            raise AttributeError(f"a tick has no {name!r}, it has {', '.join(_ATTRIBUTES)}{hint}", name=name, obj=self)

    def __getitem__(self, key: str) -> str:
        if key == "sid":
            return self._sid
        if key == "quote":
            return self._price
        if key == "time":
            return self.time.isoformat().replace("+00:00", "Z")
        hint = f"; the exact value is tick.{key}" if key in _ATTRIBUTES else ""
        if key in self._indicators:
            hint = f"; the indicator is tick.indicators[{key!r}]"
        raise KeyError(f"{key!r}: a tick has {', '.join(_KEYS)}{hint}")

    def __iter__(self) -> Iterator[str]:
        return iter(_KEYS)

    def __len__(self) -> int:
        return len(_KEYS)

    def __repr__(self) -> str:
        more = "".join(f", {name}={text}" for name, text in self._decimals.items())
        if self._interval is not None:
            more += f", interval={self._interval}"
        if self._indicators:
            more += f", indicators={self._indicators!r}"
        return f"Tick(sid={self._sid!r}, price={self._price}, time={self['time']}{more})"
