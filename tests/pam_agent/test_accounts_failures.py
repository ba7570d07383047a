"""The store on a full disk, after a kill, after a torn write: the old state or the new one."""

import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pam_agent.accounts import Accounts
from pam_agent.enrolments import Enrolments
from pam_agent.records import Device
from pam_agent.schema import FILE_NAME, StoreError
from protocol.ratchet import Ratchet
from tests.support.agent_store import NOW, enrol

WAL_NAME = f"{FILE_NAME}-wal"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("this container may not mount")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(512))
    return filler


async def every_write_fails(accounts: Accounts, device: Device, match: str) -> None:
    base = device.ratchet.current
    # SQLite reuses what is left of its last page; what it has no room for must fail.
    with pytest.raises(StoreError, match=match):  # noqa: PT012
        for _ in range(10):
            await accounts.note_unsuccessful("alice")
    before = await accounts.device(device.id)
    with pytest.raises(StoreError, match=match):
        await accounts.count_failure(device.id, NOW)
    with pytest.raises(StoreError, match=match):
        await accounts.decide(
            device.id, base, bytes(32), opened=before.ratchet, success=True, now=NOW
        )
    with pytest.raises(StoreError, match=match):
        await Enrolments(accounts.store).add_device(
            "bob", "phone", bytes(32), bytes(32), bytes(32), NOW
        )
    assert await accounts.device(device.id) == before
    assert [each.account for each in await Enrolments(accounts.store).list_devices()] == ["alice"]


async def test_disk_full(small_disk: Path) -> None:
    state = small_disk / "state"
    async with Accounts.open(state, NOW) as accounts:
        device = await enrol(accounts)
        filler = fill(small_disk)
        await every_write_fails(accounts, device, "the disk is full: free space on it")
        filler.unlink()
        assert (await accounts.count_failure(device.id, NOW)).failures == 1
    async with Accounts.open(state, NOW) as accounts:
        assert (await accounts.device(device.id)).failures == 1


async def test_disk_full_at_the_start(small_disk: Path) -> None:
    fill(small_disk)
    with pytest.raises(StoreError, match=r"disk is full|cannot be opened|No space"):
        async with Accounts.open(small_disk / "state", NOW):
            pass


async def test_disk_full_at_the_end_loses_nothing(small_disk: Path) -> None:
    """Closing moves the log into the file; when there is no room it stays for the next start."""
    state = small_disk / "state"
    async with Accounts.open(state, NOW) as accounts:
        for number in range(5):
            await enrol(accounts, f"user{number}")
        before = await Enrolments(accounts.store).list_devices()
        fill(small_disk)
    (small_disk / "filler").unlink()
    async with Accounts.open(state, NOW) as accounts:
        assert await Enrolments(accounts.store).list_devices() == before


FULL_BY_LIMIT = """
import resource, signal, sys, trio
from pathlib import Path
from pam_agent.accounts import Accounts
from pam_agent.schema import StoreError
from tests.support.agent_store import NOW, enrol

async def main():
    async with Accounts.open(Path(sys.argv[1]), NOW) as accounts:
        device = await enrol(accounts)
        wal = Path(sys.argv[1]) / "agent.db-wal"
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size, resource.RLIM_INFINITY))
        try:
            await accounts.count_failure(device.id, NOW)
        except StoreError as error:
            print(error)
        print((await accounts.device(device.id)).failures)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        print((await accounts.count_failure(device.id, NOW)).failures)

trio.run(main)
"""


def test_no_room_for_anybody(tmp_path: Path) -> None:
    """As above without root: a limit on the size of files."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", FULL_BY_LIMIT, str(tmp_path / "state")],
        capture_output=True,
        text=True,
        check=True,
    )
    error, before, after = done.stdout.splitlines()
    assert "agent.db: " in error
    assert "disk" in error
    assert (before, after) == ("0", "1")


WRITER = """
import sys, trio
from pathlib import Path
from pam_agent.accounts import Accounts
from protocol.ratchet import Generation
from tests.support.agent_store import NOW

async def main():
    async with Accounts.open(Path(sys.argv[1]), NOW) as accounts:
        (device,) = await accounts.devices("alice")
        base = device.ratchet.pending or device.ratchet.current
        while True:
            successor = Generation(base.number + 1, (base.number + 1).to_bytes(32, "big"))
            opened = (await accounts.device(device.id)).ratchet
            assert await accounts.decide(
                device.id, base, successor.root, opened=opened, success=True,
                now=NOW + successor.number,
            )
            print("decided", successor.number, flush=True)
            await accounts.confirm(device.id, successor)
            print("confirmed", successor.number, flush=True)
            base = successor

trio.run(main)
"""


def progress(ratchet: Ratchet) -> int:
    """Steps since the enrolment: two for each sign-on."""
    if ratchet.pending is None:
        return 2 * ratchet.current.number
    return 2 * ratchet.pending.number - 1


async def test_a_kill_leaves_the_last_answered_state_or_the_next(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with Accounts.open(state, NOW) as accounts:
        device = await enrol(accounts)
    chance = random.Random(1)
    for _ in range(12):
        with subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-c", WRITER, str(state)], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            told = [child.stdout.readline() for _ in range(chance.randrange(1, 40))]
            child.kill()
            told += child.stdout.readlines()
        assert child.returncode == -signal.SIGKILL
        word, number = told[-1].split()
        answered = 2 * int(number) - (word == b"decided")
        async with Accounts.open(state, NOW) as accounts:
            ratchet = (await accounts.device(device.id)).ratchet
            standing = await accounts.account_standing("alice")
        assert progress(ratchet) in (answered, answered + 1)
        newest = ratchet.pending or ratchet.current
        assert newest.root == newest.number.to_bytes(32, "big")
        assert standing.last_success == int(NOW) + newest.number


async def test_a_torn_write_leaves_an_earlier_state(tmp_path: Path) -> None:
    """Whatever part of the log a power cut spares: one of the states that there were."""
    state = tmp_path / "state"
    states = []
    async with Accounts.open(state, NOW) as accounts:
        device = await enrol(accounts)
        accounts.store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        for number in range(4):
            states.append(await accounts.device(device.id))
            await accounts.decide(
                device.id,
                (states[-1].ratchet.pending or states[-1].ratchet.current),
                bytes([number]) * 32,
                opened=states[-1].ratchet,
                success=True,
                now=NOW + number,
            )
        states.append(await accounts.device(device.id))
        log = (state / WAL_NAME).read_bytes()
        file = (state / FILE_NAME).read_bytes()
    reached = []
    for size in range(0, len(log) + 1, 103):
        torn = tmp_path / str(size)
        torn.mkdir(mode=0o700)
        for name, data in ((FILE_NAME, file), (WAL_NAME, log[:size])):
            (torn / name).touch(mode=0o600)
            (torn / name).write_bytes(data)
        async with Accounts.open(torn, NOW) as accounts:
            reached.append(states.index(await accounts.device(device.id)))
        shutil.rmtree(torn)
    assert reached == sorted(reached)
    assert set(reached) >= set(range(len(states) - 1))
