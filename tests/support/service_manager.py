"""edge. A service manager's ear: the datagram socket that daemons tell how they are."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from tests.support.patience import PATIENCE


@dataclass
class ServiceManager:
    """`address` is for NOTIFY_SOCKET. `told` is every message that was received, in order."""

    address: str
    _socket: trio.socket.SocketType
    told: list[str] = field(default_factory=list)

    async def hears(self, wanted: str) -> str:
        """The next message that has a line which begins with `wanted`; others are in `told`."""
        with trio.fail_after(PATIENCE):
            while True:
                message = (await self._socket.recv(4096)).decode()
                self.told.append(message)
                if any(line.startswith(wanted) for line in message.splitlines()):
                    return message


@asynccontextmanager
async def service_manager(address: str) -> AsyncIterator[ServiceManager]:
    """Listens on a path, or on an abstract name that begins with `@`."""
    name = f"\0{address[1:]}" if address.startswith("@") else address
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        await listening.bind(name)
        yield ServiceManager(address, listening)
