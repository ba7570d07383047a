"""pure. Every padded plaintext, against the implementation that was made from SPEC.md alone."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from protocol.enrolment import EnrolAnswer
from protocol.errors import ProtocolError
from protocol.limits import (
    CONFIRM_LENGTH,
    CONTEXT_LENGTH,
    DECISION_LENGTH,
    ENROL_ANSWER_LENGTH,
    H1_PAYLOAD_LENGTH,
    RECEIPT_LENGTH,
)
from protocol.signon_messages import Confirm, Context, Decision, H1Payload, Receipt
from tests.fuzz.padding import body, padded, read
from tests.fuzz.script import Script
from tests.fuzz.vectors import load
from tests.protocol import independent

KINDS: dict[str, tuple[int, Callable[[bytes], Any]]] = {
    "H1Payload": (H1_PAYLOAD_LENGTH, H1Payload.decode),
    "Context": (CONTEXT_LENGTH, Context.decode),
    "Decision": (DECISION_LENGTH, Decision.decode),
    "Receipt": (RECEIPT_LENGTH, Receipt.decode),
    "Confirm": (CONFIRM_LENGTH, Confirm.decode),
    "EnrolAnswer": (ENROL_ANSWER_LENGTH, EnrolAnswer.decode),
}
RAW, PADDED = range(2)


def once(data: bytes) -> None:
    """u8 message | u8 raw or padded | the plaintext or its map."""
    script = Script(data)
    name = script.choose(tuple(KINDS))
    length, decode = KINDS[name]
    raw = script.number() % 2 == RAW
    plaintext = script.rest() if raw else padded(script.rest(), length)
    fields = read(name, plaintext)
    try:
        message = decode(plaintext)
    except ProtocolError:
        assert fields is None
        return
    assert dataclasses.asdict(message) == fields
    again = message.encode()
    assert len(again) == length
    assert decode(again) == message


UNCLEAN = independent.write_plaintext(
    "Receipt",
    {"sign_on_id": bytes(8), "outcome": 2, "next_generation": 1, "text": "\x1b[2J\u202eno\u200b"},
)


def seeds() -> Iterator[bytes]:
    yield bytes((tuple(KINDS).index("Receipt"), PADDED)) + body(UNCLEAN)
    numbers = {name: i for i, name in enumerate(KINDS)}
    vectors = load("plaintexts")
    odd = (vectors["ignored"], vectors["cleaned"])
    for vector in (*vectors["plaintexts"], *vectors["refused"], *odd):
        if vector["message"] not in numbers:
            continue
        plaintext = bytes.fromhex(vector["plaintext"])
        number = numbers[vector["message"]]
        yield bytes((number, RAW)) + plaintext
        if vector["message"] != "H1Payload":
            yield bytes((number, PADDED)) + body(plaintext)
