"""What can go wrong, by whose doing."""

from __future__ import annotations


class ParametersError(ValueError):
    """Raise it in `initialize` or `reconfigure`: the parameters are refused, for this reason.

    A sentence that names the parameter, such as `fast: must be below slow`. It is shown where the parameters were written.
    """


class AlgorithmError(Exception):
    """The algorithm did what the contract does not allow, for example return a signal of an unknown kind."""


class RequestError(Exception):
    """The other side sent what the contract does not allow."""
