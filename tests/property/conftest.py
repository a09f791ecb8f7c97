"""The property tier uses the unit tier's builders and in-memory ports."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

settings.register_profile("tier", max_examples=150, deadline=None, database=None, derandomize=True)
settings.register_profile(  # many times over, on a busy machine: how long it takes says nothing
    "mutants", max_examples=25, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
settings.register_profile("deep", max_examples=1_500, deadline=None, database=None, report_multiple_bugs=True)
settings.register_profile("long", max_examples=20_000, deadline=None, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "tier"))
