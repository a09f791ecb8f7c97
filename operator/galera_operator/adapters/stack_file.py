"""Stack files as one `Setup`: each brought to the long form, merged, and each service described."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from galera_operator.adapters.stack_service import describe
from galera_operator.adapters.stack_values import BadValue, ports
from galera_operator.adapters.stack_yaml import BadStack, Item, merge, read
from galera_operator.core.checkup.finding import Place
from galera_operator.core.checkup.roles import is_database
from galera_operator.core.checkup.setup import Setup

DEFAULT_NETWORK = "default"


def load(files: Sequence[Path], environ: Mapping[str, str] = os.environ) -> Setup:
    """Read the files of one stack.

    Args:
        files: in the order of the command line; later ones add to and override earlier ones.
        environ: for the variables in them.

    Raises:
        BadStack: one cannot be read, or no service in them is a Galera member.
    """
    unset: set[str] = set()
    read_files = [_long_form(read(file, environ, unset.add), environ) for file in files]
    stack = read_files[0]
    for other in read_files[1:]:
        if _version(other) != _version(stack):
            raise BadStack(
                f"{other.place.file} has the version {_version(other) or 'none'}, {stack.place.file} has "
                f"{_version(stack) or 'none'}; `docker stack deploy` wants the same in all files"
            )
        stack = merge(stack, other)
    named = stack.get("services")
    if named is None:
        raise BadStack(f"{files[0]}: there are no services; expected a stack file")
    volumes = stack.get("volumes") or Item({}, stack.place)
    services = tuple(describe(name, item, volumes, _version(stack)) for name, item in named.mapping("services").items())
    databases = tuple(service for service in services if is_database(service))
    if not databases:
        names = ", ".join(service.name for service in services) or "none"
        raise BadStack(
            f"{files[0]}: no service is a Galera cluster (services: {names}); expected a label galera.replicas under "
            "`deploy: labels:`, the variable DB_SERVICE_NAME with the service's own name, or a Galera image"
        )
    others = tuple(service for service in services if service not in databases)
    return Setup(databases, others, unread=tuple(_unread(named, unset)))


def _unread(services: Item, unset: Collection[str]) -> Iterator[str]:
    if unset:
        yield (
            f"What the variables {', '.join(sorted(unset))} hold: they are not set here and were read as empty, as "
            "`docker stack deploy` would; set them as for the deployment"
        )
    for name, service in services.mapping("services").items():
        if service.get("env_file") is not None:
            yield f"The env_file of {name}: passwords in it end up in the service's environment as well"


def _version(stack: Item) -> str:
    item = stack.get("version")
    return str(item.value) if item else ""


def _long_form(stack: Item, environ: Mapping[str, str]) -> Item:
    services = stack.get("services")
    if services is None:
        return stack
    long = {name: _service(item, environ) for name, item in services.mapping("services").items()}
    return Item({**stack.value, "services": Item(long, services.place)}, stack.place)


def _service(service: Item, environ: Mapping[str, str]) -> Item:
    """The same service with every list that stands for keys turned into keys, and every short entry into a long one."""
    keys = dict(service.mapping("a service"))
    for name in ("environment", "labels", "sysctls"):
        if name in keys:
            keys[name] = _keys(keys[name], name, environ)
    deploy = keys.get("deploy")
    if deploy is not None and "labels" in deploy.mapping("deploy"):
        keys["deploy"] = Item({**deploy.value, "labels": _keys(deploy.value["labels"], "labels", environ)}, deploy.place)
    for name in ("command", "entrypoint"):
        if name in keys:
            keys[name] = _words(keys[name])
    for name, by in (("networks", _names), ("secrets", _by_source), ("volumes", _by_target), ("ports", _by_port)):
        if name in keys:
            keys[name] = by(keys[name])
    keys.setdefault("networks", Item({DEFAULT_NETWORK: Item(None, service.place)}, service.place))
    return Item(keys, service.place)


def _keys(item: Item, what: str, environ: Mapping[str, str]) -> Item:
    """``[A=1, B]`` as ``{A: 1, B: <from the environment>}``; scalars as text."""
    given: dict[str, tuple[Any, Place]]
    if isinstance(item.value, list):
        pairs = [(str(entry.value).partition("="), entry.place) for entry in item.value]
        given = {key: (value if equals else None, place) for (key, equals, value), place in pairs}
    else:
        given = {str(key): (entry.value, entry.place) for key, entry in item.mapping(what).items()}
    filled = {}
    for key, (value, place) in given.items():
        text = environ.get(key, "") if value is None else value
        filled[key] = Item(str(text).lower() if isinstance(text, bool) else str(text), place)
    return Item(filled, item.place)


def _words(item: Item) -> Item:
    """A command as words, in a tuple: one that is given again replaces it."""
    if isinstance(item.value, list):
        return Item(tuple(str(entry.value) for entry in item.value) or None, item.place)
    try:
        return Item(tuple(shlex.split(str(item.value))) if item.value else None, item.place)
    except ValueError as error:
        raise BadStack(f"{item.place}: {item.value!r:.60} is no command: {error}") from error


def _names(item: Item) -> Item:
    if isinstance(item.value, dict):
        return item
    return Item({str(entry.value): Item(None, entry.place) for entry in item.elements("networks")}, item.place)


def _by_source(item: Item) -> Item:
    """Secrets by name, each with the name of its file in the container."""
    found = {}
    for entry in item.elements("secrets"):
        source = entry.get("source") if isinstance(entry.value, dict) else entry
        if source is None:
            raise BadStack(f"{entry.place}: a secret without a source")
        target = entry.get("target")
        found[str(source.value)] = Item(str((target or source).value).rsplit("/", 1)[-1], entry.place)
    return Item(found, item.place)


def _by_target(item: Item) -> Item:
    """Volumes by the path in the container, in the long form."""
    found = {}
    for entry in item.elements("volumes"):
        mount = entry if isinstance(entry.value, dict) else _mount(entry)
        target = mount.get("target")
        if target is None:
            raise BadStack(f"{entry.place}: a volume without a target; expected like data:/var/lib/mysql")
        found[str(target.value)] = mount
    return Item(found, item.place)


def _mount(entry: Item) -> Item:
    """``data:/var/lib/mysql:ro``, ``/srv/data:/var/lib/mysql`` or ``/var/lib/mysql``."""
    parts = str(entry.value).split(":")
    source, target = (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])
    kind = "bind" if source.startswith((".", "/", "~")) else "volume"
    values = {"type": kind, "source": source, "target": target}
    return Item({key: Item(value, entry.place) for key, value in values.items()}, entry.place)


def _by_port(item: Item) -> Item:
    """Ports by ``published:target``, in the long form."""
    found = {}
    for entry in item.elements("ports"):
        try:
            long = ports(entry.plain(), {})
        except BadValue as error:
            raise BadStack(f"{entry.place}: {error}") from error
        for port in long:
            values = {key: Item(value, entry.place) for key, value in port.items()}
            found[f"{port.get('published', 0)}:{port.get('target', 0)}"] = Item(values, entry.place)
    return Item(found, item.place)
