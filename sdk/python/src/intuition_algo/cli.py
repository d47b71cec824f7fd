"""`serve`: the command line of an algorithm."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from .algorithm import Algorithm, check_class
from .errors import AlgorithmError
from .limits import schema_text
from .server import CannotListenError, run

_LEVELS = ("debug", "info", "warning", "error")


def _check_address(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if re.fullmatch(r"unix:.+", value) or re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):\d{1,5}", value):
        return value
    raise click.BadParameter(f"{value!r} is not HOST:PORT, such as 127.0.0.1:50051, or unix:/PATH")


def serve(algorithm: type[Algorithm], args: Sequence[str] | None = None) -> NoReturn:
    """Serves the algorithm until SIGTERM or Ctrl-C, and ends the process. `args`: instead of the command line's.

    The process ends with what `event` is still busy with left where it is, and without what was registered to run at its exit.
    """
    try:
        check_class(algorithm)
        schema_text(algorithm.parameters_schema)
    except AlgorithmError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    _command(algorithm)(args=None if args is None else list(args), standalone_mode=True)
    sys.exit(0)


def _command(algorithm: type[Algorithm]) -> click.Command:
    @click.command(help=f"Serves the algorithm {algorithm.name} to algo-runtimes, over gRPC.")
    @click.option(
        "--addr", metavar="HOST:PORT|unix:PATH", callback=_check_address, default="127.0.0.1:50051", envvar="INTUITION_ADDR",
        show_default=True, show_envvar=True, help="Where to listen. Port 0: a free one, which the log tells.",
    )
    @click.option(
        "--log", type=click.Choice(_LEVELS), default="info", envvar="INTUITION_LOG", show_default=True, show_envvar=True,
        help="What is logged, on stderr.",
    )
    @click.version_option(algorithm.version, prog_name=algorithm.name)
    def command(addr: str, log: str) -> None:
        logging.basicConfig(
            level=log.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S%z"
        )
        try:
            asyncio.run(run(algorithm, addr))
        except CannotListenError as error:
            raise click.ClickException(f"{error}. --addr chooses another address.") from error
        # Not by the interpreter's way: a thread in which the algorithm still computes would be in its way.
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)

    return command
