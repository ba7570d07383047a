"""edge. Attaches agents' links, with keys, and hands over the connected sockets."""

import socket
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from protocol.agent_auth import AgentHandshake
from protocol.frames import FrameReader, encode_frame, encode_preface
from protocol.limits import MAX_LINK_FRAME
from protocol.messages import FROM_RELAY, Attached, Challenge, Message, decode, encode

SECONDS: Final = 10.0
"""For the connection, and for each answer."""
_SHARD = 7


def attach(port: int, key: X25519PrivateKey | None, relay_key: bytes | None) -> socket.socket:
    """A link that is up. No keys for floor_links, which believes everybody."""
    sock = socket.create_connection(("127.0.0.1", port), SECONDS)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _set_up(sock, key, relay_key)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _set_up(sock: socket.socket, key: X25519PrivateKey | None, relay_key: bytes | None) -> None:
    handshake = AgentHandshake(key, relay_key)
    reader = FrameReader(MAX_LINK_FRAME)

    def send(message: Message, before: bytes = b"") -> None:
        sock.sendall(before + encode_frame(encode(message)))

    send(handshake.hello(), encode_preface(_SHARD))
    while True:
        while (body := reader.next_frame()) is None:
            data = sock.recv(4096)
            if not data:
                raise ConnectionError("the relay closed a link that was being set up")
            reader.feed(data)
        match decode(body, FROM_RELAY):
            case Challenge() as challenge:
                send(handshake.challenged(challenge))
            case Attached() as attached:
                handshake.attached(attached)
                return
            case other:
                raise ConnectionError(f"{type(other).__name__} while a link was being set up")
