from __future__ import annotations

import os
from pathlib import Path

import pytest
from builders import A, B

from galera_operator.agent.disk import (
    DirectoryLock,
    Disk,
    after_recovery,
    bytes_in,
    finish_scratch,
    fresh_scratch,
    read_disk,
    replace_file,
    resume_scratch,
    set_safe_to_bootstrap,
)
from galera_operator.core.position import ZERO_UUID, Directory, Position


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
    "a transfer by mariabackup was cut off": lambda data: (data / ".sst").mkdir(),
    "a transfer was cut off": lambda data: (data / "sst_in_progress").touch(),
    "the system database is missing": lambda data: (data / "mysql").rmdir(),
}


@pytest.mark.parametrize("damage", INCOMPLETE.values(), ids=INCOMPLETE.keys())
def test_a_directory_that_cannot_be_understood_is_incomplete_and_says_why(data: Path, damage) -> None:
    damage(data)
    found = read_disk(data)
    assert (found.directory, found.position) == (Directory.INCOMPLETE, None)
    assert found.note


def test_files_of_somebody_else_are_not_initialised_over(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    assert read_disk(tmp_path).directory is Directory.INCOMPLETE


def test_setting_safe_to_bootstrap_changes_that_line_only(data: Path) -> None:
    (data / "grastate.dat").chmod(0o640)
    set_safe_to_bootstrap(data)
    assert (data / "grastate.dat").read_text() == grastate(12, safe=1)
    assert (data / "grastate.dat").stat().st_mode & 0o777 == 0o640
    (data / "grastate.dat").write_text(f"uuid: {A}\nseqno: 4\n")
    set_safe_to_bootstrap(data)
    assert read_disk(data) == Disk(Directory.USABLE, Position(A, 4), safe_to_bootstrap=True, cluster_uuid=A)


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


def test_bytes_are_counted_without_galeras_ring_buffer(tmp_path: Path) -> None:
    (tmp_path / "galera.cache").write_bytes(b"x" * 1000)
    (tmp_path / ".sst").mkdir()
    (tmp_path / ".sst" / "ibdata1").write_bytes(b"x" * 300)
    (tmp_path / "a").write_bytes(b"x" * 7)
    assert bytes_in(tmp_path) == 307
