from __future__ import annotations

import json
from dataclasses import replace

import pytest
from builders import DONOR, JOINER, B, position, status, wsrep

from galera_operator.core.agent_api import (
    Admit,
    AgentStatus,
    AppointWriter,
    Command,
    Drain,
    Fence,
    FormPrimary,
    Grant,
    Stage,
    Stop,
    command_from_json,
    command_to_json,
    sql_password,
    token_from_root_password,
)
from galera_operator.core.serving import FlowControl, Terms
from galera_operator.core.strict_json import BadMessage

COMMANDS = [
    ("/grant", Grant(3, "life1", "10.0.0.1", position(9), ())),
    ("/grant", Grant(3, "life1", "10.0.0.1", None, ("10.0.0.2", "10.0.0.3"))),
    ("/admit", Admit(3, "life1", 50.0, allow_donor=True)),
    ("/appoint", AppointWriter(3, "life1", "db.1")),
    ("/drain", Drain(3, "life1", 12.5)),
    ("/stop", Stop(3, "life1")),
    ("/stop", Stop(3, "life1", only_drained=True)),
    ("/fence", Fence(3, "life1")),
    ("/form-primary", FormPrimary(3, "life1", position(9))),
    ("/grant", Grant(3, "life1", "10.0.0.1", position(9), (), history=B)),
    ("/grant", Grant(3, "life1", "10.0.0.1", position(9), ("10.0.0.2",), replaces=True)),
    ("/admit", Admit(3, "life1", 50.0, allow_donor=False, causal_reads=True)),
]
STATUSES = [
    status(1),
    status(2, wsrep=wsrep(members=("db.1", "db.2")), transfer=DONOR, position=position(5)),
    status(3, stage=Stage.JOINING, transfer=JOINER, note="receiving ünïcode"),
    status(4, wsrep=wsrep(conf_id=18446744073709551615, local_state=0, cluster_status="non-Primary")),
    status(7, terms=Terms(50.0, allow_donor=True, causal_reads=True)),
    status(6, wsrep=wsrep(), flow=FlowControl(10.0, 0.25, 3)),
    status(8, api_level=1),
    status(5, term=4, view_age=2.5, leaving=True, data_bytes=1 << 40, transfer=replace(JOINER, total=8192, rate=1.5, idle=0.5)),
]
CAME_LATER = {"term", "view_age", "leaving", "data_bytes", "api_level", "total", "rate", "idle", "flow", "terms"}
FULL = STATUSES[1]


@pytest.mark.parametrize("message", STATUSES, ids=lambda s: s.name)
def test_a_status_reads_back_what_it_writes(message):
    assert AgentStatus.from_json(message.to_json()) == message
    assert AgentStatus.from_json(message.to_json().encode()) == message


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=lambda x: x if isinstance(x, str) else type(x).__name__)
def test_a_command_reads_back_what_it_writes(path, command):
    assert command_from_json(path, command_to_json(command)) == command


@pytest.mark.parametrize("key", sorted(json.loads(FULL.to_json()).keys() - CAME_LATER))
def test_a_status_without_one_of_its_keys_is_refused_with_the_keys_name(key):
    raw = json.loads(FULL.to_json())
    del raw[key]
    with pytest.raises(BadMessage, match=f"'{key}' is missing"):
        AgentStatus.from_json(json.dumps(raw))


@pytest.mark.parametrize("part", ["wsrep", "transfer", "position"])
def test_a_status_with_an_incomplete_part_is_refused_with_the_keys_name(part):
    raw = json.loads(FULL.to_json())
    for key in raw[part].keys() - CAME_LATER:
        less = raw | {part: {name: value for name, value in raw[part].items() if name != key}}
        with pytest.raises(BadMessage, match=f"'{key}' is missing"):
            AgentStatus.from_json(json.dumps(less))


def test_a_status_of_an_older_agent_is_understood_without_what_came_later():
    raw = json.loads(FULL.to_json())
    raw["transfer"] = {key: value for key, value in raw["transfer"].items() if key not in CAME_LATER}
    assert AgentStatus.from_json(json.dumps({key: value for key, value in raw.items() if key not in CAME_LATER})) == FULL


def test_a_status_of_a_newer_agent_is_understood_without_what_it_adds():
    raw = json.loads(FULL.to_json())
    newer = raw | {"color": "red", "wsrep": raw["wsrep"] | {"extra": 1}, "transfer": raw["transfer"] | {"extra": 1}}
    assert AgentStatus.from_json(json.dumps(newer)) == FULL


def test_a_position_with_more_in_it_is_refused():
    raw = json.loads(FULL.to_json())
    with pytest.raises(BadMessage, match="unknown key 'extra'"):
        AgentStatus.from_json(json.dumps(raw | {"position": raw["position"] | {"extra": 1}}))


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=lambda x: x if isinstance(x, str) else type(x).__name__)
def test_a_command_with_a_missing_or_an_unknown_key_is_refused_with_the_keys_name(path, command):
    raw = json.loads(command_to_json(command))
    for key in raw.keys() - {"history", "replaces", "causal_reads", "only_drained"}:
        with pytest.raises(BadMessage, match=f"'{key}' is missing"):
            command_from_json(path, json.dumps({name: value for name, value in raw.items() if name != key}))
    with pytest.raises(BadMessage, match="unknown key 'force'"):
        command_from_json(path, json.dumps(raw | {"force": True}))


@pytest.mark.parametrize(
    "command",
    [Fence(3, "life1"), Stop(3, "life1"), COMMANDS[0][1], COMMANDS[1][1], COMMANDS[2][1]],
    ids=lambda one: type(one).__name__,
)
def test_a_command_does_not_name_what_an_older_agent_would_not_understand_unless_it_means_it(command: Command):
    assert not {"history", "replaces", "causal_reads", "only_drained"} & json.loads(command_to_json(command)).keys()


def test_what_an_older_agent_must_not_overlook_is_named():
    assert json.loads(command_to_json(Grant(3, "life1", "10.0.0.1", position(9), (), history=B)))["history"] == B
    assert (
        json.loads(command_to_json(Grant(3, "life1", "10.0.0.1", position(9), ("10.0.0.2",), replaces=True)))["replaces"] is True
    )


def test_an_empty_directory_and_nobody_to_join_are_named_because_they_are_no_defaults():
    raw = json.loads(command_to_json(Grant(3, "life1", "10.0.0.1", None, ())))
    assert raw["position"] is None
    assert raw["peers"] == []


ODD_STATUS_VALUES = [
    ("name", 7),
    ("incarnation", None),
    ("stage", "resting"),
    ("stage", ["running"]),
    ("since", "60"),
    ("since", True),
    ("since", float("nan")),
    ("since", float("inf")),
    ("directory", "full"),
    ("position", "aaaa:1"),
    ("position", {"uuid": "not a uuid", "seqno": 1}),
    ("position", {"uuid": 5, "seqno": 1}),
    ("position", {"uuid": "00000000-0000-0000-0000-000000000000", "seqno": 1.0}),
    ("position", {"uuid": "00000000-0000-0000-0000-000000000000", "seqno": True}),
    ("safe_to_bootstrap", 1),
    ("safe_to_bootstrap", "true"),
    ("wsrep", []),
    ("wsrep", "Synced"),
    ("transfer", 1),
    ("admission", "everybody"),
    ("sessions", 1.5),
    ("sessions", False),
    ("in_flight", "0"),
    ("epoch", None),
    ("leaving", 1),
    ("view_age", "long"),
    ("data_bytes", 1.5),
    ("term", None),
]


@pytest.mark.parametrize(("key", "value"), ODD_STATUS_VALUES, ids=[f"{key}={value!r}" for key, value in ODD_STATUS_VALUES])
def test_an_odd_value_in_a_status_is_refused_with_its_name(key, value):
    raw = json.loads(FULL.to_json()) | {key: value}
    with pytest.raises(BadMessage) as refused:
        AgentStatus.from_json(json.dumps(raw))
    part = {"position": "Position", "wsrep": "Wsrep", "transfer": "Transfer"}.get(key, "AgentStatus")
    assert key in str(refused.value) or part in str(refused.value)


@pytest.mark.parametrize("members", ["db.1", [1, 2], ["db.1", None], {"db.1": 1}, 5])
def test_member_names_that_are_not_a_list_of_names_are_refused(members):
    raw = json.loads(FULL.to_json())
    raw["wsrep"]["members"] = members
    with pytest.raises(BadMessage, match="members is"):
        AgentStatus.from_json(json.dumps(raw))


@pytest.mark.parametrize("peers", ["10.0.0.2", [None], [["10.0.0.2"]], 7, None])
def test_peers_that_are_not_a_list_of_addresses_are_refused_because_none_means_bootstrap(peers):
    raw = json.loads(command_to_json(COMMANDS[1][1])) | {"peers": peers}
    with pytest.raises(BadMessage, match="peers is"):
        command_from_json("/grant", json.dumps(raw))


@pytest.mark.parametrize(
    "seconds", ["5", None, True, float("nan"), float("inf"), float("-inf"), 10**400], ids=lambda s: str(s)[:6]
)
def test_a_drain_of_odd_length_is_refused_with_its_name(seconds):
    raw = json.loads(command_to_json(COMMANDS[4][1])) | {"seconds": seconds}
    with pytest.raises(BadMessage, match="seconds is"):
        command_from_json("/drain", json.dumps(raw))


def test_a_number_too_large_for_a_float_is_refused():
    text = command_to_json(COMMANDS[4][1]).replace("12.5", "1e999")
    with pytest.raises(BadMessage, match="seconds is inf"):
        command_from_json("/drain", text)


def test_a_grant_for_an_odd_position_is_refused():
    raw = json.loads(command_to_json(COMMANDS[0][1])) | {"position": {"uuid": "zeros", "seqno": 9}}
    with pytest.raises(BadMessage, match="position is"):
        command_from_json("/grant", json.dumps(raw))


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", '"running"', "5", b"\xff\xfe", "[" * 100_000, "{}{}", '{"since": ' + "9" * 5000 + "}"],
    ids=["empty", "cut off", "null", "list", "text", "number", "not UTF-8", "nested without end", "two", "huge number"],
)
def test_what_is_not_one_json_object_is_refused(text):
    with pytest.raises(BadMessage):
        AgentStatus.from_json(text)
    with pytest.raises(BadMessage):
        command_from_json("/stop", text)


def test_an_unknown_command_is_refused_and_the_known_ones_are_named():
    with pytest.raises(
        BadMessage, match=r"no command /wipe; expected one of /admit, /appoint, /drain, /fence, /form-primary, /grant, /stop"
    ):
        command_from_json("/wipe", "{}")


@pytest.mark.parametrize(
    ("changes", "synced"),
    [
        ({}, True),
        ({"ready": False}, False),
        ({"connected": False}, False),
        ({"cluster_status": "non-Primary"}, False),
        ({"cluster_status": "Disconnected"}, False),
        ({"local_state": 2}, False),
        ({"local_state": 3}, False),
    ],
    ids=str,
)
def test_only_a_ready_connected_primary_member_in_state_4_is_synced(changes, synced):
    assert wsrep(**changes).is_synced is synced


def test_each_account_has_a_password_of_its_own_that_does_not_tell_the_token():
    assert sql_password("token", "galera_monitor") == sql_password("token", "galera_monitor")
    assert len({sql_password("token", "a"), sql_password("token", "b"), sql_password("other", "a"), "token"}) == 4


def test_two_services_with_one_root_password_have_different_tokens():
    assert token_from_root_password("root", "a") != token_from_root_password("root", "b")
    assert "root" not in token_from_root_password("root", "a")
