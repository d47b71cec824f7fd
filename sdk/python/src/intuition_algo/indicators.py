"""Values of indicators, such as moving averages, that come with a tick."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Union

from .proto import types_pb2 as types

ONLY_VALUE = "value"
"""Name of the value of an indicator that has one."""

AnyValue = Union[str, int, Decimal]
AnyValues = Union[AnyValue, Mapping[str, AnyValue]]
"""The value of an indicator, or its values by name."""


class IndicatorValues(Mapping[str, Decimal]):
    """The values of one indicator: exact Decimals by name, in the order of the indicator's type.

    `.value` is the value of an indicator that has one, such as an average. Others have several: `["signal"]`.
    """

    __slots__ = ("_name", "_texts")

    def __init__(self, name: str, values: AnyValues) -> None:
        self._name = name
        named = values if isinstance(values, Mapping) else {ONLY_VALUE: values}
        self._texts = {key: str(value) for key, value in named.items()}

    @property
    def value(self) -> Decimal:
        """The value of an indicator that has one. AttributeError for an indicator that has several."""
        text = self._texts.get(ONLY_VALUE)
        if text is None:
            raise AttributeError(
                f"the indicator {self._name!r} has no single value, it has {', '.join(self._texts)}: "
                f"write tick.indicators[{self._name!r}][{next(iter(self._texts), 'signal')!r}]"
            )
        return Decimal(text)

    def __getitem__(self, key: str) -> Decimal:
        text = self._texts.get(key)
        if text is None:
            raise KeyError(f"{key!r}: the indicator {self._name!r} has {', '.join(self._texts)}")
        return Decimal(text)

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __repr__(self) -> str:
        return f"IndicatorValues({self._name!r}: {', '.join(f'{name}={text}' for name, text in self._texts.items())})"


class Indicators(Mapping[str, IndicatorValues]):
    """The indicators that came with a tick, by name. They include the price of the tick.

    An indicator that is not ready yet is absent, and every indicator is absent where the channel has quotes alone: `.get("sma-20")`
    returns None then, and `["sma-20"]` raises a KeyError that names the indicators that are there.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, AnyValues] | None = None) -> None:
        self._values = {name: IndicatorValues(name, given) for name, given in (values or {}).items()}

    @classmethod
    def of(cls, messages: Iterable[types.Indicator]) -> Indicators:
        """The indicators of these messages of the contract."""
        return cls({message.name: {value.name: value.value for value in message.values} for message in messages})

    def __getitem__(self, name: str) -> IndicatorValues:
        values = self._values.get(name)
        if values is None:
            there = f"the tick came with {', '.join(self._values)}" if self._values else "the tick came without indicators"
            raise KeyError(f"{name!r}: {there}")
        return values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Indicators({', '.join(map(repr, self._values.values()))})"
