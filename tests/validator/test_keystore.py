"""The key store on a real file system: who may read it, and what a crash at any point leaves."""

import errno
import fcntl
import multiprocessing
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from protocol.ratchet import Generation
from tests.validator.pairs import record
from validator import keystore
from validator.errors import BusyError, KeyStoreError
from validator.keystore import KeyStore, location
from validator.record import Record

RECORD = record("web1", "alice")
FILE = RECORD.record_id + ".enrolment"


def nobody_waits() -> None:
    raise AssertionError("the lock was not free")


def write(store: KeyStore, new: Record) -> None:
    with store.locked(new.record_id, 0, nobody_waits) as locked:
        locked.write(new)


def read(path: Path, record_id: str = RECORD.record_id) -> Record:
    with KeyStore(path) as store, store.locked(record_id, 0, nobody_waits) as locked:
        return locked.read()


def following(old: Record, number: int = 1) -> Record:
    return replace(
        old, generation=Generation(old.generation.number + number, secrets.token_bytes(32))
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "bartizan"


@pytest.fixture
def store(path: Path) -> Iterator[KeyStore]:
    with KeyStore(path) as opened:
        write(opened, RECORD)
        yield opened


# ---- where it is ---------------------------------------------------------------------------------


def test_location():
    home = Path("/home/alice")
    assert location({}, home) == home / ".local/share/bartizan"
    assert location({"XDG_DATA_HOME": "/data"}, home) == Path("/data/bartizan")
    assert location({"XDG_DATA_HOME": "data"}, home) == home / ".local/share/bartizan"
    assert location({"XDG_DATA_HOME": "/data", "BARTIZAN_HOME": "/keys"}, home) == Path("/keys")


# ---- records -------------------------------------------------------------------------------------


def test_a_record_is_kept(store: KeyStore, path: Path):
    assert store.listing().records == (RECORD,)
    newer = following(RECORD)
    write(store, newer)
    assert store.listing().records == (newer,)
    assert read(path) == newer


def test_the_old_root_is_in_no_file(store: KeyStore, path: Path):
    write(store, following(RECORD))
    for file in path.iterdir():
        assert RECORD.generation.root not in file.read_bytes()


def test_forgetting_leaves_nothing(store: KeyStore, path: Path):
    (path / (RECORD.record_id + ".tmp")).write_bytes(b"left by a crash")
    with store.locked(RECORD.record_id, 0, nobody_waits) as locked:
        locked.forget()
    assert list(path.iterdir()) == []
    assert store.listing() == keystore.Listing((), ())


def test_what_cannot_be_forgotten_is_named(store: KeyStore, path: Path):
    (path / (RECORD.record_id + ".tmp")).mkdir()  # in the way, also for root
    with (
        store.locked(RECORD.record_id, 0, nobody_waits) as locked,
        pytest.raises(KeyStoreError, match=FILE),
    ):
        locked.forget()


def test_other_files_are_left_alone(store: KeyStore, path: Path):
    (path / "notes.txt").write_text("mine")
    assert store.listing().records == (RECORD,)


# ---- whose it is, and who can read it ------------------------------------------------------------


def test_everything_is_private_whatever_the_umask(path: Path):
    before = os.umask(0)
    try:
        with KeyStore(path) as store:
            write(store, RECORD)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o700
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in path.iterdir()} == {0o600}


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o702, 0o720, 0o755, 0o770, 0o704])
def test_a_directory_open_to_others_is_refused(store: KeyStore, path: Path, mode: int):
    path.chmod(mode)
    with pytest.raises(KeyStoreError, match=f"open to other users .mode {mode:04o}.*chmod"):
        KeyStore(path)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o602, 0o620, 0o601])
def test_a_record_open_to_others_is_refused(store: KeyStore, path: Path, mode: int):
    (path / FILE).chmod(mode)
    listing = store.listing()
    assert listing.records == ()
    (refused,) = listing.refused
    assert FILE in str(refused)
    assert f"{mode:04o}" in str(refused)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", ["", FILE])
def test_what_belongs_to_somebody_else_is_refused(store: KeyStore, path: Path, name: str):
    os.chown(path / name, 12345, -1)
    if name:
        assert "another user (uid 12345)" in str(store.listing().refused[0])
    else:
        with pytest.raises(KeyStoreError, match=r"another user \(uid 12345\)"):
            KeyStore(path)


def test_a_symbolic_link_in_place_of_the_directory_is_refused(store: KeyStore, path: Path):
    link = path.with_name("link")
    link.symlink_to(path)
    with pytest.raises(KeyStoreError, match="symbolic link"):
        KeyStore(link)


def test_a_dangling_link_in_place_of_the_directory_is_refused(tmp_path: Path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(KeyStoreError, match="symbolic link"):
        KeyStore(tmp_path / "link")


def test_a_symbolic_link_in_place_of_a_record_is_refused(store: KeyStore, path: Path):
    (path / FILE).rename(path / "elsewhere")
    (path / FILE).symlink_to(path / "elsewhere")
    (refused,) = store.listing().refused
    assert "symbolic link" in str(refused)


def test_a_symbolic_link_in_place_of_the_lock_is_refused(store: KeyStore, path: Path):
    lock = path / (RECORD.record_id + ".lock")
    lock.unlink()
    lock.symlink_to(path / "target")
    with (
        pytest.raises(KeyStoreError, match="symbolic link"),
        store.locked(RECORD.record_id, 0, nobody_waits),
    ):
        pass
    assert not (path / "target").exists()


def test_a_link_planted_for_the_temporary_file_is_not_followed(store: KeyStore, path: Path):
    (path / "victim").write_bytes(b"precious")
    (path / (RECORD.record_id + ".tmp")).symlink_to(path / "victim")
    write(store, following(RECORD))
    assert (path / "victim").read_bytes() == b"precious"


def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path):
    (tmp_path / "file").touch(mode=0o600)
    with pytest.raises(KeyStoreError, match="Not a directory"):
        KeyStore(tmp_path / "file")


def test_a_pipe_in_place_of_a_record_is_refused_and_not_waited_for(store: KeyStore, path: Path):
    (path / FILE).unlink()
    os.mkfifo(path / FILE, 0o600)
    assert "no ordinary file" in str(store.listing().refused[0])


# ---- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["empty", "short", "flipped", "long", "huge"])
def test_a_damaged_record_is_named_and_hides_no_other(store: KeyStore, path: Path, damage: str):
    other = record("web2", "alice")
    write(store, other)
    data = (path / FILE).read_bytes()
    changed = {
        "empty": b"",
        "short": data[:-1],
        "flipped": bytes((data[0] ^ 1,)) + data[1:],
        "long": data + b"\0",
        "huge": data + bytes(1_000_000),
    }
    (path / FILE).write_bytes(changed[damage])
    listing = store.listing()
    assert listing.records == (other,)
    (refused,) = listing.refused
    assert str(path / FILE) in str(refused)
    assert "damaged" in str(refused)
    assert "enrol this device again" in str(refused)


def test_a_record_under_the_name_of_another_is_refused(store: KeyStore, path: Path):
    (path / FILE).rename(path / "aaaaaaaaaaaaaaaa.enrolment")
    assert "name of another record" in str(store.listing().refused[0])


def test_a_record_that_is_gone_is_named(store: KeyStore, path: Path):
    (path / FILE).unlink()
    with (
        store.locked(RECORD.record_id, 0, nobody_waits) as locked,
        pytest.raises(KeyStoreError, match=FILE),
    ):
        locked.read()


# ---- crashes -------------------------------------------------------------------------------------

CALLS = ("open", "unlink", "fdopen", "fsync", "replace")


def in_child(work, *arguments: object) -> int:
    """Run `work` in a process of its own; its exit status, negative for a signal."""
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


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


# ---- locks ---------------------------------------------------------------------------------------


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
