"""Each fault, planted alone into the shipped chart, is found, alone, with its line; and the line to write cures it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planted import ARTICLE, ARTICLE_OF_2017, CALM, ENGINE, GALERA, WORDPRESS, Planted, edited, examined, ids, setup_of

from galera_operator.adapters.stack_file import load
from galera_operator.core.checkup.examine import examine
from galera_operator.core.checkup.finding import Severity
from galera_operator.core.checkup.machines import ENGINE_FAULTS
from galera_operator.core.checkup.setup import Measured, Node

IMAGE = r"^    image: \$\{GALERA_MEMBER_IMAGE.*$"
VOLUME = r"data:/var/lib/mysql"
POLICY = r"condition: any\n        delay: 2s\n      update_config:"
PARALLELISM = r"parallelism: 1\n        order: stop-first"
ONE_PER_NODE = r"^      placement:\n        max_replicas_per_node: 1.*\n"
PROXY = r"^  proxy:\n(?:    .*\n|\n)+(?=  operator:)"
OPERATOR = r"^  operator:\n(?:    .*\n|\n)+(?=volumes:)"
SOCKET = r"^    volumes:\n      - /var/run/docker.sock.*\n"
ON_MANAGER = r"^      placement:\n        constraints:\n          - node.role == manager.*\n"


def member(*lines: str) -> tuple[tuple[str, str], ...]:
    """Lines more in the database service."""
    return ((r"^  dbcluster:\n", "\n".join(("  dbcluster:", *(f"    {line}" for line in lines), ""))),)


def image(name: str) -> tuple[tuple[str, str], ...]:
    return ((IMAGE, f"    image: {name}"),)


CHECK = 'healthcheck: {{test: ["CMD-SHELL", "{}"], start_period: {}}}'
PLANTED = [
    Planted("dangerous-image", "danger", image("toughiq/mariadb-cluster:10.1"), "image: toughiq", "galera-operator/member"),
    Planted("dangerous-image", "danger", image("colinmollenhour/mariadb-galera-swarm"), "image: colin", "galera-operator/member"),
    Planted("dangerous-image", "danger", image("docker.io/library/mariadb:11.8@sha256:1234"), "image: docker", "member"),
    Planted(
        "dangerous-image",
        "warning",
        (*image("bitnami/mariadb-galera:11"), (VOLUME, "data:/bitnami/mariadb")),
        "image: bitnami",
        "galera-operator/member",
    ),
    Planted("fixed-address", "danger", member("command: [--wsrep-cluster-address=gcomm://a,b]"), "command:", "GALERA_PEERS"),
    Planted("always-bootstraps", "danger", member("command: mariadbd --wsrep-new-cluster"), "command:", "operator's grant"),
    Planted("refused-option", "danger", member("command: [mariadbd, --port=3307]"), "command:", "Remove the option"),
    Planted("label-misplaced", "warning", member('labels: {galera.pause: "false"}'), "galera.pause", 'galera.pause: "false"'),
    Planted("label-misplaced", "warning", member("labels: [galera.pause=true]"), "galera.pause", 'galera.pause: "true"'),
    Planted("bad-label", "warning", (("galera.enable:", "galera.enabel:"),), "galera.enabel", "Correct the label"),
    Planted("no-volume", "danger", ((r"^    volumes:\n      - data:.*\n", ""),), "dbcluster:", "- data:/var/lib/mysql"),
    Planted(
        "no-volume", "danger", ((f"- {VOLUME}", "- {type: tmpfs, target: /var/lib/mysql}"),), "volumes:", "- data:/var/lib/mysql"
    ),
    Planted("anonymous-volume", "danger", ((VOLUME, "/var/lib/mysql"),), "- /var/lib/mysql", "- data:/var/lib/mysql"),
    Planted("bind-mount", "warning", ((VOLUME, "/srv/db:/var/lib/mysql"),), "- /srv/db", "- data:/var/lib/mysql"),
    Planted(
        "shared-volume",
        "danger",
        (("^  data:$", "  data: {driver: local, driver_opts: {type: nfs, device: ':/srv'}}"),),
        "- data:/var/lib/mysql",
        "- data:/var/lib/mysql",
    ),
    Planted("shared-volume", "danger", (("^  data:$", "  data: {driver: rexray}"),), "- data:", "- data:/var/lib/mysql"),
    Planted("no-node-limit", "danger", ((ONE_PER_NODE, ""),), "deploy:", "max_replicas_per_node: 1"),
    Planted("no-node-limit", "danger", (("node: 1", "node: 2"),), "max_replicas_per_node: 2", "max_replicas_per_node: 1"),
    Planted("even-size", "warning", ((r"\$\{GALERA_REPLICAS:-1}", "4"),), 'galera.replicas: "4"', 'galera.replicas: "5"'),
    Planted("even-size", "warning", ((r"\$\{GALERA_REPLICAS:-1}", "2"),), 'galera.replicas: "2"', "replicas: 3"),
    Planted("replicas-differ", "danger", ((r'"\$\{GALERA_REPLICAS:-1}"', '"3"'),), "      replicas: ", "replicas: 3"),
    Planted(
        "replicas-differ",
        "danger",
        ((r'"\$\{GALERA_REPLICAS:-1}"', '"3"'), (r"^      replicas: \$.*\n", "")),
        "deploy:",
        "replicas: 3",
    ),
    Planted(
        "not-replicated", "warning", ((r"^      replicas: \$.*$", "      mode: global"),), "mode: global", "mode: replicated"
    ),
    Planted("stop-grace", "warning", ((r"^    stop_grace_period: 2m.*\n", ""),), "dbcluster:", "stop_grace_period: 2m"),
    Planted("stop-grace", "warning", (("grace_period: 2m", "grace_period: 54s"),), "54s", "stop_grace_period: 2m"),
    Planted(
        "stop-grace",
        "warning",
        (("galera.enable:", "galera.drain.timeout: 300s\n        galera.enable:"),),
        "stop_grace_period: 2m",
        "stop_grace_period: 370s",
    ),
    Planted(
        "health-check-kills-donor",
        "danger",
        member(CHECK.format("healthcheck.sh --galera_online", "720h")),
        "healthcheck:",
        "Remove `healthcheck:`",
    ),
    Planted(
        "health-check-kills-donor",
        "danger",
        member(CHECK.format("mariadb -e 'SHOW STATUS LIKE wsrep_local_state' | grep 4", "1h")),
        "healthcheck:",
        "Remove `healthcheck:`",
    ),
    Planted(
        "health-check-kills-joiner",
        "danger",
        member(CHECK.format("mysqladmin ping", "5m")),
        "healthcheck:",
        "Remove `healthcheck:`",
    ),
    Planted("health-check-replaced", "warning", member("healthcheck: {disable: true}"), "healthcheck:", "Remove `healthcheck:`"),
    Planted(
        "health-check-replaced", "warning", member(CHECK.format("mysqladmin ping", "1h")), "healthcheck:", "Remove `healthcheck:`"
    ),
    Planted("restart-never", "danger", ((POLICY, "condition: none\n      update_config:"),), "condition: none", "condition: any"),
    Planted(
        "restart-on-failure", "note", ((POLICY, "condition: on-failure\n      update_config:"),), "on-failure", "condition: any"
    ),
    Planted(
        "restart-attempts",
        "warning",
        ((POLICY, "condition: any\n        max_attempts: 3\n      update_config:"),),
        "max_attempts: 3",
        "Remove this line",
    ),
    Planted("update-parallelism", "danger", ((PARALLELISM, "parallelism: 2"),), "parallelism: 2", "parallelism: 1"),
    Planted("update-parallelism", "danger", ((PARALLELISM, "parallelism: 0"),), "parallelism: 0", "parallelism: 1"),
    Planted(
        "update-parallelism",
        "danger",
        ((PARALLELISM, "parallelism: 1\n      rollback_config:\n        parallelism: 3"),),
        "parallelism: 3",
        "rollback_config:\n        parallelism: 1",
    ),
    Planted("update-order", "danger", (("order: stop-first", "order: start-first"),), "start-first", "order: stop-first"),
    Planted(
        "update-goes-on", "danger", (("failure_action: pause", "failure_action: continue"),), "continue", "failure_action: pause"
    ),
    Planted("published-port", "warning", member('ports: ["3306:3306"]'), "ports:", "Remove this line"),
    Planted(
        "published-port", "danger", member("ports: [{target: 4567, published: 4567, mode: host}]"), "ports:", "Remove this line"
    ),
    Planted(
        "docker-socket",
        "danger",
        ((f"- {VOLUME}", "- data:/var/lib/mysql\n      - /var/run/docker.sock:/var/run/docker.sock:ro"),),
        "docker.sock:ro",
        "Remove this line",
    ),
    Planted(
        "plain-password",
        "warning",
        ((r"MARIADB_ROOT_PASSWORD_FILE: .*$", "MARIADB_ROOT_PASSWORD: correct horse"),),
        "MARIADB_ROOT_PASSWORD:",
        "MARIADB_ROOT_PASSWORD_FILE: /run/secrets/dbcluster_mariadb_root_password",
    ),
    Planted("no-proxy", "note", ((PROXY, ""),), "dbcluster:", "charts/galera/stack.yml"),
    Planted("operator-missing", "warning", ((OPERATOR, ""),), "dbcluster:", "charts/galera/stack.yml"),
    Planted("operator-off-manager", "warning", ((ON_MANAGER, ""),), "deploy:", "- node.role == manager"),
    Planted("operator-replicas", "note", ((r"replicas: 1\n", "replicas: 3\n"),), "replicas: 3", "replicas: 1"),
    Planted("operator-without-socket", "warning", ((SOCKET, ""),), "operator:", "/var/run/docker.sock:/var/run/docker.sock"),
    Planted(
        "operator-without-token",
        "warning",
        ((r"^    secrets:\n      - galera_token\n    volumes:", "    volumes:"),),
        "operator:",
        "- galera_token",
    ),
    Planted(
        "operator-apart", "warning", ((r"^  operator:\n", "  operator:\n    networks: [elsewhere]\n"),), "networks:", "- default"
    ),
]


@pytest.mark.parametrize("planted", PLANTED, ids=str)
def test_a_planted_fault_is_found_alone_with_its_line_and_what_to_write(planted: Planted, tmp_path) -> None:
    file = tmp_path / "stack.yml"
    file.write_text(edited(*planted.edits))
    findings = examined(file)
    assert ids(findings) == [planted.id]
    [finding] = findings
    assert finding.severity == planted.severity
    assert planted.line in file.read_text().splitlines()[finding.places[0].line - 1]
    assert finding.places[0].file == str(file)
    assert planted.change in finding.change
    assert finding.found.endswith(".")
    assert finding.why.endswith(".")


CURED_BY_LINES = {"services:", 'version: "3.8"'}


@pytest.mark.parametrize("planted", PLANTED, ids=str)
def test_lines_to_write_cure_the_fault_when_they_are_deployed_after_the_file(planted: Planted, tmp_path) -> None:
    file, more = tmp_path / "stack.yml", tmp_path / "more.yml"
    file.write_text(edited(*planted.edits))
    [finding] = examined(file)
    first = next(line for line in finding.change.splitlines() if not line.startswith("#"))
    if first not in CURED_BY_LINES:
        assert first[0].isupper() or first.startswith("docker "), "a sentence or a command"
        return
    needs_a_line_less = {"label-misplaced", "shared-volume"}
    more.write_text(f'version: "3.8"\n{finding.change}\n')
    left = ids(examined(file, more))
    assert left == ([planted.id] if planted.id in needs_a_line_less else [])


def test_idle_connections_through_the_virtual_address_are_found_where_no_proxy_is(tmp_path) -> None:
    without_proxy = (PROXY, "")
    assert ids(examine(setup_of(without_proxy, folder=tmp_path))) == ["no-proxy"]
    late = examine(setup_of(without_proxy, *member("command: [--tcp-keepalive-time=7200]"), folder=tmp_path))
    assert ids(late) == ["keepalive", "no-proxy"]
    assert "after 7200 s" in late[0].found
    assert "net.ipv4.tcp_keepalive_time: 300" in late[0].change
    at_the_limit = [
        ids(examine(setup_of(without_proxy, *member(f"command: [--tcp-keepalive-time={limit}]"), folder=tmp_path)))
        for limit in (899, 900)
    ]
    assert at_the_limit == [["no-proxy"], ["keepalive", "no-proxy"]]
    by_dns = (*member("command: [--tcp-keepalive-time=7200]"), (r"^      replicas: \$.*$", "      endpoint_mode: dnsrr"))
    assert ids(examine(setup_of(without_proxy, *by_dns, folder=tmp_path))) == ["no-proxy"]


def test_no_password_appears_in_what_the_doctor_says(tmp_path) -> None:
    file = tmp_path / "stack.yml"
    file.write_text(edited((r"MARIADB_ROOT_PASSWORD_FILE: .*$", "MARIADB_ROOT_PASSWORD: correct horse")))
    assert "correct horse" not in repr(examined(file))
    assert "correct horse" not in repr(load([file], {}))


def test_a_root_password_that_becomes_a_secret_takes_the_token_with_it() -> None:
    [of_database] = [one for one in examined(ARTICLE) if one.id == "plain-password" and one.about == "dbcluster"]
    assert "      - galera_token" in of_database.change


# The machines


def machine_ids(machine, *files) -> list[str]:
    return ids(examined(*(files or (GALERA,)), machine=machine))


def test_a_calm_swarm_under_the_shipped_chart_has_nothing_to_say() -> None:
    assert machine_ids(CALM) == []


def test_a_kernel_without_ipvs_is_a_danger_where_a_virtual_address_is_used_and_a_note_where_none_is(tmp_path) -> None:
    without = replace(CALM, ip_vs=False)
    [finding] = examined(GALERA, machine=without)
    assert (finding.id, finding.severity) == ("ip-vs-missing", Severity.DANGER)
    assert "dbcluster, proxy, operator need it" in finding.found
    file = tmp_path / "stack.yml"
    file.write_text(edited(("^    deploy:\n", "    deploy:\n      endpoint_mode: dnsrr\n")))
    assert [one.severity for one in examined(file, machine=without)] == [Severity.NOTE]


@pytest.mark.parametrize(
    ("engine", "faults"),
    [
        ("25.0.12", 0),
        ("25.0.13", 1),
        ("25.0.14", 1),
        ("25.0.15", 0),
        ("28.1.1", 0),
        ("28.2.2", 1),
        ("28.3.3", 0),
        ("29.0.0", 2),
        ("29.1.0", 3),
        ("29.1.4", 2),
        ("29.1.5", 1),
        ("29.6.2-rc.1", 1),
        ("29.7.2", 0),
        ("20.10.24+dfsg1", 0),
    ],
)
def test_engines_with_known_faults_are_named_with_their_node(engine: str, faults: int) -> None:
    nodes = (*CALM.nodes[:2], Node("old", "10.0.0.3", engine, is_manager=True))
    findings = examined(GALERA, machine=replace(CALM, nodes=nodes))
    assert ids(findings) == ["engine-fault"] * faults
    for finding in findings:
        assert finding.about == "old"
        assert engine in finding.found
        assert any(f"moby issue {fault.issue}" in finding.why for fault in ENGINE_FAULTS)


def test_a_port_between_nodes_that_does_not_answer_is_found_once_for_all_its_nodes() -> None:
    findings = examined(GALERA, machine=replace(CALM, closed=(("n2", 7946), ("n3", 7946), ("n3", 2377)), data_port=4790))
    assert [(one.id, one.about) for one in findings] == [("overlay-ports", "n3"), ("overlay-ports", "n2, n3")]
    assert "7946/tcp, 7946/udp and 4790/udp" in findings[1].change


def test_an_even_number_of_managers_is_found() -> None:
    assert machine_ids(replace(CALM, nodes=CALM.nodes[:2])) == ["even-managers"]


def test_an_engine_that_manages_no_swarm_is_found() -> None:
    findings = examined(GALERA, machine=replace(CALM, is_manager=False, state="inactive", nodes=()))
    assert ids(findings) == ["not-a-manager"]
    assert "inactive" in findings[0].found


def test_more_members_than_nodes_that_take_tasks_are_found(tmp_path) -> None:
    three = setup_of((r"\$\{GALERA_REPLICAS:-1}", "3"), folder=tmp_path)
    assert ids(examine(three, CALM)) == []
    drained = (*CALM.nodes[:2], Node("n3", "10.0.0.3", ENGINE, is_manager=True, usable=False))
    [finding] = examine(three, replace(CALM, nodes=drained))
    assert finding.id == "too-few-nodes"
    assert "2 of the 3 nodes take tasks" in finding.found


# Measured on a member


@pytest.mark.parametrize(("a_second", "found"), [(0.0, []), (0.5 * 2**20, []), (0.6 * 2**20, ["short-history"])])
def test_a_history_shorter_than_a_quarter_of_an_hour_is_found(a_second: float, found: list[str]) -> None:
    measured = Measured("slot 1 (n1)", 512 * 2**20, a_second, keepalive=300)
    findings = examine(load([GALERA], {}), CALM, measured)
    assert ids(findings) == found
    for finding in findings:
        assert "512 MiB" in finding.found
        assert "14.2 min" in finding.found
        assert "GALERA_GCACHE_SIZE: 2G" in finding.change


# Whole files


@pytest.mark.parametrize("files", [(GALERA,), (GALERA, WORDPRESS)], ids=["galera", "galera and wordpress"])
def test_the_doctor_is_silent_on_the_shipped_charts(files) -> None:
    assert examined(*files) == ()


def test_of_the_articles_stack_with_our_images_only_what_the_article_left_out_is_told() -> None:
    """It stays as the article had it, so that an old stack can be compared; the operator and the image are ours."""
    told = [(one.severity, one.id, one.about, one.places[0].line) for one in examined(ARTICLE)]
    lines = ARTICLE.read_text().splitlines()
    at = {text.strip(): number for number, text in enumerate(lines, 1)}
    database = at["dbcluster:"]
    assert told == [
        ("danger", "no-volume", "dbcluster", database),
        ("danger", "update-parallelism", "dbcluster", at["parallelism: 2"]),
        ("warning", "no-node-limit", "dbcluster", database + 4),
        ("warning", "stop-grace", "dbcluster", database),
        ("warning", "plain-password", "dbcluster", at["MYSQL_ROOT_PASSWORD: changeme"]),
        ("warning", "plain-password", "wordpress", at["WORDPRESS_DB_PASSWORD: changemetoo"]),
        ("note", "restart-on-failure", "dbcluster", at["condition: on-failure"]),
        ("note", "no-proxy", "dbcluster", database),
    ]


def test_on_the_articles_own_file_of_2017_everything_dangerous_is_named_with_its_line() -> None:
    told = [(one.severity, one.id, one.places[0].line) for one in examined(ARTICLE_OF_2017)]
    assert told == [
        ("danger", "dangerous-image", 26),
        ("danger", "no-volume", 25),
        ("danger", "update-parallelism", 32),
        ("warning", "no-node-limit", 29),
        ("warning", "stop-grace", 25),
        ("warning", "restart-on-failure", 35),
        ("warning", "keepalive", 25),
        ("warning", "operator-missing", 25),
        ("warning", "plain-password", 38),
        ("warning", "plain-password", 23),
        ("note", "no-proxy", 25),
    ]
