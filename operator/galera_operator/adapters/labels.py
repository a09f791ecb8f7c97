"""Read a service's ``galera.*`` labels. Unknown or impossible ones are refused with what stood there and what is taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from galera_operator.core.spec import MAX_REPLICAS, MIN_REPLICAS, BadWish, Wish

PREFIX = "galera."

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


_HINTS = {
    "replicas": f"a whole number from {MIN_REPLICAS} to {MAX_REPLICAS}; to stop the database, remove the stack",
    "drain.timeout": "a duration from 1s to 1h, such as 50s",
    "join.parallel": "a whole number from 1 to 4",
    "enable": "true or false",
    "pause": "true or false",
    "donor.serves": "true or false",
    "reads": "fast or causal",
    "writer": "one or any",
}


def read_labels(service: str, labels: Mapping[str, str]) -> Labels | BadWish:
    """Read the service's labels.

    Args:
        service: its name, for the remedy.
        labels: all labels of the service; those without our prefix are not looked at.
    """
    ours = {key.removeprefix(PREFIX): value for key, value in labels.items() if key.startswith(PREFIX)}
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
    )
