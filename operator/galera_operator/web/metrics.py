"""Prometheus metrics, made anew from the board at every scrape: what is gone from the board is gone from here.

Counters begin again when this operator takes a cluster up, as Prometheus expects of a process that was started anew.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from galera_operator import __version__
from galera_operator.core.condition import Condition
from galera_operator.core.model import Seat
from galera_operator.core.phase import Phase, phase_of
from galera_operator.core.plan import Page
from galera_operator.core.report import View, is_writer
from galera_operator.core.traffic import may_write
from galera_operator.runtime.board import BUCKETS, Board, Posted
from galera_operator.runtime.pulse import Pulse

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OF_CLUSTER = ("cluster",)
OF_MEMBER = ("cluster", "slot", "node")


class Metrics(Collector):
    def __init__(self, board: Board, pulse: Pulse) -> None:
        self._board = board
        self._pulse = pulse
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """What ``/metrics`` answers."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        posted = self._board.posted()
        yield from _operator(self._pulse)
        yield from _turns(posted)
        seen = [(one, one.view) for one in posted if one.leads]
        views = [(one.moment.cluster, view) for one, view in seen if view]
        yield from _clusters(views)
        yield from _members(views)


def _operator(pulse: Pulse) -> Iterator[Metric]:
    build = GaugeMetricFamily(
        "galera_operator_build_info", "Always 1; its labels are the versions.", labels=("version", "python")
    )
    build.add_metric([__version__, platform.python_version()], 1)
    yield build
    readable = "1 while the Swarm's services and tasks can be read; nothing is done while they cannot."
    yield GaugeMetricFamily("galera_operator_swarm_readable", readable, value=not pulse.swarm_fault)
    alive = "1 while the operator's loop comes round in time: what /healthz answers."
    yield GaugeMetricFamily("galera_operator_alive", alive, value=not pulse.fault())
    failed = "Turns that ended in an unforeseen exception. Each is a bug."
    yield CounterMetricFamily("galera_operator_failed_turns", failed, value=pulse.failed_turns)


def _turns(posted: tuple[Posted, ...]) -> Iterator[Metric]:
    ticks = CounterMetricFamily("galera_operator_ticks", "Turns taken.", labels=OF_CLUSTER)
    looks = HistogramMetricFamily(
        "galera_operator_look_duration_seconds", "How long all members took to answer.", labels=OF_CLUSTER
    )
    decisions = CounterMetricFamily(
        "galera_operator_decisions", "Decisions by kind, and by name where it is a page.", labels=(*OF_CLUSTER, "kind", "page")
    )
    steps = CounterMetricFamily("galera_operator_steps", "Steps that were tried.", labels=(*OF_CLUSTER, "step", "outcome"))
    lease = GaugeMetricFamily("galera_operator_lease_held", "1 while this operator acts for the cluster.", labels=OF_CLUSTER)
    last = GaugeMetricFamily(
        "galera_operator_last_look_timestamp_seconds", "When the members were last asked, Unix time.", labels=OF_CLUSTER
    )
    page = GaugeMetricFamily("galera_operator_page_open", "1 while this page is open.", labels=(*OF_CLUSTER, "page"))
    for one in posted:
        name, tally = one.moment.cluster, one.tally
        ticks.add_metric([name], tally.turns)
        bounds = [*map(str, BUCKETS), "+Inf"]
        looks.add_metric([name], list(zip(bounds, accumulate(tally.looks), strict=True)), tally.look_seconds)
        for (kind, which), count in sorted(tally.decisions.items()):
            decisions.add_metric([name, kind, which], count)
        for (step, outcome), count in sorted(tally.steps.items()):
            steps.add_metric([name, step, outcome], count)
        lease.add_metric([name], one.leads)
        if one.looked:
            last.add_metric([name], one.looked.at.timestamp())
        if isinstance(one.moment.plan, Page):
            page.add_metric([name, one.moment.plan.name], 1)
    yield from (ticks, looks, decisions, steps, lease, last, page)


def _clusters(views: list[tuple[str, View]]) -> Iterator[Metric]:
    wished = GaugeMetricFamily("galera_cluster_members_wished", "Members wished for.", labels=OF_CLUSTER)
    replicas = GaugeMetricFamily("galera_cluster_replicas", "Members that Swarm is to run.", labels=OF_CLUSTER)
    condition = GaugeMetricFamily("galera_cluster_condition", "1 for what the cluster is.", labels=(*OF_CLUSTER, "condition"))
    writable = GaugeMetricFamily(
        "galera_cluster_writable", "1 while a member takes writes for the write port.", labels=OF_CLUSTER
    )
    paused = GaugeMetricFamily("galera_cluster_paused", "1 while galera.pause holds the operator back.", labels=OF_CLUSTER)
    kept = GaugeMetricFamily(
        "galera_cluster_kept_volumes", "Nodes that may hold the volume of a member that left.", labels=OF_CLUSTER
    )
    for name, view in views:
        seen = view.seen
        wished.add_metric([name], seen.wanted)
        replicas.add_metric([name], seen.service.replicas)
        for one in Condition:
            condition.add_metric([name, one], view.condition is one)
        writable.add_metric([name], any(is_writer(seat, seen) and may_write(seat) for seat in seen.seats))
        paused.add_metric([name], seen.settings.pause)
        kept.add_metric([name], len(view.kept))
    yield from (wished, replicas, condition, writable, paused, kept)


def _members(views: list[tuple[str, View]]) -> Iterator[Metric]:
    phase = GaugeMetricFamily("galera_member_phase", "1 for what the member does.", labels=(*OF_MEMBER, "phase"))
    gauges = {name: GaugeMetricFamily(f"galera_member_{name}", told, labels=OF_MEMBER) for name, told in _GAUGES.items()}
    transfers = {
        name: GaugeMetricFamily(f"galera_member_transfer_{name}", told, labels=(*OF_MEMBER, "role", "method"))
        for name, told in _TRANSFER.items()
    }
    for cluster, view in views:
        for seat in view.seen.seats:
            labels = [cluster, str(seat.slot), seat.task.node]
            now = phase_of(seat)
            for one in Phase:
                phase.add_metric([*labels, one], now is one)
            gauges["writer"].add_metric(labels, is_writer(seat, view.seen))
            for name, value in _values(seat):
                gauges[name].add_metric(labels, value)
            transfer = seat.agent.transfer if seat.agent else None
            if transfer:
                about = [*labels, transfer.role, transfer.method]
                transfers["bytes"].add_metric(about, transfer.moved)
                transfers["size_bytes"].add_metric(about, transfer.total)
                transfers["idle_seconds"].add_metric(about, transfer.idle)
    yield from (phase, *gauges.values(), *transfers.values())


_GAUGES = {
    "seen": "1 while its agent answers.",
    "admitted": "1 once traffic may come to it.",
    "writer": "1 for who takes the writes of the write port.",
    "sessions": "Client sessions.",
    "transactions_in_flight": "Client sessions inside a transaction or a statement.",
    "data_bytes": "Size of its data directory.",
    "primary": "1 while it is part of a Primary component.",
    "synced": "1 while it says Synced, ready, connected and Primary.",
    "local_state": "wsrep_local_state: 1 Joining, 2 Donor/Desynced, 3 Joined, 4 Synced.",
    "cluster_size": "wsrep_cluster_size.",
    "receive_queue_writesets": "wsrep_local_recv_queue: received and not yet applied.",
    "flow_paused_ratio": "Part of the last seconds, 0 to 1, in which flow control held its commits back.",
    "last_committed_seqno": "wsrep_last_committed.",
    "desync_count": "wsrep_desync_count: how many operations keep it out of flow control.",
}
_TRANSFER = {
    "bytes": "Bytes that a state transfer has moved so far.",
    "size_bytes": "Bytes that will have moved at its end, about; 0 where unknown.",
    "idle_seconds": "How long nothing has moved in it.",
}


def _values(seat: Seat) -> Iterator[tuple[str, float]]:
    """What is known of the member; what is not known has no sample."""
    agent, wsrep = seat.agent, seat.wsrep
    yield "seen", agent is not None
    yield "admitted", seat.is_admitted
    if agent:
        yield "sessions", agent.sessions
        yield "transactions_in_flight", agent.in_flight
        if agent.data_bytes:
            yield "data_bytes", agent.data_bytes
        if agent.flow:
            yield "flow_paused_ratio", agent.flow.paused
    yield "primary", wsrep is not None and wsrep.is_primary
    yield "synced", wsrep is not None and wsrep.is_synced
    if wsrep:
        yield "local_state", wsrep.local_state
        yield "cluster_size", wsrep.cluster_size
        yield "receive_queue_writesets", wsrep.queue
        yield "last_committed_seqno", wsrep.last_committed
        yield "desync_count", wsrep.desync_count
