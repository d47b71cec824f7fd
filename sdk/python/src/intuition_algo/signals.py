"""What an algorithm answers: signals, nothing, or a refusal of the event."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Literal, Union

from .errors import AlgorithmError
from .limits import MAX_SIGNALS

_PLACES = 8
_DIGITS_BEFORE_POINT = 20


@dataclass(frozen=True)
class Buy:
    """A wish to buy the symbol of the event at its price. How much is the portfolio's business."""

    if not TYPE_CHECKING:

        def __new__(cls, *quantity: object, **named: object) -> Buy:
            if quantity or named:
                raise AlgorithmError("Buy has no quantity, the portfolio sets it (`spec.portfolio` of the account); write Buy()")
            return super().__new__(cls)


@dataclass(frozen=True)
class Sell:
    """A wish to sell the symbol of the event at its price.

    `quantity`: units, exactly (a Decimal, an int, or text), at most 8 decimal places; more than is held sells what is held. None: the
    whole position.
    """

    quantity: Decimal | int | str | None = None

    def __post_init__(self) -> None:
        if self.quantity is not None:
            plain_quantity(self.quantity)


Signal = Union[Buy, Sell]


class Reject(Exception):
    """Return or raise it in `event`: the event cannot be used, for this reason. It goes to the dead-letter topic.

    For an event that makes no sense, such as a symbol that is unknown. When an event is just of no interest, return None.
    """

    def __init__(self, reason: str) -> None:
        if not isinstance(reason, str) or not reason.strip():
            raise AlgorithmError("Reject needs a reason, a sentence for people")
        super().__init__(reason)
        self.reason = reason


Word = Literal["buy", "sell"]
Answer = Union[Signal, Word, Reject, Sequence[Union[Signal, Word]], None]
"""What `event` may return: nothing, one signal, several in order, or a refusal."""


def plain_quantity(quantity: Decimal | int | str) -> str:
    """A quantity as the contract writes it: plain notation, no exponent. AlgorithmError where it is none."""
    if isinstance(quantity, bool) or not isinstance(quantity, (Decimal, int, str)):
        raise AlgorithmError(
            f"quantity: {quantity!r} is a {type(quantity).__name__}; it has to be exact: a Decimal, an int, or text such as '1.5'"
        )
    try:
        number = Decimal(quantity)
    except InvalidOperation:
        raise AlgorithmError(f"quantity: {quantity!r} is no number") from None
    if not number.is_finite() or number <= 0:
        raise AlgorithmError(f"quantity: must be more than 0, is {quantity}")
    if number.adjusted() >= _DIGITS_BEFORE_POINT:
        raise AlgorithmError(f"quantity: {quantity} has more than {_DIGITS_BEFORE_POINT} digits before the point")
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    if len(text.partition(".")[2]) > _PLACES:
        raise AlgorithmError(f"quantity: {quantity} has more than {_PLACES} decimal places; round it down")
    return text


def signals(answer: object) -> list[Signal] | Reject:
    """What `event` returned, as signals or a refusal. AlgorithmError where it is neither."""
    if answer is None:
        return []
    if isinstance(answer, Reject):
        return answer
    if isinstance(answer, (Buy, Sell, str)):
        return [_signal(answer)]
    if isinstance(answer, Iterable) and not isinstance(answer, (bytes, dict)):
        found = [_signal(one) for one in answer]
        if len(found) > MAX_SIGNALS:
            raise AlgorithmError(f"{len(found)} signals for one event; at most {MAX_SIGNALS} are allowed")
        return found
    raise AlgorithmError(_unknown(answer))


def _signal(one: object) -> Signal:
    if isinstance(one, (Buy, Sell)):
        return one
    if one == "buy":
        return Buy()
    if one == "sell":
        return Sell()
    raise AlgorithmError(_unknown(one))


def _unknown(answer: object) -> str:
    hint = " (write Buy(), not Buy)" if answer in (Buy, Sell) else ""
    return f"event returned {answer!r}{hint}; it may return Buy(), Sell(), Sell(quantity), 'buy', 'sell', a list of them, Reject(reason) or None"
