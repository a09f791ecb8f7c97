"""One service of a stack file, in the long form, as the doctor's `Service`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from galera_operator.adapters.labels import Labels, read_labels, wish_from
from galera_operator.adapters.member_options import refused
from galera_operator.adapters.stack_values import BadValue, duration
from galera_operator.adapters.stack_yaml import BadStack, Item
from galera_operator.core.checkup.setup import HealthCheck, Mount, Port, Restart, Rollout, Service

T = TypeVar("T")
NEWEST = (3, 8)


def describe(name: str, service: Item, volumes: Item, version: str) -> Service:
    """Describe it with Swarm's defaults filled in.

    Args:
        service: in the long form.
        volumes: the stack's own, by name.
        version: of the file, such as ``3.8``; empty for a file without one, which is read by the newest rules.

    Raises:
        BadStack: a value is of another kind than the file format says.
    """
    at = _At(service)
    labels = at.texts("deploy", "labels")
    wish = read_labels(name, labels)
    command = (*at.words("entrypoint"), *at.words("command"))
    return Service(
        name=name,
        image=at.text("image"),
        environment=at.texts("environment"),
        command=command,
        labels=labels,
        container_labels=at.texts("labels"),
        wish=wish_from(wish) if isinstance(wish, Labels) else wish,
        mode=at.text("deploy", "mode") or "replicated",
        replicas=at.number(1, "deploy", "replicas"),
        stop_grace=at.seconds("stop_grace_period"),
        health=_health(at),
        restart=Restart(
            at.text("deploy", "restart_policy", "condition") or "any",
            at.number(0, "deploy", "restart_policy", "max_attempts"),
        ),
        update=_rollout(at, "update_config"),
        rollback=_rollout(at, "rollback_config"),
        mounts=tuple(_mount(_At(entry), volumes) for entry in at.below("volumes").values()),
        ports=tuple(
            Port(entry.number(0, "published"), entry.number(0, "target"), entry.text("mode") or "ingress")
            for entry in map(_At, at.below("ports").values())
        ),
        secrets=tuple(str(entry.value) for entry in at.below("secrets").values()),
        sysctls=at.texts("sysctls"),
        networks=frozenset(at.below("networks")),
        max_per_node=at.number(0, "deploy", "placement", "max_replicas_per_node"),
        constraints=tuple(at.list("deploy", "placement", "constraints")),
        endpoint_mode=at.text("deploy", "endpoint_mode") or "vip",
        refused=refused(at.words("command")),
        version=_numbers(version),
        places=dict(service.walk()),
    )


class _At:
    """The values below one item, each by its path, of the kind that is wanted."""

    def __init__(self, item: Item) -> None:
        self._item = item

    def _read(self, path: tuple[str, ...], kind: Callable[[Any], T], default: T, expected: str) -> T:
        item = self._item.get(*path)
        if item is None or item.value is None or item.value == "":
            return default
        try:
            return kind(item.value)
        except (BadValue, TypeError, ValueError) as error:
            raise BadStack(f"{item.place}: {' '.join(path)} is {item.value!r:.60}; expected {expected}") from error

    def text(self, *path: str) -> str:
        return self._read(path, _scalar, "", "a text")

    def number(self, default: int, *path: str) -> int:
        return self._read(path, int, default, "a whole number")

    def seconds(self, *path: str) -> float | None:
        return self._read(path, duration, None, "a duration like 2m or 90s")

    def below(self, *path: str) -> Mapping[str, Item]:
        item = self._item.get(*path)
        return item.mapping(" ".join(path)) if item is not None else {}

    def texts(self, *path: str) -> dict[str, str]:
        return {str(key): str(item.value) for key, item in self.below(*path).items()}

    def list(self, *path: str) -> list[str]:
        item = self._item.get(*path)
        return [str(entry.value) for entry in item.elements(" ".join(path))] if item is not None else []

    def words(self, *path: str) -> tuple[str, ...]:
        item = self._item.get(*path)
        return item.value or () if item is not None else ()


def _health(at: _At) -> HealthCheck | None:
    if not at.below("healthcheck"):
        return None
    item = at.below("healthcheck").get("test")
    test: tuple[str, ...] = ()
    if item is not None:
        test = tuple(map(str, item.plain())) if isinstance(item.value, list) else ("CMD-SHELL", str(item.value))
    off = at.text("healthcheck", "disable").lower() == "true" or test[:1] == ("NONE",)
    return HealthCheck(test, at.seconds("healthcheck", "start_period") or 0.0, off)


def _rollout(at: _At, key: str) -> Rollout:
    return Rollout(
        at.number(1, "deploy", key, "parallelism"),
        at.text("deploy", key, "order") or "stop-first",
        at.text("deploy", key, "failure_action") or "pause",
    )


def _mount(at: _At, volumes: Item) -> Mount:
    kind, source = at.text("type") or "volume", at.text("source")
    named = _At(volumes.get(source) or Item({}, volumes.place)) if kind == "volume" and source else None
    return Mount(
        kind,
        source,
        at.text("target"),
        named.text("driver") if named else "",
        named.texts("driver_opts") if named else {},
    )


def _scalar(value: Any) -> str:
    if isinstance(value, dict | list | tuple):
        raise TypeError
    return str(value)


def _numbers(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return (int(major), int(minor or 0)) if f"{major}{minor}".isdecimal() else NEWEST
