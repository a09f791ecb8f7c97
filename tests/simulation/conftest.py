"""The simulation tier: the real operator on a Swarm and a Galera in memory. Fast, seeded, on one core."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings
from loguru import logger

settings.register_profile("tier", max_examples=60, stateful_step_count=40, deadline=None, database=None, derandomize=True)
settings.register_profile("long", max_examples=5_000, stateful_step_count=80, deadline=None, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tier"))


@pytest.fixture(autouse=True, scope="session")
def _operators_are_silent():
    """A history has hundreds of decisions; `sim replay` tells them."""
    logger.disable("galera_operator")
    yield
    logger.enable("galera_operator")
