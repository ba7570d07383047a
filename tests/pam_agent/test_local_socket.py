"""The agent's end of the module's connection, on a real socket pair."""

import pwd
import socket
import threading
from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from pam_agent import local_socket
from pam_agent.local_socket import (
    NAME_TIMEOUT,
    SEND_TIMEOUT,
    Caller,
    Module,
    ModuleGoneError,
)
from pam_agent.local_wire import (
    FROM_AGENT,
    RecordReader,
    RecordType,
    Result,
    SecretPart,
    Start,
    encode_record,
)
from protocol.errors import ProtocolError

START = Start(service="sudo", user="alice")


class Pair:
    """The agent's module and the stream at the other end."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        self.stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        self.other = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
        self.module = Module(self.stream)

    async def said(self) -> list[tuple[RecordType, bytes]]:
        """Everything until the end of the stream."""
        reader = RecordReader(FROM_AGENT)
        async for data in self.other:
            reader.feed(bytes(data))
        records: list[tuple[RecordType, bytes]] = []
        while (record := reader.next_record()) is not None:
            records.append(record)
        return records


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    made = Pair()
    async with made.stream, made.other:
        yield made


@pytest.mark.parametrize(("uid", "name"), [(0, None), (1, pwd.getpwuid(1).pw_name), (64999, None)])
async def test_who_calls(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, uid: int, name: str | None
) -> None:
    monkeypatch.setattr(local_socket, "peer_uid", lambda _stream: uid)
    assert await pair.module.caller() == Caller(uid, name)


async def test_root_does_not_wait_for_a_directory_service_and_others_not_for_ever(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, mock_clock: MockClock
) -> None:
    answer, asked = threading.Event(), threading.Event()

    def looks_up(_uid: int) -> None:
        asked.set()
        answer.wait()

    monkeypatch.setattr("pwd.getpwuid", looks_up)
    monkeypatch.setattr(local_socket, "peer_uid", lambda _stream: 0)
    assert (await pair.module.caller()).uid == 0
    assert not asked.is_set()
    monkeypatch.setattr(local_socket, "peer_uid", lambda _stream: 1000)
    async with trio.open_nursery() as nursery:

        async def wait() -> None:
            await trio.to_thread.run_sync(asked.wait)
            mock_clock.jump(NAME_TIMEOUT)

        nursery.start_soon(wait)
        assert await pair.module.caller() == Caller(1000, None)
    answer.set()


async def test_a_start_in_pieces(pair: Pair) -> None:
    async with trio.open_nursery() as nursery:

        async def send() -> None:
            for byte in encode_record(RecordType.START, START.encode()):
                await pair.other.send_all(bytes((byte,)))
                await wait_all_tasks_blocked()

        nursery.start_soon(send)
        assert await pair.module.start() == START


async def test_another_record_first(pair: Pair) -> None:
    await pair.other.send_all(encode_record(RecordType.FAILED))
    with pytest.raises(ProtocolError, match="no start"):
        await pair.module.start()


async def test_what_is_said(pair: Pair) -> None:
    await pair.module.show("a text")
    await pair.module.prompt("a prompt")
    await pair.module.secret("a secret: ", SecretPart.TAIL)
    await pair.module.end("the end", Result.APPROVED)
    assert await pair.said() == [
        (RecordType.INFO, b"a text"),
        (RecordType.PROMPT, b"a prompt"),
        (RecordType.SECRET, b"Ta secret: "),
        (RecordType.INFO, b"the end"),
        (RecordType.RESULT, b"Y"),
    ]


async def test_an_end_without_words(pair: Pair) -> None:
    await pair.module.end("", Result.DENIED)
    assert await pair.said() == [(RecordType.RESULT, b"N")]


async def test_a_module_that_is_gone(pair: Pair) -> None:
    await pair.other.aclose()
    with pytest.raises(ModuleGoneError):
        await pair.module.receive()
    for _ in range(2):
        with pytest.raises(ModuleGoneError):
            await pair.module.show("text")
    with pytest.raises(ModuleGoneError):
        await pair.module.end("", Result.DENIED)


async def test_a_module_that_left_with_something_unread(pair: Pair) -> None:
    await pair.module.show("text")
    await pair.other.aclose()  # what was not read makes it a reset
    with pytest.raises(ModuleGoneError):
        await pair.module.receive()


async def test_a_module_that_does_not_read(pair: Pair, mock_clock: MockClock) -> None:
    gone = trio.Event()

    async def show_without_end() -> None:
        # The kernel's buffer decides which one is the first that does not fit.
        with pytest.raises(ModuleGoneError):  # noqa: PT012
            while True:
                await pair.module.show("x" * 4000)
        gone.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(show_without_end)
        await wait_all_tasks_blocked(0.02)
        mock_clock.jump(SEND_TIMEOUT - 0.1)
        await wait_all_tasks_blocked(0.02)
        assert not gone.is_set()
        mock_clock.jump(0.1)
        await gone.wait()
