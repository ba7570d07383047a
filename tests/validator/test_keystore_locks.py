"""Processes that use one enrolment take turns."""

import errno
import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.validator.pairs import record
from tests.validator.stores import RECORD, following, in_child, nobody_waits, read, write
from validator.errors import BusyError, KeyStoreError
from validator.keystore import KeyStore


def advance(path: Path, record_id: str, times: int) -> None:
    with KeyStore(path) as store:
        for _ in range(times):
            with store.locked(record_id, 60, lambda: None) as locked:
                locked.write(following(locked.read()))


def test_processes_take_turns_and_no_generation_is_lost(store: KeyStore, path: Path):
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=advance, args=(path, RECORD.record_id, 10)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert read(path).generation.number == 40


def test_waiting_is_told_once_and_bounded(store: KeyStore, path: Path):
    told: list[bool] = []
    with store.locked(RECORD.record_id, 0, nobody_waits):
        begun = time.monotonic()
        with (
            KeyStore(path) as other,
            pytest.raises(BusyError),
            other.locked(RECORD.record_id, 0.2, lambda: told.append(True)),
        ):
            pass
        assert 0.2 <= time.monotonic() - begun < 5
    assert told == [True]


def test_two_enrolments_do_not_wait_for_each_other(store: KeyStore):
    other = record("web2", "alice")
    with store.locked(RECORD.record_id, 0, nobody_waits):
        write(store, other)


def test_a_file_system_without_locks_is_named(store: KeyStore, path: Path, monkeypatch):
    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(KeyStoreError, match=f"{RECORD.record_id}.lock.*No locks available"),
        store.locked(RECORD.record_id, 0, nobody_waits),
    ):
        pass


def hold_and_die(path: Path, record_id: str) -> None:
    with KeyStore(path) as store, store.locked(record_id, 0, nobody_waits):
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_dead_process_holds_no_lock(store: KeyStore, path: Path):
    assert in_child(hold_and_die, path, RECORD.record_id) == -signal.SIGKILL
    with store.locked(RECORD.record_id, 0, nobody_waits):
        pass


def test_a_lock_file_that_is_removed_under_our_hands_is_no_lock(
    store: KeyStore, path: Path, monkeypatch
):
    """Another process forgets the enrolment between our opening the lock's file and locking it."""
    flock = fcntl.flock
    forgotten = []

    def late_flock(descriptor: int, operation: int) -> None:
        if not forgotten:
            forgotten.append(descriptor)
            (path / (RECORD.record_id + ".lock")).unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late_flock)
    with (
        store.locked(RECORD.record_id, 0, nobody_waits),
        KeyStore(path) as other,
        pytest.raises(BusyError),
        other.locked(RECORD.record_id, 0, lambda: None),
    ):
        pass
    assert forgotten


def test_who_waits_while_the_enrolment_is_forgotten_gets_the_lock(store: KeyStore, path: Path):
    with store.locked(RECORD.record_id, 0, nobody_waits) as locked:
        locked.forget()
        with KeyStore(path) as other, other.locked(RECORD.record_id, 0, nobody_waits):
            pass
    script = (
        "import sys; from pathlib import Path; from validator.keystore import KeyStore\n"
        "with KeyStore(Path(sys.argv[1])) as s, s.locked(sys.argv[2], 5, lambda: print('w', flush="
        "True)) as l:\n"
        "    with s.locked(sys.argv[2] + 'x', 0, lambda: None): pass\n"
        "    print(*sorted(p.name for p in Path(sys.argv[1]).iterdir()))\n"
    )
    with store.locked(RECORD.record_id, 0, nobody_waits) as locked:
        waiter = subprocess.Popen(
            [sys.executable, "-c", script, str(path), RECORD.record_id],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert waiter.stdout is not None
        assert waiter.stdout.readline() == "w\n"
        locked.forget()
    out, _ = waiter.communicate(timeout=10)
    assert f"{RECORD.record_id}.lock" in out
