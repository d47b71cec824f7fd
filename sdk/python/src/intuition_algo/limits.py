"""The contract's limits, and how values become what it carries. Pure."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from .errors import AlgorithmError, RequestError

MAX_NAME = 64
MAX_STATE = 1024 * 1024
MAX_MESSAGE = 4 * 1024 * 1024
MAX_CHANNELS = 64
MAX_CHANNEL_BYTES = 256
MAX_EVENTS = 256
MAX_SIGNALS = 64
MAX_PUBLICATIONS = 1000
MAX_PAYLOAD = 256 * 1024
MAX_SCHEMA = 256 * 1024
MAX_SENTENCE_BYTES = 1024
MAX_STATUS = 1000
_NAME = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_NAME}}}")


def check_name(name: object) -> str:
    """The algorithm's name, where it is one."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise AlgorithmError(f"name: {name!r} is not 1 to {MAX_NAME} letters, digits, '.', '_' and '-'")
    return name


def check_version(version: object) -> str:
    """The algorithm's version, where it is one."""
    if not isinstance(version, str) or not 1 <= len(version) <= MAX_NAME or any(unicodedata.category(letter) == "Cc" for letter in version):
        raise AlgorithmError(f"version: {version!r} is not a text of 1 to {MAX_NAME} characters, none of them control")
    return version


def schema_text(schema: object) -> str:
    """The JSON Schema of the parameters as text; empty where there is none."""
    if schema is None:
        return ""
    if not isinstance(schema, Mapping):
        raise AlgorithmError("parameters_schema: must be a dict, a JSON Schema (draft 2020-12)")
    text = _json("parameters_schema", dict(schema))
    if len(text.encode()) > MAX_SCHEMA:
        raise AlgorithmError(f"parameters_schema: has {len(text.encode())} bytes; at most {MAX_SCHEMA} are allowed")
    return text


def channel_list(wanted: object) -> list[str]:
    """The channels that `initialize` returned: one text, or several."""
    if wanted is None:
        raise AlgorithmError("initialize returned no channels; return the MQTT topics wanted, such as ['quotes']")
    if isinstance(wanted, str):
        wanted = [wanted]
    if not isinstance(wanted, Iterable) or isinstance(wanted, (bytes, Mapping)):
        raise AlgorithmError(f"channels: {wanted!r} is no list of MQTT topics, such as ['quotes']")
    channels = list(wanted)
    if not 1 <= len(channels) <= MAX_CHANNELS:
        raise AlgorithmError(f"channels: 1 to {MAX_CHANNELS} are allowed, there are {len(channels)}")
    for channel in channels:
        _check_channel("channels", channel, wildcards=True)
    return channels


def _check_channel(what: str, channel: object, wildcards: bool) -> str:
    if not isinstance(channel, str):
        raise AlgorithmError(f"{what}: {channel!r} is no text")
    size = len(_utf8(what, channel))
    if not 1 <= size <= MAX_CHANNEL_BYTES or "\0" in channel:
        raise AlgorithmError(f"{what}: {channel!r} is not 1 to {MAX_CHANNEL_BYTES} bytes without NUL")
    levels = channel.split("/")
    if not wildcards:
        if "#" in channel or "+" in channel:
            raise AlgorithmError(f"{what}: {channel!r} has a wildcard; it names one topic")
    elif channel.startswith("$share/"):
        raise AlgorithmError(f"{what}: {channel!r} is a shared subscription, which loses the order of quotes")
    elif any(
        ("#" in level and (level != "#" or place != len(levels) - 1)) or ("+" in level and level != "+")
        for place, level in enumerate(levels)
    ):
        raise AlgorithmError(f"{what}: {channel!r} has a wildcard in the wrong place: `#` alone in the last level, `+` alone in its level")
    return channel


def publication(channel: object, payload: object) -> tuple[str, bytes]:
    """A publication as the contract carries it: bytes as they are, text in UTF-8, anything else as JSON."""
    topic = _check_channel("publish: channel", channel, wildcards=False)
    if isinstance(payload, (bytes, bytearray, memoryview)):
        data = bytes(payload)
    elif isinstance(payload, str):
        data = _utf8("publish: payload", payload)
    else:
        data = _json("publish: payload", payload, default=_decimal).encode()
    if len(data) > MAX_PAYLOAD:
        raise AlgorithmError(f"publish: the payload for {topic!r} has {len(data)} bytes; at most {MAX_PAYLOAD} are allowed")
    return topic, data


def state_bytes(state: object) -> bytes:
    """The state as it is saved. Refused where it would not come back as it is."""
    text = _state_text(state)
    data = text.encode()
    if len(data) > MAX_STATE:
        raise AlgorithmError(f"state: has {len(data)} bytes as JSON; at most {MAX_STATE} are allowed")
    if json.loads(text) != state:
        where = _odd_part(state) or "would come back from JSON as something else"
        raise AlgorithmError(f"{where}; keep lists instead of tuples, and text as the keys of a dict")
    return data


def _state_text(state: object) -> str:
    try:
        return _json("state", state)
    except AlgorithmError as error:
        where = _odd_part(state)
        raise AlgorithmError(f"{where}, which JSON cannot carry" if where else str(error)) from None


def _odd_part(value: object, path: str = "state", levels: int = 100) -> str | None:
    """The first part of a state that JSON does not give back as it is, by its keys; None where none is found."""
    if value is None or isinstance(value, (int, str)) or levels == 0:
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{path} is {value}"
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, str):
                return f"{path} has the key {key!r:.64}, {_kind(key)}"
            if odd := _odd_part(part, f"{path}[{key!r:.64}]", levels - 1):
                return odd
        return None
    if isinstance(value, list):
        odd_parts = (_odd_part(part, f"{path}[{place}]", levels - 1) for place, part in enumerate(value))
        return next((odd for odd in odd_parts if odd), None)
    hint = ""
    if type(value).__module__ == "numpy":
        hint = " (write .tolist())" if hasattr(value, "__len__") else " (write .item())"
    elif isinstance(value, Decimal):
        hint = " (write str(...))"
    return f"{path} is {value!r:.64}, {_kind(value)}{hint}"


def _kind(value: object) -> str:
    module, name = type(value).__module__, type(value).__qualname__
    return f"of the type {name if module == 'builtins' else f'{module}.{name}'}"


def state_from(data: bytes) -> Any:
    """The state as it was saved."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"state: is not what this algorithm saved: {error}") from None


def parameters_from(text: str) -> dict[str, Any]:
    """The parameters of a request."""
    try:
        parameters = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"parameters_json: is no JSON: {error}") from None
    if not isinstance(parameters, dict):
        raise RequestError("parameters_json: must be one JSON object")
    return parameters


def sentence(text: str) -> str:
    """A refusal or a reject as the contract carries it: valid, and of bounded length."""
    valid = text.encode(errors="replace")
    if len(valid) <= MAX_SENTENCE_BYTES:
        return valid.decode()
    # A character that is cut in two is left out.
    return f"{valid[: MAX_SENTENCE_BYTES - 3].decode(errors='ignore')}..."


def status_text(text: str) -> str:
    """The text of an error as a gRPC status can carry it: valid, and of bounded length."""
    valid = text.encode(errors="replace").decode()
    return valid if len(valid) <= MAX_STATUS else f"{valid[: MAX_STATUS - 3]}..."


def _json(what: str, value: object, default: Any = None) -> str:
    try:
        text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False, default=default)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise AlgorithmError(f"{what}: cannot be written as JSON: {error}") from None
    return text


def _decimal(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _utf8(what: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise AlgorithmError(f"{what}: {text!r} is no valid text: {error.reason}") from None
