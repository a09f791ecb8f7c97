"""Any value of the core as JSON and back without loss: what the journal is written in.

A dataclass becomes an object that names its type under `is`; reading follows the annotations and refuses, by its path, what is
missing, unknown, of another type or not finite. A field with a default may be missing: an older version did not know it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from galera_operator.core.strict_json import BadMessage

TYPE = "is"
"""The key that names a value's type."""


def to_plain(value: object) -> Any:
    """The value as `json.dumps` takes it. Raises `BadMessage` for what has no such form: a set, NaN, an object."""
    match value:
        case StrEnum():
            return value.value
        case None | bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
        case datetime():
            return value.isoformat()
        case tuple():
            return [to_plain(item) for item in value]
        case Mapping():
            return {str(key): to_plain(item) for key, item in value.items()}
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {TYPE: type(value).__name__} | {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
        case _:
            raise BadMessage(f"{type(value).__name__} {value!r} cannot be written as JSON without loss")


def from_plain(kind: Any, raw: Any, path: str = "") -> Any:
    """Read what `to_plain` made of a value of this type.

    Args:
        kind: a dataclass, or any annotation that one of the core's dataclasses uses.
        raw: as `json.loads` gives it.
        path: where it stands in the whole, for the error.

    Raises:
        BadMessage: names the place, what stands there and what is expected.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return _one_of(inner, raw, path)
    if origin is tuple:
        return _tuple(inner, raw, path)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(inner, raw, path)
    if is_dataclass(kind) and isinstance(kind, type):
        return _dataclass(kind, raw, path)
    return _scalar(kind, raw, path)


def _dataclass(kind: type, raw: Any, path: str) -> Any:
    if not isinstance(raw, dict) or raw.get(TYPE) != kind.__name__:
        raise _odd(path, raw, kind.__name__)
    hints, required = _shape(kind)
    given = {name: value for name, value in raw.items() if name != TYPE}
    for name in sorted(given.keys() - hints.keys()):
        raise BadMessage(f"{_at(path)}{kind.__name__} has no field {name!r}; a newer version may have written it")
    for name in sorted(required - given.keys()):
        raise BadMessage(f"{_at(path)}{kind.__name__} lacks the field {name!r}")
    values = {name: from_plain(hints[name], value, f"{path}.{name}".lstrip(".")) for name, value in given.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise BadMessage(f"{_at(path)}{error}") from error


@cache
def _shape(kind: type) -> tuple[Mapping[str, Any], frozenset[str]]:
    """The type of each field, and the fields that have no default."""
    hints = get_type_hints(kind)
    named = fields(kind)
    bare = frozenset(field.name for field in named if field.default is MISSING and field.default_factory is MISSING)
    return {field.name: hints[field.name] for field in named}, bare


def _one_of(kinds: tuple[Any, ...], raw: Any, path: str) -> Any:
    if raw is None and NoneType in kinds:
        return None
    named = {kind.__name__: kind for kind in kinds if is_dataclass(kind) and isinstance(kind, type)}
    if isinstance(raw, dict) and raw.get(TYPE) in named:
        return from_plain(named[raw[TYPE]], raw, path)
    others = [kind for kind in kinds if kind is not NoneType and kind not in named.values()]
    if len(others) == 1:
        return from_plain(others[0], raw, path)
    raise _odd(path, raw, " or ".join(sorted(named)))


def _tuple(inner: tuple[Any, ...], raw: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(raw, list):
        raise _odd(path, raw, "a list")
    kinds = (inner[0],) * len(raw) if inner[-1] is Ellipsis else inner
    if len(kinds) != len(raw):
        raise _odd(path, raw, f"a list of {len(kinds)}")
    return tuple(from_plain(kind, item, f"{path}[{at}]") for at, (kind, item) in enumerate(zip(kinds, raw, strict=True)))


def _mapping(inner: tuple[Any, ...], raw: Any, path: str) -> dict[Any, Any]:
    if not isinstance(raw, dict):
        raise _odd(path, raw, "an object")
    key_kind, item_kind = inner
    read_key: Callable[[str, str], Any] = _number if key_kind is int else lambda key, _: key
    return {read_key(key, path): from_plain(item_kind, item, f"{path}[{key}]") for key, item in raw.items()}


def _number(key: str, path: str) -> int:
    try:
        return int(key)
    except ValueError as error:
        raise _odd(path, key, "a whole number as the key") from error


def _scalar(kind: Any, raw: Any, path: str) -> Any:
    if kind is float and type(raw) in {int, float} and math.isfinite(raw):
        return raw
    if kind in {str, int, bool} and type(raw) is kind:
        return raw
    if isinstance(raw, str) and isinstance(kind, type) and issubclass(kind, StrEnum | datetime):
        try:
            return datetime.fromisoformat(raw) if issubclass(kind, datetime) else kind(raw)
        except ValueError as error:
            raise _odd(path, raw, kind.__name__) from error
    raise _odd(path, raw, getattr(kind, "__name__", str(kind)))


def _at(path: str) -> str:
    return f"{path}: " if path else ""


def _odd(path: str, raw: object, expected: str) -> BadMessage:
    found = f"{raw.get(TYPE)}" if isinstance(raw, dict) and TYPE in raw else repr(raw)[:60]
    return BadMessage(f"{_at(path)}found {found}; expected {expected}")
