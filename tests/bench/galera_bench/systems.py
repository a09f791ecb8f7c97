"""The systems that are compared. All run the very same image of MariaDB and Galera, with mariabackup as transfer method."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deployment import CHARTS

STACKS = Path(__file__).with_name("stacks")


@dataclass(frozen=True, slots=True)
class System:
    """One system.

    Attributes:
        key: as `ONLY=` names it.
        title: as the table names it.
        files: its stack files.
        entry: the name that clients connect to, port 3306. Each connection goes to another address behind it.
        has_operator: scaled by the label `galera.replicas`; else by `docker service scale`.
    """

    key: str
    title: str
    files: tuple[Path, ...]
    entry: str
    has_operator: bool = False


SYSTEMS = (
    System(
        "operator",
        "galera-operator with its proxy",
        (CHARTS / "galera" / "stack.yml", STACKS / "operator.yml"),
        "tasks.proxy",
        has_operator=True,
    ),
    System("naive", "`docker service scale`, naive image", (STACKS / "naive.yml",), "tasks.dbcluster"),
    System(
        "naive-health",
        "the same with a health check on `wsrep_local_state=4`",
        (STACKS / "naive.yml", STACKS / "naive-health.yml"),
        "tasks.dbcluster",
    ),
    System(
        "haproxy",
        "the naive image behind HAProxy, checked every 10 s, 2 failures",
        (STACKS / "naive.yml", STACKS / "haproxy.yml"),
        "tasks.proxy",
    ),
)
