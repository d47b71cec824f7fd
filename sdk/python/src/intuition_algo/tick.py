"""What an algorithm is told: one price of one symbol at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_KEYS = ("sid", "quote", "time")
_ATTRIBUTES = ("sid", "price", "time", "time_micros")


class Tick(Mapping[str, str]):
    """One price of one symbol at one moment.

    By attribute, with types to compute with: `tick.sid`, `tick.price` (an exact Decimal), `tick.time` (UTC). As a mapping,
    with the texts as published: `tick["sid"]`, `tick["quote"]`, `tick["time"]`.
    """

    __slots__ = ("_price", "_sid", "_time_micros")

    def __init__(self, sid: str, price: str | Decimal, time_micros: int = 0) -> None:
        self._sid = sid
        self._price = str(price)
        self._time_micros = time_micros

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
        hint = "; the exact price is tick.price" if key == "price" else ""
        raise KeyError(f"{key!r}: a tick has {', '.join(_KEYS)}{hint}")

    def __iter__(self) -> Iterator[str]:
        return iter(_KEYS)

    def __len__(self) -> int:
        return len(_KEYS)

    def __repr__(self) -> str:
        return f"Tick(sid={self._sid!r}, price={self._price}, time={self['time']})"
