"""Waiting for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable

from serving import PATIENCE_SECONDS


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    """Returns once the condition holds; fails when it does not in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_SECONDS:.0f} s for {what}"
        time.sleep(0.01)
