"""The alert rules under Prometheus' own tool: they are rules, and they fire when they should and only then."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

CHART = Path(__file__).parents[2] / "charts" / "monitoring"


@pytest.mark.parametrize("command", [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]], ids="_".join)
def test_promtool_accepts_the_rules(command: list[str]) -> None:
    done = subprocess.run(["/usr/bin/promtool", *command], cwd=CHART, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
