"""SwarmEngine on raw API dictionaries, through an engine that only knows GET and POST."""

from __future__ import annotations

import copy
import json
from contextlib import nullcontext

import pytest

from galera_operator.adapters.swarm import SwarmEngine
from galera_operator.core.agent_api import token_from_root_password
from galera_operator.core.spec import BadWish, Wish
from galera_operator.ports import Conflict, Refused


class FakeEngineApi:
    """The engine's answers by path; a service update compares the version, as the real one does."""

    def __init__(self, *services, networks=(), tasks=(), own_networks=None):
        self.services = {service["ID"]: service for service in services}
        self.networks = list(networks)
        self.tasks = [{"ServiceID": "svc-1"} | task for task in tasks]
        self.own_networks = own_networks
        self.info = {"Swarm": {"ControlAvailable": True}}
        self.posted = []

    def get(self, path, **params):
        if path.startswith("/services/"):
            return copy.deepcopy(self.services[path.removeprefix("/services/")])
        if path.startswith("/containers/"):
            if self.own_networks is None:
                raise Refused("no such container")
            return {"NetworkSettings": {"Networks": {name: {"NetworkID": name} for name in self.own_networks}}}
        if path == "/tasks":
            wanted = json.loads(params["filters"])["service"]
            return [task for task in self.tasks if task["ServiceID"] in wanted]
        if path == "/services":
            beginnings = json.loads(params.get("filters", '{"name": [""]}'))["name"]
            return [one for one in self.services.values() if one["Spec"]["Name"].startswith(tuple(beginnings))]
        return {
            "/nodes": [{"ID": "node-1", "Description": {"Hostname": "n1"}}],
            "/networks": self.networks,
            "/info": self.info,
        }[path]

    def post(self, path, body, **params):
        service = self.services[path.split("/")[2]]
        if int(params["version"]) != service["Version"]["Index"]:
            raise Conflict("update out of sequence")
        self.posted.append(body)
        service["Spec"] = body
        service["Version"]["Index"] += 1


NET = {"Id": "net-1", "Name": "shop_backend"}


def service(**changes):
    container = {"Env": ["MARIADB_ROOT_PASSWORD=secret"], "StopGracePeriod": 120_000_000_000} | changes.pop("container", {})
    spec = {
        "Name": changes.pop("name", "shop_db"),
        "Labels": changes.pop("labels", {"galera.enable": "true"}),
        "Mode": changes.pop("mode", {"Replicated": {"Replicas": 2}}),
        "TaskTemplate": {"ContainerSpec": container, "Networks": [{"Target": net} for net in changes.pop("networks", ["net-1"])]},
        "UpdateConfig": {"Parallelism": 1},
    }
    return {"ID": changes.pop("id", "svc-1"), "Version": {"Index": 40}, "Spec": spec} | changes


def engine(*services, token="", **rest):
    api = FakeEngineApi(*services, **({"networks": [NET]} | rest))
    return SwarmEngine(api, token), api


def found(**changes):
    rest = {key: changes.pop(key) for key in ("token", "networks_there", "own_networks", "tasks") if key in changes}
    if "networks_there" in rest:
        rest["networks"] = rest.pop("networks_there")
    swarm, _ = engine(service(**changes), **rest)
    clusters = swarm.clusters()
    return clusters[0] if clusters else None


def fault(**changes) -> BadWish:
    wish = found(**changes).wish
    assert isinstance(wish, BadWish), wish
    return wish


# Ours or not


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": {"galera.replicas": "3"}},
        {"labels": {"galera.enable": "true"}},
        {"labels": {"galera.banana": "1"}},
        {"labels": {}, "container": {"Env": ["DB_SERVICE_NAME=db", "MARIADB_ROOT_PASSWORD=x"]}},
        {"labels": {}, "container": {"Env": ["DB_SERVICE_NAME=shop_db", "MARIADB_ROOT_PASSWORD=x"]}},
        {"labels": {}, "container": {"Labels": {"galera.replicas": "3"}}},
    ],
    ids=["replicas", "enable", "a mistyped label", "the origin image's name", "its full name", "a label on the container"],
)
def test_a_service_that_was_given_to_us_is_found(changes):
    assert found(**changes).service.name == "shop_db"


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": {}},
        {"labels": None},
        {"labels": {"traefik.enable": "true"}},
        {"labels": {"galera.enable": "false", "galera.replicas": "3"}},
        {"labels": {"galera.enable": "FALSE"}},
        {"labels": {"galera.enable": "no"}, "container": {"Env": ["DB_SERVICE_NAME=db"]}},
        {"labels": {}, "name": "shop_wordpress", "container": {"Env": ["DB_SERVICE_NAME=db"]}},
        {"labels": {}, "name": "shop_olddb", "container": {"Env": ["DB_SERVICE_NAME=db"]}},
        {"labels": {}, "container": {"Env": None}},
    ],
    ids=[
        "no label",
        "labels null",
        "others' label",
        "disabled",
        "DISABLED",
        "disabled by no",
        "a client",
        "another name",
        "no env",
    ],
)
def test_a_service_that_was_not_given_to_us_is_left_alone(changes):
    assert found(**changes) is None


@pytest.mark.parametrize("word", ["no", "off", "0", "False", "n", "f"])
def test_every_way_to_write_false_disables(word):
    assert found(labels={"galera.enable": word}) is None


def test_a_service_without_a_container_does_not_hide_the_others():
    plugin = service(id="svc-2", name="shop_plugin", labels={"galera.enable": "true"})
    del plugin["Spec"]["TaskTemplate"]["ContainerSpec"]
    swarm, _ = engine(plugin, service())
    assert "shop_db" in [cluster.service.name for cluster in swarm.clusters()]


def test_each_service_gets_its_own_tasks_from_one_question():
    tasks = [{"ID": f"t{number}", "Slot": 1, "ServiceID": f"svc-{number}"} for number in (1, 2, 3)]
    swarm, _ = engine(service(), service(id="svc-2", name="other_db"), tasks=tasks)
    assert {cluster.service.name: [task.id for task in cluster.tasks] for cluster in swarm.clusters()} == {
        "shop_db": ["t1"],
        "other_db": ["t2"],
    }

    swarm, _ = engine(service(), service(id="svc-2", name="other_db"), service(id="svc-3", name="other_db_copy"))
    swarm, _ = engine(service(), service(id="svc-2", name="other_db"))
    assert [cluster.service.name for cluster in swarm.clusters({"other_db", "gone"})] == ["other_db"]


def test_an_event_names_its_service_and_one_of_a_node_names_none():
    swarm, api = engine()
    lines = [
        b'{"Type":"service","Action":"update","Actor":{"ID":"svc-1","Attributes":{"name":"shop_db"}}}',
        b'{"Type":"node","Action":"update","Actor":{"ID":"n","Attributes":{"name":"node1"}}}',
        b"half a li",
    ]
    api.stream = lambda path, **params: nullcontext(lines)
    heard = []
    swarm.watch(heard.append, lambda: False)
    assert heard == ["shop_db", "", ""]


# What is read of it


def test_the_service_is_read_with_its_version_size_and_grace():
    seen = found(UpdateStatus={"State": "updating"}).service
    assert (seen.id, seen.version, seen.replicas, seen.update_state, seen.stop_grace) == ("svc-1", 40, 2, "updating", 120.0)


def test_when_a_task_that_ended_is_made_anew_is_read():
    assert found().service.restart_condition == "any"
    for policy, condition in [
        ({"Condition": "on-failure"}, "on-failure"),
        ({"Condition": "none"}, "none"),
        ({"Delay": 5}, "any"),
    ]:
        swarm, api = engine(service())
        api.services["svc-1"]["Spec"]["TaskTemplate"]["RestartPolicy"] = policy
        assert swarm.clusters()[0].service.restart_condition == condition


def test_a_task_of_another_spec_than_the_service_s_is_outdated_but_for_where_it_may_run():
    raw = service()
    template = dict(raw["Spec"]["TaskTemplate"])
    raw["Spec"]["TaskTemplate"]["Runtime"] = "container"  # as the engine says of every service, and of no task
    specs = [template, template | {"ForceUpdate": 1}, template | {"Placement": {"Constraints": ["node.id!=x"]}}]
    swarm, _ = engine(raw, tasks=[{"ID": f"t{n}", "Slot": n, "Spec": spec, "ServiceID": "svc-1"} for n, spec in enumerate(specs)])
    (seen,) = swarm.clusters()
    assert [task.is_outdated for task in seen.tasks] == [False, True, False]


def test_docker_s_own_grace_period_is_ten_seconds():
    swarm, api = engine(service())
    del api.services["svc-1"]["Spec"]["TaskTemplate"]["ContainerSpec"]["StopGracePeriod"]
    assert swarm.clusters()[0].service.stop_grace == 10.0


def test_the_label_is_the_wish():
    assert found(labels={"galera.replicas": "3"}).wish == Wish(replicas=3)


def test_a_bad_label_is_the_wish_that_cannot_be_obeyed():
    wish = fault(labels={"galera.replicas": "banana"})
    assert (wish.name, wish.fatal) == ("bad-label", False)


def test_a_task_is_read_with_its_address_on_the_databases_network():
    raw = {
        "ID": "task-1",
        "Slot": 2,
        "NodeID": "node-1",
        "DesiredState": "running",
        "Status": {"State": "running", "Message": "started"},
        "NetworksAttachments": [
            {"Network": {"ID": "ingress"}, "Addresses": ["10.0.0.9/24"]},
            {"Network": {"ID": "net-1"}, "Addresses": ["10.0.5.4/24"]},
        ],
    }
    (task,) = found(tasks=[raw]).tasks
    assert (task.slot, task.node, task.address, task.state, task.desired) == (2, "n1", "10.0.5.4", "running", "running")


def test_a_task_without_node_address_or_status_is_read_as_empty():
    raw = {"ID": "task-1", "Slot": 1, "DesiredState": "running", "Status": {"State": "pending", "Err": "no suitable node"}}
    (task,) = found(tasks=[raw]).tasks
    assert (task.node_id, task.node, task.address, task.message) == ("", "", "", "no suitable node")


# Misplaced labels, wrong mode


def test_labels_on_the_container_are_named_as_misplaced():
    wish = fault(container={"Labels": {"galera.replicas": "3", "other": "x"}})
    assert (wish.name, wish.fatal) == ("label-misplaced", True)
    assert "galera.replicas" in wish.why
    assert "other" not in wish.why
    assert "deploy: labels:" in wish.remedy


def test_a_global_service_cannot_be_scaled():
    wish = fault(mode={"Global": {}})
    assert (wish.name, wish.fatal) == ("not-replicated", True)
    assert "is a global service" in wish.why


# The token


def test_the_operators_secret_is_the_token_where_the_service_mounts_it():
    cluster = found(token="hex", container={"Secrets": [{"File": {"Name": "galera_token"}}]})
    assert cluster.token == "hex"
    assert cluster.wish == Wish()


def test_a_service_with_the_secret_beside_an_operator_without_it_is_a_fault():
    cluster = found(container={"Secrets": [{"File": {"Name": "galera_token"}}]})
    assert cluster.token == ""
    assert (cluster.wish.name, cluster.wish.fatal) == ("missing-secret", True)
    assert "the operator has none" in cluster.wish.why


def test_without_a_secret_the_token_is_derived_from_the_root_password_and_the_service_name():
    env = ["DB_SERVICE_NAME=db", "MYSQL_ROOT_PASSWORD=pass=word"]
    assert found(labels={}, container={"Env": env}).token == token_from_root_password("pass=word", "db")


def test_a_service_with_neither_is_a_fault_with_the_commands_to_mend_it():
    wish = fault(container={"Env": []})
    assert (wish.name, wish.fatal) == ("missing-secret", True)
    assert "docker secret create galera_token" in wish.remedy


def test_a_token_is_not_in_the_repr_of_a_cluster():
    assert "hexhexhex" not in repr(found(token="hexhexhex", container={"Secrets": [{"File": {"Name": "galera_token"}}]}))


# The network

FRONT = {"Id": "net-2", "Name": "shop_front"}


def task_at(address, net):
    return {"ID": "t", "Slot": 1, "NetworksAttachments": [{"Network": {"ID": net}, "Addresses": [f"{address}/24"]}]}


def network_of(**changes):
    cluster = found(tasks=[task_at("10.9.9.1", "net-1"), task_at("10.9.9.2", "net-2")], networks_there=[NET, FRONT], **changes)
    assert isinstance(cluster.wish, Wish), cluster.wish
    return next(task.address for task in cluster.tasks if task.address)


def test_the_only_network_is_the_members():
    assert network_of(networks=["net-2"]) == "10.9.9.2"


def test_of_several_networks_the_one_shared_with_the_operator_is_the_members():
    assert network_of(networks=["net-1", "net-2"], own_networks=["net-2", "bridge"]) == "10.9.9.2"


@pytest.mark.parametrize("name", ["shop_front", "front"])
def test_the_label_names_the_network_with_or_without_the_stacks_name(name):
    labels = {"galera.network": name}
    assert network_of(networks=["net-1", "net-2"], labels=labels, own_networks=["net-1"]) == "10.9.9.2"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"networks": ["net-1", "net-2"]}, "shop_backend, shop_front; which one"),
        ({"networks": ["net-1", "net-2"], "own_networks": ["net-1", "net-2"]}, "which one"),
        ({"networks": ["net-1"], "labels": {"galera.network": "front"}}, "galera.network names front"),
        ({"networks": []}, "has the networks none"),
    ],
    ids=["two and no hint", "two shared", "named and not attached", "none"],
)
def test_a_network_that_cannot_be_told_is_a_fault(changes, told):
    wish = fault(networks_there=[NET, FRONT], **changes)
    assert (wish.name, wish.fatal) == ("bad-network", True)
    assert told in wish.why


# Writing


def test_a_resize_writes_the_stored_spec_back_with_one_number_changed():
    swarm, api = engine(service())
    before = copy.deepcopy(api.services["svc-1"]["Spec"])
    swarm.resize("svc-1", 40, 3)
    assert api.posted == [before | {"Mode": {"Replicated": {"Replicas": 3}}}]


def test_a_label_is_added_and_the_others_stay():
    swarm, api = engine(service(labels={"com.docker.stack.namespace": "shop"}))
    swarm.set_label("svc-1", 40, "galera.replicas", "3")
    assert api.posted[0]["Labels"] == {"com.docker.stack.namespace": "shop", "galera.replicas": "3"}


def test_a_constraint_is_added_and_taken_back_and_nothing_else_changes():
    swarm, api = engine(service())
    before = copy.deepcopy(api.services["svc-1"]["Spec"])
    swarm.constrain("svc-1", 40, "node.hostname!=n3", back=False)
    assert api.posted[0]["TaskTemplate"].pop("Placement") == {"Constraints": ["node.hostname!=n3"]}
    assert api.posted[0] == before


def test_the_user_s_constraints_stay():
    raw = service()
    raw["Spec"]["TaskTemplate"]["Placement"] = {"Constraints": ["node.role == worker", "node.hostname != n3"], "MaxReplicas": 1}
    swarm, api = engine(raw)
    assert swarm.clusters()[0].service.constraints == ("node.role==worker", "node.hostname!=n3")
    swarm.constrain("svc-1", 40, "node.hostname!=n3", back=True)
    assert api.posted[0]["TaskTemplate"]["Placement"] == {"Constraints": ["node.role == worker"], "MaxReplicas": 1}


def test_an_image_or_an_option_is_changed_and_nothing_else():
    swarm, api = engine(service(container={"Image": "member:1", "Args": ["mariadbd", "--max-connections=100"]}))
    swarm.update_tasks("svc-1", 40, "member:2", "")
    assert api.posted[0]["TaskTemplate"]["ContainerSpec"]["Image"] == "member:2"
    assert api.posted[0]["TaskTemplate"]["ContainerSpec"]["Args"] == ["mariadbd", "--max-connections=100"]
    swarm.update_tasks("svc-1", 41, "", "--max_connections=200")
    assert api.posted[1]["TaskTemplate"]["ContainerSpec"]["Image"] == "member:2"
    assert api.posted[1]["TaskTemplate"]["ContainerSpec"]["Args"] == ["mariadbd", "--max_connections=200"]


def test_an_option_in_a_service_without_a_command_is_its_only_argument():
    swarm, api = engine(service())
    swarm.update_tasks("svc-1", 40, "", "--wait_timeout=60")
    assert api.posted[0]["TaskTemplate"]["ContainerSpec"]["Args"] == ["--wait_timeout=60"]


@pytest.mark.parametrize(
    ("update", "safe"),
    [
        ({}, True),
        ({"Parallelism": 1, "Order": "stop-first"}, True),
        ({"Parallelism": 0}, False),
        ({"Parallelism": 2}, False),
        ({"Parallelism": 1, "Order": "start-first"}, False),
    ],
)
def test_a_rollout_that_replaces_one_task_after_the_other_is_told_from_the_others(update, safe):
    raw = service()
    raw["Spec"]["UpdateConfig"] = update
    swarm, _ = engine(raw)
    assert swarm.clusters()[0].service.one_at_a_time is safe


def test_what_a_task_was_made_to_run_is_read_with_it():
    raw = {"ID": "t", "Slot": 1, "ServiceID": "svc-1", "Spec": {"ContainerSpec": {"Image": "member:1", "Args": ["--x=1"]}}}
    swarm, _ = engine(service(container={"Image": "member:2", "Args": None}), tasks=[raw])
    (cluster,) = swarm.clusters()
    assert (cluster.service.image, cluster.service.args) == ("member:2", ())
    assert cluster.tasks[0].is_outdated


def test_a_write_from_an_old_look_is_a_conflict_and_changes_nothing():
    swarm, api = engine(service())
    with pytest.raises(Conflict):
        swarm.resize("svc-1", 39, 3)
    assert api.posted == []


@pytest.mark.parametrize("swarm_info", [{}, {"LocalNodeState": "active", "ControlAvailable": False}])
def test_an_engine_that_is_no_manager_is_refused_with_what_to_do(swarm_info):
    swarm, api = engine()
    swarm.check_manager()
    api.info = {"Swarm": swarm_info}
    with pytest.raises(Refused, match=r"node\.role == manager"):
        swarm.check_manager()
