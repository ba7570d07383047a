"""The relay under a service manager: what it tells, how it reloads, what the next process gets."""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from daemons.descriptor_store import MAX_NAMES
from daemons.supervision import Supervision
from protocol.address import TcpAddress
from protocol.agent_auth import AgentHandshake, public_bytes
from protocol.errors import ProtocolError
from protocol.frames import encode_frame, encode_preface
from protocol.messages import (
    Challenge,
    Close,
    CloseReason,
    Data,
    Drain,
    Paired,
    Queued,
    Reject,
)
from relay import activation, keys, service
from relay.activation import KEPT_CONNECTION, KEPT_STATE
from relay.service import KEPT_STRANGERS
from tests.relay.real_ends import (
    TAG,
    Agent,
    asking_for,
    connected,
    frames,
    hello_by_uid,
)
from tests.support.patience import PATIENCE
from tests.support.programs import Daemon, Entry, free_port
from tests.support.relay import start_relay
from tests.support.service_manager import ServiceManager, service_manager

MOVE = """
import os, sys
count, first, *program = sys.argv[1:]
for number, given in enumerate(map(int, first.split(",")) if first else ()):
    os.dup2(given, 3 + number)
    os.close(given)
os.environ["LISTEN_PID"] = os.environ["WATCHDOG_PID"] = str(os.getpid())
os.execv(program[0], program)
"""
"""Descriptors are passed with numbers that nobody else has, then moved to 3 and on."""
HIGH = 1000


def other(number: int) -> bytes:
    return number.to_bytes(16, "big")


class Unit:
    """A relay as a unit of a service manager: started and restarted at the same addresses."""

    def __init__(self, folder: Path, manager: ServiceManager, nursery: trio.Nursery) -> None:
        self.folder = folder
        self.manager = manager
        self.port = free_port()
        self.file = folder / "relay.toml"
        self.configure()
        self.sockets: list[tuple[str, int]] = []
        """The manager's own listeners."""
        self.room = 1000
        self.watchdog = ""
        self.log: list[dict[str, object]] = []
        self._nursery = nursery
        self.daemon: Daemon | None = None

    def configure(self, more: str = "", *, agents: str = "", validators: str = "") -> None:
        agents = agents or f'[[agents]]\nlisten = "unix:{self.folder}/agents.sock"\n'
        validators = validators or f'[[validators]]\nlisten = "tcp:127.0.0.1:{self.port}"\n'
        self.file.write_text(
            f'{agents}{validators}log = {{format = "json"}}\n{more}'.replace(
                'log = {format = "json"}\n', '[log]\nformat = "json"\n'
            )
        )

    async def start(self) -> None:
        """Returns when it is ready."""
        assert self.daemon is None
        # Another order than they were left in.
        given = [*self.sockets, *reversed(self.manager.stored)]
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": self.manager.address,
            "LISTEN_FDS": str(len(given)) if given else "",
            "LISTEN_FDNAMES": ":".join(name for name, _ in given),
            "FDSTORE": str(self.room) if self.room else "",
            "WATCHDOG_USEC": self.watchdog,
        }
        high = [os.dup(descriptor) for _, descriptor in given]
        moved = [_above(descriptor) for descriptor in high]
        command = [sys.executable, "-c", MOVE, str(len(given)), ",".join(map(str, moved))]
        process = await trio.lowlevel.open_process(
            [*command, PROGRAM, "serve", "--config", str(self.file)],
            stderr=subprocess.PIPE,
            env=environment,
            pass_fds=tuple(moved),
        )
        for descriptor in moved:
            os.close(descriptor)
        self.daemon = Daemon(process, self.log)
        self._nursery.start_soon(self.daemon._read)
        while not await self._is_ready():
            assert process.poll() is None, f"it does not start: {self.log}"

    async def _is_ready(self) -> bool:
        assert self.daemon is not None
        with trio.move_on_after(1):
            return "READY=1" in await self.manager.hear()
        return False

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Returns when it has ended, and all of its log is there, with its exit code."""
        assert self.daemon is not None
        running, self.daemon = self.daemon, None
        running.process.send_signal(number)
        code = None
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen)
                code = await running.process.wait()
                nursery.cancel_scope.cancel()
            await running.whole.wait()
        return code

    async def _listen(self) -> None:
        while True:
            await self.manager.hear()

    async def restart(self) -> None:
        assert await self.stop() == 0
        await self.start()

    async def reload(self) -> None:
        """Returns when the relay says that it is done."""
        assert self.daemon is not None
        self.daemon.process.send_signal(signal.SIGHUP)
        said = await self.manager.hears("RELOADING=1")
        assert "MONOTONIC_USEC=" in said
        await self.manager.hears("READY=1")

    def events(self) -> list[object]:
        return [entry["event"] for entry in self.log]

    async def logged(self, event: str, count: int = 1) -> Entry:
        """Waits for the line of the `count`-th such event, over all its lives."""
        assert self.daemon is not None
        return await self.daemon.logged(event, count)

    async def attach(self) -> Agent:
        agent = Agent(await trio.open_unix_socket(str(self.folder / "agents.sock")))
        await agent.stream.send_all(hello_by_uid())
        await agent.receive()
        return agent

    @property
    def validators(self) -> TcpAddress:
        return TcpAddress("127.0.0.1", self.port)


PROGRAM = str(Path(sys.executable).parent / "bartizan-relay")


def _above(descriptor: int) -> int:
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD, HIGH)
    finally:
        os.close(descriptor)


@pytest.fixture(autouse=True)
async def in_time(nursery: trio.Nursery) -> None:
    """Real processes hang where they fail."""
    nursery.cancel_scope.deadline = trio.current_time() + 3 * PATIENCE


@pytest.fixture
async def unit(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Unit]:
    async with service_manager(f"{tmp_path}/notify") as manager:
        running = Unit(tmp_path, manager, nursery)
        yield running
        if running.daemon is not None:
            running.manager.drop()
            running.daemon.process.kill()
            with trio.CancelScope(shield=True):
                await running.daemon.process.wait()
        nursery.cancel_scope.cancel()


# ---- what it tells -------------------------------------------------------------------------------


async def test_it_tells_when_it_is_ready_how_it_is_and_when_it_stops(unit: Unit) -> None:
    unit.watchdog = "400000"
    await unit.start()
    assert "STATUS=0 waiting, 0 running, 0 agents" in unit.manager.told[-1]
    agent = await unit.attach()
    await agent.queue(TAG, other(1))
    await agent.queue(other(2), number=2)
    async with connected(unit.validators, asking_for(TAG)):
        await agent.receive()
        await unit.manager.hears("STATUS=1 waiting, 1 running, 1 agent")
        await unit.manager.hears("WATCHDOG=1")
        assert await unit.stop() == 0
    assert any("STOPPING=1" in said for said in unit.manager.told)
    await agent.stream.aclose()


async def test_listeners_of_the_manager_are_matched_by_where_they_listen(unit: Unit) -> None:
    with contextlib.ExitStack() as closing:
        path = closing.enter_context(socket.socket(socket.AF_UNIX))
        path.bind(str(unit.folder / "agents.sock"))
        path.listen()
        tcp = closing.enter_context(socket.create_server(("127.0.0.1", unit.port)))
        unit.sockets = [("any", tcp.fileno()), ("bartizan-relay.socket", path.fileno())]
        await unit.start()
        agent = await unit.attach()
        await agent.queue(TAG)
        async with connected(unit.validators, asking_for(TAG)):
            assert isinstance(await agent.receive(), Paired)
        assert not unit.manager.stored, "the manager has them anyhow"
        assert await unit.stop(signal.SIGKILL) == -signal.SIGKILL
        await agent.stream.aclose()


async def test_a_listener_that_the_configuration_does_not_know_is_an_error(unit: Unit) -> None:
    with socket.create_server(("127.0.0.1", 0)) as strange:
        unit.sockets = [("any", strange.fileno())]
        with pytest.raises(AssertionError, match="the service manager listens there"):
            await unit.start()
    assert unit.daemon is not None
    assert await unit.daemon.process.wait() == 2


# ---- another configuration -----------------------------------------------------------------------


async def attach_by_key(port: int, key: X25519PrivateKey, relay: bytes) -> Agent | None:
    """None when it is refused."""
    agent = Agent(await trio.open_tcp_stream("127.0.0.1", port))
    handshake = AgentHandshake(key, relay)
    await agent.stream.send_all(encode_preface(7))
    await agent.send(handshake.hello())
    challenge = await agent.receive()
    assert isinstance(challenge, Challenge)
    try:
        await agent.send(handshake.challenged(challenge))
        await agent.receive()
    except ProtocolError:
        await agent.stream.aclose()
        return None
    return agent


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_unix_listener_that_is_no_longer_wanted_takes_its_name_along(
    unit: Unit, restarted: bool
) -> None:
    second = unit.folder / "second.sock"
    one = f'[[agents]]\nlisten = "unix:{unit.folder}/agents.sock"\n'
    unit.configure(agents=f'{one}[[agents]]\nlisten = "unix:{second}"\n')
    await unit.start()
    assert second.is_socket()
    unit.configure(agents=one)
    await (unit.restart() if restarted else unit.reload())
    assert not second.exists()
    agent = await unit.attach()
    await agent.queue(TAG)
    await agent.stream.aclose()


async def test_an_address_can_be_changed_for_all_at_the_same_port_and_back(unit: Unit) -> None:
    every, one = "0.0.0.0", "127.0.0.1"
    unit.port = free_port(every)
    listen = '[[validators]]\nlisten = "tcp:{}:{}"\n'
    unit.configure(validators=listen.format(every, unit.port))
    await unit.start()
    agent = await unit.attach()
    for number, (host, change) in enumerate(
        ((one, unit.restart), (every, unit.restart), (one, unit.reload), (every, unit.reload))
    ):
        unit.configure(validators=listen.format(host, unit.port))
        await change()
        await agent.queue(other(number), number=number)
        async with connected(unit.validators, asking_for(other(number))):
            assert isinstance(await agent.receive(), Paired)
        assert isinstance(await agent.receive(), Close)
    await agent.stream.aclose()


async def test_a_reload_changes_keys_limits_and_listeners_and_drops_nothing_else(
    unit: Unit,
) -> None:
    ours = public_bytes(keys.create_private_key(unit.folder / "key"))
    stays, goes, comes = (X25519PrivateKey.generate() for _ in range(3))
    names = unit.folder / "relay.agents"

    def known(*those: X25519PrivateKey) -> None:
        names.write_text(
            "".join(f"{keys.encode_key(public_bytes(k))} web{n}\n" for n, k in enumerate(those))
        )

    by_tcp, second, third = free_port(), free_port(), free_port()
    unix = f'[[agents]]\nlisten = "unix:{unit.folder}/agents.sock"\n'
    tcp = f'[[agents]]\nlisten = "tcp:127.0.0.1:{by_tcp}"\n'
    files = f'key = "{unit.folder}/key"\nagents_file = "{names}"\n'
    known(stays, goes)
    unit.configure(agents=files + unix + tcp)
    await unit.start()
    local = await unit.attach()
    kept, removed = [await attach_by_key(by_tcp, key, ours) for key in (stays, goes)]
    assert kept is not None
    assert removed is not None
    assert await attach_by_key(by_tcp, comes, ours) is None
    await kept.queue(TAG)
    async with connected(unit.validators, asking_for(TAG)) as user:
        await kept.receive()
        known(stays, comes)
        unit.configure(
            "[limits]\nlongest_ttl = 30\n",
            agents=files + tcp + unix,
            validators=f'[[validators]]\nlisten = "tcp:127.0.0.1:{second}"\n',
        )
        await unit.reload()
        assert await removed.is_cut_off()
        await kept.send(Data(1, b"still there"))
        assert await user.receive() == b"still there"
        added = await attach_by_key(by_tcp, comes, ours)
        assert added is not None
        await local.send_request(other(1), number=1, ttl=31)
        assert "TTL" in repr(await local.receive())
        with pytest.raises(OSError, match="all attempts"):
            await trio.open_tcp_stream("127.0.0.1", unit.port)
        await local.queue(other(2), number=2, ttl=30)
        async with connected(TcpAddress("127.0.0.1", second), asking_for(other(2))):
            assert isinstance(await local.receive(), Paired)

        # What is no good changes nothing.
        before = unit.file.read_text()
        with socket.create_server(("127.0.0.1", third)):
            for wrong in (
                before.replace("longest_ttl", "longest_tll"),
                before.replace(f":{second}", f":{third}"),
                before.replace("relay.agents", "nobody.agents"),
                before.replace(f"127.0.0.1:{second}", "relay..example:1"),
                before.replace("longest_ttl = 30", "longest_ttl = " + 5000 * "9"),
                before.replace("relay.agents", r"relay.agents\u0000"),
                before.replace(f"{unit.folder}/agents.sock", str(unit.folder)),
            ):
                unit.file.write_text(wrong)
                await unit.reload()
        await kept.send(Data(1, b"again"))
        assert await user.receive() == b"again"
        await (await trio.open_tcp_stream("127.0.0.1", second)).aclose()
    await unit.logged("configuration refused", 7)
    refused = [x["reason"] for x in unit.log if x["event"] == "configuration refused"]
    for reason, expected in zip(
        map(str, refused),
        (
            "did you mean `longest_ttl`",
            f"cannot listen on 127.0.0.1:{third}",
            "cannot read the agents' keys",
            "expected host:port",
            "thousands of digits",
            "agents_file: ",
            f"cannot listen on unix:{unit.folder}: ",
        ),
        strict=True,
    ):
        assert expected in reason
    for each in (local, kept, removed, added):
        await each.stream.aclose()


# ---- the next process ----------------------------------------------------------------------------


async def test_sign_ons_in_every_stage_go_on_in_the_next_process(unit: Unit) -> None:
    unit.configure("[limits]\nhold = 12\n")  # a busy machine takes some seconds for a start
    await unit.start()
    agent = await unit.attach()
    queue = asking_for
    async with contextlib.AsyncExitStack() as users:

        async def user(*data: bytes):  # type: ignore[no-untyped-def]
            return await users.enter_async_context(connected(unit.validators, *data))

        await agent.queue(other(1), number=1)
        for number in (2, 3, 4):
            await agent.queue(other(number), number=number)
        paired = await user(queue(other(2)))
        assert isinstance(await agent.receive(), Paired)
        half = await user(queue(other(3)), encode_frame(b"h1 of three")[:4])
        assert isinstance(await agent.receive(), Paired)
        rejected = await user(queue(other(4)))
        assert isinstance(await agent.receive(), Paired)
        await agent.send(Reject(4))
        unmatched = await user(queue(other(5)))
        silent = await user(queue(other(6))[:9])
        answered = frames(Data(2, b"a long answer"))
        await agent.stream.send_all(answered[:5])

        assert await unit.stop() == 0
        # While there is no relay: what is sent stays in the kernel, and who comes waits.
        await agent.stream.send_all(answered[5:])
        await half.stream.send_all(encode_frame(b"h1 of three")[4:])
        late = await user(queue(other(1)), encode_frame(b"h1 of one"))
        await silent.stream.send_all(queue(other(6))[9:])
        await unit.start()

        assert await paired.receive() == b"a long answer"
        heard = [await agent.receive() for _ in range(3)]
        assert Data(3, b"h1 of three") in heard
        assert Data(1, b"h1 of one") in heard
        assert [x.request for x in heard if isinstance(x, Paired)] == [1]
        await agent.send_request(other(5), number=5)
        await agent.send_request(other(6), number=6)
        heard = [await agent.receive() for _ in range(4)]
        assert sum(isinstance(x, Queued) for x in heard) == 2
        assert {x.request for x in heard if isinstance(x, Paired)} == {5, 6}
        again = await user(queue(other(4)))
        assert isinstance(await agent.receive(), Paired)
        for number, end in (
            (1, late),
            (2, paired),
            (3, half),
            (4, again),
            (5, unmatched),
            (6, silent),
        ):
            await agent.send(Data(number, b"receipt"), Close(number, CloseReason.DONE))
            assert await end.receive() == b"receipt"
            assert await end.end() == "closed"
        assert await rejected.end() == "reset"
    names = {name for name, _ in unit.manager.stored}
    assert all(name.startswith("bartizan.listener.") for name in names)
    assert len(unit.manager.stored) == 2
    taken = await unit.logged("relay taken over")
    assert {k: taken[k] for k in ("links", "requests", "transactions", "validators")} == {
        "links": 1,
        "requests": 4,
        "transactions": 2,
        "validators": 3,
    }
    await unit.logged("request ended", 6)
    outcomes = {x["outcome"] for x in unit.log if x["event"] == "request ended"}
    assert outcomes == {"done"}
    await agent.stream.aclose()


@pytest.mark.parametrize("how", ["damaged", "another version", "no state", "half of it"])
async def test_what_cannot_be_taken_over_is_closed_cleanly(unit: Unit, how: str) -> None:
    await unit.start()
    agent = await unit.attach()
    await agent.queue(TAG)
    async with connected(unit.validators, asking_for(TAG)) as user:
        await agent.receive()
        assert await unit.stop() == 0
        stored = unit.manager.stored
        [state] = [number for name, number in stored if name == KEPT_STATE]
        if how == "damaged":
            os.pwrite(state, b"?", os.fstat(state).st_size - 1)
        elif how == "another version":
            os.pwrite(state, b"\0\x63", 4)
        elif how == "no state":
            unit.manager.drop(KEPT_STATE)
        else:
            connections = [each for each in stored if each[0] == KEPT_CONNECTION]
            stored.remove(connections[0])
            os.close(connections[0][1])
        await unit.start()
        if how == "half of it":
            ends = [agent.is_cut_off, user.end]
            async with trio.open_nursery() as nursery:
                for end in ends:
                    nursery.start_soon(end)
        else:
            assert await agent.is_cut_off()
            assert await user.end() in ("closed", "reset")
            await unit.logged("nothing taken over")
    again = await unit.attach()
    await again.queue(TAG)
    for each in (agent, again):
        await each.stream.aclose()


async def test_after_a_kill_who_has_come_meanwhile_is_served(unit: Unit) -> None:
    await unit.start()
    agent = await unit.attach()
    await agent.queue(TAG)
    assert await unit.stop(signal.SIGKILL) == -signal.SIGKILL
    assert await agent.is_cut_off()
    async with connected(unit.validators, asking_for(TAG)):
        await unit.start()
        again = await unit.attach()
        await again.queue(TAG)
        assert isinstance(await again.receive(), Paired)
    for each in (agent, again):
        await each.stream.aclose()


async def test_without_a_store_sigterm_drains(unit: Unit) -> None:
    unit.room = 0
    await unit.start()
    agent = await unit.attach()
    assert await unit.stop() == 0
    assert "Drain" in repr(await agent.receive())
    assert await agent.is_cut_off()
    assert "relay handed over" not in unit.events()
    await agent.stream.aclose()


async def test_more_descriptors_than_there_is_room_for_cost_strangers_first(unit: Unit) -> None:
    unit.configure("[limits]\nhold = 12\n")
    unit.room = 6
    await unit.start()
    agent = await unit.attach()
    async with contextlib.AsyncExitStack() as users:
        all_of_them = [
            await users.enter_async_context(connected(unit.validators, asking_for(other(n))))
            for n in range(5)
        ]
        await agent.queue(TAG)
        await unit.restart()
        ended = [await user.end() for user in all_of_them[:3]]
        assert ended == ["reset"] * 3
        await agent.send_request(other(4), number=4)
        assert [type(await agent.receive()) for _ in range(2)] == [Queued, Paired]
    await agent.stream.aclose()


async def test_no_more_strangers_are_kept_than_are_worth_the_wait(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    relay = (await start_relay(nursery, tmp_path)).relay
    others = len(relay.listeners) + 1
    for room, kept in ((10**6, KEPT_STRANGERS), (others + 3, 3), (others, 0), (0, 0)):
        assert service._strangers(relay, room) == kept
    nursery.cancel_scope.cancel()


async def test_of_a_state_that_is_too_long_the_rest_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = os.memfd_create("state")
    os.write(state, b"12345678")
    monkeypatch.setattr(activation, "MAX_STATE", 5)
    found = activation.given(Supervision(descriptors=((state, KEPT_STATE),)))
    assert found.state == b"12345"


async def test_the_names_of_tens_of_thousands_of_connections_fit() -> None:
    assert MAX_NAMES // len(f"{KEPT_CONNECTION}:") >= 50_000


async def test_a_relay_that_is_drained_by_hand_ends_and_hands_nothing_over(unit: Unit) -> None:
    admin = f"{unit.folder}/admin.sock"
    unix = f'[[agents]]\nlisten = "unix:{unit.folder}/agents.sock"\n'
    unit.configure(agents=f'admin_socket = "{admin}"\n{unix}')
    await unit.start()
    agent = await unit.attach()
    await agent.queue(TAG)
    assert unit.daemon is not None
    process, unit.daemon = unit.daemon.process, None
    async with connected(unit.validators, asking_for(TAG)) as user:
        assert isinstance(await agent.receive(), Paired)
        command = [PROGRAM, "drain", "--config", str(unit.file)]
        async with trio.open_nursery() as asking:
            asking.start_soon(trio.run_process, command)
            assert await agent.receive() == Drain()
            await agent.send(Data(1, b"receipt"), Close(1, CloseReason.DONE))
            assert await user.receive() == b"receipt"
            assert await process.wait() == 0
    assert KEPT_STATE not in [name for name, _ in unit.manager.stored]
    await agent.stream.aclose()
