"""What the Tab key offers for an argument."""

from __future__ import annotations

from galera_operator.adapters import swarm_spec
from galera_operator.adapters.swarm_api import EngineApi
from galera_operator.ports import Refused, Unreachable

PATIENCE = 1.0
"""Seconds that a person waits for the Tab key."""


def galera_services(incomplete: str) -> list[str]:
    """The Galera services of this Swarm that begin so; none where no manager answers, since a completion must not complain."""
    try:
        databases = swarm_spec.load(EngineApi(timeout=PATIENCE)).databases
    except (Unreachable, Refused):
        return []
    return sorted(database.name for database in databases if database.name.startswith(incomplete))
