"""Stack files as `docker stack deploy` reads them, with the line of everything."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from galera_operator.adapters.stack_file import load
from galera_operator.adapters.stack_values import BadValue, duration, fill, ports
from galera_operator.adapters.stack_yaml import BadStack
from galera_operator.core.checkup.examine import examine
from galera_operator.core.checkup.finding import Place
from galera_operator.core.checkup.setup import HealthCheck, Mount, Port, Restart, Rollout, Service
from galera_operator.core.spec import Wish

DATA = Path(__file__).with_name("data")
SHORT = """\
version: "3.8"
services:
  db:
    image: ${IMAGE:-toughiq/mariadb-cluster}
    command: mariadbd --innodb-buffer-pool-size=1G
    environment:
      - DB_SERVICE_NAME=db
      - EMPTY=
      - FROM_OUTSIDE
    labels: ["a=1"]
    networks: [back]
    secrets:
      - root
      - source: token
        target: /run/secrets/galera_token
    volumes:
      - data:/var/lib/mysql:rw
      - ./conf:/etc/mysql/conf.d:ro
    ports:
      - "3306-3307:3306-3307"
      - {target: 9200, mode: host}
    healthcheck: {test: mysqladmin ping, start_period: 1m30s}
    deploy:
      labels:
        - galera.replicas=3
      replicas: 3
      restart_policy: {condition: on-failure, max_attempts: "2"}
      update_config: {order: start-first}
volumes:
  data:
    driver: local
    driver_opts: {type: nfs}
"""


def written(folder: Path, text: str, name: str = "stack.yml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def database(folder: Path, *texts: str, environ: dict[str, str] | None = None) -> Service:
    files = [written(folder, text, f"{number}.yml") for number, text in enumerate(texts)]
    return load(files, environ or {}).databases[0]


def test_the_short_forms_say_the_same_as_the_long_ones(tmp_path) -> None:
    db = database(tmp_path, SHORT, environ={"FROM_OUTSIDE": "here"})
    assert db.image == "toughiq/mariadb-cluster"
    assert db.command == ("mariadbd", "--innodb-buffer-pool-size=1G")
    assert db.environment == {"DB_SERVICE_NAME": "db", "EMPTY": "", "FROM_OUTSIDE": "here"}
    assert (db.labels, db.container_labels) == ({"galera.replicas": "3"}, {"a": "1"})
    assert (db.wish, db.replicas, db.wanted) == (Wish(replicas=3), 3, 3)
    assert db.secrets == ("root", "galera_token")
    assert db.mounts == (
        Mount("volume", "data", "/var/lib/mysql", "local", {"type": "nfs"}),
        Mount("bind", "./conf", "/etc/mysql/conf.d"),
    )
    assert db.ports == (Port(3306, 3306), Port(3307, 3307), Port(0, 9200, "host"))
    assert db.health == HealthCheck(("CMD-SHELL", "mysqladmin ping"), 90.0)
    assert db.restart == Restart("on-failure", 2)
    assert (db.update, db.rollback) == (Rollout(order="start-first"), Rollout())
    assert (db.networks, db.stop_grace, db.mode, db.endpoint_mode) == (frozenset({"back"}), None, "replicated", "vip")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 3),
        (("image",), 4),
        (("environment", "EMPTY"), 8),
        (("secrets", "token"), 14),
        (("volumes", "/etc/mysql/conf.d"), 18),
        (("ports", "3307:3307"), 20),
        (("deploy", "labels", "galera.replicas"), 25),
        (("deploy", "restart_policy", "max_attempts"), 27),
        (("deploy", "placement", "max_replicas_per_node"), 23),
        (("stop_grace_period",), 3),
    ],
)
def test_each_setting_is_found_by_its_line_and_a_missing_one_by_the_line_above_it(tmp_path, path, line) -> None:
    db = database(tmp_path, SHORT)
    assert db.place(*path) == (Place(str(tmp_path / "0.yml"), line),)


OVERRIDE = """\
version: "3.8"
services:
  db:
    command: [mariadbd]
    environment: {EMPTY: full}
    networks: [front]
    volumes:
      - other:/var/lib/mysql
    deploy:
      replicas: 5
      labels: {galera.pause: true}
      update_config: {parallelism: 1}
"""


def test_a_later_file_adds_keys_and_entries_and_replaces_values(tmp_path) -> None:
    db = database(tmp_path, SHORT, OVERRIDE)
    assert db.command == ("mariadbd",)
    assert db.environment["EMPTY"] == "full"
    assert db.environment["DB_SERVICE_NAME"] == "db"
    assert db.networks == {"back", "front"}
    assert [mount.source for mount in db.mounts] == ["other", "./conf"]
    assert db.labels == {"galera.replicas": "3", "galera.pause": "true"}
    assert db.replicas == 5
    assert db.update == Rollout(parallelism=1, order="start-first")
    assert db.place("deploy", "replicas") == (Place(str(tmp_path / "1.yml"), 10),)
    assert db.place("deploy", "update_config", "order") == (Place(str(tmp_path / "0.yml"), 28),)


def settings(service: Service) -> dict[str, object]:
    """Everything but places; what has no order, sorted."""
    found = {field.name: getattr(service, field.name) for field in fields(Service) if field.name != "places"}
    return found | {name: sorted(map(repr, found[name])) for name in ("secrets", "mounts", "ports")}


def test_files_are_merged_as_the_client_merges_them() -> None:
    base, override, merged = (DATA / "merge" / f"{name}.yml" for name in ("base", "override", "merged"))
    ours, clients = load([base, override], {}).databases, load([merged], {}).databases
    assert list(map(settings, ours)) == list(map(settings, clients))


def test_anchors_and_merge_keys_are_followed(tmp_path) -> None:
    text = """\
x-rollout: &rollout
  update_config: &one {parallelism: 4}
services:
  db:
    image: toughiq/mariadb-cluster
    deploy:
      <<: *rollout
      rollback_config: *one
"""
    db = database(tmp_path, text)
    assert (db.update.parallelism, db.rollback.parallelism) == (4, 4)
    assert db.place("deploy", "update_config", "parallelism")[0].line == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("services: [", "stack.yml:1: no YAML"),
        ("- a", "stack.yml:1: expected a stack file"),
        ("version: '3.8'", "there are no services"),
        ("services:\n  web: {image: nginx}", "no service is a Galera cluster (services: web)"),
        ("services:\n  db:\n    stop_grace_period: soon", "stack.yml:3: stop_grace_period is 'soon'; expected a duration"),
        ("services:\n  db:\n    deploy: {replicas: many}", "stack.yml:3: deploy replicas is 'many'; expected a whole number"),
        ("services:\n  db:\n    environment: 5", "stack.yml:3: environment is 5; expected keys with values"),
        ("services:\n  db:\n    volumes: data", "stack.yml:3: volumes is str; expected a list"),
        ("services:\n  db:\n    image: [a]", "stack.yml:3: image is"),
        ("services:\n  db:\n    ports: [a:b]", "stack.yml:3: ports: 'a:b' is no port"),
        ('services:\n  db:\n    command: "it\'s"', 'stack.yml:3: "it\'s" is no command'),
        ("services:\n  db:\n    image: ${IMAGE:?name one}", "stack.yml:3: the stack file needs the variable IMAGE: name one"),
        ("services:\n  db:\n    secrets: [{target: a}]", "stack.yml:3: a secret without a source"),
        ("services:\n  db:\n    volumes: [{source: a}]", "stack.yml:3: a volume without a target"),
    ],
)
def test_what_is_no_stack_file_is_refused_with_its_line_and_what_is_expected(tmp_path, text, told) -> None:
    with pytest.raises(BadStack) as refusal:
        load([written(tmp_path, text)], {})
    assert told in str(refusal.value)


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value of a parsed file."""
    yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from paths(value[key], (*path, key))


def replaced(value: Any, path: tuple[Any, ...], odd: object) -> Any:
    if not path:
        return odd
    copied = copy.copy(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], odd)
    return copied


@pytest.mark.parametrize("odd", [None, 7, -1.5, True, "", "odd", [], ["odd"], [None], [[]], {}, {"odd": 1}], ids=repr)
def test_a_file_with_something_odd_anywhere_is_read_or_refused_by_its_line(tmp_path, odd) -> None:
    whole = yaml.safe_load(SHORT)
    for path in paths(whole):
        file = written(tmp_path, yaml.safe_dump(replaced(whole, path, odd)))
        with suppress(BadStack):
            assert examine(load([file], {}))


def test_a_file_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(BadStack, match=r"nowhere\.yml: cannot be read: No such file"):
        load([tmp_path / "nowhere.yml"], {})


def test_files_of_different_versions_are_refused_as_the_client_refuses_them(tmp_path) -> None:
    files = [written(tmp_path, SHORT), written(tmp_path, OVERRIDE.replace("3.8", "3.7"), "b.yml")]
    with pytest.raises(BadStack, match=r"b.yml has the version 3.7, .*stack.yml has 3.8"):
        load(files, {})


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("${A}-$A", "1-1"),
        ("${B:-two}", "two"),
        ("${EMPTY:-two}", "two"),
        ("${EMPTY-two}", ""),
        ("${A:+three}", "three"),
        ("${B+three}", ""),
        ("$$A", "$A"),
        (5, 5),
    ],
)
def test_variables_are_filled_in_as_the_client_does(text, filled) -> None:
    assert fill(text, {"A": "1", "EMPTY": ""}) == filled


def test_variables_that_are_not_set_and_files_that_are_not_read_are_named(tmp_path) -> None:
    text = SHORT.replace("${IMAGE:-", "${IMAGE-").replace("EMPTY=", "PASSWORD=${PASSWORD}")
    text = text.replace("    networks:", "    env_file: db.env\n    networks:")
    setup = load([written(tmp_path, text)], {})
    assert [sentence.partition(":")[0] for sentence in setup.unread] == ["What the variables PASSWORD hold", "The env_file of db"]
    assert not load([written(tmp_path, text)], {"PASSWORD": "x"}).unread[0].startswith("What the variables")


@pytest.mark.parametrize(("text", "seconds"), [("2m", 120), ("1m30s", 90), ("1.5h", 5400), ("250ms", 0.25)])
def test_durations_are_read_in_seconds(text, seconds) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", 5, "m", "5 m", "1m x"])
def test_what_is_no_duration_is_refused(text) -> None:
    with pytest.raises(BadValue, match="expected like 2m"):
        duration(text)


def test_a_range_of_ports_has_two_ends_of_one_length() -> None:
    assert ports("8000-8001:80-81/udp") == [
        {"target": 80, "published": 8000, "protocol": "udp"},
        {"target": 81, "published": 8001, "protocol": "udp"},
    ]
    with pytest.raises(BadValue, match="2 published ports for 1 ports"):
        ports("8000-8001:80")
