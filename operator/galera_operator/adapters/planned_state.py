"""Planned work as the state store keeps it: checked when it is read, left out where it is empty."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import BaseModel, ConfigDict, Field

from galera_operator.core.planned import Fired, Planned, Run, RunState, Wanted


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Run(_Strict):
    id: str = Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    runbook: str
    digest: str
    arguments: dict[str, str]
    by: str
    begun: float
    state: RunState = RunState.RUNNING
    stage: int = Field(0, ge=0)
    since: float = 0.0
    did: bool = False
    answer: str = Field("", pattern="^(yes|no)?$")
    answers_all: bool = False
    note: str = ""
    pages: bool = False


class _Wanted(_Strict):
    replicas: int = Field(0, ge=0)
    image: str = ""
    option: str = ""
    restart: bool = False
    writer: int = Field(0, ge=0)
    sql: str = ""
    on: int = Field(0, ge=0)
    said: str = ""
    fault: str = ""


class _Fired(_Strict):
    text: str
    at: float


class PlannedState(_Strict):
    run: _Run | None = None
    requests: tuple[_Run, ...] = ()
    wanted: _Wanted | None = None
    fired: dict[str, _Fired] = Field(default_factory=dict)
    away: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


def planned_from(state: PlannedState | None) -> Planned:
    if state is None:
        return Planned()
    return Planned(
        run=Run(**state.run.model_dump()) if state.run else None,
        requests=tuple(Run(**run.model_dump()) for run in state.requests),
        wanted=Wanted(**state.wanted.model_dump()) if state.wanted else None,
        fired={name: Fired(fired.text, fired.at) for name, fired in state.fired.items()},
        away=state.away,
        excluded=state.excluded,
    )


def state_of(planned: Planned) -> PlannedState | None:
    """None where nothing is planned, so that nothing is written about it."""
    return None if planned == Planned() else PlannedState.model_validate(asdict(planned))
