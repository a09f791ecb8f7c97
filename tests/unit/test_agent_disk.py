from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from builders import A, B, C

from galera_operator.agent import bootstrap_mark
from galera_operator.agent.bootstrap_mark import DamagedMark, Mark
from galera_operator.agent.disk import (
    DirectoryLock,
    Disk,
    after_recovery,
    begin_bootstrap,
    bytes_in,
    finish_scratch,
    fresh_scratch,
    give_to_mysql,
    read_disk,
    replace_file,
    resume_scratch,
)
from galera_operator.agent.options import Start
from galera_operator.agent.recovery import make_ready
from galera_operator.core.position import ZERO_UUID, Directory, Grastate, Position, parse_grastate


def grastate(seqno: int, uuid: str = A, safe: int = 0) -> str:
    return f"# GALERA saved state\nversion: 2.1\nuuid:    {uuid}\nseqno:   {seqno}\nsafe_to_bootstrap: {safe}\n"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory with a database and a clean stop's position."""
    (tmp_path / "mysql").mkdir()
    (tmp_path / "ibdata1").touch()
    (tmp_path / "grastate.dat").write_text(grastate(12))
    return tmp_path


def test_a_fresh_volume_is_empty_also_with_what_file_systems_and_galera_leave(tmp_path: Path) -> None:
    assert read_disk(tmp_path) == Disk(Directory.EMPTY)
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "galera.cache").touch()
    (tmp_path / ".galera-init").mkdir()
    (tmp_path / "gvwstate.dat").touch()
    (tmp_path / ".galera-agent.last-end").touch()
    assert read_disk(tmp_path).directory is Directory.EMPTY


def test_a_clean_stop_has_a_position(data: Path) -> None:
    assert read_disk(data) == Disk(Directory.USABLE, Position(A, 12), cluster_uuid=A)
    (data / "grastate.dat").write_text(grastate(12, safe=1))
    assert read_disk(data).safe_to_bootstrap


def test_a_crash_needs_recovery_and_is_not_usable_before(data: Path) -> None:
    (data / "grastate.dat").write_text(grastate(-1))
    found = read_disk(data)
    assert (found.directory, found.position, found.needs_recovery) == (Directory.INCOMPLETE, None, True)
    assert after_recovery(found, Position(A, 99)).position == Position(A, 99)
    assert after_recovery(found, Position(A, 99)).directory is Directory.USABLE


@pytest.mark.parametrize(
    "recovered", [Position(ZERO_UUID, -1), Position(ZERO_UUID, 5), Position(A, -1), Position(B, 99)], ids=str
)
def test_what_innodb_and_grastate_do_not_agree_on_is_not_trusted(data: Path, recovered: Position) -> None:
    (data / "grastate.dat").write_text(grastate(-1))
    after = after_recovery(read_disk(data), recovered)
    assert (after.directory, after.position) == (Directory.INCOMPLETE, None)
    assert after.note


INCOMPLETE = {
    "grastate.dat is absent": lambda data: (data / "grastate.dat").unlink(),
    "grastate.dat is empty": lambda data: (data / "grastate.dat").write_text(""),
    "grastate.dat is half-written": lambda data: (data / "grastate.dat").write_text(grastate(12)[:40]),
    "grastate.dat is binary": lambda data: (data / "grastate.dat").write_bytes(os.urandom(120) + b"\xff"),
    "grastate.dat has a UUID of zeros and a seqno": lambda data: (data / "grastate.dat").write_text(grastate(7, ZERO_UUID)),
    "the system database is missing": lambda data: (data / "mysql").rmdir(),
}


@pytest.mark.parametrize("damage", INCOMPLETE.values(), ids=INCOMPLETE.keys())
def test_a_directory_that_cannot_be_understood_is_incomplete_and_says_why(data: Path, damage) -> None:
    damage(data)
    found = read_disk(data)
    assert (found.directory, found.position) == (Directory.INCOMPLETE, None)
    assert found.note


@pytest.mark.parametrize("mark", [".sst", "sst_in_progress"])
def test_a_directory_into_which_a_transfer_was_cut_off_is_half_copied(data: Path, mark: str) -> None:
    (data / mark).mkdir()
    found = read_disk(data)
    assert (found.directory, found.position) == (Directory.HALF_COPIED, None)
    assert mark in found.note


@pytest.mark.parametrize("mark", [".sst", "sst_in_progress"])
def test_a_transfer_that_had_only_begun_does_not_leave_an_empty_directory(tmp_path: Path, mark: str) -> None:
    (tmp_path / mark).mkdir()
    assert read_disk(tmp_path).directory is Directory.HALF_COPIED


def test_a_saved_view_is_reported_and_decides_nothing(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    without = read_disk(data)
    assert not caplog.text
    (data / "gvwstate.dat").write_text("my_uuid: half writ")
    assert read_disk(data) == without
    assert "gvwstate.dat" in caplog.text


def test_files_of_somebody_else_are_not_initialised_over(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    assert read_disk(tmp_path).directory is Directory.INCOMPLETE


def test_a_bootstrap_is_made_possible_and_leaves_a_mark(data: Path) -> None:
    (data / "grastate.dat").chmod(0o640)
    started = make_ready(data, Start("10.0.0.1", (), Position(A, 12)))
    assert started.position == Position(A, 12)
    assert parse_grastate((data / "grastate.dat").read_text()) == Grastate(A, -1, safe_to_bootstrap=True)
    assert (data / "grastate.dat").stat().st_mode & 0o777 == 0o640
    assert bootstrap_mark.read(data) == Mark(Position(A, 12), Position(A, 12))


def test_a_new_history_begins_at_the_same_seqno(data: Path) -> None:
    started = make_ready(data, Start("10.0.0.1", (), Position(A, 12), history=B))
    assert started.position == Position(B, 12)
    assert parse_grastate((data / "grastate.dat").read_text()) == Grastate(B, -1, safe_to_bootstrap=True)
    assert bootstrap_mark.read(data) == Mark(Position(A, 12), Position(B, 12))


@pytest.mark.parametrize(
    ("history", "recovered", "position"),
    [
        (A, Position(ZERO_UUID, -1), Position(A, 12)),
        (B, Position(ZERO_UUID, -1), Position(B, 12)),
        (B, Position(A, 12), Position(A, 12)),
        (B, Position(B, 13), Position(B, 13)),
    ],
    ids=["killed before the first view", "the same, under a new history", "killed earlier still", "killed after it"],
)
def test_a_bootstrap_that_was_killed_leaves_a_usable_directory(data, history, recovered, position) -> None:
    make_ready(data, Start("10.0.0.1", (), Position(A, 12), history=history))
    found = read_disk(data)
    assert found.needs_recovery
    after = after_recovery(found, recovered)
    assert (after.directory, after.position) == (Directory.USABLE, position)
    assert after.only_marked is (recovered == Position(ZERO_UUID, -1))


def test_the_mark_says_nothing_for_another_history_or_an_odd_recovery(data: Path) -> None:
    begin_bootstrap(data, Position(A, 12), Position(B, 12))
    found = read_disk(data)
    for recovered in (Position(ZERO_UUID, 5), Position(B, -1), Position(C, 12)):
        assert after_recovery(found, recovered).directory is Directory.INCOMPLETE
    (data / "grastate.dat").write_text(grastate(-1, C))
    assert after_recovery(read_disk(data), Position(ZERO_UUID, -1)).directory is Directory.INCOMPLETE


@pytest.mark.parametrize("safe", ["0", "1"])
def test_a_directory_whose_mariadbd_was_killed_while_it_ran_ddl_says_so(data: Path, safe: str) -> None:
    (data / "grastate.dat").write_text(grastate(-1, ZERO_UUID).replace("safe_to_bootstrap: 0", f"safe_to_bootstrap: {safe}"))
    after = after_recovery(read_disk(data), Position(A, 7))
    assert (after.directory, after.position, after.safe_to_bootstrap) == (Directory.MID_DDL, Position(A, 7), False)
    assert f"InnoDB recovered {A}:7" in after.note


@pytest.mark.parametrize(
    ("recovered", "directory", "position"),
    [
        (Position(A, 12), Directory.MID_DDL, Position(A, 12)),
        (Position(ZERO_UUID, -1), Directory.USABLE, Position(B, 12)),
        (Position(B, 13), Directory.USABLE, Position(B, 13)),
    ],
    ids=["killed before it changed anything", "killed before the first view", "killed after it"],
)
def test_what_was_killed_in_the_middle_of_ddl_is_whole_only_under_a_new_history(data, recovered, directory, position) -> None:
    make_ready(data, Start("10.0.0.1", (), Position(A, 12), history=B, mid_ddl=True))
    after = after_recovery(read_disk(data), recovered)
    assert (after.directory, after.position) == (directory, position)


MARKS = {
    "empty": "",
    "cut off": f"{A}:12 {B}:1",
    "cut off in its last number, perhaps": f"{A}:12 {A}:12",
    "one position": f"{A}:12\n",
    "two seqnos": f"{A}:12 {B}:13\n",
    "from zeros": f"{ZERO_UUID}:12 {A}:12\n",
    "to zeros": f"{A}:12 {ZERO_UUID}:12\n",
    "no seqno": f"{A}:-1 {A}:-1\n",
    "a third word": f"{A}:12 {B}:12 dml\n",
    "more than a mark": f"{A}:12 {A}:12\n and more\n",
    "not text": "\udcff",
    "endless": f"{A}:12 {A}:12\n" * 100,
}


@pytest.mark.parametrize("text", MARKS.values(), ids=MARKS.keys())
def test_a_damaged_mark_is_reported_and_never_trusted(data: Path, text: str) -> None:
    begin_bootstrap(data, Position(A, 12), Position(A, 12))
    bootstrap_mark.path_of(data).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(DamagedMark):
        bootstrap_mark.read(data)
    after = after_recovery(read_disk(data), Position(ZERO_UUID, -1))
    assert (after.directory, after.position) == (Directory.INCOMPLETE, None)
    assert "damaged" in after.note
    assert after_recovery(read_disk(data), Position(A, 12)).directory is Directory.USABLE, "InnoDB knows"


def test_a_mark_that_is_no_file_is_not_read(data: Path) -> None:
    os.mkfifo(bootstrap_mark.path_of(data))
    with pytest.raises(DamagedMark, match="not a file"):
        bootstrap_mark.read(data)


def test_a_clean_stop_counts_more_than_a_mark(data: Path) -> None:
    begin_bootstrap(data, Position(A, 12), Position(B, 12))
    (data / "grastate.dat").write_text(grastate(99, B))
    assert read_disk(data).position == Position(B, 99)


@pytest.mark.parametrize("position", [Position(A, 12), None], ids=["with a position", "without"])
def test_a_join_leaves_no_mark_for_other_data(data: Path, position: Position | None) -> None:
    begin_bootstrap(data, Position(A, 12), Position(B, 12))
    assert make_ready(data, Start("10.0.0.1", ("10.0.0.2",), position)).position == position
    assert bootstrap_mark.read(data) is None


def test_a_join_takes_the_position_back_from_a_history_that_had_only_begun(data: Path) -> None:
    begin_bootstrap(data, Position(A, 12), Position(B, 12))
    make_ready(data, Start("10.0.0.1", ("10.0.0.2",), Position(A, 12)))
    said = parse_grastate((data / "grastate.dat").read_text())
    assert (said.uuid, said.seqno) == (A, -1), "or Galera would ignore the position on the command line"


def test_a_join_from_a_clean_stop_changes_nothing(data: Path) -> None:
    before = (data / "grastate.dat").read_text()
    started = make_ready(data, Start("10.0.0.1", ("10.0.0.2",), Position(A, 12)))
    assert started.position == Position(A, 12)
    assert (data / "grastate.dat").read_text() == before


def test_a_join_that_copies_everything_sets_out_from_no_position(data: Path) -> None:
    (data / "galera.cache").touch()
    started = make_ready(data, Start("10.0.0.1", ("10.0.0.2",), Position(A, 12), copies_all=True))
    assert started.position is None
    assert read_disk(data).needs_recovery, "and InnoDB still knows where the data is"
    assert not (data / "galera.cache").exists(), "it may hold other write-sets under the same numbers"


@pytest.mark.parametrize("grastate_dat", [None, b"", b"\xff\xfe", b"uuid: zeros"], ids=str)
def test_a_join_of_a_broken_directory_leaves_what_cannot_be_understood(data: Path, grastate_dat: bytes | None) -> None:
    (data / "galera.cache").touch()
    (data / "grastate.dat").unlink()
    if grastate_dat is not None:
        (data / "grastate.dat").write_bytes(grastate_dat)
    assert make_ready(data, Start("10.0.0.1", ("10.0.0.2",), None)).position is None
    assert not (data / "galera.cache").exists()
    assert read_disk(data).directory is Directory.INCOMPLETE


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("old")
    replace_file(file, "new")
    assert file.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["f"]


def test_an_interrupted_first_initialisation_leaves_nothing_or_everything(tmp_path: Path) -> None:
    scratch = fresh_scratch(tmp_path)
    (scratch / "mysql").mkdir()
    assert read_disk(tmp_path).directory is Directory.EMPTY
    assert not resume_scratch(tmp_path), "not complete: begun anew by the next grant"
    assert not (fresh_scratch(tmp_path) / "mysql").exists()

    (scratch / "mysql").mkdir()
    (scratch / "ibdata1").touch()
    (scratch / "complete").touch()
    (scratch / "ibdata1").replace(tmp_path / "ibdata1")  # died in the middle of moving
    assert resume_scratch(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["ibdata1", "mysql"]
    assert not resume_scratch(tmp_path)


def test_a_finished_initialisation_is_in_place(tmp_path: Path) -> None:
    (fresh_scratch(tmp_path) / "mysql").mkdir()
    finish_scratch(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mysql"]


def test_one_lock_at_a_time_and_it_survives_the_deletion_of_all_files(data: Path) -> None:
    first, second = DirectoryLock(data), DirectoryLock(data)
    assert first.try_lock()
    for name in ("grastate.dat", "ibdata1"):
        (data / name).unlink()
    assert not second.try_lock()
    os.close(first.fd)
    assert second.try_lock()
    os.close(second.fd)


def test_bytes_are_counted_without_what_each_member_makes_itself(tmp_path: Path) -> None:
    for name in ("galera.cache", "gcache.page.000001", "ib_logfile0", "ibtmp1"):
        (tmp_path / name).write_bytes(b"x" * 1000)
    (tmp_path / ".sst").mkdir()
    (tmp_path / ".sst" / "ibdata1").write_bytes(b"x" * 300)
    (tmp_path / "a").write_bytes(b"x" * 7)
    assert bytes_in(tmp_path) == 307


ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@ROOT_ONLY
def test_a_volume_of_another_account_becomes_mysqls_with_all_that_is_in_it(data: Path) -> None:
    give_to_mysql(data, "nobody")
    owner = pwd.getpwnam("nobody").pw_uid
    assert {path.stat().st_uid for path in (data, data / "mysql", data / "ibdata1", data / "grastate.dat")} == {owner}


@ROOT_ONLY
def test_what_a_person_edited_as_root_in_mysqls_volume_is_mysqls_again(data: Path) -> None:
    give_to_mysql(data, "nobody")
    owner = pwd.getpwnam("nobody").pw_uid
    os.chown(data / "grastate.dat", 0, 0)
    (data / "gvwstate.dat").symlink_to("/etc/hostname")
    give_to_mysql(data, "nobody")
    assert (data / "grastate.dat").stat().st_uid == owner
    assert Path("/etc/hostname").stat().st_uid == 0
