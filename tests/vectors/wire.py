"""Vectors of the relay level: preface, frames, messages, a link's set-up."""

from types import SimpleNamespace
from unittest.mock import patch

import msgpack
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from protocol import agent_auth, messages
from protocol.agent_auth import AgentHandshake, RelayHandshake, link_key, public_bytes
from protocol.frames import encode_frame, encode_preface
from protocol.messages import (
    Attach,
    Attached,
    AuthRequest,
    AuthValidate,
    Challenge,
    Close,
    CloseReason,
    Data,
    Drain,
    Hello,
    Message,
    Paired,
    Ping,
    Pong,
    Queued,
    Refused,
    RefusedReason,
    Reject,
)
from tests.vectors.fixed import SIGN_ON_ID, Json, private, value

TAGS = tuple(value(f"tag {i}", 16) for i in range(8))
MESSAGES: tuple[tuple[str, Message], ...] = (
    ("agent", Hello(value("link key"), value("nonce_a", 16))),
    ("relay", Challenge(value("nonce_r", 16), value("mac_r", 16))),
    ("agent", Attach(value("mac_a", 16))),
    ("relay", Attached(1024, 600)),
    ("relay", Attached(2**32 - 1, 2**16 - 1)),
    ("agent", AuthRequest(1, SIGN_ON_ID, 60, TAGS[:1])),
    ("agent", AuthRequest(2**32 - 1, SIGN_ON_ID, 600, TAGS)),
    ("relay", Queued(200)),
    *(("relay", Refused(1, reason)) for reason in RefusedReason),
    ("relay", Paired(70_000, 0, "192.0.2.7:50123")),
    ("relay", Paired(1, 7, "[2001:db8::7%eth0]:50123")),
    ("agent", Data(1, b"\x00")),
    ("relay", Data(1, value("frame", 20) * 100)),
    ("agent", Reject(1)),
    *(
        ("agent" if reason in (CloseReason.WITHDRAWN, CloseReason.DONE) else "relay",
         Close(1, reason))
        for reason in CloseReason
    ),
    ("agent", Ping()),
    ("relay", Ping()),
    ("relay", Pong()),
    ("agent", Pong()),
    ("relay", Drain()),
    ("validator", AuthValidate(TAGS[0])),
)  # fmt: skip
REFUSED_BODIES: tuple[tuple[str, bytes, str], ...] = (
    ("relay", b"", "nothing"),
    ("relay", b"\x90", "an array without a type"),
    ("relay", b"\x91\x0f", "an unknown type"),
    ("relay", b"\x0b", "no array"),
    ("relay", b"\x81\x00\x0b", "a map"),
    ("agent", b"\x91\x0d", "Drain from an agent"),
    ("validator", b"\x91\x0b", "Ping from a validator"),
    ("relay", b"\x91\x05", "a field missing"),
    ("relay", b"\x93\x05\x01\x00", "a field too many"),
    ("relay", b"\x92\x05\x01\x00", "a byte behind the array"),
    ("relay", b"\x92\x05", "cut"),
    ("relay", b"\x92\x05\xff", "a negative number"),
    ("relay", b"\x92\x05\xcf\x00\x00\x00\x01\x00\x00\x00\x00", "a request beyond 32 bits"),
    ("relay", b"\x92\x05\xcc\x07", "7 in two bytes"),
    ("relay", b"\xdc\x00\x02\x05\x07", "an array 16 of two"),
    ("relay", b"\x92\x05\xc3", "true for a number"),
    ("relay", b"\x92\x05\xca\x40\xe0\x00\x00", "7 as a float"),
    ("relay", b"\x92\x05\xd6\xff\x00\x00\x00\x07", "a timestamp"),
    ("relay", b"\x93\x06\x01\x00", "an unknown reason"),
    ("relay", b"\x93\x0a\x01\x07", "an unknown reason"),
    ("validator", b"\x92\x0e\xc4\x0f" + bytes(15), "a tag of 15 bytes"),
    ("validator", b"\x92\x0e\xc4\x11" + bytes(17), "a tag of 17 bytes"),
    ("validator", b"\x92\x0e\xc5\x00\x10" + bytes(16), "a tag as bin 16"),
    ("validator", b"\x92\x0e\xb0" + b"a" * 16, "a tag as a text"),
    ("agent", msgpack.packb((4, 1, SIGN_ON_ID, 60, ())), "no tag"),
    ("agent", msgpack.packb((4, 1, SIGN_ON_ID, 60, (*TAGS, bytes(16)))), "nine tags"),
    ("agent", msgpack.packb((4, 1, SIGN_ON_ID, 60, (TAGS[0], TAGS[0]))), "a tag twice"),
    ("agent", msgpack.packb((8, 1, b"")), "an empty frame"),
    ("agent", msgpack.packb((8, 1, bytes(2049))), "a frame of 2049 bytes"),
    ("relay", msgpack.packb((7, 1, 0, "a" * 65)), "an address of 65 bytes"),
    ("relay", b"\x94\x07\x01\x00\xa1\xff", "an address that is no UTF-8"),
)


def message_vectors() -> Json:
    return {
        "description": "SPEC 2.2 to 2.4: preface, frames, messages, and bodies to be refused.",
        "prefaces": [{"shard": shard, "preface": encode_preface(shard)} for shard in (0, 77, 255)],
        "messages": [
            {
                "message": type(message).__name__,
                "sender": sender,
                "fields": {f: getattr(message, f) for f in message.__struct_fields__},
                "body": messages.encode(message),
                "frame": encode_frame(messages.encode(message)),
            }
            for sender, message in MESSAGES
        ],
        "refused": [
            {"sender": sender, "body": body, "reason": reason}
            for sender, body, reason in REFUSED_BODIES
        ],
    }


def link() -> Json:
    relay_key, agent_key = private("relay's link key"), private("agent's link key")
    relay_public, agent_public = public_bytes(relay_key), public_bytes(agent_key)
    nonces = [value("nonce of the agent", 16), value("nonce of the relay", 16)]
    # The draws, in order: the agent's nonce; a mac that no agent can make; the relay's nonce.
    draws = iter([nonces[0], bytes(16), nonces[1]])
    with patch.object(agent_auth, "secrets", SimpleNamespace(token_bytes=lambda _: next(draws))):
        agent, relay = AgentHandshake(agent_key, relay_public), RelayHandshake(relay_key)
        hello = agent.hello()
        challenge = relay.hello(hello, known=True)
    attach = agent.challenged(challenge)
    if not relay.attach(attach):
        raise AssertionError("the link's two ends do not agree")
    return {
        "description": "SPEC 2.5: a link's set-up on TCP.",
        "shard": 77,
        "relay_private": relay_key.private_bytes_raw(),
        "relay_public": relay_public,
        "agent_private": agent_key.private_bytes_raw(),
        "agent_public": agent_public,
        "nonce_a": nonces[0],
        "nonce_r": nonces[1],
        "shared": agent_key.exchange(X25519PublicKey.from_public_bytes(relay_public)),
        "K_ar": link_key(agent_key, relay_public, relay_public, agent_public),
        "mac_r": challenge.mac,
        "mac_a": attach.mac,
        "from_agent": [
            encode_preface(77),
            encode_frame(messages.encode(hello)),
            encode_frame(messages.encode(attach)),
        ],
        "from_relay": [
            encode_frame(messages.encode(challenge)),
            encode_frame(messages.encode(Attached(1024, 600))),
        ],
    }
