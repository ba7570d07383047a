"""Files that an operator names: what is there is read, and nobody is waited for."""

import os
from pathlib import Path

import pytest

from daemons.opening import at_once


def read(path: Path) -> str:
    with open(path, encoding="utf-8", opener=at_once) as file:
        assert os.get_blocking(file.fileno())
        return file.read()


def test_files_and_devices_are_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("text")
    assert read(file) == "text"
    assert not read(Path("/dev/null"))
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none")


def test_a_pipe_is_refused_whether_or_not_somebody_writes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    before = set(os.listdir("/proc/self/fd"))
    for _ in range(2):
        with pytest.raises(OSError, match="it is a pipe, expected a file"):
            read(pipe)
    assert set(os.listdir("/proc/self/fd")) == before
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, b"text")
    with pytest.raises(OSError, match="it is a pipe"):
        read(pipe)
    os.close(writer)
