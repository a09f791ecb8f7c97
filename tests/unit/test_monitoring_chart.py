"""The monitoring chart: each alert explained, queries of metrics that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml
from shown import busy_board

from galera_operator.runtime.pulse import Pulse
from galera_operator.web.metrics import Metrics

CHART = Path(__file__).parents[2] / "charts" / "monitoring"
RULES = [rule for group in yaml.safe_load((CHART / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
DASHBOARD = json.loads((CHART / "dashboard.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
OF_ANY_PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total"}


def exported() -> set[str]:
    text = Metrics(busy_board(), Pulse(2.0)).text().decode()
    return set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE)) | OF_ANY_PROCESS


def asked_for(expression: str) -> set[str]:
    names = re.findall(r"\b(galera_\w+|process_\w+)", expression)
    return {name.removesuffix("_bucket") for name in names}


def test_every_query_is_about_metrics_that_the_operator_exports() -> None:
    for expression in (*QUERIES, *(rule["expr"] for rule in RULES)):
        assert asked_for(expression) <= exported(), expression


def test_every_alert_says_what_is_wrong_how_bad_it_is_and_what_to_type() -> None:
    table = (CHART / "README.md").read_text()
    for rule in RULES:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert set(rule["annotations"]) == {"summary", "description", "command"}
        assert rule["annotations"]["command"].startswith(("docker ", "galera-operator "))
        assert re.search(rf"^\| `{rule['alert']}` .*\| {rule['labels']['severity']} \|$", table, re.MULTILINE), rule["alert"]


def test_every_panel_has_a_title_a_query_and_a_place_of_its_own() -> None:
    places = [tuple(panel["gridPos"].values()) for panel in DASHBOARD["panels"]]
    assert len(places) == len(set(places))
    assert all(panel["title"] and panel["targets"] for panel in DASHBOARD["panels"])
