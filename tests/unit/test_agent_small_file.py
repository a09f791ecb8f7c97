from __future__ import annotations

import os
from pathlib import Path

import pytest

from galera_operator.agent.small_file import read_small


def test_a_file_of_just_the_allowed_length_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345678")
    assert read_small(tmp_path / "file", 8) == "12345678"


def test_a_longer_file_is_refused_and_not_cut(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"123456789")
    with pytest.raises(OSError, match="longer than 8 bytes"):
        read_small(tmp_path / "file", 8)


def test_a_pipe_is_refused_whatever_comes_out_of_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "file")
    pipe = os.open(tmp_path / "file", os.O_RDWR)
    try:
        os.write(pipe, b"1234")
        with pytest.raises(OSError, match="not a file"):
            read_small(tmp_path / "file", 8)
    finally:
        os.close(pipe)


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "file")
    with pytest.raises(OSError, match="not a file"):
        read_small(tmp_path / "file", 8)
