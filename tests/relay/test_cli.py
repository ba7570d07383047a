"""`bartizan-relay` as a command, and as the real process that an init system runs."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import trio
from click.testing import CliRunner, Result

from protocol.address import TcpAddress
from protocol.frames import encode_frame
from protocol.messages import (
    AuthRequest,
    Close,
    CloseReason,
    Data,
    Drain,
    Paired,
    Refused,
    RefusedReason,
)
from relay import keys
from relay.cli import main
from relay.commands import EXIT_CONFIG
from tests.relay.real_ends import (
    SIGN_ON_ID,
    TAG,
    Agent,
    Validator,
    asking_for,
    connected,
    hello_by_uid,
)
from tests.support.patience import until
from tests.support.programs import BIN, daemon, free_port

PROGRAM = str(BIN / "bartizan-relay")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def configuration(folder: Path, port: int, more: str = "") -> Path:
    file = folder / "relay.toml"
    file.write_text(
        f'[[agents]]\nlisten = "unix:{folder}/agents.sock"\n'
        f'[[validators]]\nlisten = "tcp:127.0.0.1:{port}"\n{more}'
    )
    return file


# ---- keys ----------------------------------------------------------------------------------------


def test_a_key_is_made_and_its_public_half_is_printed(tmp_path: Path) -> None:
    made = run("generate-key", tmp_path / "key")
    assert made.exit_code == 0
    public = made.output.strip()
    assert len(keys.decode_key(public)) == 32
    assert run("public-key", tmp_path / "key").output.strip() == public
    assert public not in (tmp_path / "key").read_text()


@pytest.mark.parametrize("command", ["generate-key", "public-key"])
def test_an_error_with_a_key_is_one_line_and_no_traceback(tmp_path: Path, command: str) -> None:
    result = run(command, tmp_path / "no" / "key")
    assert result.exit_code == EXIT_CONFIG
    assert result.stderr.startswith(f"bartizan-relay: {tmp_path}/no/key: cannot ")
    assert len(result.stderr.splitlines()) == 1


# ---- check-config --------------------------------------------------------------------------------


def test_a_good_configuration_is_listed_and_nothing_is_opened(tmp_path: Path) -> None:
    result = run("check-config", "--config", configuration(tmp_path, 4817))
    assert result.exit_code == 0
    assert result.output == (
        f"agents: unix:{tmp_path}/agents.sock\nvalidators: 127.0.0.1:4817\nagents' keys: 0\n"
    )
    assert not (tmp_path / "agents.sock").exists()


@pytest.mark.parametrize("command", ["check-config", "serve"])
def test_a_bad_key_file_is_one_line_and_exit_code_2(tmp_path: Path, command: str) -> None:
    (tmp_path / "key").write_text("no key\n")
    (tmp_path / "key").chmod(0o600)
    file = tmp_path / "relay.toml"
    file.write_text(f'key = "{tmp_path}/key"\n[[agents]]\nlisten = "tcp:127.0.0.1:4816"\n')
    result = run(command, "--config", file)
    assert result.exit_code == EXIT_CONFIG
    assert result.stderr == (
        f"bartizan-relay: {tmp_path}/key: expected one line with 32 bytes in base64\n"
    )


# ---- serve, what goes wrong at the start ---------------------------------------------------------


def test_a_bad_configuration_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    file = configuration(tmp_path, 4817, "[limits]\nhold = true\n")
    result = run("serve", "--config", file)
    assert result.exit_code == EXIT_CONFIG
    assert result.stderr == (
        f"bartizan-relay: {file}: limits.hold: "
        "found true, expected a number, more than 0 to 86,400\n"
    )


def test_a_port_in_use_is_one_line_and_nothing_is_left_open(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        before = set(os.listdir("/proc/self/fd"))
        result = run("serve", "--config", configuration(tmp_path, port))
        assert set(os.listdir("/proc/self/fd")) == before
    assert result.exit_code == EXIT_CONFIG
    assert result.stderr == (
        f"bartizan-relay: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    )


def test_a_path_too_long_for_a_socket_says_so(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(
        f'[[agents]]\nlisten = "unix:/{"x" * 200}"\n[[validators]]\nlisten = "tcp:127.0.0.1:1"\n'
    )
    result = run("serve", "--config", file)
    assert result.exit_code == EXIT_CONFIG
    assert "agents[0].listen: found 201 bytes, expected at most 107" in result.stderr


# ---- serve, as a process -------------------------------------------------------------------------


async def attach(folder: Path) -> Agent:
    agent = Agent(await trio.open_unix_socket(str(folder / "agents.sock")))
    await agent.stream.send_all(hello_by_uid())
    await agent.receive()
    return agent


async def test_sigterm_drains_and_the_exit_code_is_0(tmp_path: Path) -> None:
    port = free_port()
    file = configuration(tmp_path, port)
    async with daemon([PROGRAM, "serve", "--config", str(file)]) as relay:
        up = await relay.logged("relay up")
        assert up["agents"] == [f"unix:{tmp_path}/agents.sock"]
        assert up["validators"] == [f"127.0.0.1:{port}"]
        agent = await attach(tmp_path)
        await agent.queue(TAG)
        async with connected(TcpAddress("127.0.0.1", port), asking_for(TAG)) as user:
            await agent.receive()
            relay.process.send_signal(signal.SIGTERM)
            assert await agent.receive() == Drain()
            await agent.send(AuthRequest(2, SIGN_ON_ID, 60, (b"x" * 16,)))
            assert await agent.receive() == Refused(2, RefusedReason.DRAINING)
            await agent.send(Data(1, b"receipt"), Close(1, CloseReason.DONE))
            assert await user.receive() == b"receipt"
            assert await user.end() == "closed"
        assert await agent.is_cut_off()
        await agent.stream.aclose()
        with trio.fail_after(20):
            assert await relay.process.wait() == 0
    events = [entry["event"] for entry in relay.log]
    assert "no JSON" not in events
    assert events[-1] == "relay down"
    assert (await relay.logged("relay stopping"))["signal"] == "SIGTERM"


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
async def test_a_second_signal_ends_it_at_once_and_without_a_traceback(
    tmp_path: Path, second: signal.Signals
) -> None:
    port = free_port()
    command = [PROGRAM, "serve", "--config", str(configuration(tmp_path, port))]
    process = await trio.lowlevel.open_process(command, stderr=subprocess.PIPE)
    assert process.stderr is not None
    log = b""
    with trio.fail_after(20):
        while b"relay up" not in log:
            log += await process.stderr.receive_some()
        agent = await attach(tmp_path)
        await agent.queue(TAG)
        async with connected(TcpAddress("127.0.0.1", port), asking_for(TAG)):
            await agent.receive()
            process.send_signal(signal.SIGINT)
            assert await agent.receive() == Drain()
            process.send_signal(second)
            assert await process.wait() == -second
        async for data in process.stderr:
            log += data
    await agent.stream.aclose()
    await process.stderr.aclose()
    assert b"Traceback" not in log
    assert b'"signal":"SIGINT"' in log


async def test_a_second_run_takes_over_the_socket_that_the_first_left(tmp_path: Path) -> None:
    """Also when the first was killed."""
    file = configuration(tmp_path, free_port())
    command = [PROGRAM, "serve", "--config", str(file)]
    killed = await trio.lowlevel.open_process(command, stderr=subprocess.DEVNULL)
    with trio.fail_after(20):
        while not (tmp_path / "agents.sock").exists():  # noqa: ASYNC110
            await trio.sleep(0.02)
    killed.kill()
    await killed.wait()
    for _ in range(2):
        async with daemon(command) as relay:
            await relay.logged("relay up")
            agent = await attach(tmp_path)
            await agent.stream.aclose()


async def test_a_second_relay_does_not_push_the_first_aside(tmp_path: Path) -> None:
    file = configuration(tmp_path, free_port())
    command = [PROGRAM, "serve", "--config", str(file)]
    async with daemon(command) as relay:
        await relay.logged("relay up")
        second = await trio.run_process(command, check=False, capture_stderr=True)
        assert second.returncode == EXIT_CONFIG
        assert second.stderr.decode() == (
            f"bartizan-relay: cannot listen on unix:{tmp_path}/agents.sock: "
            "Address already in use\n"
        )
        agent = await attach(tmp_path)
        await agent.stream.aclose()


# ---- descriptors ---------------------------------------------------------------------------------


def cpu_seconds(process: trio.Process) -> float:
    """User and system time of a process so far."""
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_without_a_free_descriptor_it_rests_says_so_once_and_recovers(
    tmp_path: Path,
) -> None:
    port = free_port()
    address = TcpAddress("127.0.0.1", port)
    file = configuration(tmp_path, port, "[limits]\nhold = 60\n")
    async with daemon([PROGRAM, "serve", "--config", str(file)]) as relay:
        await relay.logged("relay up")
        resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE, (40, 40))
        agent = await attach(tmp_path)
        crowd = [socket.create_connection((address.host, port)) for _ in range(60)]
        said = await relay.logged("no descriptor left")
        assert 10 < said["connections"] < 40
        before = cpu_seconds(relay.process)
        await trio.sleep(1)
        assert cpu_seconds(relay.process) - before < 0.4
        await agent.queue(TAG)  # those who are in are served meanwhile
        for sock in crowd:
            sock.close()
        opening = asking_for(TAG) + encode_frame(b"h1")
        with trio.fail_after(10):  # by itself, and not when some deadline happens to wake it
            user = Validator(await trio.open_tcp_stream(address.host, address.port))
            await user.stream.send_all(opening)
            await agent.receive()
        async with user.stream:
            assert await agent.receive() == Data(1, b"h1")
            await agent.send(Data(1, b"context"))
            assert await user.receive() == b"context"
        await agent.stream.aclose()
    assert [entry["event"] for entry in relay.log].count("no descriptor left") == 1


async def test_with_few_descriptors_its_limits_give_way_and_none_is_ever_missed(
    tmp_path: Path,
) -> None:
    port = free_port()
    file = configuration(tmp_path, port, "[limits]\nhold = 60\n")
    command = ["prlimit", "--nofile=64:64", PROGRAM, "serve", "--config", str(file)]
    async with daemon(command) as relay:
        few = await relay.logged("few descriptors")
        assert few["available"] == 64 < few["needed"]
        assert few["lowered"] == {"links": 8, "transactions": 12, "incomplete": 6, "held": 6}
        await relay.logged("relay up")
        agents = [await attach(tmp_path) for _ in range(8)]
        address = TcpAddress("127.0.0.1", port)
        for number in range(12):
            await agents[0].queue(number.to_bytes(16, "big"), number=number)
        async with contextlib.AsyncExitStack() as running:
            users = [
                await running.enter_async_context(
                    connected(address, asking_for(number.to_bytes(16, "big")))
                )
                for number in range(12)
            ]
            for _ in users:
                assert isinstance(await agents[0].receive(), Paired)
            crowd = []
            for _ in range(50):
                crowd.append(socket.create_connection((address.host, port)))
                crowd.append(socket.create_connection((address.host, port)))
                crowd[-1].send(asking_for(b"nobody waits for"))
            await agents[-1].queue(TAG)
            async with connected(address, asking_for(TAG)):  # there are 12
                await trio.sleep(0.1)
            for number, user in enumerate(users):
                await agents[0].send(Data(number, b"context"))
                assert await user.receive() == b"context"
            for sock in crowd:
                sock.close()
        for agent in agents:
            await agent.stream.aclose()
    assert "no descriptor left" not in [entry["event"] for entry in relay.log]


async def test_its_own_soft_limit_is_raised(tmp_path: Path) -> None:
    file = configuration(tmp_path, free_port())
    command = ["prlimit", "--nofile=40:20000", PROGRAM, "serve", "--config", str(file)]
    async with daemon(command) as relay:
        await relay.logged("relay up")
        with open(f"/proc/{relay.process.pid}/limits") as limits:  # noqa: ASYNC230
            [line] = [line.split() for line in limits if line.startswith("Max open files")]
        assert 9000 < int(line[3]) <= int(line[4]) == 20000
    assert "few descriptors" not in [entry["event"] for entry in relay.log]


# ---- many in a row -------------------------------------------------------------------------------


def listens(port: int) -> bool:
    """On all its addresses: this is the last."""
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


async def test_1000_sign_ons_leave_no_descriptor_and_no_memory_behind(tmp_path: Path) -> None:
    port = free_port()
    file = configuration(tmp_path, port, '[log]\nlevel = "warning"\n')
    async with daemon([PROGRAM, "serve", "--config", str(file)]) as relay:
        await until(lambda: listens(port))
        agent = await attach(tmp_path)

        async def sign_ons(first: int, count: int) -> tuple[int, int]:
            for number in range(first, first + count):
                tag = number.to_bytes(16, "big")
                await agent.queue(tag, number=number)
                async with connected(TcpAddress("127.0.0.1", port), asking_for(tag)) as user:
                    await agent.receive()
                    await user.send(b"h1")
                    assert await agent.receive() == Data(number, b"h1")
                    await agent.send(Data(number, b"receipt"), Close(number, CloseReason.DONE))
                    assert await user.receive() == b"receipt"
                    assert await user.end() == "closed"
            proc = Path("/proc") / str(relay.process.pid)
            resident = int((proc / "statm").read_text().split()[1])
            return len(list((proc / "fd").iterdir())), resident

        descriptors, resident = await sign_ons(0, 200)
        later_descriptors, later_resident = await sign_ons(200, 1000)
        await agent.stream.aclose()
    assert later_descriptors == descriptors
    assert later_resident - resident < 128, "pages of 4 KiB: half a KiB for each"
