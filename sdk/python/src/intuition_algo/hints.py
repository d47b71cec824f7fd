"""Hints for the commonest mistakes, beside the messages that Python itself has for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_EXACT = "a price is an exact Decimal: write Decimal('1.01') instead of 1.01, or compute with float(tick.price)"

_VALUES = "an indicator is a mapping from names to values: write tick.indicators['sma-20'].value, or ['signal'] where it has several"


def hint(error: BaseException) -> str:
    """What to write instead; empty where nothing is known about the error."""
    text = str(error)
    if not isinstance(error, TypeError):
        return ""
    if "'IndicatorValues'" in text:
        return _VALUES
    is_mixed = "decimal.Decimal" in text and "'float'" in text
    return _EXACT if is_mixed else ""


@contextmanager
def hinted() -> Iterator[None]:
    """Adds the hint to an exception that passes, where Python can carry it (3.11)."""
    try:
        yield
    except Exception as error:
        told = hint(error)
        add_note = getattr(error, "add_note", None)
        if told and add_note is not None:
            add_note(told)
        raise
