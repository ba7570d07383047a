"""A link on real sockets: with a real relay, and with one that says anything."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from trio.testing import MockClock, wait_all_tasks_blocked

from pam_agent.link_events import Event, FrameCame, LinkLost, WasPaired, WasQueued, WasRefused
from pam_agent.relay_link import MAX_OUT, MAX_WAITING, SET_UP_TIMEOUT, RelayEvent, RelayLink
from protocol.address import TcpAddress, UnixAddress
from protocol.agent_auth import public_bytes
from protocol.limits import LINK_SILENCE, MAX_TRANSACTION_FRAMES, PING_INTERVAL
from protocol.messages import (
    AuthRequest,
    Close,
    CloseReason,
    Data,
    Message,
    Paired,
    Ping,
    Pong,
    Queued,
    Refused,
    RefusedReason,
    Reject,
)
from tests.support.bare_validator import opening
from tests.support.patience import until
from tests.support.recorded_log import RecordedLog, recorded_log
from tests.support.relay import start_relay
from tests.support.scripted_relay import RelaySide, Script, scripted_relay

OWN = X25519PrivateKey.generate()
TAG = b"the tag of one.."
SIGN_ON_ID = b"sign-on1"


class Sink:
    """Whoever waits for events; it takes them when a test looks."""

    def __init__(self) -> None:
        self.came: list[RelayEvent] = []

    def __call__(self, event: RelayEvent) -> None:
        self.came.append(event)

    @property
    def events(self) -> list[Event]:
        return [each.event for each in self.came]

    def take(self) -> list[Event]:
        events = self.events
        for each in self.came:
            each.handle.waiting -= 1
        self.came.clear()
        return events


def link_to(address: TcpAddress | UnixAddress, relay_key: bytes | None = None) -> RelayLink:
    return RelayLink(address, relay_key, OWN, 7, trio.current_time)


@asynccontextmanager
async def scripted(tmp_path: Path, script: Script) -> AsyncIterator[tuple[RelayLink, RecordedLog]]:
    """A running link to a relay that plays `script`."""
    path = tmp_path / "agents.sock"
    with recorded_log() as log:
        async with scripted_relay(path, script), trio.open_nursery() as nursery:
            link = link_to(UnixAddress(str(path)))
            nursery.start_soon(link.run)
            yield link, log
            nursery.cancel_scope.cancel()


@pytest.fixture
async def log() -> AsyncIterator[RecordedLog]:
    with recorded_log() as recorded:
        yield recorded


# ---- a real relay --------------------------------------------------------------------------------


@pytest.mark.parametrize("by_key", [False, True])
async def test_a_request_and_its_transaction(
    nursery: trio.Nursery, tmp_path: Path, log: RecordedLog, by_key: bool
) -> None:
    relay = await start_relay(nursery, tmp_path, agents={public_bytes(OWN): "web1"})
    key = public_bytes(relay.key)
    link = link_to(relay.agents, key) if by_key else link_to(relay.unix)
    nursery.start_soon(link.run)
    sink = Sink()
    handle = link.submit(SIGN_ON_ID, (TAG,), trio.current_time() + 60, sink)
    await until(lambda: sink.events == [WasQueued()])
    there = relay.validators
    async with await trio.open_tcp_stream(there.host, there.port) as validator:
        await validator.send_all(opening(TAG, b"H1"))
        await until(lambda: len(sink.events) == 3)
        _, paired, frame = sink.events
        assert isinstance(paired, WasPaired)
        assert frame == FrameCame(paired.pairing, b"H1")
        handle.send(paired.pairing, b"CONTEXT")
        assert await validator.receive_some() == b"\0\x07CONTEXT"
        handle.close(CloseReason.DONE)
        assert await validator.receive_some() == b""
    handle.close(CloseReason.WITHDRAWN)
    assert link.requests == 0
    nursery.cancel_scope.cancel()


async def test_a_relay_that_does_not_know_the_agent(
    nursery: trio.Nursery, tmp_path: Path, log: RecordedLog
) -> None:
    relay = await start_relay(nursery, tmp_path)
    nursery.start_soon(link_to(relay.agents, public_bytes(relay.key)).run)
    lost = await log.event("link lost")
    assert lost["reason"] == "the relay does not know this agent, or is another relay"
    assert lost["up"] == 0
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "address",
    [
        UnixAddress("/nonexistent/agents.sock"),
        TcpAddress("127.0.0.1", 1),
        TcpAddress("a..b", 4816),
        TcpAddress("x" * 64 + ".example", 4816),
    ],
)
async def test_no_connection_is_said_once(
    nursery: trio.Nursery, log: RecordedLog, address: TcpAddress | UnixAddress
) -> None:
    nursery.start_soon(link_to(address).run)
    await log.event("no connection", 2)
    first, second = log.named("no connection")[:2]
    assert (first["level"], second["level"]) == ("warning", "debug")
    assert first["error"]
    nursery.cancel_scope.cancel()


# ---- a relay that lies or dies -------------------------------------------------------------------


async def test_a_lost_link_is_made_again_and_its_requests_queued(tmp_path: Path) -> None:
    numbers: list[AuthRequest] = []

    async def script(relay: RelaySide) -> None:
        await relay.attach()
        asked = await relay.receive()
        assert isinstance(asked, AuthRequest)
        numbers.append(asked)
        await relay.send(Queued(asked.request))
        if len(numbers) == 3:
            await relay.gone()

    async with scripted(tmp_path, script) as (link, log):
        sink = Sink()
        handle = link.submit(SIGN_ON_ID, (TAG,), trio.current_time() + 60, sink)
        await until(lambda: len(sink.events) == 5)
        assert sink.events == [WasQueued(), LinkLost(), WasQueued(), LinkLost(), WasQueued()]
        assert {each.tags for each in numbers} == {(TAG,)}
        assert (await log.event("link lost"))["reason"] == "closed by the relay"
        handle.close(CloseReason.WITHDRAWN)
        assert link.requests == 0


async def test_a_relay_that_attaches_nobody(tmp_path: Path, mock_clock: MockClock) -> None:
    async with scripted(tmp_path, RelaySide.gone) as (_, log):
        await wait_all_tasks_blocked(0.02)
        mock_clock.jump(SET_UP_TIMEOUT)
        mock_clock.rate = 1.0
        lost = await log.event("link lost")
        assert lost["reason"] == "the relay did not attach us in time"


async def test_a_silent_relay_is_asked_and_then_given_up(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    heard: list[object] = []

    async def script(relay: RelaySide) -> None:
        relay.patience = math.inf  # the clock is the test's
        await relay.attach()
        heard.append(await relay.receive())
        await relay.gone()

    async with scripted(tmp_path, script) as (_, log):
        await wait_all_tasks_blocked(0.02)
        mock_clock.jump(PING_INTERVAL)
        await wait_all_tasks_blocked(0.02)
        assert heard == [Ping()]
        mock_clock.jump(LINK_SILENCE - PING_INTERVAL)
        mock_clock.rate = 1.0
        lost = await log.event("link lost")
        assert lost["reason"] == "the relay is silent"
        assert lost["up"] == pytest.approx(LINK_SILENCE, abs=1)  # the clock runs on at the end


async def test_a_ping_is_answered(tmp_path: Path) -> None:
    answered = trio.Event()

    async def script(relay: RelaySide) -> None:
        await relay.attach()
        await relay.send(Ping())
        assert await relay.receive() == Pong()
        answered.set()

    async with scripted(tmp_path, script):
        with trio.fail_after(20):
            await answered.wait()


async def test_a_relay_that_breaks_the_protocol_is_left(tmp_path: Path) -> None:
    async def script(relay: RelaySide) -> None:
        await relay.attach()
        asked = await relay.receive()
        assert isinstance(asked, AuthRequest)
        await relay.send(Queued(asked.request), Refused(asked.request, RefusedReason.QUOTA))
        await relay.gone()

    async with scripted(tmp_path, script) as (link, log):
        sink = Sink()
        link.submit(SIGN_ON_ID, (TAG,), trio.current_time() + 60, sink)
        lost = await log.event("link lost")
        assert lost["reason"] == "message out of place in a request"
        assert sink.events[:2] == [WasQueued(), LinkLost()]


async def test_a_relay_that_does_not_read_is_left(tmp_path: Path) -> None:
    async def script(relay: RelaySide) -> None:
        await relay.attach()
        await trio.sleep_forever()

    async with scripted(tmp_path, script) as (link, log):
        await log.event("link up")
        tags = tuple(bytes((number,)) * 16 for number in range(8))
        while not log.named("link lost"):
            for _ in range(100):
                link.submit(SIGN_ON_ID, tags, trio.current_time() + 60, Sink())
            assert len(link.protocol.out) < 2 * MAX_OUT
            await trio.lowlevel.checkpoint()
        assert log.named("link lost")[0]["reason"] == "the relay does not read"


async def test_a_flood_is_bounded_and_ends_the_link(tmp_path: Path) -> None:
    async def script(relay: RelaySide) -> None:
        await relay.attach()
        asked = await relay.receive()
        assert isinstance(asked, AuthRequest)
        number = asked.request
        await relay.send(Queued(number))
        for _ in range(2 * MAX_WAITING // MAX_TRANSACTION_FRAMES):
            await relay.send(Paired(number, 0, "a:1"))
            await relay.send(*[Data(number, b"x")] * MAX_TRANSACTION_FRAMES)
            assert await relay.receive() == Reject(number)
        await relay.gone()

    async with scripted(tmp_path, script) as (link, log):
        sink = Sink()
        handle = link.submit(SIGN_ON_ID, (TAG,), trio.current_time() + 60, sink)
        rejected = 0
        while not log.named("link lost"):
            pairings = [each.pairing for each in sink.events if isinstance(each, WasPaired)]
            for pairing in pairings[rejected:]:
                handle.reject(pairing)
            rejected = len(pairings)
            await trio.sleep(0.001)
        assert log.named("link lost")[0]["reason"] == "the relay floods a request"
        # A loss is told in any case, or its sign-on would wait for nothing.
        assert handle.waiting == len(sink.events) == MAX_WAITING + 1
        assert sink.take()[-1] == LinkLost()
        assert handle.waiting == 0


async def test_a_request_that_ended_is_released(tmp_path: Path) -> None:
    ends: list[Message] = [Refused(0, RefusedReason.QUOTA), Close(1, CloseReason.EXPIRED)]

    async def script(relay: RelaySide) -> None:
        await relay.attach()
        for end in ends:
            assert isinstance(await relay.receive(), AuthRequest)
            await relay.send(end)
        await relay.gone()

    async with scripted(tmp_path, script) as (link, log):
        for count in (1, 2):
            sink = Sink()
            link.submit(SIGN_ON_ID, (TAG,), trio.current_time() + 60, sink)
            await until(partial(getattr, sink, "came"))
            assert link.requests == 0
            if count == 1:
                assert sink.events == [WasRefused(RefusedReason.QUOTA)]
        assert [each["reason"] for each in log.named("request refused")] == ["quota"]
