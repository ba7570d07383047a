"""A relay behind a proxy, on real sockets: the proxy is the test, byte for byte."""

import contextlib
import socket
from pathlib import Path
from typing import Final

import pytest
import trio
import trio.testing
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol.address import TcpAddress
from protocol.agent_auth import AgentHandshake, public_bytes
from protocol.frames import encode_frame, encode_preface
from protocol.messages import Attached, Challenge, Close, CloseReason, Data, Paired
from relay.limits import Limits
from relay.outcomes import LinkOutcome, RequestOutcome, ValidatorOutcome
from relay.proxies import parse_network
from relay.records import LinkEnded, LinkUp, RequestEnded, ValidatorEnded
from tests.relay.plain_proxy import header, local, tlv
from tests.relay.real_ends import (
    TAG,
    Agent,
    Validator,
    asking_for,
    attached,
    connected,
)
from tests.support.relay import RunningRelay, start_relay

PROXY: Final = "127.0.0.1"
OTHER: Final = "127.0.0.2"
USER: Final = "203.0.113.9"
H1: Final = b"h" * 80


async def behind(
    nursery: trio.Nursery,
    folder: Path,
    limits: Limits | None = None,
    agents: dict[bytes, str] | None = None,
) -> RunningRelay:
    proxies = (parse_network("192.0.2.0/24"), parse_network(PROXY))
    return await start_relay(nursery, folder, limits=limits, agents=agents, proxies=proxies)


@pytest.fixture
async def relay(nursery: trio.Nursery, tmp_path: Path) -> RunningRelay:
    return await behind(nursery, tmp_path)


async def come_past_the_proxy(address: TcpAddress, data: bytes) -> None:
    """By somebody who is no proxy of that listener. Raises ConnectionResetError if it is reset,
    which can be seen by whichever step comes next."""

    def come() -> None:
        target, source = (address.host, address.port), (OTHER, 0)
        with socket.create_connection(target, timeout=5, source_address=source) as sock:
            sock.sendall(data)
            sock.recv(1)

    await trio.to_thread.run_sync(come)


async def ends(relay: RunningRelay, count: int) -> list[tuple[object, str]]:
    """Outcomes and sources, once there are so many."""
    while True:
        kinds = (ValidatorEnded, LinkEnded, RequestEnded)
        found: list[tuple[object, str]] = [
            (r.outcome, r.source) for r in relay.records if isinstance(r, kinds)
        ]
        if len(found) >= count:
            return found
        await trio.sleep(0.001)


async def sign_on(agent: Agent, user: Validator, number: int = 1) -> None:
    """From the pairing to the end."""
    assert await agent.receive() == Data(number, H1)
    await agent.send(Data(number, b"context"))
    assert await user.receive() == b"context"
    await agent.send(Close(number, CloseReason.DONE))
    assert await user.end() == "closed"


async def test_everything_in_one_segment(relay: RunningRelay) -> None:
    async with attached(relay) as agent:
        await agent.queue()
        opening = header(USER, 5000, tlv(4, bytes(9))) + asking_for(TAG) + encode_frame(H1)
        async with connected(relay.validators, opening) as user:
            assert await agent.receive() == Paired(1, 0, f"{USER}:5000")
            await sign_on(agent, user)
    assert (await ends(relay, 1))[0] == (RequestOutcome.DONE, "203.0.113.0/24")


async def test_every_byte_in_a_segment_of_its_own(relay: RunningRelay) -> None:
    async with attached(relay) as agent, connected(relay.validators) as user:
        await agent.queue()
        user.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in header("2001:db8::9", 5000) + asking_for(TAG) + encode_frame(H1):
            await user.stream.send_all(bytes([byte]))
            await trio.testing.wait_all_tasks_blocked()
        assert await agent.receive() == Paired(1, 0, "[2001:db8::9]:5000")
        await sign_on(agent, user)
    assert (await ends(relay, 1))[0] == (RequestOutcome.DONE, "2001:db8::/48")


async def test_who_is_no_proxy_is_reset_at_once_whatever_it_says(relay: RunningRelay) -> None:
    began = trio.current_time()
    async with attached(relay) as agent:
        await agent.queue()
        for data in (b"", asking_for(TAG), header(USER, 1) + asking_for(TAG), local()):
            with pytest.raises(ConnectionResetError):
                await come_past_the_proxy(relay.validators, data)
    assert trio.current_time() - began < 4
    assert (await ends(relay, 1))[0] == (ValidatorOutcome.NOT_LISTED, "127.0.0.0/24")


@pytest.mark.parametrize(
    "opening",
    [
        asking_for(TAG),
        b"PROXY TCP4 203.0.113.9 127.0.0.1 5000 4817\r\n" + asking_for(TAG),
        header(USER, 5000)[:-1],
    ],
    ids=["no header", "version 1", "half a header"],
)
async def test_without_a_good_header_nothing_is_said_and_the_reset_comes_when_it_does(
    nursery: trio.Nursery, tmp_path: Path, opening: bytes
) -> None:
    relay = await behind(nursery, tmp_path, Limits(hold=0.3, hold_jitter=0.01))
    async with attached(relay) as agent:
        await agent.queue()
        began = trio.current_time()
        async with connected(relay.validators, opening) as user:
            assert await user.end() == "reset"
        assert 0.29 < trio.current_time() - began < 2
    whole = not header(USER, 5000).startswith(opening)
    expected = ValidatorOutcome.MALFORMED if whole else ValidatorOutcome.SILENT
    assert (await ends(relay, 1))[0] == (expected, "127.0.0.0/24")


async def slowly(user: Validator, data: bytes) -> None:
    for byte in data:
        await user.stream.send_all(bytes([byte]))
        await trio.sleep(0.02)


async def test_a_header_that_never_gets_ready_has_no_more_time_than_others(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    relay = await behind(nursery, tmp_path, Limits(hold=0.5, hold_jitter=0.01))
    began = trio.current_time()
    async with connected(relay.validators) as user:
        with pytest.raises(trio.BrokenResourceError):
            await slowly(user, header(USER, 5000, bytes(400)))
    assert 0.49 < trio.current_time() - began < 3


async def test_limits_count_whom_the_proxy_speaks_for(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    relay = await behind(nursery, tmp_path, Limits(source_burst=2, source_rate=0.001))
    async with contextlib.AsyncExitStack() as stack:
        opening = header(USER, 1)
        for _ in range(2):
            await stack.enter_async_context(connected(relay.validators, opening))
        async with connected(relay.validators, opening) as third:
            assert await third.end() == "reset"
        assert await ends(relay, 1) == [(ValidatorOutcome.REFUSED, "203.0.113.0/24")]
        agent = await stack.enter_async_context(attached(relay))
        await agent.queue()
        other = header("203.0.113.10", 7) + asking_for(TAG)
        await stack.enter_async_context(connected(relay.validators, other))
        assert await agent.receive() == Paired(1, 0, "203.0.113.10:7")


@pytest.mark.parametrize("by_reset", [False, True])
@pytest.mark.parametrize("opening", [b"", local()], ids=["bare", "with a header"])
async def test_a_health_check(
    nursery: trio.Nursery, tmp_path: Path, opening: bytes, by_reset: bool
) -> None:
    limits = Limits(source_burst=1, network_burst=1, source_rate=0.001, network_rate=0.001)
    relay = await behind(nursery, tmp_path, limits)
    for address in (relay.validators, relay.agents):
        for _ in range(3):
            with socket.create_connection((address.host, address.port)) as check:
                check.sendall(opening)
                if by_reset:  # as HAProxy does
                    check.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0" + bytes(4))
    words = [outcome for outcome, _ in await ends(relay, 6)]
    assert words.count(ValidatorOutcome.CHECKED) == words.count(LinkOutcome.CHECKED) == 3


async def test_an_agent_attaches_through_a_proxy(nursery: trio.Nursery, tmp_path: Path) -> None:
    key = X25519PrivateKey.generate()
    relay = await behind(nursery, tmp_path, agents={public_bytes(key): "web1"})
    handshake = AgentHandshake(key, public_bytes(relay.key))
    stream = await trio.open_tcp_stream(relay.agents.host, relay.agents.port)
    async with stream:
        agent = Agent(stream)
        await stream.send_all(header(USER, 5000) + encode_preface(7))
        await agent.send(handshake.hello())
        challenge = await agent.receive()
        assert isinstance(challenge, Challenge)
        await agent.send(handshake.challenged(challenge))
        assert isinstance(await agent.receive(), Attached)
    [up] = [record for record in relay.records if isinstance(record, LinkUp)]
    assert (up.agent, up.source) == ("web1", "203.0.113.0/24")
    assert await ends(relay, 1) == [(LinkOutcome.CLOSED, "203.0.113.0/24")]


async def test_an_agent_that_comes_past_the_proxy_is_reset(relay: RunningRelay) -> None:
    with pytest.raises(ConnectionResetError):
        await come_past_the_proxy(relay.agents, b"")
    assert (await ends(relay, 1))[0] == (LinkOutcome.NOT_LISTED, "127.0.0.0/24")


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
async def test_a_proxy_by_ipv4_is_the_same_on_a_listener_for_both(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    relay = await start_relay(
        nursery, tmp_path, validators=TcpAddress("::", 0), proxies=(parse_network(PROXY),)
    )
    async with attached(relay) as agent:
        await agent.queue()
        address = TcpAddress(PROXY, relay.validators.port)
        async with connected(address, header(USER, 1) + asking_for(TAG)):
            assert await agent.receive() == Paired(1, 0, f"{USER}:1")
