"""edge. A service manager's ear: the datagram socket that daemons tell how they are.

It keeps descriptors as systemd does, under their names, and does barriers.
"""

import array
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from tests.support.patience import PATIENCE

MOST = 253
"""Descriptors in one message."""


@dataclass
class ServiceManager:
    """`address` is for NOTIFY_SOCKET. `told` is every message that was received, in order.

    `stored` is what it keeps: names and descriptors, the latter ours. `batches` is how many
    descriptors came with each message that brought any.
    """

    address: str
    _socket: trio.socket.SocketType
    told: list[str] = field(default_factory=list)
    stored: list[tuple[str, int]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    async def hears(self, wanted: str) -> str:
        """The next message that has a line which begins with `wanted`; others are in `told`."""
        with trio.fail_after(PATIENCE):
            while True:
                message = await self.hear()
                if any(line.startswith(wanted) for line in message.splitlines()):
                    return message

    async def hear(self) -> str:
        """The next message, done."""
        room = socket.CMSG_SPACE(MOST * array.array("i").itemsize)
        data, rights, _, _ = await self._socket.recvmsg(4096, room, socket.MSG_CMSG_CLOEXEC)
        found = array.array("i")
        for _, _, content in rights:
            found.frombytes(content)
        message = data.decode()
        self.told.append(message)
        lines = message.splitlines()
        name = next((line[7:] for line in lines if line.startswith("FDNAME=")), "")
        if found:
            self.batches.append(len(found))
        if "FDSTORE=1" in lines:
            assert "FDPOLL=0" in lines, "it would be dropped at its first hang-up"
            self.stored += [(name, each) for each in found]
        else:
            for each in found:
                os.close(each)
        if "FDSTOREREMOVE=1" in lines:
            self.drop(name)
        return message

    def drop(self, *names: str) -> None:
        """Closes what it keeps under these names, or all of it."""
        gone = [each for each in self.stored if not names or each[0] in names]
        self.stored = [each for each in self.stored if each not in gone]
        for _, descriptor in gone:
            os.close(descriptor)


@asynccontextmanager
async def service_manager(address: str) -> AsyncIterator[ServiceManager]:
    """Listens on a path, or on an abstract name that begins with `@`."""
    name = f"\0{address[1:]}" if address.startswith("@") else address
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        await listening.bind(name)
        manager = ServiceManager(address, listening)
        try:
            yield manager
        finally:
            manager.drop()
