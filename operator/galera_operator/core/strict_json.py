"""Read JSON into dataclasses, strictly: what is missing, of another type or unknown is refused by its name."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import MISSING, fields
from functools import cache
from typing import Any


class BadMessage(ValueError):
    """A message that does not have the agreed shape; names the key, what it got and what it takes."""


def json_object(text: str | bytes) -> dict[str, Any]:
    """Read a JSON object. Raises `BadMessage` for anything else."""
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise BadMessage(f"expected a JSON object, got {type(raw).__name__}")
    return raw


_NUMBER = (int, float)
_JSON_TYPES: Mapping[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": _NUMBER, "bool": (bool,)}
"""By exact type: a truth value is no whole number here, although Python takes it for one."""


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False  # a whole number beyond what a float holds


def known_keys(kind: type, raw: object) -> object:
    """Leave out the keys that this version does not know."""
    known = _types(kind)
    return {key: value for key, value in raw.items() if key in known} if isinstance(raw, dict) else raw


@cache
def _types(kind: type) -> Mapping[str, str]:
    """The names of a dataclass's fields, and of their types."""
    return {field.name: str(field.type) for field in fields(kind)}


@cache
def _required(kind: type) -> AbstractSet[str]:
    """The names of those that have no default."""
    return {field.name for field in fields(kind) if field.default is MISSING}


def exact(kind: type, raw: object, **convert: Any) -> dict[str, Any]:
    """Check that `raw` has the keys of the dataclass `kind` (all that have no default) and no other, each of its type."""
    if not isinstance(raw, dict):
        raise BadMessage(f"{kind.__name__}: expected a JSON object, got {type(raw).__name__}")
    known = _types(kind)
    for key in sorted(raw.keys() - known.keys()):
        raise BadMessage(f"{kind.__name__}: unknown key {key!r}; it takes {', '.join(sorted(known))}")
    for key in sorted(_required(kind) - raw.keys()):
        raise BadMessage(f"{kind.__name__}: key {key!r} is missing")
    out: dict[str, Any] = {}
    for key, value in raw.items():
        wanted = _JSON_TYPES.get(known[key])
        if wanted and type(value) not in wanted:
            raise BadMessage(f"{kind.__name__}: {key} is {value!r}; expected {known[key]}")
        if wanted is _NUMBER and not _is_finite(value):
            raise BadMessage(f"{kind.__name__}: {key} is {value!r}; expected a finite number")
        if key not in convert:
            out[key] = value
            continue
        try:
            out[key] = convert[key](value)
        except (TypeError, ValueError) as error:
            raise BadMessage(f"{kind.__name__}: {key} is {value!r}: {error}") from error
    return out
