"""The program against the real relay and the real agent, each a process of its own."""

import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from pam_agent.local_wire import (
    FROM_AGENT,
    RecordReader,
    RecordType,
    Result,
    Start,
    encode_record,
)
from protocol import passcode
from tests.support.programs import BIN, Daemon, daemon, free_port
from tests.validator.terminal_user import (
    PATIENCE,
    TerminalUser,
    at_terminal,
    environment,
    run,
)

HOST = "web1"
USER = "alice"
QUESTION = "(Enter denies) "


@dataclass
class Caller:
    """Asks the agent as the PAM module does."""

    stream: trio.SocketStream
    reader: RecordReader
    shown: str = ""

    async def passcode(self) -> str:
        """What the agent shows; a prompt is answered by Enter."""
        while not (found := re.search(r"passcode (\d{4} \d{4})", self.shown)):
            kind, payload = await self._record()
            self.shown += payload.decode()
            if kind is RecordType.PROMPT:
                await self.stream.send_all(encode_record(RecordType.ANSWER))
        return found[1]

    async def result(self) -> Result:
        while True:
            kind, payload = await self._record()
            if kind is RecordType.RESULT:
                return Result(payload[0])

    async def _record(self) -> tuple[RecordType, bytes]:
        with trio.fail_after(PATIENCE):
            while (record := self.reader.next_record()) is None:
                data = await self.stream.receive_some()
                assert data, "the agent has hung up"
                self.reader.feed(data)
        return record


@dataclass
class Parts:
    """Relay and agent, up and linked."""

    folder: Path
    relay: Daemon
    agent: Daemon
    agent_command: list[str]

    @asynccontextmanager
    async def sign_on(self, service: str = "sudo", **fields: str) -> AsyncIterator[Caller]:
        async with await trio.open_unix_socket(str(self.folder / "pam.sock")) as stream:
            start = Start(service=service, user=USER, **fields).encode()
            await stream.send_all(encode_record(RecordType.START, start))
            yield Caller(stream, RecordReader(FROM_AGENT))

    @asynccontextmanager
    async def offer(self) -> AsyncIterator[tuple[str, trio.Process]]:
        """The enrolment code that the host shows, and the program that shows it."""
        process = await trio.lowlevel.open_process(
            [*self.agent_command, "enroll", USER, "--json", "--config", str(self.agent_file)],
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        said = b""
        while b"\n" not in said:
            said += await process.stdout.receive_some()
        try:
            yield json.loads(said.partition(b"\n")[0])["uri"], process
        finally:
            if process.returncode is None:
                process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
                await process.stdout.aclose()

    @property
    def agent_file(self) -> Path:
        return self.folder / "agent.toml"


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    links, validators = tmp_path / "links.sock", f"127.0.0.1:{free_port()}"
    relay_file, agent_file = tmp_path / "relay.toml", tmp_path / "agent.toml"
    relay_file.write_text(
        f'agents = [{{listen = "unix:{links}"}}]\n'
        f'validators = [{{listen = "tcp:{validators}"}}]\n'
        'log = {format = "json"}\n'
    )
    agent_file.write_text(
        f'host = "{HOST}"\nstate = "{tmp_path}/state"\n'
        f'socket = "{tmp_path}/pam.sock"\nadmin_socket = "{tmp_path}/admin.sock"\n'
        f'relays = [{{link = "unix:{links}", validators = ["{validators}"]}}]\n'
        'log = {format = "json"}\n'
    )
    async with daemon([str(BIN / "bartizan-relay"), "serve", "--config", str(relay_file)]) as relay:
        await relay.logged("relay up")
        agent_command = [str(BIN / "bartizan-agent")]
        async with daemon([*agent_command, "serve", "--config", str(agent_file)]) as agent:
            await agent.logged("link up")
            yield Parts(tmp_path, relay, agent, agent_command)


@pytest.fixture
async def enrolled(parts: Parts, env: dict[str, str]) -> Parts:
    async with parts.offer() as (uri, process):
        done = await run(env, "enroll", "-", "--yes", stdin=uri)
        assert done.returncode == 0, done.stdout.decode()
        assert await process.wait() == 0
    return parts


async def test_enrol_and_sign_on_at_a_terminal(parts: Parts, env: dict[str, str]):
    async with parts.offer() as (uri, process), at_terminal(env, "enroll", uri) as user:
        await user.see(f"Enrol this device for {USER} at {HOST}?")
        await user.see("(Enter means no) ")
        user.press("y")
        assert await user.ended() == 0
        assert await process.wait() == 0
    async with parts.sign_on(tty="pts/3", note="/usr/bin/id") as caller:
        async with at_terminal(env, "sign-on", HOST) as user:
            await user.see("Passcode that web1 shows: ")
            user.press(await caller.passcode() + "\n")
            for text in (USER, HOST, "sudo", "pts/3", "/usr/bin/id", QUESTION):
                await user.see(text)
            user.press("a")
            assert await user.ended() == 0
            assert "Signed on." in user.screen
        assert await caller.result() is Result.APPROVED


async def test_an_unknown_passcode_is_no_early_cut(enrolled: Parts, env: dict[str, str]):
    """The relay holds it for 5 s and resets it then."""
    async with enrolled.sign_on() as caller:
        shown = passcode.parse(await caller.passcode())
        other = passcode.with_check_digit(f"{(int(shown[:-1]) + 1) % 10**7:07d}")
        done = await run(env, "sign-on", HOST, other, "--approve")
    assert done.returncode == 3
    assert b"that screen may be" in done.stdout
    assert b"cut the connection at once" not in done.stdout


async def test_overlapping_sign_ons_of_one_device(enrolled: Parts, env: dict[str, str]):
    results: list[Result] = []

    async def one() -> None:
        async with enrolled.sign_on() as caller:
            done = await run(env, "sign-on", HOST, await caller.passcode(), "--approve")
            assert done.returncode == 0, done.stdout.decode()
            results.append(await caller.result())

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(one)
    assert results == [Result.APPROVED] * 3


async def test_a_caller_that_is_gone_ends_the_question(enrolled: Parts, env: dict[str, str]):
    async with enrolled.sign_on() as caller:
        shown = await caller.passcode()
        async with at_terminal(env, "sign-on", HOST, *shown.split()) as user:
            await user.see(QUESTION)
            await caller.stream.aclose()
            assert await user.ended() == 5
            assert "Nothing was approved" in user.screen


async def test_leaving_and_coming_back(enrolled: Parts, env: dict[str, str]):
    async with enrolled.sign_on() as caller:
        shown = await caller.passcode()
        async with at_terminal(env, "sign-on", HOST, shown) as user:
            await user.see(QUESTION)
            user.press("\x03")
            assert await user.ended() == 5
        done = await run(env, "sign-on", HOST, shown, "--approve")
        assert done.returncode == 0
        assert await caller.result() is Result.APPROVED


async def test_an_old_copy_of_the_key_store_lets_nobody_in(
    enrolled: Parts, env: dict[str, str], home: Path, tmp_path: Path
):
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    async with enrolled.sign_on() as caller:
        done = await run(env, "sign-on", HOST, await caller.passcode(), "--approve")
        assert done.returncode == 0
        assert await caller.result() is Result.APPROVED
    async with enrolled.sign_on() as caller:
        done = await run(environment(copy), "sign-on", HOST, await caller.passcode(), "--approve")
        assert done.returncode == 6, done.stdout.decode()
        assert await caller.result() is Result.DENIED
    (listed,) = json.loads((await run(environment(copy), "hosts", "--json")).stdout)
    assert listed["state"] == "disabled"
    # Nor the honest device, from then on: nobody can tell which of the two is the thief.
    async with enrolled.sign_on() as caller:
        done = await run(env, "sign-on", HOST, await caller.passcode(), "--approve")
        assert done.returncode == 6


async def typed(user: TerminalUser, *answers: tuple[str, str]) -> None:
    for question, answer in answers:
        await user.see(question)
        user.press(answer)


async def test_a_pin_from_the_enrolment_to_a_lost_copy(
    parts: Parts, env: dict[str, str], home: Path, tmp_path: Path
):
    right, wrong, newer = "271828\n", "314159\n", "141421\n"
    asked = "PIN for web1 (alice): "
    async with parts.offer() as (uri, process), at_terminal(env, "enroll", "--pin", uri) as user:
        await typed(user, ("New PIN: ", right), ("Once more: ", right), ("(Enter means no) ", "y"))
        assert await user.ended() == 0
        assert await process.wait() == 0
    stolen = tmp_path / "stolen"
    shutil.copytree(home, stolen)
    async with parts.sign_on() as caller:
        shown = await caller.passcode()
        async with at_terminal(env, "sign-on", HOST, shown) as user:
            await typed(user, (asked, wrong))
            assert await user.ended() == 3
            assert "or the PIN was wrong" in user.screen
            assert "cut the connection at once" not in user.screen
        async with at_terminal(env, "sign-on", HOST, shown) as user:  # the same sign-on goes on
            await typed(user, (asked, right), (QUESTION, "a"))
            assert await user.ended() == 0
        assert await caller.result() is Result.APPROVED
    async with parts.sign_on() as caller:
        async with at_terminal(env, "pin", HOST) as user:
            await typed(user, ("New PIN: ", newer), ("Once more: ", newer))
            await typed(user, ("Passcode that web1 shows: ", await caller.passcode() + "\n"))
            await typed(user, (asked, right), (QUESTION, "a"))
            assert await user.ended() == 0
            assert "under the new PIN from now on" in user.screen
        assert await caller.result() is Result.APPROVED
    async with parts.sign_on() as caller:
        async with at_terminal(env, "sign-on", HOST, await caller.passcode()) as user:
            await typed(user, (asked, newer), (QUESTION, "a"))
            assert await user.ended() == 0
        assert await caller.result() is Result.APPROVED
    # A thief of the store before all this, who knows the PIN of then, is found out.
    async with parts.sign_on() as caller:
        command = ("sign-on", HOST, await caller.passcode())
        async with at_terminal(environment(stolen), *command) as user:
            await typed(user, (asked, right), (QUESTION, "a"))
            assert await user.ended() == 6
        assert await caller.result() is Result.DENIED


async def test_a_new_device_in_the_place_of_a_lost_one(
    parts: Parts, env: dict[str, str], tmp_path: Path
):
    new_env = environment(tmp_path / "new")
    for device, its_env in (("old phone", env), ("new phone", new_env)):
        async with parts.offer() as (uri, process):
            done = await run(its_env, "enroll", "-", "--yes", "--name", device, stdin=uri)
            assert done.returncode == 0, done.stdout.decode()
            assert await process.wait() == 0
    (wanted,) = json.loads((await run(env, "export")).stdout)
    assert (wanted["host"], wanted["user"], wanted["device"]) == (HOST, USER, "old phone")
    for its_env in (env, new_env):  # two devices of one user: either will do
        async with parts.sign_on() as caller:
            done = await run(its_env, "sign-on", HOST, await caller.passcode(), "--approve")
            assert done.returncode == 0
            assert await caller.result() is Result.APPROVED
    command = [*parts.agent_command, "revoke", USER, "old phone", "--yes"]
    await trio.run_process([*command, "--config", str(parts.agent_file)], capture_stdout=True)
    async with parts.sign_on() as caller:
        shown = await caller.passcode()
        done = await run(env, "sign-on", HOST, shown, "--approve")
        assert done.returncode == 3
        done = await run(new_env, "sign-on", HOST, shown, "--approve")
        assert done.returncode == 0
        assert await caller.result() is Result.APPROVED
