"""`bartizan erase`: gone at once, whoever uses it and in whatever state it is."""

import os
import time
from pathlib import Path

import pytest

from tests.support.direct_agent import DirectAgent, direct_agent
from tests.validator.command_line import QUESTION, err, files, out, put, stored
from tests.validator.pairs import pair
from tests.validator.terminal_user import at_terminal, run
from validator import erasure
from validator.record import Record

ID = "abcdefghijklm234"


def gone(home: Path) -> bool:
    return not home.exists()


async def test_all_is_gone_and_so_is_the_directory(
    agent: DirectAgent, record: Record, home: Path, env
):
    async with direct_agent(host="db") as other:
        put(home, pair(other))
    (home / "aaaaaaaaaaaaaaaa.enrolment").write_bytes(b"damaged")
    (home / f"{record.record_id}.tmp").write_bytes(b"left by a crash")
    done = await run(env, "erase", "--yes")
    assert done.returncode == 0
    assert "Erased: 3 enrolments." in out(done)
    assert "have the administrator of each host remove this device" in " ".join(out(done).split())
    assert gone(home)
    assert "Erased: 0 enrolments." in out(await run(env, "erase", "--yes"))


async def test_one_is_gone_and_the_others_stay(agent: DirectAgent, record: Record, home: Path, env):
    async with direct_agent(host="db") as other:
        kept = pair(other)
        put(home, kept)
    assert (await run(env, "erase", "web1", "--yes")).returncode == 0
    assert stored(home) == (kept,)
    assert files(home) == [f"{kept.record_id}.enrolment", f"{kept.record_id}.lock"]


async def test_it_asks(agent: DirectAgent, record: Record, home: Path, env):
    async with at_terminal(env, "erase") as user:
        await user.see("Erase all enrolments from this device? It cannot be undone [y/N]: ")
        user.press("\n")
        assert await user.ended() == 1
    async with at_terminal(env, "erase", "web1") as user:
        await user.see("Erase the enrolment at web1 (alice) from this device?")
        user.press("n\n")
        assert await user.ended() == 1
    assert (await run(env, "erase")).returncode == 2
    assert stored(home) == (record,)
    async with at_terminal(env, "erase") as user:
        await user.see("[y/N]: ")
        user.press("y\n")
        assert await user.ended() == 0
    assert gone(home)


async def test_a_user_goes_with_a_host(agent: DirectAgent, record: Record, home: Path, env):
    done = await run(env, "erase", "--user", "alice", "--yes")
    assert done.returncode == 2
    assert "--user goes with a host" in err(done)
    assert (await run(env, "erase", "web2", "--yes")).returncode == 2
    assert stored(home) == (record,)


async def test_a_sign_on_under_way_does_not_hold_it_up_nor_bring_the_keys_back(
    agent: DirectAgent, record: Record, home: Path, env
):
    waiting = agent.ask()
    async with at_terminal(env, "sign-on", "web1", waiting.passcode) as user:
        await user.see(QUESTION)
        begun = time.monotonic()
        assert (await run(env, "erase", "--yes")).returncode == 0
        assert time.monotonic() - begun < 10  # a lock is waited for up to 60 s
        user.press("a")
        assert await user.ended() == 0
        assert "was erased meanwhile" in " ".join(user.screen.split())
    assert not waiting.confirmed
    assert gone(home)


async def test_a_store_that_others_can_read_is_erased_all_the_same(
    agent: DirectAgent, record: Record, home: Path, env
):
    os.chmod(home, 0o755)
    assert (await run(env, "erase", "--yes")).returncode == 0
    assert gone(home)


async def test_what_cannot_be_removed_is_named_and_the_rest_is_gone(
    agent: DirectAgent, record: Record, home: Path, env
):
    (home / "aaaaaaaaaaaaaaaa.enrolment").mkdir()
    done = await run(env, "erase", "--yes")
    assert done.returncode == 7
    assert "aaaaaaaaaaaaaaaa.enrolment: Is a directory" in err(done)
    assert files(home) == ["aaaaaaaaaaaaaaaa.enrolment"]


def test_somebody_elses_files_stay(tmp_path: Path):
    others = ["notes.txt", "mail.lock", "a.tmp", f"{ID}xlock", f"{ID}.enrolment.old"]
    for name in others:
        (tmp_path / name).write_text("mine")
    (tmp_path / f"{ID}.enrolment").write_bytes(b"x")
    assert erasure.erase(tmp_path) == erasure.Erased(1, ())
    assert files(tmp_path) == sorted(others)


def test_what_is_no_directory_is_named(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    assert erasure.erase(file).failed == (f"{file}: Not a directory",)


def test_the_bytes_are_overwritten_before_the_name_is_removed(tmp_path: Path):
    secret = os.urandom(900)
    (tmp_path / f"{ID}.enrolment").write_bytes(secret)
    with (tmp_path / f"{ID}.enrolment").open("rb") as still_open:
        erasure.erase(tmp_path)
        left = still_open.read()
    assert len(left) == len(secret)
    assert left != secret


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_planted_file_is_removed_and_not_followed(tmp_path: Path, kind: str):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    planted = tmp_path / f"{ID}.enrolment"
    if kind == "link":
        planted.symlink_to(victim)
    else:
        os.mkfifo(planted)
    assert erasure.erase(tmp_path, [ID]).enrolments == 1
    assert victim.read_bytes() == b"precious"
    assert files(tmp_path) == ["victim"]
