"""pure. Seeds of the targets in C."""

from collections.abc import Callable, Iterable, Iterator

from pam_agent.local_wire import RecordType, encode_record
from tests.fuzz.script import script


def wire() -> Iterator[bytes]:
    texts = encode_record(RecordType.INFO, b"Code 4921 7734\n") + encode_record(RecordType.PROMPT)
    for at_a_time in (0, 1, 6):
        yield script(at_a_time) + texts + encode_record(RecordType.RESULT, b"Y")
    yield script(2) + encode_record(RecordType.ERROR, "naïve € 𝄞".encode())
    yield script(2) + encode_record(RecordType.INFO, b"\x1b[2J")
    for secret in (b"WTicket: ", b"TPassword: ", b"T", b"X", b""):
        yield script(1) + encode_record(RecordType.SECRET, secret)
    yield script(0) + encode_record(RecordType.RESULT, b"YY")
    yield script(0) + b"I\xff\xff"
    yield script(0) + b"I\x10\x01" + b"t" * 4097
    yield script(0) + b"x"
    yield script(0) + encode_record(RecordType.ANSWER, b"1")


def start() -> Iterator[bytes]:
    yield b"\0".join((b"sshd", b"anna", b"root", b"192.0.2.7", b"pts/3", b"publickey", b"sudo -i"))
    yield b"sudo\0anna\0\0\0\0\0ls\0/srv"
    yield b"sshd\0anna"
    yield b"s" * 256 + b"\0" + b"u" * 256 + b"\0" + b"r" * 257 + b"\0\0\0\0" + b"n" * 1025
    yield b"s" * 257 + b"\0u"
    yield b"sshd"
    yield b"\0anna"


def text() -> Iterator[bytes]:
    for room in (0, 1, 8, 60):
        yield script(room) + "anna \x1b[2J\u0085 naïve € 𝄞 and more".encode()
    yield script(255) + b"\xc3"
    yield script(255) + b"\xed\xa0\x80"
    for length in range(3, 7):
        yield script(1) + b"abcdefg"[:length]
    yield script(4) + b"\xc3\xa9\xe2\x82\xed\xa0\x80\xf4\x90\x80\x80\xc0\x80"


def options() -> Iterator[bytes]:
    yield b"socket=/run/x.sock\0timeout=60\0debug"
    yield b"timeout=3601"
    yield b"timeout=99999999999999999999"
    yield b"timeout=%d" % (2**32 + 60)
    yield b"timeout=0003600"
    yield b"socket=/" + b"x" * 106
    yield b"socket=/a\0socket=/b"
    yield b"timeout=1\0timeout=2"
    yield b"socket=/" + b"x" * 107
    yield b"debug=1"


def secret() -> Iterator[bytes]:
    for typed in (b"abcd-efgh jk", b"pass word,ABCDEFGHJK", b"a,b,", b"", b"a,b!", b"0" * 33):
        yield b"W" + typed
        yield b"T" + typed


SEEDS: dict[str, Callable[[], Iterable[bytes]]] = {
    "module_wire": wire,
    "module_start": start,
    "module_text": text,
    "module_options": options,
    "module_secret": secret,
}
