"""pure. The lines of the relay's admin socket, as the daemon and as the command line read them."""

from collections.abc import Iterator
from typing import get_args

from daemons.lines import MAX_LINE, AdminWireError, Done, Refused, encode_line
from daemons.troubles import Trouble
from relay.admin_wire import (
    AgentLine,
    Drain,
    Draining,
    Ended,
    Go,
    Listening,
    Penalty,
    Probe,
    Reload,
    Reply,
    Request,
    ShowStatus,
    Status,
    Unknown,
    Waiting,
    Why,
    decode_reply,
    decode_request,
)
from relay.outcomes import RequestOutcome
from tests.fuzz.script import Script

SIGN_ON_ID = "abcdefghijk27"
COUNTS = {"done": 1, "expired": 0}
KEY = bytes(range(32))


def once(data: bytes) -> None:
    """u8 request or reply | one line."""
    script = Script(data)
    decode, kinds = script.choose(((decode_request, Request), (decode_reply, Reply)))
    line = script.rest()
    try:
        message = decode(line)
    except AdminWireError:
        return
    assert type(message) in get_args(kinds)
    assert line.endswith(b"\n")
    assert len(line) <= MAX_LINE
    again = encode_line(message)
    assert again.count(b"\n") == 1
    assert decode(again) == message
    if isinstance(message, Probe):
        assert len(message.key) == len(KEY)


def seeds() -> Iterator[bytes]:
    for request in (ShowStatus(), Why(SIGN_ON_ID), Drain(), Reload(), Probe(KEY)):
        yield b"\0" + encode_line(request)
    replies = (
        Status(
            "1", 0.5, True, 1, 2, 3, 4, 5, 6, COUNTS, COUNTS, COUNTS, 7, 8, 9, False, 10, COUNTS
        ),
        Listening("agents", "tcp:[::]:4816", True),
        AgentLine("web1", "192.0.2.0/24", 1.5, 2, 3),
        Penalty("2001:db8::/48", 4),
        Waiting(SIGN_ON_ID, "web1", 0.5, -1.0, 0),
        *(
            Ended(SIGN_ON_ID, outcome, 1.5, "web1", "192.0.2.0/24", 0.5, -1.0, 5, 4, 8)
            for outcome in RequestOutcome
        ),
        Unknown(1.5, 100, 2),
        Draining(3, 10.0),
        Go(KEY),
        Trouble(1.5, "warning", "link ended: why silent"),
        Done(),
        Refused("the relay drains"),
    )
    for reply in replies:
        yield b"\1" + encode_line(reply)
    yield b"\0" + b'{"type":"probe","key":"AAAA"}\n'
    yield b"\0" + b'{"type":"drain","more":1}\n'
    yield b"\1" + b'{"type":"ended","outcome":"no such word"}\n'
    yield b"\0" + b"[" * 2000 + b"\n"
