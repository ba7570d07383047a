"""pure. Relay-level messages, against the implementation that was made from SPEC.md alone."""

from collections.abc import Iterator

from protocol import messages
from protocol.errors import ProtocolError
from protocol.messages import FROM_AGENT, FROM_RELAY, FROM_VALIDATOR
from tests.fuzz import plain_msgpack
from tests.fuzz.script import Script
from tests.fuzz.vectors import load
from tests.protocol import independent

LONGEST = 2400
SENDERS = {"agent": FROM_AGENT, "relay": FROM_RELAY, "validator": FROM_VALIDATOR}


def once(data: bytes) -> None:
    """u8 sender | one body."""
    script = Script(data)
    sender = script.choose(tuple(SENDERS))
    body = script.rest()
    try:
        plain_msgpack.value(body)
        expected = independent.read_message(sender, body)
    except (plain_msgpack.RefusedError, independent.RefusedError):
        expected = None
    try:
        message = messages.decode(body, SENDERS[sender])
    except ProtocolError:
        assert expected is None
        return
    assert expected is not None
    name, fields = expected
    assert type(message).__name__ == name
    for field, item in fields.items():
        ours = getattr(message, field)
        assert (list(ours) if isinstance(ours, tuple) else ours) == item
    assert messages.encode(message) == body


def seeds() -> Iterator[bytes]:
    number = {sender: bytes((i,)) for i, sender in enumerate(SENDERS)}
    vectors = load("messages")
    for vector in (*vectors["messages"], *vectors["refused"]):
        yield number[vector["sender"]] + bytes.fromhex(vector["body"])
