"""What the strangers of `make attack` do, seen by a listener that is no relay."""

import contextlib
import errno
import select
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from bench.programs import build_programs
from bench.strangers import Attack, Strangers, attack
from protocol.errors import ProtocolError
from protocol.frames import FrameReader, decode_preface, encode_frame
from protocol.limits import MAX_UNKNOWN_FRAME, PREFACE_LENGTH
from protocol.messages import (
    FROM_AGENT,
    FROM_VALIDATOR,
    Attach,
    AuthValidate,
    Challenge,
    Hello,
    decode,
    encode,
)

H1 = 80
HOST = 9
RESET = errno.ECONNRESET


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    build_programs()


class Listener:
    """Takes so many connections, answers each, and keeps what it has heard until the end."""

    def __init__(self, answer: bytes = b"") -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._socket.getsockname()[1]
        self._answer = answer
        self.sources: list[str] = []
        self.heard: list[bytes] = []
        self.endings: list[int] = []

    def take(self, count: int) -> None:
        with self._socket, contextlib.ExitStack() as stack:
            taken = []
            for _ in range(count):
                connection, (address, _port) = self._socket.accept()
                taken.append(stack.enter_context(connection))
                self.sources.append(address)
                if self._answer:
                    connection.sendall(self._answer)
            for connection in taken:
                self.heard.append(b"")
                self.endings.append(0)
                try:
                    while data := connection.recv(4096):
                        self.heard[-1] += data
                except OSError as error:
                    self.endings[-1] = error.errno or 0


@contextlib.contextmanager
def taking(listener: Listener, count: int) -> Iterator[None]:
    thread = threading.Thread(target=listener.take, args=(count,))
    thread.start()
    yield
    thread.join()


async def seen(
    kind: str, sources: int = 1, count: int = 3, seconds: float = 0.3, answer: bytes = b""
) -> tuple[Listener, Attack]:
    listener = Listener(answer)
    with taking(listener, count):
        came = await attack(Strangers(kind, sources), listener.port, HOST, seconds, count)
    assert came.attempted == came.connected == count
    return listener, came


async def test_each_source_is_in_a_network_of_its_own() -> None:
    listener, _ = await seen("idle", sources=3, count=6)
    assert listener.sources == ["127.128.0.9", "127.128.1.9", "127.128.2.9"] * 2


@pytest.mark.parametrize("kind", ["idle", "tags", "noise", "halves", "keys"])
async def test_they_stay_until_the_end_and_reset(kind: str) -> None:
    listener, came = await seen(kind, seconds=0.5)
    assert listener.endings == [RESET] * 3
    assert came.seconds >= 0.5
    assert (came.open_most, came.put_out) == (3, 0)


async def test_idle_ones_and_resets_say_nothing() -> None:
    for kind in ("idle", "resets"):
        listener, came = await seen(kind)
        assert listener.heard == [b""] * 3
        assert came.open_most <= 3


async def test_random_tags_are_whole_openings() -> None:
    listener, _ = await seen("tags")
    tags = set()
    for heard in listener.heard:
        decode_preface(heard[:PREFACE_LENGTH])
        reader = FrameReader(MAX_UNKNOWN_FRAME)
        reader.feed(heard[PREFACE_LENGTH:])
        opening = decode(reader.next_frame() or b"", FROM_VALIDATOR)
        assert isinstance(opening, AuthValidate)
        tags.add(opening.tag)
        assert len(reader.next_frame() or b"") == H1
    assert len(tags) == 3


async def test_halves_stop_in_the_middle_of_a_frame() -> None:
    listener, _ = await seen("halves")
    (heard, *_) = listener.heard
    decode_preface(heard[:PREFACE_LENGTH])
    reader = FrameReader(MAX_UNKNOWN_FRAME)
    reader.feed(heard[PREFACE_LENGTH:])
    assert len(heard) > PREFACE_LENGTH
    assert reader.next_frame() is None


async def test_noise_is_no_preface() -> None:
    listener, _ = await seen("noise")
    assert len(set(listener.heard)) == 3
    for heard in listener.heard:
        with pytest.raises(ProtocolError):
            decode_preface(heard[:PREFACE_LENGTH])


async def test_a_byte_a_second() -> None:
    listener, _ = await seen("trickle", seconds=2.5)
    assert all(2 <= len(heard) <= 4 for heard in listener.heard)
    assert all(b"BTZN".startswith(heard) for heard in listener.heard)


async def test_wrong_keys_answer_the_challenge() -> None:
    challenge = encode_frame(encode(Challenge(bytes(16), bytes(16))))
    listener, came = await seen("keys", answer=challenge)
    assert came.answered == 3
    for heard in listener.heard:
        reader = FrameReader(MAX_UNKNOWN_FRAME)
        reader.feed(heard[PREFACE_LENGTH:])
        frames = (reader.next_frame(), reader.next_frame())
        hello, attach = (decode(frame or b"", FROM_AGENT) for frame in frames)
        assert isinstance(hello, Hello)
        assert isinstance(attach, Attach)


async def test_who_is_put_out_is_counted() -> None:
    listener = Listener()

    def put_out() -> None:
        with listener._socket as door:
            for _ in range(5):
                connection, _address = door.accept()
                connection.recv(1)  # one that has sent has seen that it is connected
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.close()
            select.select([door], [], [], 0.1)

    thread = threading.Thread(target=put_out)
    thread.start()
    came = await attack(Strangers("noise", 1), listener.port, HOST, 1.5, 5)
    thread.join()
    assert (came.connected, came.put_out) == (5, 5)
