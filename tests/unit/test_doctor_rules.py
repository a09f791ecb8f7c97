"""The rules' edges, on values: what is just enough, what is none of their business, what other images need."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planted import CALM, ids

from galera_operator.core.checkup.change import period
from galera_operator.core.checkup.examine import examine, not_checked
from galera_operator.core.checkup.finding import Finding, Place
from galera_operator.core.checkup.roles import Image, is_database, is_operator, keeps_data, kind_of
from galera_operator.core.checkup.setup import (
    HealthCheck,
    Machine,
    Measured,
    Mount,
    Origin,
    Port,
    Restart,
    Rollout,
    Service,
    Setup,
)
from galera_operator.core.spec import BadWish, Wish

MEMBER, TOUGHIQ, BITNAMI = "galera-operator/member:dev", "toughiq/mariadb-cluster", "bitnami/mariadb-galera"
DATA = Mount("volume", "data", "/var/lib/mysql")
NET = frozenset({"back"})
DATABASE = Service(
    "db",
    MEMBER,
    labels={"galera.enable": "true"},
    stop_grace=55.0,
    mounts=(DATA,),
    secrets=("galera_token",),
    networks=NET,
    max_per_node=1,
)
"""A member service that nothing is wrong with."""
OPERATOR = Service(
    "operator",
    "galera-operator/operator:dev",
    mounts=(Mount("bind", "/var/run/docker.sock", "/var/run/docker.sock"),),
    secrets=("galera_token",),
    networks=NET,
    constraints=("node.role == manager",),
)
PROXY = Service("proxy", "haproxy:3.0", networks=NET)
HELPERS = (OPERATOR, PROXY)
SYNCED = ("CMD", "healthcheck.sh", "--galera_online")


def found(
    others: tuple[Service, ...] = HELPERS, *, machine: Machine | None = None, measured=None, **changes
) -> tuple[Finding, ...]:
    """What is said of the calm database with these changes."""
    return examine(Setup((replace(DATABASE, **changes),), others), machine, measured)


def the(name: str, findings: tuple[Finding, ...]) -> Finding:
    return next(finding for finding in findings if finding.id == name)


def test_nothing_is_said_of_a_calm_database() -> None:
    assert found() == ()


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"mounts": (Mount("volume", "data", "/var/lib"),)}, []),
        ({"mounts": (DATA, Mount("tmpfs", "", "/tmp"))}, []),
        ({"mounts": (replace(DATA, driver="local"),)}, []),
        ({"mounts": (replace(DATA, driver="rexray"),)}, ["shared-volume"]),
        ({"mounts": (replace(DATA, driver="rexray", source="data-{{.Task.Slot}}"),)}, []),
        ({"mounts": (replace(DATA, source="data-{{.Task.Slot}}"),), "max_per_node": 0}, ["no-node-limit"]),
        ({"mounts": (replace(DATA, driver="rexray", source=""),)}, ["anonymous-volume"]),
        ({"mounts": (Mount("bind", "/nfs/db", "/var/lib/mysql", "nfs"),)}, ["bind-mount"]),
        ({"mounts": (replace(DATA, target="/data"),), "environment": {"GALERA_DATA_DIR": "/data"}}, []),
        ({"mode": "global", "max_per_node": 0}, ["not-replicated"]),
        ({"mode": "global", "wish": Wish(replicas=3)}, ["not-replicated"]),
        ({"replicas": 0}, []),
        ({"replicas": 2}, ["even-size"]),
        ({"stop_grace": 54.9}, ["stop-grace"]),
        ({"ports": (Port(3306, 3306, "host"),)}, []),
        ({"ports": (Port(0, 3307),)}, ["published-port"]),
        ({"restart": Restart("none", 3)}, ["restart-never"]),
        (
            {"update": Rollout(order="start-first"), "mounts": (Mount("bind", "/srv", "/var/lib/mysql"),)},
            ["update-order", "bind-mount"],
        ),
        ({"update": Rollout(order="start-first"), "mounts": ()}, ["no-volume"]),
        ({"health": HealthCheck(SYNCED, 0.0, disabled=True)}, ["health-check-replaced"]),
        ({"health": HealthCheck(("CMD", "true"), 3600.0)}, ["health-check-replaced"]),
        ({"health": HealthCheck(("CMD", "true"), 3599.0)}, ["health-check-kills-joiner"]),
        ({"health": HealthCheck(SYNCED, 10.0)}, ["health-check-kills-donor", "health-check-kills-joiner"]),
        ({"image": TOUGHIQ, "health": HealthCheck(("CMD", "true"), 3600.0)}, ["dangerous-image"]),
        ({"container_labels": {"com.example": "1"}}, []),
        ({"environment": {"MYSQL_PASSWORD": ""}}, []),
        ({"environment": {"MYSQL_RANDOM_ROOT_PASSWORD": "yes"}}, []),
        ({"environment": {"MARIADB_PASSWORD": "/run/secrets/one"}}, []),
        ({"environment": {"MARIADB_PASSWORD_FILE": "/run/secrets/one"}}, []),
        ({"environment": {"API_TOKEN": "one"}}, ["plain-password"]),
        ({"environment": {"CLUSTER_ADDRESS": ""}}, []),
        ({"environment": {"CLUSTER_ADDRESS": "a,b"}}, ["fixed-address"]),
        ({"environment": {"MY_OPTIONS": "--wsrep_cluster_address=a"}}, ["fixed-address"]),
        ({"environment": {"CLUSTER_BOOTSTRAP": "no"}}, []),
        ({"environment": {"CLUSTER_BOOTSTRAP": "yes"}}, ["always-bootstraps"]),
        ({"environment": {"MARIADB_GALERA_CLUSTER_BOOTSTRAP": "True"}}, ["always-bootstraps"]),
        ({"environment": {"CLUSTER_BOOTSTRAP": "1"}}, ["always-bootstraps"]),
        ({"image": TOUGHIQ, "refused": "the server option --port belongs to the agent"}, ["dangerous-image"]),
        ({"refused": "the server option --port belongs to the agent"}, ["refused-option"]),
    ],
)
def test_what_is_a_fault_and_what_is_none(changes, names) -> None:
    assert ids(found(**changes)) == names


# The words


@pytest.mark.parametrize(
    ("image", "address", "told"),
    [
        (MEMBER, "gcomm://a,b", "refuses to start"),
        (TOUGHIQ, "'gcomm://'", "Every task does so"),
        (TOUGHIQ, "gcomm://a,b", "Tasks get new addresses"),
    ],
)
def test_why_a_fixed_address_is_one_depends_on_the_image_and_on_the_address(image, address, told) -> None:
    findings = found(image=image, command=(f"--wsrep-cluster-address={address}",))
    assert told in the("fixed-address", findings).why


def test_a_label_that_cannot_be_read_is_named_by_its_own_line() -> None:
    labels = {"com.example": "x", "galera.enable": "true", "galera.join.parallel": "9"}
    bad = BadWish("bad-label", "galera.join.parallel is '9'; expected a whole number", "docker service update ...")
    places = {("deploy", "labels", key): Place("stack.yml", number) for number, key in enumerate(labels)}
    [finding] = found(labels=labels, wish=bad, places=places)
    assert finding.places == (Place("stack.yml", 2),)


def test_only_our_own_labels_are_moved_off_the_containers() -> None:
    [finding] = found(container_labels={"com.example": "1", "galera.pause": "true"})
    assert "com.example" not in finding.change


def test_a_root_password_takes_the_token_with_it_only_where_the_token_came_from_it() -> None:
    passwords = {"MARIADB_ROOT_PASSWORD": "x", "GALERA_SLOT": "1"}
    token = "docker secret create galera_token"
    without = found(secrets=(), environment=passwords)
    assert token in the("plain-password", without).change
    assert (
        "--secret-add galera_token" in the("plain-password", found(secrets=(), environment=passwords, origin=Origin.SWARM)).change
    )
    assert token not in the("plain-password", found(environment=passwords)).change
    assert token not in the("plain-password", found(secrets=(), image=TOUGHIQ, environment=passwords)).change
    other = {"MARIADB_PASSWORD": "x", "GALERA_SLOT": "1"}
    assert token not in the("plain-password", found(secrets=(), environment=other)).change


def test_another_image_is_written_with_a_new_volume_where_its_data_lies_elsewhere() -> None:
    old = {"image": BITNAMI, "mounts": (replace(DATA, target="/bitnami/mariadb"),)}
    assert "members:/var/lib/mysql" in the("dangerous-image", found(**old)).change
    assert "volumes" not in the("dangerous-image", found(image=TOUGHIQ)).change
    update = the("dangerous-image", found(image=TOUGHIQ, origin=Origin.SWARM)).change
    assert update == "docker service update --image galera-operator/member:dev db  # restarts the tasks, one after the other"


def test_a_health_check_of_another_image_is_replaced_by_one_that_a_donor_passes() -> None:
    findings = found(image=TOUGHIQ, health=HealthCheck(SYNCED, 10.0))
    assert "start_period: 720h" in the("health-check-kills-donor", findings).change
    assert the("health-check-kills-joiner", findings).change.endswith("start_period: 720h")
    running = found(image=TOUGHIQ, health=HealthCheck(SYNCED, 10.0), origin=Origin.SWARM)
    assert "--health-cmd" in the("health-check-kills-donor", running).change


def test_a_command_that_restarts_tasks_says_so_and_warns_where_their_data_goes_with_them() -> None:
    grace = {"origin": Origin.SWARM, "stop_grace": 10.0}
    assert the("stop-grace", found(**grace)).change.startswith("docker service update")
    assert the("stop-grace", found(**grace, mounts=())).change.startswith("# first dump the data")
    lonely = replace(OPERATOR, origin=Origin.SWARM, secrets=())
    assert the("operator-without-token", found((lonely, PROXY))).change.startswith("docker service update --secret-add")


@pytest.mark.parametrize(
    ("mount", "keeps"),
    [(DATA, True), (replace(DATA, source=""), False), (Mount("tmpfs", "x", "/var/lib/mysql"), False), (None, False)],
)
def test_data_is_kept_by_a_named_volume_or_a_directory_of_the_node(mount, keeps) -> None:
    assert keeps_data(replace(DATABASE, mounts=(mount,) if mount else ())) is keeps


@pytest.mark.parametrize(("version", "asked"), [((3, 7), True), ((3, 8), False)])
def test_a_newer_version_of_the_file_is_asked_for_only_where_a_key_needs_it(version, asked) -> None:
    [finding] = found(max_per_node=0, version=version)
    assert finding.change.startswith('version: "3.8"\n') is asked


@pytest.mark.parametrize(("seconds", "text"), [(120.0, "2m"), (90.0, "90s"), (89.2, "90s"), (370.0, "370s")])
def test_a_duration_is_written_as_stack_files_take_it(seconds, text) -> None:
    assert period(seconds) == text


# Helpers


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"mounts": (), "environment": {"DOCKER_HOST": "tcp://proxy:2375"}}, []),
        ({"secrets": (), "environment": {"GALERA_OPERATOR_TOKEN_FILE": "/run/token"}}, []),
        ({"mode": "global"}, ["operator-replicas"]),
        ({"constraints": ("node.role==manager",)}, []),
        ({"constraints": ("node.role == worker",)}, ["operator-off-manager"]),
    ],
)
def test_an_operator_may_be_set_up_in_other_ways(changes, names) -> None:
    assert ids(found((replace(OPERATOR, **changes), PROXY))) == names


def test_a_proxy_counts_only_on_the_databases_network() -> None:
    assert ids(found((OPERATOR, replace(PROXY, networks=frozenset({"front"}))))) == ["no-proxy"]


@pytest.mark.parametrize(
    ("service", "is_one"),
    [
        (Service("x", "host/galera-operator/operator:1"), True),
        (Service("x", "host/galera-operator:1"), True),
        (Service("x", "host/ours:1", environment={"GALERA_OPERATOR_LEASE_TTL": "3"}), True),
        (Service("shop_operator", "host/ours:1", mounts=OPERATOR.mounts), True),
        (Service("shop_operator", "host/ours:1"), False),
        (Service("portainer", "portainer/agent", mounts=OPERATOR.mounts), False),
    ],
)
def test_an_operator_is_known_by_its_image_its_settings_or_its_socket_and_name(service, is_one) -> None:
    assert is_operator(service) is is_one


@pytest.mark.parametrize(
    ("service", "is_one"),
    [
        (Service("shop_db", "shop/db", environment={"DB_SERVICE_NAME": "db"}), True),
        (Service("db", "shop/db", environment={"DB_SERVICE_NAME": "db"}), True),
        (Service("web", "shop/web", environment={"DB_SERVICE_NAME": "db"}), False),
        (Service("web_", "shop/web", environment={"DB_SERVICE_NAME": ""}), False),
        (Service("db", "shop/galera-member:2"), True),
        (Service("db", "bitnami/mariadb:11"), False),
        (Service("db", "shop/mariadb-galera"), False),
        (Service("db", "bitnami/mariadb-galera"), True),
        (Service("db", "shop/db", environment={"USE_GALERA": "1"}), True),
        (Service("proxy", "haproxy:3", labels={"galera.enable": "false"}), False),
        (Service("x", "shop/x", environment={"GALERA_OPERATOR_LOG_LEVEL": "INFO"}), False),
    ],
)
def test_a_database_is_known_from_what_stands_beside_it(service, is_one) -> None:
    assert is_database(service) is is_one


def test_settings_of_an_operator_make_no_member_image() -> None:
    assert kind_of(Service("x", "shop/x", environment={"GALERA_OPERATOR_LOG_LEVEL": "INFO"})) is Image.OTHER


@pytest.mark.parametrize(
    ("mount", "severity"),
    [
        (DATA, "danger"),
        (replace(DATA, source="data-{{.Task.Slot}}"), "warning"),
        (replace(DATA, source=""), "warning"),
        (Mount("tmpfs", "x", "/var/lib/mysql"), "warning"),
        (None, "warning"),
    ],
)
def test_two_members_on_one_node_are_a_danger_where_they_share_its_volume(mount, severity) -> None:
    findings = found(max_per_node=0, mounts=(mount,) if mount else ())
    assert the("no-node-limit", findings).severity == severity


# Idle connections, measured and told


@pytest.mark.parametrize(
    ("changes", "measured", "late"),
    [
        ({}, None, False),
        ({"command": ("--tcp-keepalive-time=0",)}, None, True),
        ({"command": ("--loose_tcp_keepalive_time=600", "--other=9999")}, None, False),
        ({"command": ("--tcp_keepalive_time=7200",)}, 300, False),
        ({}, 7200, True),
        ({"command": ("--tcp_keepalive_time=7200",)}, 0, True),
        ({"image": TOUGHIQ}, None, True),
        ({"image": TOUGHIQ, "sysctls": {"net.ipv4.tcp_keepalive_time": "300"}}, None, False),
    ],
)
def test_a_keepalive_is_taken_as_measured_else_as_told_else_as_the_image_has_it(changes, measured, late) -> None:
    member = None if measured is None else Measured("slot 1", 2**29, 0.0, measured)
    assert ("keepalive" in ids(found((OPERATOR,), measured=member, **changes))) is late


# Machines


def test_a_port_through_the_mesh_needs_ipvs_also_where_names_are_resolved_by_dns() -> None:
    without = replace(CALM, ip_vs=False)
    apart = tuple(replace(one, endpoint_mode="dnsrr") for one in HELPERS)
    published = replace(apart[1], ports=(Port(3306, 3306),))
    assert the("ip-vs-missing", found(apart, machine=without, endpoint_mode="dnsrr")).severity == "note"
    of_proxy = found((apart[0], published), machine=without, endpoint_mode="dnsrr")
    assert the("ip-vs-missing", of_proxy).severity == "danger"


def test_workers_are_not_counted_among_the_managers() -> None:
    nodes = (*CALM.nodes, replace(CALM.nodes[0], name="w", is_manager=False))
    assert found(machine=replace(CALM, nodes=nodes)) == ()


def test_nodes_are_too_few_only_where_one_is_for_one_member() -> None:
    assert ids(found(machine=CALM, replicas=5)) == ["too-few-nodes"]
    assert "too-few-nodes" not in ids(found(machine=CALM, replicas=5, max_per_node=2))


def test_what_a_container_cannot_see_of_the_kernel_is_said() -> None:
    calm = Setup((DATABASE,), HELPERS)
    lone = replace(CALM, nodes=CALM.nodes[:1])
    seen = Measured("slot 1", 1, 0.0)
    assert not_checked(calm, lone, seen) == ()
    assert [one.partition(":")[0] for one in not_checked(calm, replace(lone, ip_vs=None), seen)] == [
        "Whether the kernel has IPVS"
    ]


def test_where_nothing_answers_at_all_it_is_the_place_that_is_blind_and_no_port_that_is_closed() -> None:
    blind = replace(CALM, nodes=CALM.nodes[:1], closed=(("n1", 7946),), is_blind=True)
    assert found(machine=blind) == ()
    [sentence] = not_checked(Setup((DATABASE,), HELPERS), blind, Measured("slot 1", 1, 0.0))
    assert sentence.startswith("TCP 7946 and 2377")


# gcache


@pytest.mark.parametrize(("minutes", "short"), [(15.0, False), (14.99, True)])
def test_a_quarter_of_an_hour_of_history_is_enough(minutes, short) -> None:
    measured = Measured("slot 1", 2**30, 2**30 / 60 / minutes)
    assert ids(found(measured=measured)) == (["short-history"] if short else [])


def test_the_history_to_have_is_twice_what_is_needed_rounded_up_to_a_power_of_two() -> None:
    needs = {
        rate: the("short-history", found(measured=Measured("s", 2**20, rate))).change for rate in (2**30 / 1800, 2**30 / 1700)
    }
    assert [change.split()[-1] for change in needs.values()] == ["1G", "2G"]
    of_another = found(image=TOUGHIQ, measured=Measured("s", 2**20, 2**20))
    assert "gcache.size=2G in wsrep_provider_options" in the("short-history", of_another).change
    assert "1 MiB" in the("short-history", of_another).found
