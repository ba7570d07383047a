"""shell. Keeps one relay connected, and moves bytes between it and the link's pure half."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from pam_agent.link import AgentLink
from pam_agent.link_events import (
    Event,
    LinkLost,
    Pairing,
    RelayRequest,
    WasClosed,
    WasRefused,
)
from pam_agent.retries import Retries
from protocol.address import TcpAddress, UnixAddress
from protocol.agent_auth import AgentHandshake
from protocol.errors import ProtocolError
from protocol.messages import CloseReason

CONNECT_TIMEOUT: Final = 5.0
"""Seconds for the connection: a relay is on the inner network."""

SET_UP_TIMEOUT: Final = 5.0
"""Seconds from the connection to Attached."""

MAX_WAITING: Final = 64
"""Events of one request that wait to be looked at: more than three whole transactions. They are
counted for each request, so that a relay that floods one stops no other relay's."""

MAX_OUT: Final = 256 * 1024
"""Unsent bytes: more than all frames of all sign-ons that fit in a relay's quota at once."""

READ: Final = 65536


class RequestHandle:
    """A request at one relay, in the hands of a sign-on."""

    def __init__(
        self, link: "RelayLink", request: RelayRequest, inbox: Callable[["RelayEvent"], None]
    ) -> None:
        self.link: Final = link
        self.request: Final = request
        self.inbox: Final = inbox
        self.waiting = 0
        """Events that were delivered and not looked at yet; whoever takes one counts it down."""

    def send(self, pairing: Pairing, frame: bytes) -> None:
        """One frame to this validator, when it is still there."""
        self.link.protocol.send_frame(self.request, pairing, frame)
        self.link.wake()

    def reject(self, pairing: Pairing) -> None:
        """This validator was no good; wait for another."""
        self.link.protocol.reject(self.request, pairing)
        self.link.wake()

    def close(self, reason: CloseReason) -> None:
        """The request is over. May be called at any time, and again."""
        self.link.protocol.close(self.request, reason)
        self.link.release(self)
        self.link.wake()


@dataclass(frozen=True)
class RelayEvent:
    """What happened to a request at one relay."""

    handle: RequestHandle
    event: Event


class RelayLink:
    """The link to one relay, for as long as the agent runs."""

    def __init__(
        self,
        address: TcpAddress | UnixAddress,
        relay_key: bytes | None,
        own_key: X25519PrivateKey,
        shard: int,
        clock: Callable[[], float],
    ) -> None:
        """`relay_key` (32 bytes) is needed on TCP. `clock` as for the sign-ons' deadlines."""
        self.address: Final = address
        self.protocol: Final = AgentLink(shard)
        self.relay_key: Final = relay_key
        self._own_key: Final = own_key
        self._clock: Final = clock
        self._handles: dict[RelayRequest, RequestHandle] = {}
        self._wake = trio.Event()
        self._connection = trio.CancelScope()
        self._reason = ""
        self.since = clock()
        """When it came up, or went down, by the clock."""
        self.trouble = "not connected yet"
        """Why it is down, or was the last time."""
        self.losses = 0
        # Not bound yet: a new configuration may change what is logged.
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger(relay=str(address))

    @property
    def requests(self) -> int:
        """How many have not ended."""
        return len(self._handles)

    def submit(
        self,
        sign_on_id: bytes,
        tags: tuple[bytes, ...],
        expires: float,
        inbox: Callable[[RelayEvent], None],
    ) -> RequestHandle:
        """Queue a request until `expires`, over as many connections as it takes."""
        request = RelayRequest(sign_on_id, tags, expires)
        handle = RequestHandle(self, request, inbox)
        self._handles[request] = handle
        self.protocol.submit(request, self._clock())
        self.wake()
        return handle

    def release(self, handle: RequestHandle) -> None:
        """Nothing more is delivered to it."""
        self._handles.pop(handle.request, None)

    def wake(self) -> None:
        """There is something to send."""
        self._wake.set()
        if len(self.protocol.out) > MAX_OUT:
            self._end("the relay does not read")

    # ---- the connection --------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, and connect again, until cancelled."""
        try:
            await self._connect_for_ever()
        finally:
            self.protocol.disconnected()  # whoever still looks at it sees that it is down

    async def _connect_for_ever(self) -> None:
        retries = Retries()
        told = False
        while True:
            try:
                with trio.fail_after(CONNECT_TIMEOUT):
                    stream = await self._connect()
            # UnicodeError: a host name that cannot be one (IDNA).
            except (OSError, UnicodeError, trio.TooSlowError) as error:
                tell = self._log.debug if told else self._log.warning
                self.trouble = str(error) or f"no answer in {CONNECT_TIMEOUT:g} s"
                tell("no connection", error=self.trouble)
                told = True
            else:
                async with stream:
                    await self._serve(stream)
                told = False
                self._lost(retries)
            await trio.sleep(retries.pause(random.random()))  # noqa: S311

    async def _connect(self) -> trio.SocketStream:
        if isinstance(self.address, UnixAddress):
            return await trio.open_unix_socket(self.address.path)
        return await trio.open_tcp_stream(self.address.host, self.address.port)

    async def _serve(self, stream: trio.SocketStream) -> None:
        """One connection, until it is over."""
        by_key = isinstance(self.address, TcpAddress)
        handshake = AgentHandshake(
            self._own_key if by_key else None, self.relay_key if by_key else None
        )
        self.protocol.connected(handshake, self._clock())
        self._reason = ""
        async with trio.open_nursery() as nursery:
            self._connection = nursery.cancel_scope
            nursery.start_soon(self._write, stream)
            try:
                await self._read(stream)
                self._end("closed by the relay")
            except ProtocolError as error:
                self._end(str(error))
            except trio.BrokenResourceError:
                self._end("the connection broke")

    def _end(self, reason: str) -> None:
        """End the present connection; the first reason is the one."""
        self._reason = self._reason or reason
        self._connection.cancel()

    def _lost(self, retries: Retries) -> None:
        was_up = self.protocol.up
        up_for = self._clock() - self.since if was_up else 0.0
        retries.ended(up_for)
        self.trouble = self._reason
        if was_up:
            self.since = self._clock()
            self.losses += 1
        self._log.warning("link lost", reason=self._reason, up=round(up_for, 3))
        for request, event in self.protocol.disconnected():
            self._deliver(request, event)

    async def _read(self, stream: trio.SocketStream) -> None:
        """Until the relay closes. Raises ProtocolError or trio.BrokenResourceError."""
        set_up_by = self._clock() + SET_UP_TIMEOUT
        while True:
            was_up = self.protocol.up
            look_again = self.protocol.tick(self._clock()) if was_up else set_up_by
            self.wake()
            data: bytes | bytearray | None = None
            with trio.move_on_after(max(0.0, look_again - self._clock())):
                data = await stream.receive_some(READ)
            if data is None:
                if not was_up:
                    raise ProtocolError("the relay did not attach us in time")
                continue
            if not data:
                return
            for request, event in self.protocol.received(bytes(data), self._clock()):
                self._deliver(request, event)
            if self.protocol.up and not was_up:
                self.since = self._clock()
                self._log.info("link up")

    async def _write(self, stream: trio.SocketStream) -> None:
        out = self.protocol.out
        try:
            while True:
                while out:
                    data = bytes(out)
                    out.clear()
                    await stream.send_all(data)
                self._wake = trio.Event()
                await self._wake.wait()
        except trio.BrokenResourceError:
            self._end("the connection broke")

    def _deliver(self, request: RelayRequest, event: Event) -> None:
        """Raises ProtocolError when the relay sends more than anybody can look at.

        Never for LinkLost, which comes once for each connection.
        """
        handle = self._handles[request]
        match event:
            case WasRefused(reason):
                self._log.warning("request refused", reason=reason.name.lower())
                self.release(handle)
            case WasClosed():
                self.release(handle)
            case LinkLost():
                pass
            case _ if handle.waiting >= MAX_WAITING:
                raise ProtocolError("the relay floods a request")
            case _:
                pass
        handle.waiting += 1
        handle.inbox(RelayEvent(handle, event))
