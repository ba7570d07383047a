"""pure. The records between the PAM module and the agent, as either end reads them."""

from collections.abc import Iterator

from pam_agent.local_wire import (
    FROM_AGENT,
    FROM_MODULE,
    MAX_PAYLOAD,
    RecordReader,
    RecordType,
    Start,
    encode_record,
)
from protocol.errors import ProtocolError
from tests.fuzz.script import Script, cuts, script
from tests.protocol.feeding import END, fed

LONGEST = 4200


def once(data: bytes) -> None:
    """u8 who reads | u8 bytes at a time | the stream."""
    instructions = Script(data)
    allowed = instructions.choose((FROM_MODULE, FROM_AGENT))
    at_a_time = 1 + instructions.number()
    stream = instructions.rest()
    reader = RecordReader(allowed)
    whole = fed(reader.feed, reader.next_record, [stream])
    reader = RecordReader(allowed)
    assert fed(reader.feed, reader.next_record, cuts(stream, at_a_time)) == whole
    again = b""
    for item in whole:
        if isinstance(item, tuple):
            kind, payload = item
            assert kind in allowed
            assert len(payload) <= MAX_PAYLOAD
            again += encode_record(kind, payload)
            start(payload)
    assert stream.startswith(again)
    rest = stream[len(again) :]
    too_long = len(rest) > 2 and int.from_bytes(rest[1:3], "big") > MAX_PAYLOAD
    refused = bool(rest) and (rest[0] not in allowed or too_long)
    assert (whole[-1:] == [END]) == refused


def start(payload: bytes) -> None:
    try:
        decoded = Start.decode(payload)
    except ProtocolError:
        return
    values = list(vars(decoded).values())
    assert decoded.service
    assert decoded.user
    assert not any("\0" in value for value in values)
    if not any("\N{REPLACEMENT CHARACTER}" in value for value in values):
        assert Start.decode(decoded.encode()) == decoded


def seeds() -> Iterator[bytes]:
    everything = Start("sshd", "anna", "root", "192.0.2.7", "pts/3", "publickey", "sudo -i", "/srv")
    for start_ in (everything, Start("s", "u"), Start("s", "u", note="n" * 1024)):
        yield script(0, 6) + encode_record(RecordType.START, start_.encode())
    answers = encode_record(RecordType.ANSWER, b"49217734") + encode_record(RecordType.FAILED)
    yield script(0, 0) + answers
    texts = encode_record(RecordType.INFO, b"Code 4921 7734") + encode_record(RecordType.PROMPT)
    yield script(1, 2) + texts + encode_record(RecordType.RESULT, b"Y")
    yield script(0, 0) + encode_record(RecordType.START, Start("", "").encode())
    yield script(0, 0) + b"A" + (MAX_PAYLOAD + 1).to_bytes(2, "big") + bytes(MAX_PAYLOAD + 1)
    yield script(0, 0) + encode_record(RecordType.START, b"\x01\x01\x00\x01a\x02\x00\x01\xff")
