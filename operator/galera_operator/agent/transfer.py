"""A state transfer, seen by either side: stages from mariadbd's log, progress from the disk and the processes at work."""

from __future__ import annotations

import os
import re
import threading
import time

from galera_operator.agent.disk import bytes_in
from galera_operator.agent.member import Member
from galera_operator.agent.process import session_work
from galera_operator.agent.progress import Progress, Sample
from galera_operator.agent.routing import STALE_SECONDS
from galera_operator.core.agent_api import WAITING_FOR_DONOR, Transfer

SAMPLE_SECONDS = 1.0
SIZE_SECONDS = 30.0
"""How often the data directory is measured while no transfer goes on."""
SHARE = 0.1
"""Of the time, at most this much goes into measuring: a directory of 100,000 tables is looked at less often."""
OVER_SECONDS = 5.0
"""A member that is Synced and whose log has said nothing of a transfer for as long is in none."""

_OPENING = "opening the database"
_BY_WRITE_SETS = frozenset({"receiving missed write-sets", "sending missed write-sets"})
_STAGES: tuple[tuple[str, str, str], ...] = (
    ("State transfer required:", "joiner", WAITING_FOR_DONOR),
    ("Proceeding with SST", "joiner", "receiving"),
    ("Waiting for SST streaming to complete", "joiner", "receiving"),
    ("Preparing the backup", "joiner", "preparing"),
    ("Moving the backup", "joiner", "moving into place"),
    ("SST completed on joiner", "joiner", "received"),
    ("Server status change joiner -> initializing", "joiner", _OPENING),
    ("IST completed on joiner", "joiner", "receiving missed write-sets"),
    ("Receiving IST", "joiner", "receiving missed write-sets"),
    ("Shifting JOINER -> JOINED", "joiner", "applying what was written meanwhile"),
    ("IST started on donor", "donor", "sending missed write-sets"),
    ("SST started on donor", "donor", "starting"),
    ("Streaming the backup to joiner", "donor", "sending"),
    ("WSREP_SST: [INFO] Tables flushed", "donor", "sending"),
)
"""What a log line contains, whose it is, and the stage that begins with it. The first that fits counts."""
_BEFORE_COPY = frozenset({WAITING_FOR_DONOR, *_BY_WRITE_SETS, _OPENING})
"""Anything else means that a copy of everything is being made; write-sets that come after it are a small rest."""
RSYNC_GROWTH = 1 << 20
"""Bytes by which the directory has to grow until rsync, which does not tell, is known to copy: a few small files come anyway."""
_ENDS = {"Shifting DONOR/DESYNCED -> JOINED": "donor", "Shifting JOINED -> SYNCED": "joiner"}
_OF_GALERA = re.compile(r"WSREP_SST: \[INFO\] |[^\[]{0,60}\[(Note|Warning)\] WSREP: ")
"""How a line has to begin: other lines hold what clients said, e.g. the user name of a refused log-in."""
_GIVEN_UP = re.compile(r"Server status change \w+ -> disconnected")
_DONOR = re.compile(r" \((?P<joiner>[^()]+)\) requested state transfer .* Selected \S+ \((?P<donor>[^()]+)\)")


class TransferWatch:
    """Follows the state transfers of one mariadbd. `on_line` comes from the log's thread, `sample` from the meter's."""

    def __init__(self, member: Member, method: str) -> None:
        self._member = member
        self._method = method
        self._lock = threading.RLock()
        self._now: Transfer | None = None
        self._since = 0.0
        self._has_copied = self._is_ist = False
        self._at_first: int | None = None
        self._donor = ""
        self._progress = Progress("", 0.0)
        self._server_ticks: tuple[float, int] | None = None
        self.leader = 0
        """mariadbd's process id; 0 before it runs."""
        self.has_given_up = False
        """Galera has left the group for good; mariadbd may go on without it."""

    def on_line(self, line: str) -> None:
        """Take a line of mariadbd's log into account."""
        if not _OF_GALERA.match(line):
            return
        chosen = _DONOR.search(line)
        if chosen and chosen["joiner"] == self._member.settings.name:
            self._donor = chosen["donor"]
        if _GIVEN_UP.search(line):
            self.has_given_up = True
        for text, role in _ENDS.items():
            if text in line:
                self._end(role)
                return
        for text, role, stage in _STAGES:
            if text in line:
                self._enter(role, stage)
                return

    def joined(self) -> None:
        """The joiner is Synced: its transfer is over."""
        self._end("joiner")

    def sample(self, now: float) -> bool:
        """Look at the disk and at the processes, if a transfer goes on: True. May take long on a slow disk."""
        with self._lock:
            current = self._now
        if current is None:
            return False
        if now - self._since > OVER_SECONDS and self._is_synced():
            self._end(current.role)
            return False
        is_joiner, by_write_sets = current.role == "joiner", current.method == "IST"
        arrived = bytes_in(self._member.settings.data_dir) if is_joiner else 0
        work = session_work(self.leader) if self.leader else {}
        server = work.pop(self.leader, None)
        wsrep = self._member.wsrep
        counts = wsrep is not None and (is_joiner or by_write_sets)
        share = self._server_share(now, server.ticks) if server and current.stage == _OPENING else 0.0
        applied = (wsrep.last_committed, wsrep.queue) if wsrep is not None and counts else None
        with self._lock:
            if self._now is None or self._now.role != current.role:
                return False  # it ended meanwhile
            self._notice_rsync(arrived)
            self._progress.add(Sample(now, self._now.stage, arrived, work, share, applied))
            self._tell()
        return True

    def _enter(self, role: str, stage: str) -> None:
        with self._lock:
            now = time.monotonic()
            if self._now is None or self._now.role != role:
                self._progress = Progress(role, now)
                self._has_copied = self._is_ist = False
                self._at_first = None
            elif self._now.stage != stage:
                self._progress.busy_at = now
            self._since = now
            self._has_copied = self._has_copied or stage not in _BEFORE_COPY
            self._is_ist = self._is_ist or (stage in _BY_WRITE_SETS and not self._has_copied)
            self._now = Transfer(role, "IST" if self._is_ist else self._method, stage, 0)
            self._tell()

    def _notice_rsync(self, arrived: int) -> None:
        """The joiner's side of rsync says nothing between asking and the end."""
        assert self._now is not None
        if self._method != "rsync" or self._now.stage != WAITING_FOR_DONOR:
            return
        if self._at_first is None:
            self._at_first = arrived
        if arrived - self._at_first > RSYNC_GROWTH:
            self._enter("joiner", "receiving")

    def _tell(self) -> None:
        assert self._now is not None
        progress = self._progress
        if not self._is_ist:
            self._now = Transfer(
                self._now.role, self._now.method, self._now.stage, progress.moved, self._total(), round(progress.rate, 1)
            )
        self._member.saw_transfer(self._now, progress.busy_at)

    def _total(self) -> int:
        """What the donor's directory holds, as its agent says, else the largest that a peer in a component tells of."""
        assert self._now is not None
        if self._now.role == "donor":
            return self._member.data_bytes
        heard = [one.status for one in self._member.peers.heard(STALE_SECONDS * 5) if one.status.wsrep is not None]
        donor = [status.data_bytes for status in heard if status.name == self._donor]
        return max(donor or [status.data_bytes for status in heard], default=0)

    def _end(self, role: str) -> None:
        with self._lock:
            if self._now is not None and self._now.role == role:
                self._now, self._donor = None, ""
                self._member.saw_transfer(None)

    def _is_synced(self) -> bool:
        wsrep = self._member.wsrep
        return wsrep is not None and wsrep.is_synced

    def _server_share(self, now: float, ticks: int) -> float:
        last, self._server_ticks = self._server_ticks, (now, ticks)
        if last is None or now <= last[0]:
            return 0.0
        return (ticks - last[1]) / os.sysconf("SC_CLK_TCK") / (now - last[0])


class Meter(threading.Thread):
    """Measures in a thread of its own: a disk that hangs holds up nothing else."""

    def __init__(self, member: Member) -> None:
        super().__init__(name="meter", daemon=True)
        self._member = member
        self.transfer: TransferWatch | None = None
        self.ended = threading.Event()

    def run(self) -> None:
        pause, measured, was_moving = 0.0, float("-inf"), False
        while not self.ended.wait(pause):
            began = time.monotonic()
            is_moving = self.transfer is not None and self.transfer.sample(began)
            if is_moving != was_moving or began - measured >= SIZE_SECONDS:
                # A joiner wants to know the donor's size when the transfer begins; its own is another one at the end.
                self._member.saw_data_bytes(bytes_in(self._member.settings.data_dir))
                measured, was_moving = began, is_moving
            pause = max(SAMPLE_SECONDS, (time.monotonic() - began) / SHARE)
