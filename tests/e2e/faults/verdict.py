"""What must hold after every fault: no acknowledged write lost, the same rows on every member, one Primary component."""

from __future__ import annotations

from dataclasses import dataclass

from faults.cluster import MEMBERS, Cluster
from galera_operator.core.position import ZERO_UUID
from galera_operator.demo import verify
from galera_operator.demo.tally import Result

_MARK = "-- part"

_TABLES = """SELECT CONCAT('`', table_schema, '`.`', table_name, '`') FROM information_schema.tables
    WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')"""

_VIEW = """SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_state_uuid', 'wsrep_cluster_conf_id', 'wsrep_cluster_size',
    'wsrep_cluster_status', 'wsrep_local_state_comment', 'wsrep_ready')"""


@dataclass(frozen=True)
class Copy:
    """One member's data and its view, as it tells them itself. `sums`: checksum by table."""

    rows: set[verify.Row]
    probes: set[int]
    sums: dict[str, str]
    view: dict[str, str]


def read_copies(cluster: Cluster, run: int) -> dict[int, Copy]:
    """Every member's own copy, by slot. Nobody may be writing."""
    tables = cluster.sql(1, _TABLES).split()
    parts = (
        verify.query(run),
        f"SELECT number FROM demo.probes WHERE run = {run:d}",
        f"CHECKSUM TABLE {', '.join(tables)}",
        _VIEW,
    )
    # wsrep_sync_wait: each answer has in it what had been committed anywhere before the question.
    statements = "SET SESSION wsrep_sync_wait = 15; " + "; ".join(f"SELECT '{_MARK}'; {part}" for part in parts)
    return {slot: _copy(text) for slot, text in cluster.sql_everywhere(statements, timeout=120).items()}


def _copy(text: str) -> Copy:
    _, rows, probes, sums, view = (part.strip("\n") for part in text.split(_MARK))
    return Copy(
        verify.rows_from(rows),
        {int(number) for number in probes.split()},
        dict(line.split("\t") for line in sums.splitlines()),
        dict(line.split("\t") for line in view.splitlines()),
    )


def judge(copies: dict[int, Copy], seen: Result, probes: set[int]) -> list[str]:
    """Every broken promise, in words; empty when all were kept."""
    broken = [] if sorted(copies) == list(range(1, MEMBERS + 1)) else [f"members are in slots {sorted(copies)}"]
    for slot, copy in copies.items():
        found = verify.verify(seen, copy.rows)
        if found.missing:
            broken.append(f"slot {slot} lacks {len(found.missing)} acknowledged writes of the load: {found.missing[:5]}")
        if found.stray:
            broken.append(f"slot {slot} has {len(found.stray)} writes whose clients were told that they failed: {found.stray}")
        if probes - copy.probes:
            broken.append(f"slot {slot} lacks {len(probes - copy.probes)} acknowledged writes of the probe")
        told = copy.view
        broken += [f"slot {slot}: {name} is {told.get(name)!r}" for name, good in _GOOD.items() if told.get(name) != good]
    for table in sorted({table for copy in copies.values() for table in copy.sums}):
        sums = {slot: copy.sums.get(table) for slot, copy in copies.items()}
        if len(set(sums.values())) != 1 or set(sums.values()) & {None, "NULL"}:
            broken.append(f"table {table} differs: checksums {sums}")
    views = {slot: (copy.view["wsrep_cluster_state_uuid"], copy.view["wsrep_cluster_conf_id"]) for slot, copy in copies.items()}
    if len(set(views.values())) != 1 or any(uuid == ZERO_UUID for uuid, _ in views.values()):
        broken.append(f"not one Primary component: {views}")
    return broken


_GOOD = {
    "wsrep_cluster_status": "Primary",
    "wsrep_cluster_size": str(MEMBERS),
    "wsrep_local_state_comment": "Synced",
    "wsrep_ready": "ON",
}
