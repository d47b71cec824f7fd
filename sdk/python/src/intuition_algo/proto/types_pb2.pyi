from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Side(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SIDE_UNSPECIFIED: _ClassVar[Side]
    SIDE_BUY: _ClassVar[Side]
    SIDE_SELL: _ClassVar[Side]
SIDE_UNSPECIFIED: Side
SIDE_BUY: Side
SIDE_SELL: Side

class Quote(_message.Message):
    __slots__ = ("sid", "price", "time_micros", "size", "open", "high", "low", "volume", "bid", "ask", "interval_micros")
    SID_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    TIME_MICROS_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    VOLUME_FIELD_NUMBER: _ClassVar[int]
    BID_FIELD_NUMBER: _ClassVar[int]
    ASK_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_MICROS_FIELD_NUMBER: _ClassVar[int]
    sid: str
    price: str
    time_micros: int
    size: str
    open: str
    high: str
    low: str
    volume: str
    bid: str
    ask: str
    interval_micros: int
    def __init__(self, sid: _Optional[str] = ..., price: _Optional[str] = ..., time_micros: _Optional[int] = ..., size: _Optional[str] = ..., open: _Optional[str] = ..., high: _Optional[str] = ..., low: _Optional[str] = ..., volume: _Optional[str] = ..., bid: _Optional[str] = ..., ask: _Optional[str] = ..., interval_micros: _Optional[int] = ...) -> None: ...

class Indicator(_message.Message):
    __slots__ = ("name", "sid", "values", "time_micros")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SID_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    TIME_MICROS_FIELD_NUMBER: _ClassVar[int]
    name: str
    sid: str
    values: _containers.RepeatedCompositeFieldContainer[IndicatorValue]
    time_micros: int
    def __init__(self, name: _Optional[str] = ..., sid: _Optional[str] = ..., values: _Optional[_Iterable[_Union[IndicatorValue, _Mapping]]] = ..., time_micros: _Optional[int] = ...) -> None: ...

class IndicatorValue(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class Joined(_message.Message):
    __slots__ = ("indicators", "quote", "source", "seq", "id", "replay", "sparse", "backfill")
    INDICATORS_FIELD_NUMBER: _ClassVar[int]
    QUOTE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    REPLAY_FIELD_NUMBER: _ClassVar[int]
    SPARSE_FIELD_NUMBER: _ClassVar[int]
    BACKFILL_FIELD_NUMBER: _ClassVar[int]
    indicators: _containers.RepeatedCompositeFieldContainer[Indicator]
    quote: Quote
    source: str
    seq: int
    id: str
    replay: bool
    sparse: bool
    backfill: bool
    def __init__(self, indicators: _Optional[_Iterable[_Union[Indicator, _Mapping]]] = ..., quote: _Optional[_Union[Quote, _Mapping]] = ..., source: _Optional[str] = ..., seq: _Optional[int] = ..., id: _Optional[str] = ..., replay: bool = ..., sparse: bool = ..., backfill: bool = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("id", "seq", "algo", "event", "sid", "side", "amount", "quantity", "price", "cash", "time_micros", "origin")
    ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    ALGO_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    SID_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    CASH_FIELD_NUMBER: _ClassVar[int]
    TIME_MICROS_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    id: str
    seq: int
    algo: str
    event: str
    sid: str
    side: Side
    amount: str
    quantity: str
    price: str
    cash: str
    time_micros: int
    origin: str
    def __init__(self, id: _Optional[str] = ..., seq: _Optional[int] = ..., algo: _Optional[str] = ..., event: _Optional[str] = ..., sid: _Optional[str] = ..., side: _Optional[_Union[Side, str]] = ..., amount: _Optional[str] = ..., quantity: _Optional[str] = ..., price: _Optional[str] = ..., cash: _Optional[str] = ..., time_micros: _Optional[int] = ..., origin: _Optional[str] = ...) -> None: ...

class Settings(_message.Message):
    __slots__ = ("algorithm", "threshold", "parameters_json", "starting_cash", "suspend", "algorithm_address")
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_JSON_FIELD_NUMBER: _ClassVar[int]
    STARTING_CASH_FIELD_NUMBER: _ClassVar[int]
    SUSPEND_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    algorithm: str
    threshold: str
    parameters_json: str
    starting_cash: str
    suspend: bool
    algorithm_address: str
    def __init__(self, algorithm: _Optional[str] = ..., threshold: _Optional[str] = ..., parameters_json: _Optional[str] = ..., starting_cash: _Optional[str] = ..., suspend: bool = ..., algorithm_address: _Optional[str] = ...) -> None: ...

class Publication(_message.Message):
    __slots__ = ("channel", "payload")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    channel: str
    payload: bytes
    def __init__(self, channel: _Optional[str] = ..., payload: _Optional[bytes] = ...) -> None: ...
