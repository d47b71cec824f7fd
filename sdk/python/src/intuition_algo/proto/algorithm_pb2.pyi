from . import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("name", "version", "contract", "parameters_schema_json")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_SCHEMA_JSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    contract: str
    parameters_schema_json: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., contract: _Optional[str] = ..., parameters_schema_json: _Optional[str] = ...) -> None: ...

class EventsRequest(_message.Message):
    __slots__ = ("initialize", "batch", "reconfigure")
    INITIALIZE_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    RECONFIGURE_FIELD_NUMBER: _ClassVar[int]
    initialize: InitializeRequest
    batch: EventBatch
    reconfigure: Reconfigure
    def __init__(self, initialize: _Optional[_Union[InitializeRequest, _Mapping]] = ..., batch: _Optional[_Union[EventBatch, _Mapping]] = ..., reconfigure: _Optional[_Union[Reconfigure, _Mapping]] = ...) -> None: ...

class EventsResponse(_message.Message):
    __slots__ = ("initialized", "result", "reconfigured")
    INITIALIZED_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    RECONFIGURED_FIELD_NUMBER: _ClassVar[int]
    initialized: InitializeResponse
    result: EventBatchResult
    reconfigured: ReconfigureResponse
    def __init__(self, initialized: _Optional[_Union[InitializeResponse, _Mapping]] = ..., result: _Optional[_Union[EventBatchResult, _Mapping]] = ..., reconfigured: _Optional[_Union[ReconfigureResponse, _Mapping]] = ...) -> None: ...

class InitializeRequest(_message.Message):
    __slots__ = ("account", "parameters_json", "state")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_JSON_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    account: str
    parameters_json: str
    state: bytes
    def __init__(self, account: _Optional[str] = ..., parameters_json: _Optional[str] = ..., state: _Optional[bytes] = ...) -> None: ...

class InitializeResponse(_message.Message):
    __slots__ = ("channels", "refusal")
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    channels: _containers.RepeatedScalarFieldContainer[str]
    refusal: str
    def __init__(self, channels: _Optional[_Iterable[str]] = ..., refusal: _Optional[str] = ...) -> None: ...

class Reconfigure(_message.Message):
    __slots__ = ("parameters_json",)
    PARAMETERS_JSON_FIELD_NUMBER: _ClassVar[int]
    parameters_json: str
    def __init__(self, parameters_json: _Optional[str] = ...) -> None: ...

class ReconfigureResponse(_message.Message):
    __slots__ = ("channels", "refusal")
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    channels: _containers.RepeatedScalarFieldContainer[str]
    refusal: str
    def __init__(self, channels: _Optional[_Iterable[str]] = ..., refusal: _Optional[str] = ...) -> None: ...

class EventBatch(_message.Message):
    __slots__ = ("number", "events")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    number: int
    events: _containers.RepeatedCompositeFieldContainer[InputEvent]
    def __init__(self, number: _Optional[int] = ..., events: _Optional[_Iterable[_Union[InputEvent, _Mapping]]] = ...) -> None: ...

class InputEvent(_message.Message):
    __slots__ = ("event", "quote", "indicator")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    QUOTE_FIELD_NUMBER: _ClassVar[int]
    INDICATOR_FIELD_NUMBER: _ClassVar[int]
    event: int
    quote: _types_pb2.Quote
    indicator: _types_pb2.Indicator
    def __init__(self, event: _Optional[int] = ..., quote: _Optional[_Union[_types_pb2.Quote, _Mapping]] = ..., indicator: _Optional[_Union[_types_pb2.Indicator, _Mapping]] = ...) -> None: ...

class Signal(_message.Message):
    __slots__ = ("event", "side", "quantity")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    event: int
    side: _types_pb2.Side
    quantity: str
    def __init__(self, event: _Optional[int] = ..., side: _Optional[_Union[_types_pb2.Side, str]] = ..., quantity: _Optional[str] = ...) -> None: ...

class EventResult(_message.Message):
    __slots__ = ("event", "signals", "reject")
    EVENT_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    REJECT_FIELD_NUMBER: _ClassVar[int]
    event: int
    signals: _containers.RepeatedCompositeFieldContainer[Signal]
    reject: str
    def __init__(self, event: _Optional[int] = ..., signals: _Optional[_Iterable[_Union[Signal, _Mapping]]] = ..., reject: _Optional[str] = ...) -> None: ...

class EventBatchResult(_message.Message):
    __slots__ = ("number", "results", "state", "publications")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PUBLICATIONS_FIELD_NUMBER: _ClassVar[int]
    number: int
    results: _containers.RepeatedCompositeFieldContainer[EventResult]
    state: bytes
    publications: _containers.RepeatedCompositeFieldContainer[_types_pb2.Publication]
    def __init__(self, number: _Optional[int] = ..., results: _Optional[_Iterable[_Union[EventResult, _Mapping]]] = ..., state: _Optional[bytes] = ..., publications: _Optional[_Iterable[_Union[_types_pb2.Publication, _Mapping]]] = ...) -> None: ...

class EventRequest(_message.Message):
    __slots__ = ("account", "parameters_json", "state", "event")
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_JSON_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    account: str
    parameters_json: str
    state: bytes
    event: InputEvent
    def __init__(self, account: _Optional[str] = ..., parameters_json: _Optional[str] = ..., state: _Optional[bytes] = ..., event: _Optional[_Union[InputEvent, _Mapping]] = ...) -> None: ...

class EventResponse(_message.Message):
    __slots__ = ("result", "state", "publications")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PUBLICATIONS_FIELD_NUMBER: _ClassVar[int]
    result: EventResult
    state: bytes
    publications: _containers.RepeatedCompositeFieldContainer[_types_pb2.Publication]
    def __init__(self, result: _Optional[_Union[EventResult, _Mapping]] = ..., state: _Optional[bytes] = ..., publications: _Optional[_Iterable[_Union[_types_pb2.Publication, _Mapping]]] = ...) -> None: ...
