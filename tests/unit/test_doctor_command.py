"""``galera-operator doctor``: what it reads, prints and exits with; and a running service through the engine's API."""

from __future__ import annotations

import copy
import json
import socket
from importlib import import_module

import pytest
from planted import ARTICLE_OF_2017, CALM, GALERA, ROOT, WORDPRESS, edited, ids
from typer.testing import CliRunner

from galera_operator.adapters.machine import has_ip_vs, look_at_machine
from galera_operator.adapters.swarm_spec import NoSuchService, load
from galera_operator.cli.doctor_present import Report, as_text, summary
from galera_operator.core.checkup.examine import examine, not_checked
from galera_operator.core.checkup.history import option, size_in_bytes
from galera_operator.core.checkup.roles import Image, is_database, kind_of, repository
from galera_operator.core.checkup.setup import Measured, Service, Setup
from galera_operator.ports import Unreachable

machine_module = import_module("galera_operator.adapters.machine")
commands = import_module("galera_operator.cli.doctor_commands")
main = import_module("galera_operator.cli.main")


# The engine's own description of the shipped chart

SECOND = 10**9
MEMBER = {
    "Image": "galera-operator/member:dev@sha256:12",
    "Env": ["MARIADB_ROOT_PASSWORD_FILE=/run/secrets/galera_root_password", "GALERA_SLOT={{.Task.Slot}}"],
    "StopGracePeriod": 120 * SECOND,
    "Mounts": [{"Type": "volume", "Source": "db_data", "Target": "/var/lib/mysql", "VolumeOptions": {"Labels": {}}}],
    "Secrets": [{"File": {"Name": "galera_token"}, "SecretName": "galera_token"}],
}
OPERATOR = {
    "Image": "galera-operator/operator:dev",
    "Mounts": [{"Type": "bind", "Source": "/var/run/docker.sock", "Target": "/var/run/docker.sock"}],
    "Secrets": [{"File": {"Name": "galera_token"}}],
}


def service(name, container, **spec):
    task = {"ContainerSpec": container, "Networks": [{"Target": "net-1"}], "RestartPolicy": {"Condition": "any"}}
    task |= spec.pop("task", {})
    replicas = spec.pop("replicas", 1)
    calm = {"Name": name, "TaskTemplate": task, "Mode": {"Replicated": {"Replicas": replicas}}, "EndpointSpec": {"Mode": "vip"}}
    return {"ID": name, "Spec": calm | spec}


DATABASE = service(
    "db_dbcluster",
    MEMBER,
    Labels={"galera.replicas": "1", "com.docker.stack.namespace": "db"},
    UpdateConfig={"Parallelism": 1, "FailureAction": "pause", "Order": "stop-first"},
    task={"Placement": {"MaxReplicas": 1}},
)
PROXY = service("db_proxy", {"Image": "haproxy:3.0"}, replicas=2)
WATCHMAN = service("db_operator", OPERATOR, task={"Placement": {"Constraints": ["node.role==manager"]}})


class Engine:
    """The engine's answers by path."""

    def __init__(self, *services, nodes=(), info=None):
        self.answers = {
            "/services": copy.deepcopy(list(services)),
            "/networks": [{"Id": "net-1", "Name": "db_default"}],
            "/nodes": list(nodes),
            "/info": info or {"Swarm": {"ControlAvailable": True, "LocalNodeState": "active"}},
        }

    def get(self, path, **params):
        return self.answers[path]


def running(change=None):
    """What is found about the running chart after a change to the database's spec."""
    database = copy.deepcopy(DATABASE)
    if change:
        change(database["Spec"], database["Spec"]["TaskTemplate"]["ContainerSpec"])
    return examine(load(Engine(database, PROXY, WATCHMAN), "db_dbcluster"), CALM)


def test_the_doctor_is_silent_on_the_running_chart():
    assert running() == ()


CHANGES = {
    "stop-grace": (lambda spec, box: box.pop("StopGracePeriod"), "--stop-grace-period 2m db_dbcluster  # restarts"),
    "restart-never": (
        lambda spec, box: spec["TaskTemplate"]["RestartPolicy"].update(Condition="none"),
        "--restart-condition any",
    ),
    "update-parallelism": (lambda spec, box: spec["UpdateConfig"].pop("Parallelism"), "--update-parallelism 1"),
    "no-node-limit": (lambda spec, box: spec["TaskTemplate"]["Placement"].clear(), "--replicas-max-per-node 1"),
    "anonymous-volume": (lambda spec, box: box["Mounts"][0].pop("Source"), "# first dump the data"),
    "no-volume": (lambda spec, box: box.pop("Mounts"), "--mount-add type=volume,source=data,target=/var/lib/mysql"),
    "even-size": (lambda spec, box: spec["Labels"].update({"galera.replicas": "2"}), "--label-add galera.replicas=3"),
    "label-misplaced": (lambda spec, box: box.update(Labels={"galera.pause": "true"}), "--label-add galera.pause=true"),
    "bad-label": (lambda spec, box: spec["Labels"].update({"galera.drain.timeout": "soon"}), "--label-add"),
    "fixed-address": (lambda spec, box: box.update(Args=["--wsrep_cluster_address=gcomm://a"]), "GALERA_PEERS"),
    "refused-option": (lambda spec, box: box.update(Args=["--datadir=/data"]), "--args"),
    "plain-password": (lambda spec, box: box["Env"].append("MARIADB_PASSWORD=battery"), "--env-rm MARIADB_PASSWORD"),
    "published-port": (
        lambda spec, box: spec["EndpointSpec"].update(Ports=[{"TargetPort": 3306, "PublishedPort": 3306}]),
        "--publish-rm 3306",
    ),
    "health-check-kills-joiner": (
        lambda spec, box: box.update(Healthcheck={"Test": ["CMD", "true"], "StartPeriod": 30 * SECOND}),
        "the image has its own",
    ),
    "health-check-replaced": (lambda spec, box: box.update(Healthcheck={"Test": ["NONE"]}), "the image has its own"),
    "not-replicated": (lambda spec, box: spec.update(Mode={"GlobalJob": {}}), "deploy: mode: replicated"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_fault_of_a_running_service_is_found_alone_with_the_command(name):
    change, told = CHANGES[name]
    [finding] = running(change)
    assert finding.id == name
    assert told in finding.change
    assert finding.places == ()
    assert "battery" not in repr(finding)


def test_of_several_operators_only_those_on_the_databases_network_are_looked_at():
    far = service("other_operator", OPERATOR, task={"Networks": [{"Target": "net-2"}]}, replicas=3)
    assert examine(load(Engine(DATABASE, PROXY, WATCHMAN, far), "db_dbcluster"), CALM) == ()
    assert ids(examine(load(Engine(DATABASE, PROXY, far), "db_dbcluster"), CALM)) == [
        "operator-apart",
        "operator-off-manager",
        "operator-replicas",
    ]


def test_a_label_ahead_of_the_running_replicas_is_the_operators_work_and_no_finding():
    assert running(lambda spec, box: spec["Labels"].update({"galera.replicas": "3"})) == ()


@pytest.mark.parametrize(("name", "told"), [("db_proxy", "is no Galera cluster"), ("nobody", "is no service of this Swarm")])
def test_a_service_that_is_no_galera_cluster_is_refused_with_those_that_are(name, told):
    with pytest.raises(NoSuchService, match=f"{name} {told}; Galera services are: db_dbcluster"):
        load(Engine(DATABASE, PROXY, WATCHMAN), name)


# The engine and its kernel


def test_nodes_and_their_closed_ports_are_read_from_the_engine():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        raw = {
            "Description": {"Hostname": "n1", "Engine": {"EngineVersion": "28.3.3"}},
            "Status": {"State": "ready", "Addr": "0.0.0.0"},
            "ManagerStatus": {"Addr": f"127.0.0.1:{port}"},
            "Spec": {"Availability": "active"},
        }
        drained = {"Description": {"Hostname": "n2"}, "Status": {"State": "ready"}, "Spec": {"Availability": "drain"}}
        machine = look_at_machine(Engine(nodes=[raw, drained]))
    assert [(node.name, node.address, node.is_manager, node.usable) for node in machine.nodes] == [
        ("n1", "127.0.0.1", True, True),
        ("n2", "", False, False),
    ]
    assert machine.closed == (("n1", 7946), ("n1", 2377))
    assert machine.is_blind
    assert (machine.is_manager, machine.data_port) == (True, 4789)


def test_a_place_where_one_port_answers_is_not_blind(monkeypatch):
    raw = {"Description": {"Hostname": "n1"}, "Status": {"State": "ready", "Addr": "127.0.0.1"}, "Spec": {}}
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(machine_module, "SWIM", server.getsockname()[1])
        machine = look_at_machine(Engine(nodes=[raw]))
    assert (machine.closed, machine.is_blind) == ((), False)


def test_an_engine_outside_a_swarm_has_no_nodes_to_ask():
    machine = look_at_machine(Engine(info={"Swarm": {"LocalNodeState": "inactive"}}))
    assert (machine.is_manager, machine.state, machine.nodes) == (False, "inactive", ())


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"proc/net/ip_vs": ""}, True),
        ({"proc/modules": "ip_vs 200704 3 - Live 0x0\n"}, True),
        ({"proc/modules": "ip_vs_rr 16384 3 - Live 0x0\n", "lib/RELEASE/modules.dep": "kernel/net/ip_tables.ko:\n"}, False),
        ({"lib/RELEASE/modules.dep": "kernel/net/netfilter/ipvs/ip_vs.ko.xz: kernel/x.ko\n"}, True),
        ({"lib/RELEASE/modules.builtin": "kernel/net/netfilter/ipvs/ip_vs.ko\n"}, True),
        ({}, None),
    ],
)
def test_ipvs_is_there_loaded_or_as_a_module_or_cannot_be_told(tmp_path, files, found):
    release = import_module("os").uname().release
    for name, text in files.items():
        path = tmp_path / name.replace("RELEASE", release)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert has_ip_vs(tmp_path / "proc", tmp_path / "lib") is found


# Images and roles


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        ("registry:5000/galera-operator/member:1", Image.MEMBER),
        ("toughiq/mariadb-cluster", Image.TOUGHIQ),
        ("docker.io/colinmollenhour/mariadb-galera-swarm:10.1", Image.COLINMOLLENHOUR),
        ("bitnamilegacy/mariadb-galera:11@sha256:1", Image.BITNAMI),
        ("docker.io/library/mariadb:11.8", Image.OFFICIAL),
        ("example/mariadb:1", Image.OTHER),
    ],
)
def test_images_are_known_by_their_names_wherever_they_are_kept(image, kind):
    assert kind_of(Service("db", image)) is kind


def test_a_renamed_member_image_is_known_by_its_variables_or_its_secret():
    assert kind_of(Service("db", "shop/db", environment={"GALERA_SLOT": "1"})) is Image.MEMBER
    assert kind_of(Service("db", "shop/db", secrets=("galera_token",))) is Image.MEMBER
    assert repository("host:5000/shop/db:1@sha256:2") == "host:5000/shop/db"


@pytest.mark.parametrize(
    ("service", "is_one"),
    [
        (Service("db", "shop/db", labels={"galera.replicas": "3"}), True),
        (Service("stack_db", "shop/db", environment={"DB_SERVICE_NAME": "db"}), True),
        (Service("db", "mariadb", command=("--wsrep-on=ON",)), True),
        (Service("db", "mariadb"), False),
        (Service("proxy", "haproxy:3.0", environment={"DB_SERVICE_NAME": "dbcluster"}), False),
        (Service("operator", "shop/it", environment={"GALERA_OPERATOR_LEASE_TTL": "3"}), False),
    ],
)
def test_a_galera_cluster_is_known_by_label_variable_image_or_options(service, is_one):
    assert is_database(service) is is_one


# gcache


def test_the_size_of_the_history_is_read_from_the_providers_options():
    options = "base_dir = /var/lib/mysql/; gcache.keep_pages_size = 0; gcache.size = 512M; gcs.fc_limit = 16"
    assert option(options, "gcache.size") == "512M"
    assert option(options, "size") == ""
    assert [size_in_bytes(text) for text in ("512M", "128k", "1073741824", "much")] == [2**29, 2**17, 2**30, 0]


def test_what_cannot_be_told_from_here_is_said_with_how_to_find_out():
    setup = load(Engine(DATABASE), "db_dbcluster")
    assert [sentence.partition(":")[0] for sentence in not_checked(setup, None, None)] == [
        "The write-set history (gcache) against the rate of writes",
        "Kernel, engines and ports",
    ]
    seen = not_checked(setup, CALM, Measured("slot 1 (n1)", 1, 0.0))
    assert [sentence[:8] for sentence in seen] == ["UDP 7946", "The kern"]
    assert not_checked(Setup(()), CALM, None) == seen


# The command


@pytest.fixture
def run(monkeypatch):
    """The command where no engine answers."""

    def nobody(*_args):
        raise Unreachable("no Docker engine answers at DOCKER_HOST or the default socket")

    monkeypatch.setattr(commands, "EngineApi", nobody)
    return lambda *args: CliRunner().invoke(main.app, ["doctor", *map(str, args)])


def test_it_exits_with_0_on_the_shipped_charts(run):
    done = run(GALERA, WORDPRESS)
    assert done.exit_code == 0
    assert "nothing found" in done.output


def test_it_exits_with_3_and_names_file_line_reason_and_lines_to_write(run):
    done = run(ARTICLE_OF_2017)
    assert done.exit_code == 3
    assert "danger  dangerous-image" in done.output
    assert "article-2017.yml:26" in done.output
    assert "image: galera-operator/member:dev" in done.output
    assert "3 dangers, 7 warnings, 1 note" in done.output
    assert "changeme" not in done.output


@pytest.mark.usefixtures("run")
def test_the_readme_shows_what_the_doctor_really_says(monkeypatch):
    monkeypatch.chdir(ARTICLE_OF_2017.parent)
    said = as_text(commands.report_on([ARTICLE_OF_2017.name]), commands.WIDTH).plain.splitlines()
    readme = (ROOT / "README.md").read_text()
    shown = readme.split("it says, shortened (exit code 3):")[1].split("The others are:")[0].splitlines()
    lines = [line.removeprefix("    ") for line in shown if line]
    assert len(lines) > 15
    assert [line for line in lines if line not in said] == []


def test_notes_alone_are_no_reason_to_stop_a_deployment(run, tmp_path):
    file = tmp_path / "stack.yml"
    file.write_text(edited((r"^      replicas: 1$", "      replicas: 2")))
    done = run(file)
    assert done.exit_code == 0
    assert "1 note" in done.output


def test_json_has_everything_that_the_text_has(run):
    done = run(ARTICLE_OF_2017, "--json")
    assert done.exit_code == 3
    told = json.loads(done.output)
    assert told["subject"] == str(ARTICLE_OF_2017)
    assert told["clean"] is False
    first = told["findings"][0]
    assert first.keys() == {"id", "severity", "about", "found", "why", "change", "places"}
    assert first["places"] == [{"file": str(ARTICLE_OF_2017), "line": 26}]
    assert len(told["not_checked"]) == 2


@pytest.mark.parametrize("arguments", [("nowhere.yml",), (GALERA, "db_dbcluster"), ("db_dbcluster", "other")])
def test_it_exits_with_2_where_it_cannot_read_what_was_asked(run, arguments):
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("arguments", [("db_dbcluster",), ()])
def test_it_exits_with_1_where_no_engine_answers_for_a_service(run, arguments):
    assert run(*arguments).exit_code == 1


def test_lines_to_copy_are_never_broken_and_sentences_always_are(run):
    [finding] = running(CHANGES["plain-password"][0])
    text = as_text(Report("db_dbcluster", (finding,), ()), 60).plain
    assert any(len(line) > 100 and "docker service update" in line for line in text.splitlines())
    assert all(len(line) <= 60 for line in text.splitlines() if line.startswith("  ") and not line.startswith("    "))


def test_the_summary_counts_by_severity():
    findings = examine(load(Engine(service("db", {"Image": "toughiq/mariadb-cluster"}))))
    assert summary(Report("db", findings, ())) == "2 dangers, 4 warnings, 1 note"
    assert ids(findings)[:2] == ["dangerous-image", "no-volume"]
