"""Running a stack file on a kernel without IPVS: the few settings that must differ, as a second compose file.

Without IPVS a service's virtual address and the published ports of the ingress mesh exist but lead nowhere. DNS round robin
and ports published by the node itself (``mode: host``) work without it. The user's file stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from galera_operator.adapters.stack_values import BadValue, ports
from galera_operator.sandbox.errors import SandboxError


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
        published = [port for given in (service or {}).get("ports") or [] for port in host_ports(given, environ)]
        if published:
            override["ports"] = published
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
        SandboxError: It is no port as the compose file format has them, or a variable in it is missing.
    """
    try:
        return [{**port, "mode": "host"} for port in ports(given, environ)]
    except BadValue as error:
        raise SandboxError(str(error)) from error
