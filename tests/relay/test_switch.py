"""The relay on real sockets: pairing and forwarding, slow and silent ends, many at once."""

import contextlib
import fcntl
import os
import socket
import struct
import termios
from pathlib import Path

import pytest
import trio
import trio.testing
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol.address import TcpAddress
from protocol.agent_auth import public_bytes
from protocol.errors import ProtocolError
from protocol.frames import encode_frame
from protocol.messages import (
    AuthRequest,
    Close,
    CloseReason,
    Data,
    Drain,
    Paired,
    Ping,
    Pong,
    Queued,
    Refused,
    RefusedReason,
)
from relay.limits import Limits
from relay.outcomes import LinkOutcome, RequestOutcome
from relay.records import LinkEnded, LinkUp, RequestEnded
from relay.switch import BATCHES, LINK_READ
from tests.relay.real_ends import (
    SIGN_ON_ID,
    TAG,
    Validator,
    asking_for,
    attached,
    attached_by_key,
    connected,
    frames,
    hello_by_uid,
    paired,
    small_buffers,
)
from tests.support.relay import RunningRelay, start_relay


@pytest.fixture
async def relay(nursery: trio.Nursery, tmp_path: Path) -> RunningRelay:
    return await start_relay(nursery, tmp_path)


SO_SNDBUFFORCE = 32
"""socket(7); Python has no name for it."""


def tag(number: int) -> bytes:
    return number.to_bytes(16, "big")


# ---- pairing and forwarding ----------------------------------------------------------------------


async def test_a_request_is_paired_and_frames_go_both_ways(relay: RunningRelay) -> None:
    async with attached(relay) as agent:
        await agent.queue(b"x" * 16, TAG)
        async with connected(relay.validators, asking_for(TAG), encode_frame(b"first")) as user:
            assert await agent.receive() == Paired(1, 1, user.address)
            assert await agent.receive() == Data(1, b"first")
            await agent.send(Data(1, b"second"))
            assert await user.receive() == b"second"
            await agent.send(Data(1, b"last"), Close(1, CloseReason.DONE))
            assert await user.receive() == b"last"
            assert await user.end() == "closed"
    kinds = [type(record) for record in relay.records]
    assert kinds[:2] == [LinkUp, RequestEnded]


async def test_a_validator_that_waits_is_paired_with_a_request_queued_meanwhile(
    relay: RunningRelay,
) -> None:
    opening = asking_for(TAG) + encode_frame(b"first")
    async with connected(relay.validators, opening) as user, attached(relay) as agent:
        await agent.queue(TAG)
        assert await agent.receive() == Paired(1, 0, user.address)
        assert await agent.receive() == Data(1, b"first")
        await user.send(b"second")
        assert await agent.receive() == Data(1, b"second")


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
@pytest.mark.parametrize(
    ("listen", "connect", "seen"),
    [("::1", "::1", "[::1]"), ("::", "::1", "[::1]"), ("::", "127.0.0.1", "127.0.0.1")],
)
async def test_an_agent_hears_the_address_as_people_write_it(
    nursery: trio.Nursery, tmp_path: Path, listen: str, connect: str, seen: str
) -> None:
    relay = await start_relay(nursery, tmp_path, validators=TcpAddress(listen, 0))
    async with attached(relay) as agent:
        await agent.queue(TAG)
        address = TcpAddress(connect, relay.validators.port)
        async with connected(address, asking_for(TAG)) as user:
            paired = await agent.receive()
            assert isinstance(paired, Paired)
            assert paired.address == f"{seen}:{user.stream.socket.getsockname()[1]}"


async def test_a_validator_that_closes_ends_its_transaction(relay: RunningRelay) -> None:
    async with attached(relay) as agent:
        await agent.queue(TAG)
        async with paired(relay, agent) as user:
            await user.send(b"last")
        assert await agent.receive() == Data(1, b"last")
        assert await agent.receive() == Close(1, CloseReason.VALIDATOR_GONE)


async def test_a_validator_that_closes_one_half_is_gone_and_is_told_nothing(
    relay: RunningRelay,
) -> None:
    """Its last frame is forwarded, then it is reset, whether its tag was known or not."""
    async with attached(relay) as agent:
        await agent.queue(TAG)
        async with paired(relay, agent) as user:
            await user.send(b"last")
            await user.stream.send_eof()
            assert await agent.receive() == Data(1, b"last")
            assert await agent.receive() == Close(1, CloseReason.VALIDATOR_GONE)
            assert await user.end() == "reset"
        async with connected(relay.validators, asking_for(tag(1))) as stranger:
            await stranger.stream.send_eof()
            assert await stranger.end() == "reset"


async def test_an_agent_that_closes_puts_its_validators_out(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    relay = await start_relay(nursery, tmp_path, limits=Limits(hold=0.3, hold_jitter=0.01))
    async with attached(relay) as agent:
        await agent.queue(TAG)
        async with paired(relay, agent) as user:
            await agent.stream.aclose()
            assert await user.end() == "reset"
    ended = [record for record in relay.records if isinstance(record, RequestEnded)]
    assert [record.outcome for record in ended] == [RequestOutcome.AGENT_GONE]


async def test_500_validators_and_their_requests_at_once_and_in_any_order(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    """As after a restart: half of the validators are back before their agents are."""
    count, links = 500, 5
    limits = Limits(source_burst=count, unanswered_per_source=count)
    relay = await start_relay(nursery, tmp_path, limits=limits)

    async def validator(number: int) -> None:
        async with connected(relay.validators, asking_for(tag(number))) as user:
            await user.send(b"h1 %d" % number)
            assert await user.receive() == b"context %d" % number
            await user.send(b"decision %d" % number)
            assert await user.end() == "closed"

    async def agent(own: range) -> None:
        async with attached(relay) as link:
            for number in own:
                await link.send(AuthRequest(number, SIGN_ON_ID, 60, (tag(number),)))
            left = set(own)
            while left:
                message = await link.receive()
                if isinstance(message, Data) and message.request in left:
                    number = message.request
                    if message.frame == b"h1 %d" % number:
                        await link.send(Data(number, b"context %d" % number))
                    else:
                        assert message.frame == b"decision %d" % number
                        await link.send(Close(number, CloseReason.DONE))
                        left.remove(number)
                else:
                    assert isinstance(message, Queued | Paired)

    with trio.fail_after(30):
        async with trio.open_nursery() as crowd:
            for number in range(0, count, 2):
                crowd.start_soon(validator, number)
            await trio.testing.wait_all_tasks_blocked(0.01)
            for first in range(links):
                crowd.start_soon(agent, range(first, count, links))
            for number in range(1, count, 2):
                crowd.start_soon(validator, number)
    ended = [record for record in relay.records if isinstance(record, RequestEnded)]
    assert [record.outcome for record in ended] == [RequestOutcome.DONE] * count
    assert relay.relay.switch.connections == len(relay.relay.broker.links)


# ---- agents' links -------------------------------------------------------------------------------


async def test_a_link_by_tcp_with_a_known_key_attaches(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    key = X25519PrivateKey.generate()
    relay = await start_relay(nursery, tmp_path, agents={public_bytes(key): "web1"})
    async with attached_by_key(relay, key) as agent:
        await agent.queue(TAG)
        async with paired(relay, agent):
            pass
    up, *_ = relay.records
    assert isinstance(up, LinkUp)
    assert up.agent == "web1"


async def test_a_link_by_tcp_with_an_unknown_key_is_not_told_that_it_is(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    relay = await start_relay(nursery, tmp_path)
    with pytest.raises(ProtocolError, match="does not know this agent, or is another relay"):
        async with attached_by_key(relay, X25519PrivateKey.generate()):
            pytest.fail("attached")


async def test_a_link_that_does_not_read_is_ended_and_others_run_on(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    relay = await start_relay(nursery, tmp_path, limits=Limits(link_buffer=10_000))
    deaf = socket.socket(socket.AF_UNIX)
    deaf.connect(relay.unix.path)
    deaf.setblocking(False)
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(deaf))
    async with attached(relay) as agent, stream:
        await agent.queue(TAG)
        await stream.send_all(hello_by_uid())
        with trio.fail_after(30), pytest.raises(trio.BrokenResourceError):
            await stream.send_all(frames(*[Ping()] * 1_000_000))
        async with paired(relay, agent) as user:
            await user.send(b"first")
            assert await agent.receive() == Data(1, b"first")
    overflown = [record for record in relay.records if isinstance(record, LinkEnded)]
    assert overflown[0].outcome is LinkOutcome.OVERFLOW


async def test_pongs_keep_a_link_and_a_silent_one_is_dropped(
    mock_clock: trio.testing.MockClock, relay: RunningRelay
) -> None:
    """Real sockets on a clock that only moves when told."""
    async with attached(relay) as agent:
        for _ in range(5):
            mock_clock.jump(20.01)
            assert await agent.receive() == Ping()
            await agent.send(Pong())
            await trio.testing.wait_all_tasks_blocked(0.01)
        for _ in range(2):
            mock_clock.jump(20.01)
            assert await agent.receive() == Ping()
        mock_clock.jump(20.01)
        assert await agent.is_cut_off()
    await trio.testing.wait_all_tasks_blocked()
    ended = [record for record in relay.records if isinstance(record, LinkEnded)]
    assert [record.outcome for record in ended] == [LinkOutcome.SILENT]


async def test_a_peer_that_connects_and_says_nothing_is_dropped(
    mock_clock: trio.testing.MockClock, relay: RunningRelay
) -> None:
    async with await trio.open_unix_socket(relay.unix.path) as stream:
        await trio.testing.wait_all_tasks_blocked(0.01)
        mock_clock.jump(5.01)
        assert await stream.receive_some() == b""


async def test_many_messages_in_one_write_and_one_message_in_many(relay: RunningRelay) -> None:
    """Longer than one read of the relay, and cut wherever a byte can be cut."""
    async with attached(relay) as agent:
        count = 1000
        requests = [AuthRequest(n, SIGN_ON_ID, 60, (tag(n),)) for n in range(count)]
        await agent.send(*requests)
        assert [await agent.receive() for _ in range(count)] == [Queued(n) for n in range(count)]
        for byte in frames(Close(0, CloseReason.DONE), Ping()):
            await agent.stream.send_all(bytes([byte]))
        assert await agent.receive() == Pong()


async def test_other_tasks_get_their_turn_while_a_socket_stays_ready(relay: RunningRelay) -> None:
    """All that a peer may send at once is there before the relay reads the first byte of it."""
    one_read = frames(*[Pong()] * LINK_READ)[:LINK_READ]
    async with attached(relay) as agent:
        sock = agent.stream.socket
        with contextlib.suppress(PermissionError):
            sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 2**22)
        writes = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                writes += os.write(sock.fileno(), one_read) // LINK_READ
        everything = left = unread(sock.fileno())
        while left == everything:
            await trio.lowlevel.checkpoint()
            left = unread(sock.fileno())
        reads = writes * (everything - left) / everything
        if writes <= 2 * BATCHES:
            pytest.skip("this system keeps too little of what is sent")
        # Trio draws each round's order: the relay can be last in one and first in the next.
        assert 0 < reads <= 2 * BATCHES


def unread(descriptor: int) -> int:
    """What the other end of a Unix socket has not read yet, as its memory."""
    return struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))[0]


# ---- slow and stuck ends -------------------------------------------------------------------------

LATE = 2.0
"""Seconds that a busy machine may add to a limit."""


async def test_a_validator_that_does_not_read_ends_alone(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    """Its buffers hold less than a transaction's 16 KiB, so the relay is stuck with the rest."""
    relay = await start_relay(nursery, tmp_path, limits=Limits(send_timeout=0.3))
    for listener in relay.listeners:
        listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    with small_buffers(relay.validators.host, relay.validators.port) as deaf:
        async with attached(relay) as agent:
            await agent.queue(TAG)
            deaf.sendall(asking_for(TAG))
            assert isinstance(await agent.receive(), Paired)
            stuck = trio.current_time()
            await agent.send(*[Data(1, bytes(2048))] * 8)
            await agent.queue(tag(2), number=2)
            async with paired(relay, agent, tag(2)) as user:
                await user.send(b"first")
                assert await agent.receive() == Data(2, b"first")
                await agent.send(Data(2, b"context"))
                assert await user.receive() == b"context"
                assert await agent.receive() == Close(1, CloseReason.STALLED)
                assert 0.3 <= trio.current_time() - stuck <= 0.3 + LATE
                await user.send(b"decision")
                assert await agent.receive() == Data(2, b"decision")
    ended = [record for record in relay.records if isinstance(record, RequestEnded)]
    assert ended[0].outcome is RequestOutcome.NOT_READING


async def test_a_slow_validator_gets_everything(nursery: trio.Nursery, tmp_path: Path) -> None:
    relay = await start_relay(nursery, tmp_path, limits=Limits(send_timeout=30))
    for listener in relay.listeners:
        listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    sock = small_buffers(relay.validators.host, relay.validators.port)
    slow = Validator(trio.SocketStream(trio.socket.from_stdlib_socket(sock)))
    async with attached(relay) as agent, slow.stream:
        await agent.queue(TAG)
        await slow.stream.send_all(asking_for(TAG))
        assert isinstance(await agent.receive(), Paired)
        bodies = [bytes([n]) * 2048 for n in range(8)]
        await agent.send(*[Data(1, body) for body in bodies])
        assert [await slow.receive() for _ in bodies] == bodies
        await agent.send(Close(1, CloseReason.DONE))
        assert await slow.end() == "closed"


async def test_a_validator_that_has_caught_up_is_not_ended_for_it_later(
    mock_clock: trio.testing.MockClock, relay: RunningRelay
) -> None:
    for listener in relay.listeners:
        listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    sock = small_buffers(relay.validators.host, relay.validators.port)
    slow = Validator(trio.SocketStream(trio.socket.from_stdlib_socket(sock)))
    async with attached(relay) as agent, slow.stream:
        await agent.queue(TAG)
        await slow.stream.send_all(asking_for(TAG))
        assert isinstance(await agent.receive(), Paired)
        await agent.send(*[Data(1, bytes(2048))] * 7)
        for _ in range(7):
            await slow.receive()
        await trio.testing.wait_all_tasks_blocked(0.01)
        mock_clock.jump(15)
        await trio.testing.wait_all_tasks_blocked(0.01)
        await slow.send(b"decision")
        assert await agent.receive() == Data(1, b"decision")


async def test_a_stranger_fills_no_more_than_a_small_receive_buffer(relay: RunningRelay) -> None:
    """Nothing that it sends is read, so its window is all that it can take of the kernel."""
    stuffed = 0
    with socket.create_connection((relay.validators.host, relay.validators.port)) as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        stranger.sendall(asking_for(TAG))
        stranger.setblocking(False)
        for _ in range(20):
            await trio.testing.wait_all_tasks_blocked(0.01)
            try:
                stuffed += stranger.send(bytes(65536))
            except BlockingIOError:
                continue
    assert stuffed < 128 * 1024


async def test_drain_lets_a_running_transaction_finish_and_takes_no_request(
    relay: RunningRelay,
) -> None:
    async with attached(relay) as agent:
        await agent.queue(TAG)
        async with paired(relay, agent) as user:
            relay.relay.drain()
            assert await agent.receive() == Drain()
            await agent.send(AuthRequest(2, SIGN_ON_ID, 60, (tag(2),)))
            assert await agent.receive() == Refused(2, RefusedReason.DRAINING)
            await agent.send(Data(1, b"context"))
            assert await user.receive() == b"context"
            await user.send(b"decision")
            assert await agent.receive() == Data(1, b"decision")
            await agent.send(Data(1, b"receipt"), Close(1, CloseReason.DONE))
            assert await user.receive() == b"receipt"
            assert await user.end() == "closed"
        assert await agent.is_cut_off()
    with pytest.raises(OSError, match="all attempts to connect"):
        await trio.open_tcp_stream(relay.validators.host, relay.validators.port)
