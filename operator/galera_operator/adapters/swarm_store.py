"""The state store: the labels of one Swarm config object per cluster.

``POST /configs/{id}/update?version=`` changes labels only, is replicated by raft to every manager, and compares the version
before it writes. So the operator has nothing to lose, and two operators cannot both believe that they wrote.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from galera_operator.adapters.planned_state import PlannedState, planned_from, state_of
from galera_operator.adapters.swarm_api import EngineApi
from galera_operator.core.position import Position, PositionNotFound
from galera_operator.core.remembered import Consent, Copy, Fork, Memory, Restart, Shrink, WriterMove
from galera_operator.ports import Conflict, Damaged, Record, Refused

PREFIX = "galera-operator."
LABEL = "galera.state"
DAMAGED = "galera.state.damaged"
"""What stood in `LABEL` when a person had the record made anew."""
MAX_NAME = 64
_TEXT = (
    "State of a Galera cluster, kept in this config's labels by galera-operator.\n"
    "Removing this config makes the operator forget which data is the cluster's: do it only when the data is gone for good.\n"
)

Uuid = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$")]
Slot = Annotated[int, Field(ge=1)]
Seqno = Annotated[int, Field(ge=-1, lt=2**63)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Copy(_Strict):
    node_id: str
    seqno: Seqno


class _Shrink(_Strict):
    to: int = Field(ge=1)
    slot: Slot
    task_id: str


class _Consent(_Strict):
    slot: Slot
    position: str
    accepted: tuple[Slot, ...]
    history: Uuid = Field(min_length=36)
    by: str
    at: str


class _Fork(_Strict):
    origin: str
    accepted: tuple[Slot, ...]


class _WriterMove(_Strict):
    slot: Slot
    away_from: str
    by: str
    at: str


class _Restart(_Strict):
    members: dict[Slot, str] = Field(min_length=1)
    by: str
    at: str
    alone: bool = False


class _State(_Strict):
    schema_version: int = Field(ge=1, le=1)
    holder: str
    epoch: int = Field(ge=0)
    beat: int = Field(ge=0)
    """The version before this write: makes two writes of the same memory differ."""
    uuid: Uuid
    ledger: dict[Slot, _Copy]
    shrink: _Shrink | None
    kept: dict[str, Seqno] = Field(default_factory=dict)
    consent: _Consent | None = None
    fork: _Fork | None = None
    given_up: dict[Slot, Uuid] = Field(default_factory=dict)
    rebound: dict[Slot, str] = Field(default_factory=dict)
    move: _WriterMove | None = None
    restart: _Restart | None = None
    planned: PlannedState | None = None


class SwarmStore:
    """`ports.Store` on Swarm configs."""

    def __init__(self, api: EngineApi) -> None:
        self._api = api
        self._ids: dict[str, str] = {}
        self._seen: dict[str, dict[str, Any]] = {}

    @staticmethod
    def config_name(cluster: str) -> str:
        """The config's name; Docker allows 64 characters, so a long service name is cut and gets a digest of the whole."""
        name = f"{PREFIX}{cluster}"
        return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"

    def load(self, cluster: str) -> Record | None:
        raw = self._find(cluster)
        if raw is None:
            return None
        text = (raw["Spec"].get("Labels") or {}).get(LABEL, "")
        try:
            state = _State.model_validate_json(text)
            memory = _memory(state)
        except (ValidationError, PositionNotFound) as error:
            fault = f"the record of {cluster} (config {self.config_name(cluster)}, label {LABEL}) is damaged: {_fault(error)}"
            raise Damaged(fault, raw["Version"]["Index"], text) from error
        return Record(raw["Version"]["Index"], state.holder, state.epoch, memory)

    def create(self, cluster: str, record: Record) -> Record:
        spec = {
            "Name": self.config_name(cluster),
            "Data": base64.b64encode(_TEXT.encode()).decode(),
            "Labels": {LABEL: _json(record)},
        }
        self._api.post("/configs/create", spec)
        stored = self.load(cluster)
        if stored is None or stored.holder != record.holder:
            raise Conflict(f"the config {PREFIX}{cluster} was made by somebody else")
        return stored

    def renew(self, cluster: str, record: Record, damaged: str) -> Record:
        """Write over a damaged record as `save` does; its text stays, under a label of its own."""
        return self._write(cluster, record, {DAMAGED: damaged})

    def save(self, cluster: str, record: Record) -> Record:
        return self._write(cluster, record, {})

    def _write(self, cluster: str, record: Record, beside: dict[str, str]) -> Record:
        raw = self._seen.get(cluster)
        if raw is None or raw["Version"]["Index"] != record.version:  # else the spec of this very version is known
            raw = self._find(cluster)
        if raw is None:
            raise Conflict(f"the config {PREFIX}{cluster} was removed")
        spec = raw["Spec"]
        spec["Labels"] = (spec.get("Labels") or {}) | {LABEL: _json(record)} | beside
        try:
            self._api.post(f"/configs/{raw['ID']}/update", spec, version=str(record.version))
        except Refused:
            self._seen.pop(cluster, None)
            if self._find(cluster) is None:
                raise Conflict(f"the config {PREFIX}{cluster} was removed") from None
            raise
        stored = self.load(cluster)
        if stored is None or (stored.holder, stored.epoch) != (record.holder, record.epoch):
            raise Conflict(f"the config {PREFIX}{cluster} was written by somebody else")
        return stored

    def _find(self, cluster: str) -> dict[str, Any] | None:
        name = self.config_name(cluster)
        known = self._ids.get(cluster)
        if known:
            try:
                stored: dict[str, Any] = self._api.get(f"/configs/{known}")
                self._seen[cluster] = stored
                return stored
            except Refused:
                del self._ids[cluster]  # removed and perhaps made anew: look by name
        configs: list[dict[str, Any]] = self._api.get("/configs", filters=json.dumps({"name": [name]}))
        for config in configs:
            if config["Spec"]["Name"] == name:  # the filter matches prefixes too
                self._ids[cluster] = config["ID"]
                self._seen[cluster] = config
                return config
        return None


def _memory(state: _State) -> Memory:
    consent, fork = state.consent, state.fork
    return Memory(
        uuid=state.uuid,
        ledger={slot: Copy(copy.node_id, copy.seqno) for slot, copy in state.ledger.items()},
        shrink=Shrink(**state.shrink.model_dump()) if state.shrink else None,
        kept=state.kept,
        consent=Consent(**consent.model_dump() | {"position": Position.parse(consent.position)}) if consent else None,
        fork=Fork(Position.parse(fork.origin), fork.accepted) if fork else None,
        given_up=state.given_up,
        rebound=state.rebound,
        move=WriterMove(**state.move.model_dump()) if state.move else None,
        restart=Restart(**state.restart.model_dump()) if state.restart else None,
        planned=planned_from(state.planned),
    )


def _fault(error: ValidationError | PositionNotFound) -> str:
    if isinstance(error, PositionNotFound):
        return str(error)
    fault = error.errors()[0]
    return f"{'.'.join(str(part) for part in fault['loc']) or 'the whole'}: {fault['msg']}"


def _json(record: Record) -> str:
    """What is empty is left out, so that an operator of an older version can read the rest."""
    memory = record.memory
    state = _State(
        schema_version=1,
        holder=record.holder,
        epoch=record.epoch,
        beat=record.version,
        kept=dict(memory.kept),
        uuid=memory.uuid,
        ledger={slot: _Copy(node_id=copy.node_id, seqno=copy.seqno) for slot, copy in memory.ledger.items()},
        shrink=_Shrink(**asdict(memory.shrink)) if memory.shrink else None,
        consent=_Consent(**asdict(memory.consent) | {"position": str(memory.consent.position)}) if memory.consent else None,
        fork=_Fork(origin=str(memory.fork.origin), accepted=memory.fork.accepted) if memory.fork else None,
        given_up=dict(memory.given_up),
        rebound=dict(memory.rebound),
        move=_WriterMove(**asdict(memory.move)) if memory.move else None,
        restart=_Restart(**asdict(memory.restart)) if memory.restart else None,
        planned=state_of(memory.planned),
    )
    return state.model_dump_json(exclude_defaults=True)
