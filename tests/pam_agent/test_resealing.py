"""A whole store as it is sealed, opened, sealed under another key, unsealed, tampered with."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pam_agent.accounts import Accounts
from pam_agent.enrolments import Enrolments
from pam_agent.records import Device, Totp
from pam_agent.resealing import StoreKeys
from pam_agent.rows import read_totp, write_totp
from pam_agent.schema import FILE_NAME, StoreError, open_store
from protocol.ratchet import Generation
from tests.support.agent_store import NOW, enrol
from tests.support.small_disk import fill, small_disk

KEY, OTHER = b"\x5a" * 32, b"\xa5" * 32
SEALED, CHANGED = StoreKeys(KEY), StoreKeys(OTHER, old=KEY)
VERSION_1 = Path(__file__).with_name("agent_version_1.db")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


class Content:
    """What a store holds, and all of it that nobody is to find."""

    def __init__(self, devices: tuple[Device, ...], identity: tuple[bytes, ...], totp: Totp):
        self.devices, self.identity, self.totp = devices, identity, totp

    @property
    def secrets(self) -> set[bytes]:
        found = {*self.identity, self.totp.secret}
        for device in self.devices:
            found.add(device.rendezvous_root)
            found |= {each.root for each in device.ratchet.candidates()}
        return found

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


async def fill_store(state: Path, keys: StoreKeys = StoreKeys()) -> Content:  # noqa: B008
    """So much that it has many pages, whose rows have been moved about."""
    async with Accounts.open(state, NOW, keys) as accounts:
        for number in range(40):
            device = await enrol(accounts, f"user{number:02}")
            base = device.ratchet.current
            for step in range(number % 5):
                await accounts.decide(
                    device.id,
                    base,
                    (number * 256 + step + 1).to_bytes(2, "big") * 16,
                    opened=(await accounts.device(device.id)).ratchet,
                    success=True,
                    now=NOW,
                )
                base = Generation(base.number + 1, (number * 256 + step + 1).to_bytes(2) * 16)
                await accounts.confirm(device.id, base)
        totp = Totp("user01", b"twenty bytes of totp", created=int(NOW))
        await accounts.store.transaction(lambda tx: write_totp(tx, totp))
    return await content(state, keys)


async def content(state: Path, keys: StoreKeys) -> Content:
    async with Accounts.open(state, NOW, keys) as accounts:
        identity = await accounts.identity()
        totp = await accounts.store.transaction(lambda tx: read_totp(tx, "user01"))
        assert totp is not None
        return Content(
            await Enrolments(accounts.store).list_devices(),
            (identity.static.private_bytes_raw(), identity.link.private_bytes_raw()),
            totp,
        )


def in_clear(state: Path, secrets: set[bytes]) -> int:
    """How many of them somebody finds who has the files."""
    data = b"".join(file.read_bytes() for file in state.iterdir())
    return sum(secret in data for secret in secrets)


def refusal(state: Path, keys: StoreKeys) -> str:
    before = (state / FILE_NAME).read_bytes()
    with pytest.raises(StoreError) as caught:
        open_store(state, keys)
    assert (state / FILE_NAME).read_bytes() == before
    return str(caught.value)


async def test_a_new_store_is_sealed_from_the_start(state: Path) -> None:
    before = await fill_store(state, SEALED)
    assert len(before.secrets) > 80
    assert in_clear(state, before.secrets) == 0
    assert await content(state, SEALED) == before


async def test_nothing_is_in_clear_while_it_is_in_use(state: Path) -> None:
    async with Accounts.open(state, NOW, SEALED) as accounts:
        device = await enrol(accounts)
        secrets = {device.rendezvous_root, device.ratchet.current.root, b"\x77" * 32}
        await accounts.decide(
            device.id,
            device.ratchet.current,
            b"\x77" * 32,
            opened=device.ratchet,
            success=True,
            now=NOW,
        )
        assert (await accounts.device(device.id)).ratchet.pending == Generation(1, b"\x77" * 32)
        assert in_clear(state, secrets) == 0
        assert accounts.store.sealed


async def test_a_store_without_a_key_stays_as_it_is(state: Path) -> None:
    before = await fill_store(state)
    assert in_clear(state, before.secrets) == len(before.secrets)
    assert await content(state, StoreKeys()) == before
    assert await content(state, StoreKeys(old=KEY)) == before
    async with Accounts.open(state, NOW) as accounts:
        assert not accounts.store.sealed


async def test_a_store_is_sealed_and_changed_and_unsealed(state: Path) -> None:
    before = await fill_store(state)
    assert await content(state, SEALED) == before
    assert in_clear(state, before.secrets) == 0
    assert await content(state, CHANGED) == before
    assert await content(state, CHANGED) == before
    assert await content(state, StoreKeys(OTHER)) == before
    assert "under another key" in refusal(state, SEALED)
    assert in_clear(state, before.secrets) == 0
    assert await content(state, StoreKeys(old=OTHER)) == before
    assert await content(state, StoreKeys()) == before
    assert in_clear(state, before.secrets) == len(before.secrets)


def version_1(state: Path) -> None:
    state.mkdir(mode=0o700)
    (state / FILE_NAME).touch(mode=0o600)
    (state / FILE_NAME).write_bytes(VERSION_1.read_bytes())


async def test_a_store_of_version_1_is_sealed(state: Path) -> None:
    version_1(state)
    secrets = {bytes([n]) * 32 for n in (1, 2, 4, 5, 6, 7, 9, 10, 12, 13)}
    assert in_clear(state, secrets) == len(secrets)
    async with Accounts.open(state, NOW, SEALED):
        pass
    assert in_clear(state, secrets) == 0


async def test_without_its_key_it_is_refused_with_words(state: Path) -> None:
    await fill_store(state, SEALED)
    assert "sealed, and there is no key: is the credential bartizan-store.key there" in refusal(
        state, StoreKeys()
    )
    for keys in (StoreKeys(OTHER), StoreKeys(old=OTHER), StoreKeys(OTHER, old=b"\x01" * 32)):
        assert "sealed under another key: put the one" in refusal(state, keys)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE device SET rendezvous_root = (SELECT rendezvous_root FROM device WHERE id = 2)",
        "UPDATE generation SET root = (SELECT root FROM generation WHERE device = 2)",
        "UPDATE generation SET number = number + 1",
        "UPDATE identity SET link = static",
        "UPDATE totp SET secret = zeroblob(48)",
        "UPDATE device SET rendezvous_root = zeroblob(32)",
    ],
)
async def test_what_was_moved_or_written_by_somebody_is_refused(state: Path, change: str) -> None:
    await fill_store(state, SEALED)
    async with Accounts.open(state, NOW, SEALED) as accounts:
        accounts.store.db.execute(change)
    with pytest.raises(StoreError, match=r"does not open: somebody changed the file"):
        await content(state, SEALED)
    # Nor is it sealed anew, as if it were good.
    assert "does not open" in refusal(state, CHANGED)


async def test_a_proof_that_is_gone_gives_nothing(state: Path) -> None:
    """Somebody without the key makes the store look unsealed: no value is then a key."""
    await fill_store(state, SEALED)
    async with Accounts.open(state, NOW, SEALED) as accounts:
        accounts.store.db.execute("DELETE FROM sealing")
    for keys in (StoreKeys(), SEALED, CHANGED):
        assert "sealing/proof does not open: somebody changed the file" in refusal(state, keys)


KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from pam_agent import schema
from pam_agent.resealing import StoreKeys
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
schema.open_store(Path(sys.argv[1]), StoreKeys(b"\\x5a" * 32))[0].close()
print(-left)
"""


def killed(state: Path, statement: int) -> subprocess.CompletedProcess[bytes]:
    """At this one of its statements; 0: not at all, it says how many there are."""
    return subprocess.run(
        [sys.executable, "-c", KILLED, str(state), str(statement)],
        capture_output=True,
        check=False,
    )


async def test_a_kill_leaves_all_of_it_sealed_or_nothing(state: Path, tmp_path: Path) -> None:
    before = await fill_store(state)
    shutil.copytree(state, tmp_path / "whole")
    statements = int(killed(tmp_path / "whole", 0).stdout)
    whole = set()
    for statement in (10, statements // 2, *range(statements - 8, statements + 1)):
        folder = tmp_path / str(statement)
        shutil.copytree(state, folder)
        assert killed(folder, statement).returncode == -signal.SIGKILL
        whole.add(in_clear(folder, before.secrets) == len(before.secrets))
        assert await content(folder, SEALED) == before
        assert in_clear(folder, before.secrets) == 0
        shutil.rmtree(folder)
    assert whole == {True, False}


async def test_a_full_disk_leaves_it_as_it_was(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        state = disk / "state"
        async with Accounts.open(state, NOW) as accounts:
            device = await enrol(accounts)
        filler = fill(disk)
        with pytest.raises(StoreError, match="disk is full"):
            async with Accounts.open(state, NOW, SEALED):
                pass
        filler.unlink()
        async with Accounts.open(state, NOW) as accounts:
            assert await accounts.device(device.id) == device
        async with Accounts.open(state, NOW, SEALED) as accounts:
            assert await accounts.device(device.id) == device
        assert in_clear(state, {device.rendezvous_root, device.ratchet.current.root}) == 0
