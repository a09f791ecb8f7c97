from __future__ import annotations

from pathlib import Path

import pytest
from builders import status, wsrep

from galera_operator.agent.member import Member
from galera_operator.agent.peers import Peers
from galera_operator.agent.process import Work
from galera_operator.agent.progress import Progress, Sample
from galera_operator.agent.settings import read_settings
from galera_operator.agent.transfer import TransferWatch
from galera_operator.core.agent_api import WAITING_FOR_DONOR, AgentStatus, Stage, Transfer

STREAM, SCRIPT, BACKUP = 11, 12, 13


def at(now: float, arrived: int = 0, stage: str = "receiving", applied: tuple[int, int] | None = None, **work: int) -> Sample:
    """A sample in which the streaming process has used so many `ticks` and `written` so many bytes, the others likewise."""
    scripts = {STREAM: Work("socat", work.get("ticks", 0), work.get("read", 0), work.get("written", 0))}
    if "script_ticks" in work:
        scripts[SCRIPT] = Work("bash", work["script_ticks"])
    if "backup_read" in work:
        scripts[BACKUP] = Work("mariadb-backup", work["backup_read"] // 1000, work["backup_read"])
    return Sample(now, stage, arrived, scripts, work.get("share", 0) / 100, applied)


def idle(role: str, *samples: Sample) -> float:
    progress = Progress(role, samples[0].at)
    for sample in samples:
        progress.add(sample)
    return samples[-1].at - progress.busy_at


MOVES = {
    "a byte arrived": [at(0, 10), at(60, 10), at(61, 11)],
    "a byte went": [at(0, 10), at(60, 10), at(61, 9)],
    "a process computed": [at(0), at(60), at(61, ticks=1)],
    "a process wrote": [at(0), at(60), at(61, written=1)],
    "a process read": [at(0), at(60), at(61, read=1)],
    "another stage": [at(0), at(60), at(61, stage="preparing")],
    "a write-set was applied": [at(0, applied=(7, 5)), at(60, applied=(7, 5)), at(61, applied=(8, 4))],
    "mariadbd opens the database": [at(0), at(60), at(61, share=30)],
}


@pytest.mark.parametrize("samples", MOVES.values(), ids=MOVES.keys())
def test_what_moves_is_not_idle(samples: list[Sample]) -> None:
    assert idle("joiner", *samples[:2]) == 60
    assert idle("joiner", *samples) == 0


def test_preparing_without_growth_is_not_idle() -> None:
    assert idle("joiner", *[at(second, 500, "preparing", backup_read=second * 4000) for second in range(60)]) == 0


def test_scripts_that_look_around_move_nothing() -> None:
    assert idle("joiner", *[at(second, 500, script_ticks=second) for second in range(60)]) == 59
    assert idle("joiner", *[at(second, 500, share=2) for second in range(60)]) == 59


def test_a_donors_backup_that_only_follows_the_redo_log_moves_nothing() -> None:
    """Measured on a joiner that was stopped: 2 MiB/s read, 2 % of a core, nothing written."""
    assert idle("donor", *[at(second, backup_read=second << 21) for second in range(60)]) == 59


def test_a_donor_counts_what_went_out() -> None:
    progress = Progress("donor", 0.0)
    for sample in (at(0), at(1, written=1000, backup_read=3000), at(2, written=5000, backup_read=9000)):
        progress.add(sample)
    assert progress.moved == 5000
    progress.add(Sample(3, "sending", 0, {99: Work("rsync", 1, 0, 7000)}))
    progress.add(Sample(4, "sending", 0, {99: Work("rsync", 1, 0, 7500)}))
    assert progress.moved == 5500, "a new process counts from when it was seen first"


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    progress = Progress("joiner", 0.0)
    assert progress.rate == 0.0
    for second in range(31):
        progress.add(at(second, 100 * second if second < 20 else 2000 + 1000 * (second - 20)))
    assert progress.rate == 1000.0


# Lines of the log -----------------------------------------------------------------------------------------------------


class Told(Peers):
    said: tuple[AgentStatus, ...] = ()

    def heard(self, max_age: float):  # type: ignore[no-untyped-def]
        from galera_operator.agent.peers import Heard

        return [Heard(f"10.0.0.{slot}", one, 0.1) for slot, one in enumerate(self.said, 1)]


@pytest.fixture
def member(tmp_path: Path) -> Member:
    environ = {"GALERA_SERVICE": "db", "GALERA_SLOT": "2", "GALERA_DATA_DIR": str(tmp_path)}
    made = Member(read_settings(environ, []), Told("x", (), ()))
    made.enter(Stage.JOINING, "joining")
    return made


NOTE = "2026-11-23  8:38:29 1 [Note] WSREP: "
SST = "WSREP_SST: [INFO] "
BY_COPY = [
    (NOTE + "State transfer required: ", WAITING_FOR_DONOR, "mariabackup"),
    (NOTE + "Requesting state transfer: success, donor: 0", WAITING_FOR_DONOR, "mariabackup"),
    (SST + "Proceeding with SST (20261123 08:07:06.879)", "receiving", "mariabackup"),
    (SST + "Preparing the backup at /d/.sst (20261123)", "preparing", "mariabackup"),
    (SST + "Moving the backup to /d (20261123)", "moving into place", "mariabackup"),
    (SST + "mariabackup SST completed on joiner (20261123)", "received", "mariabackup"),
    (NOTE + "Server status change joiner -> initializing", "opening the database", "mariabackup"),
    (NOTE + "Receiving IST... 0.0% (0/3 events) complete.", "receiving missed write-sets", "mariabackup"),
    (NOTE + "Shifting JOINER -> JOINED (TO: 7)", "applying what was written meanwhile", "mariabackup"),
]
BY_WRITE_SETS = [
    (NOTE + "State transfer required: ", WAITING_FOR_DONOR, "mariabackup"),
    (SST + "mariabackup IST completed on joiner (20261123)", "receiving missed write-sets", "IST"),
    (NOTE + "Server status change joiner -> initializing", "opening the database", "IST"),
    (NOTE + "Receiving IST: 52 writesets, seqnos 4-55", "receiving missed write-sets", "IST"),
    (NOTE + "Shifting JOINER -> JOINED (TO: 55)", "applying what was written meanwhile", "IST"),
]
DONATING = [
    (SST + "mariabackup SST started on donor (20261123)", "starting", "mariabackup"),
    (SST + "Streaming the backup to joiner at 127.0.0.2:4444", "sending", "mariabackup"),
]
DONATING_WRITE_SETS = [(SST + "mariabackup IST started on donor (20261123)", "sending missed write-sets", "IST")]


@pytest.mark.parametrize(
    ("lines", "role", "end"),
    [
        (BY_COPY, "joiner", "Shifting JOINED -> SYNCED (TO: 7)"),
        (BY_WRITE_SETS, "joiner", "Shifting JOINED -> SYNCED (TO: 55)"),
        (DONATING, "donor", "Shifting DONOR/DESYNCED -> JOINED (TO: 7)"),
        (DONATING_WRITE_SETS, "donor", "Shifting DONOR/DESYNCED -> JOINED (TO: 7)"),
    ],
    ids=["a copy of everything", "missed write-sets", "donating a copy", "donating write-sets"],
)
def test_the_log_tells_the_stages(member: Member, lines: list[tuple[str, str, str]], role: str, end: str) -> None:
    watch = TransferWatch(member, "mariabackup")
    for line, stage, method in lines:
        watch.on_line(line)
        told = member.status().transfer
        assert told is not None
        assert (told.role, told.stage, told.method) == (role, stage, method), line
    watch.on_line(NOTE + end)
    assert member.status().transfer is None
    watch.on_line(lines[0][0])
    again = member.status().transfer
    assert again is not None
    assert again.method == lines[0][2], "the next transfer knows nothing of the last one"


def test_galera_that_left_the_group_for_good_has_given_up(member: Member) -> None:
    watch = TransferWatch(member, "mariabackup")
    for change in ("disconnected -> connected", "connected -> joiner", "joiner -> initializing", "initializing -> initialized"):
        watch.on_line(NOTE + f"Server status change {change}")
    assert not watch.has_given_up
    watch.on_line("2026-11-23  9:20:13 2 [Note] WSREP: Server status change connected -> disconnected")
    assert watch.has_given_up


def test_what_clients_say_is_not_galeras_word(member: Member) -> None:
    watch = TransferWatch(member, "mariabackup")
    user = "[Note] WSREP: State transfer required:"
    watch.on_line(f"2026-11-23  8:38:29 77 [Warning] Access denied for user '{user}'@'10.0.0.9' (using password: YES)")
    watch.on_line("Version: '10.11'  WSREP_SST: [INFO] Proceeding with SST")
    assert member.status().transfer is None


def test_bytes_arrive_of_what_the_donor_holds(member: Member, tmp_path: Path) -> None:
    peers = member.peers
    assert isinstance(peers, Told)
    peers.said = (
        status(1, wsrep=wsrep(), data_bytes=9000),
        status(3, wsrep=wsrep(), data_bytes=5000),
        status(4, stage=Stage.WAITING, data_bytes=10**9),
    )
    watch = TransferWatch(member, "mariabackup")
    watch.on_line(NOTE + "State transfer required: ")
    (tmp_path / "ibdata1").write_bytes(b"x" * 700)
    assert watch.sample(1000.0)
    told = member.status().transfer
    assert told is not None
    assert (told.moved, told.total) == (700, 9000), "the donor is not known yet"
    watch.on_line(NOTE + "Member 1.0 (db.2) requested state transfer from '*any*'. Selected 0.0 (db.3)(SYNCED) as donor.")
    watch.on_line(NOTE + "Member 1.0 (db.9) requested state transfer from '*any*'. Selected 0.0 (db.1)(SYNCED) as donor.")
    watch.sample(1001.0)
    told = member.status().transfer
    assert told is not None
    assert told.total == 5000


def test_a_joiner_of_rsync_is_known_to_receive_when_its_directory_grows(member: Member, tmp_path: Path) -> None:
    watch = TransferWatch(member, "rsync")
    watch.on_line(NOTE + "State transfer required: ")
    (tmp_path / "rsync_sst.conf").write_bytes(b"x" * 500)
    stages = []
    for size in (0, 500_000, 3_000_000):
        (tmp_path / "ibdata1").write_bytes(b"x" * size)
        watch.sample(1000.0 + size)
        told = member.status().transfer
        assert told is not None
        stages.append(told.stage)
    assert stages == [WAITING_FOR_DONOR, WAITING_FOR_DONOR, "receiving"]
    watch.on_line(SST + "rsync SST completed on joiner (20261123)")
    watch.on_line(NOTE + "Receiving IST... 0.0% (0/3 events) complete.")
    told = member.status().transfer
    assert told is not None
    assert told.method == "rsync"


@pytest.mark.parametrize("line", [BY_WRITE_SETS[0][0], DONATING[0][0]], ids=["joiner", "donor"])
def test_a_synced_member_is_in_no_transfer_whatever_its_log_left_out(member: Member, line: str) -> None:
    watch = TransferWatch(member, "mariabackup")
    watch.on_line(line)
    member.saw_wsrep(wsrep(cluster_size=2))
    since = watch._since
    assert watch.sample(since + 1.0), "mariadbd may not have told of it yet"
    assert not watch.sample(since + 6.0)
    assert member.status().transfer is None


def test_the_time_since_the_last_move_grows_also_while_nobody_samples(member: Member) -> None:
    member.saw_transfer(Transfer("joiner", "rsync", "receiving", 5), busy_at=-(10.0**9))
    told = member.status().transfer
    assert told is not None
    assert told.idle > 10**9
