"""grastate.dat in every state that a crash, a full disk or a person may leave it in: reported, and never a wrong position."""

from __future__ import annotations

import os
import pwd
import random
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import A, B

from galera_operator.agent.disk import Disk, read_disk
from galera_operator.core.position import Directory, Position

TRUE = Position(A, 1234)
LINES = ["# GALERA saved state", "version: 2.1", f"uuid:    {A}", "seqno:   1234", "safe_to_bootstrap: 1"]
WHOLE = "\n".join(LINES) + "\n"
CRASHED = WHOLE.replace("1234", "-1").replace("bootstrap: 1", "bootstrap: 0")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "mysql").mkdir()
    (tmp_path / "ibdata1").touch()
    (tmp_path / "grastate.dat").write_text(WHOLE)
    return tmp_path


def reported(found: Disk) -> bool:
    """Not trusted, not even as a reason to ask InnoDB, and the note names the file."""
    return (
        (found.directory, found.position, found.needs_recovery, found.safe_to_bootstrap)
        == (Directory.INCOMPLETE, None, False, False)
        and found.note.startswith("grastate.dat is corrupt and not trusted: ")
        and found.note.isprintable()
        and len(found.note) < 300
    )


def test_the_whole_file_is_trusted(data: Path) -> None:
    assert read_disk(data) == Disk(Directory.USABLE, TRUE, safe_to_bootstrap=True, cluster_uuid=A)


def test_cut_at_any_byte_it_tells_the_true_position_or_none(data: Path) -> None:
    trusted = []
    for length in range(len(WHOLE)):
        (data / "grastate.dat").write_text(WHOLE[:length])
        found = read_disk(data)
        if not reported(found):
            trusted.append(WHOLE[:length])
            assert (found.directory, found.position, found.safe_to_bootstrap) == (Directory.USABLE, TRUE, False)
    assert trusted == ["\n".join(LINES[:4]) + "\n"], "with the line seqno whole, and nothing half behind it"


def test_cut_at_any_byte_a_crashed_members_file_does_not_look_like_a_position(data: Path) -> None:
    for length in range(len(CRASHED)):
        (data / "grastate.dat").write_text(CRASHED[:length])
        found = read_disk(data)
        assert reported(found) or (found.needs_recovery and found.cluster_uuid == A), CRASHED[:length]


@pytest.mark.parametrize("wrong", [b"\x00", b"\xff", b"\x1b", b":", b"-"], ids=["zero", "no text", "escape", "colon", "minus"])
def test_with_any_byte_wrong_it_tells_the_true_position_or_none(data: Path, wrong: bytes) -> None:
    whole = WHOLE.encode()
    for at in range(len(whole)):
        (data / "grastate.dat").write_bytes(whole[:at] + wrong + whole[at + 1 :])
        found = read_disk(data)
        assert reported(found) or found.position == TRUE, whole[:at]


MISSING = {
    "the heading": (0, TRUE),
    "the version": (1, TRUE),
    "the UUID": (2, None),
    "the seqno": (3, None),
    "the hint": (4, TRUE),
}


@pytest.mark.parametrize(("line", "expected"), MISSING.values(), ids=MISSING.keys())
def test_without_a_line_that_the_position_needs_it_tells_none(data: Path, line: int, expected: Position | None) -> None:
    (data / "grastate.dat").write_text("".join(text + "\n" for number, text in enumerate(LINES) if number != line))
    found = read_disk(data)
    assert found.position == expected
    assert reported(found) == (expected is None)
    assert found.safe_to_bootstrap == (line in {0, 1})


ALTERED = {
    "empty": "",
    "blanks": " \n\n \n",
    "two seqnos": WHOLE + "seqno:   99\n",
    "two UUIDs": WHOLE + f"uuid:    {B}\n",
    "the new one behind the old one": WHOLE + WHOLE,
    "a line that is none of Galera's": WHOLE + "cluster: mine\n",
    "a word without a meaning": WHOLE.replace("version: 2.1", "version 2.1"),
    "a negative seqno": WHOLE.replace("1234", "-2"),
    "a seqno with a sign": WHOLE.replace("1234", "+1234"),
    "a seqno in Arabic digits": WHOLE.replace("1234", "١٢٣٤"),
    "a seqno beyond all": WHOLE.replace("1234", "9" * 20),
    "a seqno in thousands": WHOLE.replace("1234", "1,234"),
    "a seqno in two parts": WHOLE.replace("1234", "12 34"),
    "a UUID in capitals": WHOLE.replace(A, A.upper()),
    "a UUID and more": WHOLE.replace(A, A + "0"),
    "a long UUID": WHOLE.replace(A, A * 20),
    "another hint": WHOLE.replace("bootstrap: 1", "bootstrap: yes"),
    "zero bytes behind it": WHOLE + "\0" * 40,
    "zero bytes in its place": "\0" * len(WHOLE),
    "JSON": '{"uuid": "' + A + '", "seqno": 1234}\n',
    "too long": WHOLE + "#" * 5000 + "\n",
}


@pytest.mark.parametrize("text", ALTERED.values(), ids=ALTERED.keys())
def test_what_galera_did_not_write_is_reported(data: Path, text: str) -> None:
    (data / "grastate.dat").write_text(text)
    assert reported(read_disk(data)), read_disk(data)


@pytest.mark.parametrize(
    "text",
    [
        WHOLE + " " * 30,
        WHOLE + "\n\n",
        WHOLE.replace("\n", "\r\n"),
        WHOLE.replace("safe_to_bootstrap: 1", "cert_index:"),
        "\n".join([LINES[0], *reversed(LINES[1:])]) + "\n",
    ],
    ids=["Galera's padding", "blank lines", "from Windows", "as by hand for older Galera", "in another order"],
)
def test_what_means_the_same_is_trusted(data: Path, text: str) -> None:
    (data / "grastate.dat").write_text(text)
    assert (read_disk(data).directory, read_disk(data).position) == (Directory.USABLE, TRUE)


def test_random_bytes_are_reported(data: Path) -> None:
    noise = random.Random(7)
    for _ in range(200):
        (data / "grastate.dat").write_bytes(noise.randbytes(noise.randrange(1, 400)))
        assert reported(read_disk(data))


def _is_a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def _is_huge(path: Path) -> None:
    with path.open("wb") as file:
        file.write(WHOLE.encode())
        file.truncate(1 << 40)


KINDS: dict[str, Callable[[Path], object]] = {
    "a terabyte": _is_huge,
    "a directory": Path.mkdir,
    "a pipe": os.mkfifo,
    "a socket": _is_a_socket,
    "a device without an end": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())
def test_what_is_no_small_file_is_reported_at_once(data: Path, make: Callable[[Path], object]) -> None:
    (data / "grastate.dat").unlink()
    make(data / "grastate.dat")
    assert reported(read_disk(data)), read_disk(data)


def test_a_link_to_nowhere_is_no_file(data: Path) -> None:
    (data / "grastate.dat").unlink()
    (data / "grastate.dat").symlink_to("gone")
    assert read_disk(data) == Disk(Directory.INCOMPLETE, note="a database without grastate.dat: its position is unknown")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody who may not read it")
def test_what_may_not_be_read_is_reported(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "grastate.dat").chmod(0o600)
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(data, nobody, -1)
    monkeypatch.chdir(data)  # pytest's own directories above it are closed to others
    os.seteuid(nobody)
    try:
        found = read_disk(Path())
    finally:
        os.seteuid(0)
    assert reported(found), found
    assert "Permission denied" in found.note


def test_the_names_of_foreign_files_do_not_spoil_the_note(tmp_path: Path) -> None:
    for name in (b"\xff\xfe.jpg", b"two\nlines", b"\x1b[31mred"):
        (tmp_path / os.fsdecode(name)).touch()
    found = read_disk(tmp_path)
    assert found.directory is Directory.INCOMPLETE
    assert found.note.isprintable()
    assert found.note.isascii()
