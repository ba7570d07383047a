import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pam_agent import tables
from pam_agent.accounts import Accounts
from pam_agent.enrolments import Enrolments
from pam_agent.records import AccountStanding, Device, DisabledReason
from pam_agent.schema import FILE_NAME, StoreError, open_store
from protocol.ratchet import Generation, Ratchet
from tests.support.agent_store import NOW, enrol

VERSION_1 = Path(__file__).with_name("agent_version_1.db")
"""Made by the agent that knew version 1: two devices of alice, one in the middle of a sign-on and
one in backoff; one of bob, disabled; one of carol, revoked."""


def key(number: int) -> bytes:
    return bytes([number]) * 32


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A folder with a file of version 1."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    (folder / FILE_NAME).touch(mode=0o600)
    (folder / FILE_NAME).write_bytes(VERSION_1.read_bytes())
    return folder


def version(state: Path) -> int:
    db = sqlite3.connect(state / FILE_NAME)
    found = db.execute("PRAGMA user_version").fetchone()[0]
    db.close()
    return int(found)


def of_version_1() -> tuple[Device, ...]:
    common = {"proved": True, "created": int(NOW)}
    return (
        Device(
            id=1,
            account="alice",
            name="phone",
            public=key(3),
            rendezvous_root=key(4),
            ratchet=Ratchet(Generation(1, key(6)), Generation(2, key(7)), (Generation(0, key(5)),)),
            failures=0,
            backoff_until=0.0,
            disabled=None,
            last_used=int(NOW) + 20,
            **common,
        ),
        Device(
            id=2,
            account="alice",
            name="tablet",
            public=key(8),
            rendezvous_root=key(9),
            ratchet=Ratchet(Generation(0, key(10))),
            failures=6,
            backoff_until=NOW + 90,
            disabled=None,
            last_used=0,
            **common,
        ),
        Device(
            id=3,
            account="bob",
            name="watch",
            public=key(11),
            rendezvous_root=key(12),
            ratchet=Ratchet(Generation(0, key(13))),
            failures=10,
            backoff_until=NOW + 520,
            disabled=DisabledReason.FAILURES,
            last_used=0,
            **common,
        ),
    )


async def test_a_file_of_version_1_keeps_all_it_has(state: Path) -> None:
    assert version(state) == 1
    for _ in range(2):
        async with Accounts.open(state, NOW) as accounts:
            identity = await accounts.identity()
            assert identity.static.private_bytes_raw() == key(1)
            assert identity.link.private_bytes_raw() == key(2)
            assert identity.shard == 77
            assert await Enrolments(accounts.store).list_devices() == of_version_1()
            assert await accounts.account_standing("alice") == AccountStanding(int(NOW) + 20, 1)
            assert await accounts.account_standing("bob") == AccountStanding(0, 0)
    assert version(state) == tables.SCHEMA_VERSION
    async with Accounts.open(state, NOW) as accounts:
        assert (await enrol(accounts)).id == 5  # 4 was carol's


def test_a_file_that_was_migrated_is_like_a_new_one(state: Path, tmp_path: Path) -> None:
    def schema(folder: Path) -> list[tuple[str, ...]]:
        db, _ = open_store(folder)
        db.row_factory = None
        found = db.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
        )
        rows = found.fetchall()
        db.close()
        return rows

    assert schema(state) == schema(tmp_path / "new")


def test_what_fails_leaves_the_old_version(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (state / FILE_NAME).read_bytes()
    broken = "INSERT INTO audit VALUES ('nothing like it');\n"
    monkeypatch.setattr(tables, "_FROM_1_AFTER", tables._FROM_1_AFTER + broken)
    with pytest.raises(StoreError, match="the database refused"):
        open_store(state)
    assert (state / FILE_NAME).read_bytes() == before
    monkeypatch.undo()
    open_store(state)[0].close()


KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from pam_agent import schema
left = int(sys.argv[2])
connect = sqlite3.connect
class Killing(sqlite3.Connection):
    def execute(self, *arguments):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(*arguments)
sqlite3.connect = lambda *a, **k: connect(*a, factory=Killing, **k)
schema.open_store(Path(sys.argv[1]))[0].close()
"""


async def test_a_kill_at_any_statement_leaves_one_version_or_the_other(
    state: Path, tmp_path: Path
) -> None:
    found = set()
    for statement in range(8, 200, 3):
        folder = tmp_path / str(statement)
        shutil.copytree(state, folder)
        done = subprocess.run(  # noqa: ASYNC221
            [sys.executable, "-c", KILLED, str(folder), str(statement)], check=False
        )
        # A reader without locks: what it sees is what the next start finds.
        found.add(version(folder))
        async with Accounts.open(folder, NOW) as accounts:
            assert await Enrolments(accounts.store).list_devices() == of_version_1()
        shutil.rmtree(folder)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
    else:
        pytest.fail("it never ended by itself")
    assert found == {1, 2}


async def test_a_full_disk_leaves_the_old_version(tmp_path: Path) -> None:
    from tests.support.small_disk import fill, small_disk

    with small_disk(tmp_path) as disk:
        folder = disk / "state"
        folder.mkdir(mode=0o700)
        (folder / FILE_NAME).touch(mode=0o600)
        (folder / FILE_NAME).write_bytes(VERSION_1.read_bytes())
        filler = fill(disk)
        with pytest.raises(StoreError, match="disk"):
            open_store(folder)
        filler.unlink()
        async with Accounts.open(folder, NOW) as accounts:
            assert await Enrolments(accounts.store).list_devices() == of_version_1()
