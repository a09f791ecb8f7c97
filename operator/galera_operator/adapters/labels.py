"""Read a service's ``galera.*`` labels. Unknown or impossible ones are refused with what stood there and what is taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from galera_operator.core.spec import MAX_REPLICAS, MIN_REPLICAS, BadWish, Wish
from galera_operator.core.timetable import EXAMPLE, Scheduled, Window, read_schedule, read_windows

PREFIX = "galera."
SCHEDULE = "schedule."
"""Labels that begin so carry a schedule each, under a name of the user's choice."""

_DURATION = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: Any) -> Any:
    """Read ``50``, ``50s``, ``1.5m`` or ``500ms`` as seconds."""
    if not isinstance(text, str):
        return text
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise ValueError("expected a duration such as 50s or 2m")
    return float(match["number"]) * _UNITS[match["unit"] or "s"]


def _schedules(labels: Any) -> Any:
    return {name: read_schedule(name, text) for name, text in labels.items()} if isinstance(labels, dict) else labels


def _windows(text: Any) -> Any:
    return read_windows(text) if isinstance(text, str) else text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError("not the name of a time zone") from error
    return name


Seconds = Annotated[float, BeforeValidator(seconds)]


class Labels(BaseModel):
    """The schema of the labels; the README's table is checked against it.

    Strings come in, as Docker stores them; pydantic's usual rules turn them into numbers and truth values.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enable: bool = Field(True, description="Operate this service. `false` keeps the operator away from it.")
    replicas: int | None = Field(
        None,
        ge=MIN_REPLICAS,
        le=MAX_REPLICAS,
        description="The wished number of members. Without it, the service's own replicas are the wish.",
    )
    drain_timeout: Seconds = Field(
        50.0,
        alias="drain.timeout",
        ge=1,
        le=3600,
        description="How long a leaving member may take to end its sessions. Cut to the stop grace period less 5 s.",
    )
    join_parallel: int = Field(
        1, alias="join.parallel", ge=1, le=4, description="Joiners at once, never more than there are donors besides the writer."
    )
    donor_serves: bool = Field(False, alias="donor.serves", description="Whether a donor stays on the read port.")
    reads: Literal["fast", "causal"] = Field(
        "fast",
        description="`causal`: a read on any member waits for every commit before it (`wsrep_sync_wait`), in sessions opened "
        "from then on.",
    )
    writer: Literal["one", "any"] = Field(
        "one", description="`one` member takes the writes of port 3306; with `any`, every Synced one does."
    )
    network: str = Field(
        "", description="The overlay network to reach members on, where the service is on several that the operator shares."
    )
    pause: bool = Field(False, description="Look and tell, never act.")
    schedules: Annotated[dict[str, Scheduled] | None, BeforeValidator(_schedules)] = Field(
        None,
        alias="schedule.NAME",
        description="A size or a runbook at certain times: `0 8 * * 1-5 -> 5`, `0 3 * * sun -> runbook rolling-restart`.",
    )
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        "UTC", description="The zone of schedules and windows, e.g. `Europe/Berlin`."
    )
    maintenance: Annotated[tuple[Window, ...] | None, BeforeValidator(_windows)] = Field(
        None, description="Windows in which planned runbooks may begin: `Sun 02:00-04:00`. Without it: any time."
    )


_HINTS = {
    "replicas": f"a whole number from {MIN_REPLICAS} to {MAX_REPLICAS}; to stop the database, remove the stack",
    "drain.timeout": "a duration from 1s to 1h, such as 50s",
    "join.parallel": "a whole number from 1 to 4",
    "enable": "true or false",
    "pause": "true or false",
    "donor.serves": "true or false",
    "reads": "fast or causal",
    "writer": "one or any",
    "timezone": "a name of the IANA data base, such as Europe/Berlin",
    "maintenance": "windows such as 'Sun 02:00-04:00, Mon-Fri 23:30-00:30'",
}


def read_labels(service: str, labels: Mapping[str, str]) -> Labels | BadWish:
    """Read the service's labels.

    Args:
        service: its name, for the remedy.
        labels: all labels of the service; those without our prefix are not looked at.
    """
    ours: dict[str, Any] = {key.removeprefix(PREFIX): value for key, value in labels.items() if key.startswith(PREFIX)}
    schedules = {key.removeprefix(SCHEDULE): ours.pop(key) for key in sorted(ours) if key.startswith(SCHEDULE)}
    bad = _bad_schedule(service, schedules)
    if bad:
        return bad
    if schedules:
        ours["schedule.NAME"] = schedules
    try:
        return Labels.model_validate(ours)
    except ValidationError as error:
        faults = []
        for fault in error.errors():
            label = str(fault["loc"][0])
            if fault["type"] == "extra_forbidden":
                known = ", ".join(sorted(f"{PREFIX}{field.alias or name}" for name, field in Labels.model_fields.items()))
                faults.append(f"there is no label {PREFIX}{label}; known are {known}")
            else:
                faults.append(f"{PREFIX}{label} is {ours[label]!r}; expected {_HINTS.get(label, fault['msg'])}")
        return BadWish("bad-label", "; ".join(faults), _remedy(service, error.errors()[0]))


def _bad_schedule(service: str, schedules: Mapping[str, str]) -> BadWish | None:
    faults, first = [], ""
    for name, text in schedules.items():
        try:
            read_schedule(name, text)
        except ValueError as error:
            faults.append(f"{PREFIX}{SCHEDULE}{name} is {text!r}: {error}")
            first = first or name
    if not faults:
        return None
    remedy = f"docker service update --label-add {PREFIX}{SCHEDULE}{first}=... {service}, such as {EXAMPLE}"
    return BadWish("bad-label", "; ".join(faults), remedy)


def _remedy(service: str, fault: ErrorDetails) -> str:
    label = f"{PREFIX}{fault['loc'][0]}"
    change = f"--label-rm {label}" if fault["type"] == "extra_forbidden" else f"--label-add {label}=..."
    return f"docker service update {change} {service}"


def wish_from(labels: Labels) -> Wish:
    return Wish(
        replicas=labels.replicas,
        drain_timeout=labels.drain_timeout,
        join_parallel=labels.join_parallel,
        allow_donor=labels.donor_serves,
        causal_reads=labels.reads == "causal",
        any_writer=labels.writer == "any",
        pause=labels.pause,
        schedules=tuple((labels.schedules or {}).values()),
        timezone=labels.timezone,
        maintenance=labels.maintenance or (),
    )
