from __future__ import annotations

import json
from dataclasses import fields

from builders import DONOR, A, position, status, wsrep
from hypothesis import given
from hypothesis import strategies as st

from galera_operator.core.agent_api import PATHS, Admission, AgentStatus, Grant, Stage, command_from_json, command_to_json
from galera_operator.core.position import Position
from galera_operator.core.serving import FlowControl
from galera_operator.core.strict_json import BadMessage

TEXTS = st.text(max_size=20)
COUNTS = st.integers(-(2**63), 2**64)
SECONDS = st.floats(allow_nan=False, allow_infinity=False)
POSITIONS = st.none() | st.builds(Position, st.just(A), COUNTS)

STATUSES = st.builds(
    status,
    st.just(1),
    name=TEXTS,
    incarnation=TEXTS,
    stage=st.sampled_from(Stage),
    since=SECONDS,
    position=POSITIONS,
    wsrep=st.none() | st.builds(wsrep, conf_id=COUNTS, members=st.lists(TEXTS, max_size=3).map(tuple)),
    transfer=st.sampled_from([None, DONOR]),
    admission=st.sampled_from(Admission),
    flow=st.none() | st.builds(FlowControl, SECONDS, SECONDS, COUNTS),
    sessions=COUNTS,
    note=TEXTS,
)
GRANTS = st.builds(
    Grant, epoch=COUNTS, incarnation=TEXTS, address=TEXTS, position=POSITIONS, peers=st.lists(TEXTS, max_size=3).map(tuple)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
FULL = json.loads(status(1, wsrep=wsrep(members=("db.1",)), transfer=DONOR, position=position(5)).to_json())


@given(STATUSES)
def test_every_status_reads_back_what_it_writes(message):
    assert AgentStatus.from_json(message.to_json()) == message


@given(GRANTS)
def test_every_grant_reads_back_what_it_writes(grant):
    assert command_from_json("/grant", command_to_json(grant)) == grant


@given(st.sampled_from(sorted(FULL)), JSON)
def test_a_status_with_any_value_in_any_place_is_read_or_refused_by_name(key, value):
    refusal = ""
    try:
        read = AgentStatus.from_json(json.dumps(FULL | {key: value}))
    except BadMessage as error:
        refusal = str(error)
    assert key in refusal if refusal else AgentStatus.from_json(read.to_json()) == read


@given(st.sampled_from(sorted(PATHS)), st.data(), JSON)
def test_a_command_with_any_value_in_any_place_is_read_or_refused_by_name(path, data, value):
    raw = {field.name: 1 for field in fields(PATHS[path])}
    key = data.draw(st.sampled_from(sorted(raw)))
    refusal = ""
    try:
        read = command_from_json(path, json.dumps(raw | {key: value}))
    except BadMessage as error:
        refusal = str(error)
    assert any(name in refusal for name in raw) if refusal else command_from_json(path, command_to_json(read)) == read


@given(st.binary(max_size=60) | TEXTS)
def test_any_other_text_is_refused_and_nothing_else_happens(text):
    for read in (AgentStatus.from_json, lambda raw: command_from_json("/stop", raw)):
        try:
            read(text)
        except BadMessage:
            continue
        raise AssertionError(f"{text!r} was read")
