"""Two worlds for every test: the simulated one, and the real one that it stands for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from galera_operator.sandbox.api import Sandbox

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS / "integration"))  # the real members' processes

from group_real import RealGroup  # noqa: E402
from group_simulated import SimulatedGroup  # noqa: E402
from group_world import GroupWorld  # noqa: E402
from swarm_real import IMAGE, RealSwarm  # noqa: E402
from swarm_simulated import SimulatedSwarm  # noqa: E402
from swarm_world import SwarmWorld  # noqa: E402

SWARMS = [pytest.param("simulated"), pytest.param("real", marks=pytest.mark.e2e)]
GROUPS = [pytest.param("simulated"), pytest.param("real", marks=pytest.mark.integration)]


@pytest.fixture(scope="session")
def real_swarm() -> Iterator[RealSwarm]:
    """Three nodes with the one small image. KEEP=1 leaves them up."""
    Sandbox.prepare_images(TESTS.parent, only=[IMAGE])
    sandbox = Sandbox.up(3)
    try:
        real = RealSwarm(sandbox)
        yield real
        real.close()
    finally:
        if not os.environ.get("KEEP"):
            sandbox.down()


@pytest.fixture(params=SWARMS)
def swarm(request: pytest.FixtureRequest) -> Iterator[SwarmWorld]:
    if request.param == "simulated":
        yield SimulatedSwarm()
        return
    real = request.getfixturevalue("real_swarm")
    try:
        yield real
    finally:
        real.clear()


@pytest.fixture(scope="session")
def real_group() -> Iterator[RealGroup]:
    """Three members for all tests: each says first which of them it `has`."""
    made = RealGroup()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(params=GROUPS)
def group(request: pytest.FixtureRequest) -> GroupWorld:
    if request.param == "simulated":
        return SimulatedGroup()
    real: RealGroup = request.getfixturevalue("real_group")
    return real
