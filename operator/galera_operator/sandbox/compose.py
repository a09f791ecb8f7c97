"""Running a stack file on a kernel without IPVS: the few settings that must differ, as a second compose file.

Without IPVS a service's virtual address and the published ports of the ingress mesh exist but lead nowhere. DNS round robin
and ports published by the node itself (``mode: host``) work without it. The user's file stays as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from galera_operator.sandbox.errors import SandboxError

_VARIABLE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)(?:(:?[-?+])([^}]*))?\})")


def without_ip_vs(stack: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The override for a stack file: DNS round robin for every service, host mode for every published port.

    Args:
        stack: The parsed stack file.
        environ: For ``${VARIABLE}`` in ports, as ``docker stack deploy`` would fill it in.

    Returns:
        A stack file to give after the user's own: the client replaces a port of the same published number.
    """
    services: dict[str, Any] = {}
    for name, service in (stack.get("services") or {}).items():
        override: dict[str, Any] = {"deploy": {"endpoint_mode": "dnsrr"}}
        ports = [port for given in (service or {}).get("ports") or [] for port in host_ports(given, environ)]
        if ports:
            override["ports"] = ports
        services[name] = override
    # The client wants all files to say the same version, or none.
    version = {"version": str(stack["version"])} if "version" in stack else {}
    return {**version, "services": services}


def modern(stack: Mapping[str, Any], folder: Path) -> dict[str, Any] | None:
    """The same stack file in a version that knows `endpoint_mode` and long ports, or None where it already is one.

    Args:
        stack: The parsed stack file.
        folder: Where it lies; relative paths of configs and secrets start there.
    """
    version = [int(part) for part in str(stack.get("version", "3.8")).split(".")]
    if version >= [3, 3]:
        return None
    copy = {**stack, "version": "3.8"}
    for kind in ("configs", "secrets"):
        for name, given in (stack.get(kind) or {}).items():
            if given and "file" in given:
                copy[kind] = {**copy[kind], name: {**given, "file": str(folder / given["file"])}}
    return copy


def host_ports(given: object, environ: Mapping[str, str] = os.environ) -> list[dict[str, Any]]:
    """One entry of ``ports``, long or short, as long entries with ``mode: host``.

    Raises:
        SandboxError: It is no port as the compose file format has them.
    """
    if isinstance(given, dict):
        entry = {key: _filled(value, environ) for key, value in given.items()}
        numbers = {key: int(entry[key]) for key in ("target", "published") if key in entry}
        return [{**entry, **numbers, "mode": "host"}]
    text = str(_filled(given, environ))
    match = re.fullmatch(r"(?:\d+(?:\.\d+){3}:)?(?:(\d+(?:-\d+)?):)?(\d+(?:-\d+)?)(?:/(tcp|udp|sctp))?", text)
    if match is None:
        raise SandboxError(f"ports: {given!r} is no port; expected like '8080:80', '8080:80/tcp' or '8000-8010:8000-8010'")
    published, target, protocol = match[1], match[2], match[3] or "tcp"
    targets = _range(target)
    outside = _range(published) if published else [0] * len(targets)
    if len(outside) != len(targets):
        raise SandboxError(f"ports: {given!r}: {len(outside)} published ports for {len(targets)} ports of the service")
    return [
        {"target": t, **({"published": p} if p else {}), "protocol": protocol, "mode": "host"}
        for t, p in zip(targets, outside, strict=True)
    ]


def _range(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def _filled(value: Any, environ: Mapping[str, str]) -> Any:
    """Fill in ``$NAME``, ``${NAME:-default}`` and the like."""

    def fill(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        name, operator, default = match[2] or match[3], match[4] or "", match[5] or ""
        there = name in environ and (bool(environ[name]) or not operator.startswith(":"))
        if operator.endswith("+"):
            return default if there else ""
        if there:
            return environ[name]
        if operator.endswith("?"):
            raise SandboxError(f"the stack file needs the variable {name}: {default or 'not set'}")
        return default

    return _VARIABLE.sub(fill, value) if isinstance(value, str) else value
