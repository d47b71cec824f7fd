"""What a user's algorithm is: a subclass of `Algorithm`."""

from __future__ import annotations

import copy
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from .errors import AlgorithmError
from .limits import MAX_EVENTS, MAX_PUBLICATIONS, check_name, check_version, publication
from .signals import Answer
from .tick import Tick

_Self = TypeVar("_Self", bound="Algorithm")


class Algorithm(ABC):
    """A trading algorithm. Subclass it, write `initialize` and `event`, and `serve` the class.

    Each account has an instance of its own, made when its stream begins; its methods are called one after the other, by one
    thread. Instances of several accounts work at the same time, so what belongs to an account stays off the class and off modules.

    An instance may be replaced at any time: after a crash, a rolling update, a deadline that was missed. What has to outlive
    that belongs into `state`.
    """

    name: ClassVar[str]
    """Name of the algorithm; of the class in kebab case where none is given (`RandomAlgo`: `random-algo`). The saved state is
    kept under it: an algorithm that cannot read the state of the former gets another name."""

    version: ClassVar[str] = "0"
    """Its version; semantic versioning is the custom."""

    parameters_schema: ClassVar[Mapping[str, Any] | None] = None
    """JSON Schema (draft 2020-12) of the parameters, without the threshold. Parameters that do not fit never get here. None: any."""

    state: Any = None
    """What is saved together with the decisions, and is there again before `initialize`: anything that JSON can carry, at
    most 1 MiB of it. It is compared after each batch and saved where it changed; nobody has to be told. A value given in the class
    is what a first start begins with; each instance gets a copy."""

    _publications: list[tuple[str, bytes]] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in cls.__dict__:
            cls.name = _kebab_case(cls.__name__)

    def __new__(cls: type[_Self], *_args: Any, **_kwargs: Any) -> _Self:
        # Here and not in __init__, which a subclass may forget to call.
        instance = super().__new__(cls)
        instance.state = copy.deepcopy(cls.state)
        return instance

    @abstractmethod
    def initialize(self, params: dict[str, Any], /) -> str | Sequence[str]:
        """Called once, before anything else, with `state` as it was saved last.

        `params`: the resource's parameters and `threshold`. Returns the channels wanted, MQTT topics such as `["quotes"]`.
        Raise ParametersError to refuse the parameters.
        """

    @abstractmethod
    def event(self, tick: Tick, /) -> Answer:
        """Called for each price, in order. Returns a signal, several, or None; Reject for an event that cannot be used."""

    def reconfigure(self, params: dict[str, Any], /) -> str | Sequence[str] | None:
        """Called between two events when the parameters change while it runs. Override it only where starting anew is dear.

        As it is, this is never called: a new instance gets a copy of the state and is initialized with the new parameters, as after
        a restart, and takes over if it does not refuse them. An override returns the channels wanted from here on, or None for
        unchanged; when it raises ParametersError, it must leave everything as it was.
        """
        raise NotImplementedError

    def publish(self, channel: str, payload: object) -> None:
        """Publishes a message of its own, on `intuition/<namespace>/<name>/data/<channel>`, together with the batch's decisions.

        To be called in `event`. `payload`: bytes as they are, text in UTF-8, anything else as JSON (Decimals as text); at most
        256 KiB. At most 1,000 messages a batch of up to 256 events: about three for each.
        """
        if self._publications is None:
            raise AlgorithmError("publish: is for event; nothing is published from elsewhere")
        if len(self._publications) >= MAX_PUBLICATIONS:
            raise AlgorithmError(
                f"publish: at most {MAX_PUBLICATIONS} messages are allowed in one batch, and a batch has up to {MAX_EVENTS} events: "
                "publish at most 3 at an event"
            )
        self._publications.append(publication(channel, payload))


def check_class(algorithm: type[Algorithm]) -> None:
    """AlgorithmError where the class cannot be served."""
    if not isinstance(algorithm, type) or not issubclass(algorithm, Algorithm):
        raise AlgorithmError(f"serve takes a subclass of Algorithm, not {algorithm!r}")
    missing = sorted(algorithm.__abstractmethods__)
    if missing:
        raise AlgorithmError(f"{algorithm.__name__} lacks {' and '.join(missing)}")
    check_name(algorithm.name)
    check_version(algorithm.version)


def overrides_reconfigure(algorithm: Algorithm) -> bool:
    """Whether it reconfigures itself in place."""
    return type(algorithm).reconfigure is not Algorithm.reconfigure


def _kebab_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name.strip("_")).lower()
