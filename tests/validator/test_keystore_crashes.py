"""What a crash at any point, or a full disk, leaves of the key store."""

import multiprocessing
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.validator.stores import RECORD, following, in_child, nobody_waits, read, write
from validator.errors import KeyStoreError
from validator.keystore import KeyStore
from validator.record import Record

CALLS = ("open", "unlink", "fdopen", "fsync", "replace")


def write_and_die(path: Path, new: Record, fatal: int, after: bool) -> None:
    """Write, and be killed before or after the `fatal`-th call of the system."""
    calls = 0

    def wrap(name: str) -> None:
        original = getattr(os, name)

        def call(*arguments, **more):
            nonlocal calls
            calls += 1
            here = calls == fatal
            if here and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return original(*arguments, **more)
            finally:
                if here:
                    os.kill(os.getpid(), signal.SIGKILL)

        setattr(os, name, call)

    with KeyStore(path) as store, store.locked(new.record_id, 0, nobody_waits) as locked:
        for name in CALLS:
            wrap(name)
        locked.write(new)


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_every_call_the_old_record_or_the_new_one_is_there(
    store: KeyStore, path: Path, after: bool
):
    seen = set()
    for fatal in range(1, 20):
        write(store, RECORD)
        newer = following(RECORD)
        exit_code = in_child(write_and_die, path, newer, fatal, after)
        found = read(path)
        assert found in (RECORD, newer)
        seen.add(found == newer)
        if exit_code == 0:
            assert found == newer
            break
        assert exit_code == -signal.SIGKILL
    else:
        pytest.fail("the writer never got to its end")
    assert fatal > len(CALLS)
    assert seen == {True, False}
    write(store, following(RECORD))
    assert not list(path.glob("*.tmp"))


def write_for_ever(path: Path, first: Record, report: int) -> None:
    current = first
    with KeyStore(path) as store, store.locked(first.record_id, 0, nobody_waits) as locked:
        while True:
            current = following(current)
            locked.write(current)
            os.write(report, current.generation.number.to_bytes(4, "big"))


def test_killed_at_random_points_what_was_said_to_be_durable_is_there(store: KeyStore, path: Path):
    delays = secrets.SystemRandom()
    for _ in range(12):
        first = read(path)
        reading, writing = os.pipe()
        process = multiprocessing.get_context("fork").Process(
            target=write_for_ever, args=(path, first, writing)
        )
        process.start()
        os.close(writing)
        said = os.read(reading, 4)  # the first write is done: from now on anything may be going on
        time.sleep(delays.uniform(0, 0.02))
        process.kill()
        process.join()
        while more := os.read(reading, 4):
            said = more
        os.close(reading)
        number = read(path).generation.number
        assert number - int.from_bytes(said, "big") in (0, 1)


def test_durable_means_file_and_directory_are_synchronised(store: KeyStore, monkeypatch):
    order: list[str] = []
    directory = store._directory
    fsync, replace_file = os.fsync, os.replace

    def spy_fsync(descriptor: int) -> None:
        order.append("directory" if descriptor == directory else "file")
        fsync(descriptor)

    def spy_replace(*arguments, **more) -> None:
        order.append("replace")
        replace_file(*arguments, **more)

    monkeypatch.setattr(os, "fsync", spy_fsync)
    monkeypatch.setattr(os, "replace", spy_replace)
    write(store, following(RECORD))
    assert order == ["file", "replace", "directory"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with four pages."""
    mount = tmp_path / "small"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(mount)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("mounting needs root")
    try:
        yield mount
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))


def test_a_full_disk_leaves_the_old_record(small_disk: Path):
    path = small_disk / "bartizan"
    with KeyStore(path) as store:
        write(store, RECORD)
        fill(small_disk / "filler")
        with pytest.raises(KeyStoreError, match="No space left on device"):
            write(store, following(RECORD))
        assert store.listing().records == (RECORD,)
        assert not list(path.glob("*.tmp"))
        (small_disk / "filler").unlink()
        newer = following(RECORD)
        write(store, newer)
        assert store.listing().records == (newer,)
