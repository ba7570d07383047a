"""edge. Every packet that comes by one interface, as a line of JSON: who to whom, and its bytes.

As a program, in the network namespace that is to be watched: `sniffer.py INTERFACE`. Its first line
is empty: from then on nothing is missed.
"""

import json
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import trio

ALL_PROTOCOLS: Final = 0x0003
ETHERNET: Final = 14
IPV4: Final = 0x0800
OF_THE_LINK: Final = frozenset({0x0806, 0x86DD})
"""ARP, and IPv6, of which there are only the link's own addresses here: neighbours and routers."""
PORTS: Final = frozenset({socket.IPPROTO_TCP, socket.IPPROTO_UDP})


@dataclass
class Packets:
    """What has come by so far. `flows` are unordered pairs of `address:port`."""

    flows: set[frozenset[str]] = field(default_factory=set)
    others: list[str] = field(default_factory=list)
    """Packets that are neither TCP nor the link's own, by EtherType or protocol."""
    content: bytes = b""


@asynccontextmanager
async def sniffing(network: str, interface: str) -> AsyncIterator[Packets]:
    """Watches an interface of a namespace of `ip netns`."""
    program = [sys.executable, str(Path(__file__)), interface]
    process = await trio.lowlevel.open_process(
        ["nsenter", f"--net=/run/netns/{network}", *program], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    packets = Packets()
    try:
        assert await process.stdout.receive_some(1) == b"\n"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_read, process.stdout, packets)
            yield packets
            nursery.cancel_scope.cancel()
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stdout.aclose()


async def _read(stream: trio.abc.ReceiveStream, packets: Packets) -> None:
    rest = b""
    async for data in stream:
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            packet = json.loads(line)
            packets.content += bytes.fromhex(packet["bytes"])
            if packet["protocol"] == socket.IPPROTO_TCP:
                packets.flows.add(frozenset((packet["source"], packet["destination"])))
            elif packet["type"] not in OF_THE_LINK:
                packets.others.append(f"{packet['type']:#06x} {packet['protocol']}")


def _described(frame: bytes) -> dict[str, object]:
    [kind] = struct.unpack_from("!H", frame, ETHERNET - 2)
    found: dict[str, object] = {"type": kind, "protocol": None, "bytes": frame.hex()}
    if kind != IPV4:
        return found
    header, protocol = (frame[ETHERNET] & 0x0F) * 4, frame[ETHERNET + 9]
    ends = [socket.inet_ntoa(frame[at : at + 4]) for at in (ETHERNET + 12, ETHERNET + 16)]
    if protocol in PORTS:
        ports = struct.unpack_from("!HH", frame, ETHERNET + header)
        ends = [f"{end}:{port}" for end, port in zip(ends, ports, strict=True)]
    return {**found, "protocol": protocol, "source": ends[0], "destination": ends[1]}


def _main(interface: str) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS)) as tap:
        tap.bind((interface, 0))
        print(flush=True)
        while True:
            print(json.dumps(_described(tap.recv(65536))), flush=True)


if __name__ == "__main__":
    _main(sys.argv[1])
