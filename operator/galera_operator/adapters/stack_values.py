"""Single values of a stack file as ``docker stack deploy`` reads them: variables, durations, ports."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

_VARIABLE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)(?:(:?[-?+])([^}]*))?\})")
_PERIOD = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h))+")
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class BadValue(ValueError):
    """A value that the file format does not have; says what was found and what is expected."""


def fill(value: Any, environ: Mapping[str, str] = os.environ, unset: Callable[[str], None] = lambda _: None) -> Any:
    """Fill in ``$NAME``, ``${NAME:-default}`` and the like; what is no string stays as it is.

    Args:
        unset: is told the name of each variable that is not set and has no default: it is read as empty.

    Raises:
        BadValue: ``${NAME:?...}`` and the variable is not set.
    """

    def one(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        name, operator, default = match[2] or match[3], match[4] or "", match[5] or ""
        there = name in environ and (bool(environ[name]) or not operator.startswith(":"))
        if operator.endswith("+"):
            return default if there else ""
        if there:
            return environ[name]
        if operator.endswith("?"):
            raise BadValue(f"the stack file needs the variable {name}: {default or 'not set'}")
        if not operator:
            unset(name)
        return default

    return _VARIABLE.sub(one, value) if isinstance(value, str) else value


def duration(text: object) -> float:
    """Read ``2m``, ``1m30s`` or ``500ms`` as seconds. Raises `BadValue`."""
    if not isinstance(text, str) or not _PERIOD.fullmatch(text):
        raise BadValue(f"{text!r} is no duration; expected like 2m, 90s or 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ns|us|ms|s|m|h)", text))


def ports(given: object, environ: Mapping[str, str] = os.environ) -> list[dict[str, Any]]:
    """One entry of ``ports``, long or short, as long entries.

    Raises:
        BadValue: It is no port as the compose file format has them.
    """
    if isinstance(given, dict):
        entry = {key: fill(value, environ) for key, value in given.items()}
        try:
            numbers = {key: int(entry[key]) for key in ("target", "published") if key in entry}
        except (TypeError, ValueError) as error:
            raise BadValue(f"ports: {given!r} has no number where one is expected") from error
        return [{**entry, **numbers}]
    text = str(fill(given, environ))
    match = re.fullmatch(r"(?:\d+(?:\.\d+){3}:)?(?:(\d+(?:-\d+)?):)?(\d+(?:-\d+)?)(?:/(tcp|udp|sctp))?", text)
    if match is None:
        raise BadValue(f"ports: {given!r} is no port; expected like '8080:80', '8080:80/tcp' or '8000-8010:8000-8010'")
    published, target, protocol = match[1], match[2], match[3] or "tcp"
    targets = _range(target)
    outside = _range(published) if published else [0] * len(targets)
    if len(outside) != len(targets):
        raise BadValue(f"ports: {given!r}: {len(outside)} published ports for {len(targets)} ports of the service")
    return [{"target": t, **({"published": p} if p else {}), "protocol": protocol} for t, p in zip(targets, outside, strict=True)]


def _range(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))
