"""shell. The data plane: one Trio task that owns an epoll set and every socket of the relay.

It waits for the set with Trio, then handles a batch of ready sockets in plain synchronous code and
flushes each end once. Between "readable" and "written" nothing awaits. It decides nothing: bytes go
into the broker, and `out` and `fate` of its ends say what to do. Sockets are closed while flushing
and never while a batch is handled, so a descriptor's number means one connection within a batch.
"""

import os
import select
import socket
import struct
from collections.abc import Callable, Sequence
from socket import SocketType
from typing import Any, Final

import trio

from daemons.connections import ACCEPT_PAUSE, EXHAUSTED
from protocol.address import TcpAddress, UnixAddress
from relay.broker import Broker
from relay.ends import Fate, Link, Validator
from relay.peers import Peer
from relay.proxies import Proxies
from relay.records import Record

BATCH: Final = 256
"""Ready sockets handled between two looks at the clock and the deadlines."""

TOGETHER: Final = 8
"""Batches, while there are more, whose messages for one link go out together: a send costs as much
as all else that is done for a message. A validator has its answer after each batch."""

BATCHES: Final = 2 * TOGETHER
"""Batches before other tasks get their turn, which costs as much as several sockets. So they wait
for 4,096 sockets at most: some tenths of a second when all of them are as busy as can be."""

LINGER: Final = 0.001
"""Seconds that it waits by itself when nothing is ready any more, and all other tasks with it: the
least that epoll knows. Where sign-ons come thick and fast the next bytes are here by then, and to
sleep with Trio and be woken costs as much as several sign-ons."""

ACCEPT_BATCH: Final = 64
"""Connections taken from one listener before other sockets get their turn."""

VALIDATOR_READ: Final = 448
"""A validator's frames are small: one read takes all that it sends at a time for a sign-on, and
Python's own allocator still serves so little. What is longer takes several reads."""

LINK_READ: Final = 16384
"""One agent's burst holds up the others for no longer than it takes to handle so many bytes."""

_packed: Final = socket.inet_pton
_STREAM: Final = int(socket.SOCK_STREAM)
_UNIX: Final = int(socket.AF_UNIX)
_IPV4: Final = int(socket.AF_INET)
_receive: Final = os.read
_send: Final = os.write
_close: Final = os.close
_set_blocking: Final = os.set_blocking
_READABLE: Final = select.EPOLLIN
_WRITABLE: Final = select.EPOLLOUT
_LEFT: Final = select.EPOLLRDHUP
_GONE: Final = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_LINGER_NOTHING: Final = struct.pack("ii", 1, 0)
_PEER_CREDENTIALS: Final = struct.Struct("iII")


class Listener:
    """A listening socket. `trusted` is None for validators, the allowed uids for agents (on TCP
    none: there a key decides). `proxies`, if any, are all who may connect. `address` is where the
    configuration has it."""

    __slots__ = ("_take", "address", "family", "proxies", "socket", "trusted")

    def __init__(
        self,
        sock: socket.socket,
        trusted: frozenset[int] | None,
        proxies: Proxies,
        address: TcpAddress | UnixAddress,
    ) -> None:
        self.address: Final = address
        self.socket: Final = sock
        self.trusted: Final = trusted
        self.proxies: Final = proxies
        self.family: Final = int(sock.family)
        self._take: Final = sock._accept  # type: ignore[attr-defined]

    def accept(self) -> tuple[int, Any]:
        """A connection's descriptor, which blocks, and who has come. The public method makes an
        object of it, which costs as much as some system calls, and bytes do not need."""
        accepted: tuple[int, Any] = self._take()
        return accepted


class _Wire:
    """A socket, its end in the broker, and what epoll was told about it: 0 if nothing yet.

    It is a bare descriptor that does not block: bytes go by read(2) and write(2). `shared` if
    others may have it open: then it does not leave an epoll set by being closed. `full` if it took
    no more, until epoll says otherwise."""

    __slots__ = ("descriptor", "end", "events", "family", "full", "shared")

    def __init__(
        self, descriptor: int, family: int, end: Link | Validator, *, shared: bool = False
    ) -> None:
        self.shared: Final = shared
        self.family: Final = family
        self.descriptor: Final = descriptor
        self.end: Final = end
        self.events = 0
        self.full = False
        end.owner = self


class Switch:
    """Runs a broker on real sockets."""

    def __init__(
        self,
        broker: Broker,
        listeners: Sequence[Listener],
        report: Callable[[list[Record]], None],
    ) -> None:
        """`report` gets the broker's records after every batch."""
        self._broker: Final = broker
        self._report: Final = report
        self._most = broker.limits.connections
        self._epoll: Final = select.epoll()
        self._listeners: Final[dict[int, Listener]] = {}
        self._wires: Final[dict[int, _Wire]] = {}
        self._paused_until = 0.0
        self._now = 0.0
        """When the last turn began."""
        self._sleep = trio.CancelScope()
        self._turned: trio.Event | None = None
        self._released = False
        self.drained: Final = trio.Event()
        """Set when the broker drains and no transaction runs any more."""
        for listener in listeners:
            self.listen(listener)

    @property
    def connections(self) -> int:
        """Open connections, listeners not counted."""
        return len(self._wires)

    async def run(self) -> None:
        """Until cancelled, when every socket is closed, the listeners included; or released."""
        try:
            while not self._released:
                lingers = False
                for turn in range(1, BATCHES + 1):
                    busy = self._turn(LINGER if lingers else 0.0)
                    if (busy and turn % TOGETHER) or self._settle(self._now) or busy:
                        lingers = False
                    elif lingers:
                        break
                    else:
                        lingers = True
                if self._turned is not None:
                    self._turned.set()
                    self._turned = None
                deadline = self._broker.next_deadline()
                if self._paused_until:
                    deadline = min(deadline, self._paused_until)
                with trio.move_on_at(deadline) as self._sleep:
                    await trio.lowlevel.wait_readable(self._epoll.fileno())
        finally:
            if not self._released:
                self._broker.stop(trio.current_time())
                self._settle(trio.current_time())
            self._close()

    def wake(self) -> None:
        """Something was left in the broker by somebody else: take a turn now."""
        self._sleep.cancel()

    async def works(self) -> None:
        """Returns when the next turn has been taken."""
        if self._turned is None:
            self._turned = trio.Event()
        self.wake()
        await self._turned.wait()

    # ---- another configuration -------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Accept connections there, too, or on other terms if the socket is known already."""
        fd = listener.socket.fileno()
        if fd not in self._listeners:
            self._epoll.register(fd, _READABLE)
        self._listeners[fd] = listener

    def leave(self, listener: Listener) -> None:
        """Accept no more connections there, and close it. Those that there are stay."""
        fd = listener.socket.fileno()
        self._epoll.unregister(fd)
        del self._listeners[fd]
        listener.socket.close()

    def adopt_limits(self) -> None:
        """The broker has others. All that are open now have room."""
        self._most = max(self._broker.limits.connections, self.connections)

    # ---- handed over to another process ----------------------------------------------------------

    def adopt(self, sock: socket.socket, end: Link | Validator) -> None:
        """A connection that another process had, whose end the broker has restored."""
        sock.setblocking(False)
        family = int(sock.family)
        wire = _Wire(sock.detach(), family, end, shared=True)
        self._wires[wire.descriptor] = wire
        self._broker.touch(end)

    def release(self, now: float) -> dict[Link | Validator, int]:
        """Handle nothing more: the ends, and the descriptors of their sockets, which stay open for
        as long as this process lasts."""
        self._settle(now)
        for fd in self._listeners:
            self._epoll.unregister(fd)
        for wire in self._wires.values():
            if wire.events:
                self._epoll.unregister(wire.descriptor)
        self._released = True
        self.wake()
        return {wire.end: wire.descriptor for wire in self._wires.values()}

    def _turn(self, seconds: float) -> bool:
        """Handle whatever is ready within so long, and due; whether anything was ready."""
        ready = self._epoll.poll(seconds, BATCH)
        self._now = now = trio.current_time()
        if self._paused_until and now >= self._paused_until:
            self._pause_accepting(None)
        for fd, events in ready:
            wire = self._wires.get(fd)
            if wire is not None:
                self._ready(wire, events, now)
            else:
                # Anew: a newcomer's time to leave counts from here, and a batch may take long.
                self._accept(self._listeners[fd], trio.current_time())
        self._broker.tick(now)
        for validator in self._broker.touched_validators():
            self._flush(validator, now)
        return bool(ready)

    def _settle(self, now: float) -> bool:
        """Flush, close and report all that the broker has left; whether there was anything."""
        broker = self._broker
        found = broker.touched or bool(broker.records)
        while broker.touched:
            for link in broker.touched_links():
                self._flush(link, now)
            for validator in broker.touched_validators():
                self._flush(validator, now)
        if broker.records:
            records = list(broker.records)
            broker.records.clear()
            self._report(records)
        if broker.drained:
            self.drained.set()
        return found

    def _accept(self, listener: Listener, now: float) -> None:
        for _ in range(ACCEPT_BATCH):
            if len(self._wires) > self._most:
                return  # some have ended, and are about to be closed
            try:
                descriptor, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self._starve(now)
                    return
                continue  # the peer is gone again, or its network is: accept(2), Error handling
            family = listener.family
            end: Link | Validator | None
            if listener.trusted is None:
                peer = _peer(family, address)
                end = self._broker.validator_opened(peer, now, listener.proxies)
            else:
                who = _peer_uid(descriptor) if family == _UNIX else _peer(family, address)
                end = self._broker.link_opened(who, listener.trusted, now, listener.proxies)
            if end is None:
                _reset(descriptor, family)
                continue
            _set_blocking(descriptor, False)
            wire = _Wire(descriptor, family, end)
            self._wires[descriptor] = wire
            self._broker.touch(end)
            if end.fate is Fate.OPEN:
                self._read(wire, now)  # who connects mostly sends at once

    def _starve(self, now: float) -> None:
        """No descriptor is left for who waits to be accepted."""
        self._broker.starved(self.connections, now)
        self._pause_accepting(now + ACCEPT_PAUSE)

    def _pause_accepting(self, until: float | None) -> None:
        """Stop accepting until a moment, or go on (None)."""
        self._paused_until = until or 0.0
        for fd in self._listeners:
            self._epoll.modify(fd, 0 if until else _READABLE)

    def _ready(self, wire: _Wire, events: int, now: float) -> None:
        end = wire.end
        if end.fate is not Fate.OPEN:
            return  # ended earlier in this batch, and about to be closed
        if events & _WRITABLE:
            wire.full = False
            self._broker.touch(end)
        if events & _READABLE:
            self._read(wire, now)
        elif events & _GONE:
            self._gone(wire, now)

    def _read(self, wire: _Wire, now: float) -> None:
        end = wire.end
        is_link = isinstance(end, Link)
        try:
            data = _receive(wire.descriptor, LINK_READ if is_link else VALIDATOR_READ)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._gone(wire, now)
        elif isinstance(end, Link):
            self._broker.link_bytes(end, data, now)
        else:
            self._broker.validator_bytes(end, data, now)

    def _gone(self, wire: _Wire, now: float) -> None:
        if isinstance(wire.end, Link):
            self._broker.link_gone(wire.end, now)
        else:
            self._broker.validator_gone(wire.end, now)

    def _flush(self, end: Link | Validator, now: float) -> None:
        wire = end.owner
        if not isinstance(wire, _Wire):
            return  # it has been dropped
        out = end.out
        if out and not wire.full and end.fate is not Fate.RESET:
            try:
                out.sent(_send(wire.descriptor, out.joined()))
                wire.full = bool(out)
            except OSError:
                wire.full = True  # or it is gone: that comes as an event of its own
        if out and end.fate is Fate.OPEN:
            self._broker.blocked(end, now)
        if end.fate is not Fate.OPEN:
            self._drop(wire)
            return
        reading = isinstance(end, Link) or end.reading
        wanted = _READABLE if reading else _LEFT
        if out:
            wanted |= _WRITABLE
        if wanted != wire.events:
            if not out:
                self._broker.unblocked(end)
            if wire.events:
                self._epoll.modify(wire.descriptor, wanted)
            else:
                self._epoll.register(wire.descriptor, wanted)
            wire.events = wanted

    def _drop(self, wire: _Wire) -> None:
        wire.end.owner = None
        del self._wires[wire.descriptor]
        if wire.shared and wire.events:
            self._epoll.unregister(wire.descriptor)
        if wire.end.fate is Fate.RESET and wire.family != _UNIX:
            _reset(wire.descriptor, wire.family)
        else:
            _close(wire.descriptor)

    def _close(self) -> None:
        for listener in self._listeners.values():
            listener.socket.close()
        self._epoll.close()


def _peer(family: int, address: tuple[Any, ...]) -> Peer:
    """Who is at the other end of a TCP connection. A link-local address has a scope behind `%`."""
    host: str = address[0]
    if family == _IPV4:
        return Peer(_packed(family, host), address[1], host)
    return Peer(_packed(family, host.partition("%")[0]), address[1])


def _reset(descriptor: int, family: int) -> None:
    """A plain close would show FIN or RST depending on unread input."""
    sock = SocketType(family, _STREAM, 0, descriptor)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOTHING)
    sock.close()


def _peer_uid(descriptor: int) -> int:
    """The uid at the other end of a Unix socket."""
    sock = SocketType(_UNIX, _STREAM, 0, descriptor)
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
    sock.detach()
    uid: int = _PEER_CREDENTIALS.unpack(credentials)[1]
    return uid
