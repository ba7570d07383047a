"""shell. Keeps one relay connected, and moves bytes between it and the link's pure half."""

import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from pam_agent.link import MAX_OUT, AgentLink, Event, RelayRequest
from protocol.address import TcpAddress, UnixAddress
from protocol.agent_auth import AgentHandshake
from protocol.errors import ProtocolError
from protocol.messages import CloseReason

CONNECT_TIMEOUT: Final = 5.0
"""Seconds for the connection: a relay is on the inner network."""

SET_UP_TIMEOUT: Final = 5.0
"""Seconds from the connection to Attached."""

FIRST_RETRY: Final = 0.25
"""Seconds, at most, before the first new attempt; doubled by each further one."""

LAST_RETRY: Final = 15.0
"""Seconds, at most, between attempts: agents of a whole network spread over it (full jitter), and a
relay that is back has them all again soon."""

EVENTS: Final = 64
"""Events that one request may have waiting: twice a transaction's frames. A relay that sends more
breaks the protocol."""

READ: Final = 65536


@dataclass(frozen=True)
class RelayEvent:
    """What happened to a request at one relay."""

    handle: "RequestHandle"
    event: Event


Inbox = trio.MemorySendChannel[RelayEvent]


class RequestHandle:
    """A request at one relay, in the hands of a sign-on."""

    def __init__(self, link: "RelayLink", request: RelayRequest, inbox: Inbox) -> None:
        self.link: Final = link
        self.request: Final = request
        self.inbox: Final = inbox

    def send(self, frame: bytes) -> None:
        """One frame to the validator."""
        self.link.protocol.send_frame(self.request, frame)
        self.link.wake()

    def reject(self) -> None:
        """This validator was no good; wait for another."""
        self.link.protocol.reject(self.request)
        self.link.wake()

    def close(self, reason: CloseReason) -> None:
        """The request is over. May be called at any time, and again."""
        self.link.protocol.close(self.request, reason)
        self.link.release(self)
        self.link.wake()


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
        self._relay_key: Final = relay_key
        self._own_key: Final = own_key
        self._clock: Final = clock
        self._handles: dict[RelayRequest, RequestHandle] = {}
        self._wake = trio.Event()
        self._connection = trio.CancelScope()
        self._log = structlog.get_logger().bind(relay=str(address))

    def submit(
        self, sign_on_id: bytes, tags: tuple[bytes, ...], expires: float, inbox: Inbox
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
        if len(self.protocol.out) > MAX_OUT:  # the relay does not read
            self._connection.cancel()

    async def run(self) -> None:
        """Connect, and connect again, until cancelled."""
        attempt = 0
        while True:
            try:
                with trio.fail_after(CONNECT_TIMEOUT):
                    stream = await self._connect()
            except (OSError, trio.TooSlowError) as error:
                self._log.debug("no connection", error=type(error).__name__)
            else:
                async with stream:
                    reason = await self._serve(stream)
                if self.protocol.up:
                    attempt = 0
                self._log.warning("link lost", reason=reason, was_up=self.protocol.up)
                for request, event in self.protocol.disconnected():
                    # A request whose relay flooded it may miss this; it ends by its own deadline.
                    with contextlib.suppress(ProtocolError):
                        self._deliver(request, event)
            await trio.sleep(random.uniform(0, min(LAST_RETRY, FIRST_RETRY * 2**attempt)))  # noqa: S311
            attempt = min(attempt + 1, 16)

    async def _connect(self) -> trio.SocketStream:
        if isinstance(self.address, UnixAddress):
            return await trio.open_unix_socket(self.address.path)
        return await trio.open_tcp_stream(self.address.host, self.address.port)

    async def _serve(self, stream: trio.SocketStream) -> str:
        """One connection, until it is over; why it is."""
        by_key = isinstance(self.address, TcpAddress)
        handshake = AgentHandshake(
            self._own_key if by_key else None, self._relay_key if by_key else None
        )
        self.protocol.connected(handshake, self._clock())
        reason = "closed"
        async with trio.open_nursery() as nursery:
            self._connection = nursery.cancel_scope
            nursery.start_soon(self._write, stream)
            try:
                await self._read(stream)
            except ProtocolError as error:
                reason = str(error)
            except trio.BrokenResourceError:
                reason = "broken"
            nursery.cancel_scope.cancel()
        return reason

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
            self._connection.cancel()

    def _deliver(self, request: RelayRequest, event: Event) -> None:
        """Raises ProtocolError when the relay sends more than a transaction has."""
        handle = self._handles.get(request)
        if handle is None:
            return
        try:
            handle.inbox.send_nowait(RelayEvent(handle, event))
        except trio.WouldBlock:
            raise ProtocolError("the relay floods a request") from None
        except trio.BrokenResourceError:
            self.release(handle)
