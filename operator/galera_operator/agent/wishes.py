"""What commands and signals ask `Life` to do next. A command only writes it down; `Life` takes the wishes one by one."""

from __future__ import annotations

from dataclasses import dataclass

from galera_operator.agent.options import Start


@dataclass(slots=True)
class Wishes:
    """Read and written under the member's lock."""

    start: Start | None = None
    replaced_by: frozenset[str] = frozenset()
    """Addresses of the component that may replace this member's copy, whatever is in it. Until the agent ends."""
    form_primary: bool = False
    forming: bool = False
    """pc.bootstrap was begun, and mariadbd has neither refused it nor said since that it is Primary."""
    drain: float | None = None
    cancel_drain: bool = False
    stop: str = ""
    """Why the member is to stop; never taken back."""
