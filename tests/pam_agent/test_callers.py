"""Who may call, and what callers say and leave unsaid."""

import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from trio.testing import MockClock, wait_all_tasks_blocked

from pam_agent.local_socket import START_TIMEOUT
from pam_agent.local_wire import RecordType, Result, Start, encode_record
from pam_agent.waiting import MAX_CALLS_PER_UID
from tests.pam_agent.test_ends import NOBODY, open_to_all
from tests.support.caller import calling, connected
from tests.support.together import signs_on, together

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


@needs_root
async def test_a_user_may_ask_for_itself(tmp_path: Path) -> None:
    open_to_all(tmp_path)
    async with together(tmp_path) as parts:
        socket = parts.agent.config.socket
        async with calling(socket, "nobody", uid=NOBODY) as caller:
            await caller.passcode()
        line = await parts.ended("cancelled")
        assert line["caller"] == NOBODY


@needs_root
async def test_a_service_user_may_ask_with_its_service(tmp_path: Path) -> None:
    open_to_all(tmp_path)
    async with together(tmp_path, callers={"nobody": ("mail",)}) as parts:
        socket = parts.agent.config.socket
        async with calling(socket, "alice", uid=NOBODY, service="mail") as caller:
            await caller.passcode()
        await parts.ended("cancelled")
        async with calling(socket, "alice", uid=NOBODY, service="sshd") as caller:
            assert await caller.result() is Result.DENIED
        await parts.ended("not-allowed", 2)


@needs_root
async def test_a_uid_without_a_name_may_ask_for_nobody(tmp_path: Path) -> None:
    open_to_all(tmp_path)
    async with together(tmp_path) as parts:
        async with calling(parts.agent.config.socket, "64999", uid=64999) as caller:
            assert await caller.result() is Result.DENIED
        await parts.ended("not-allowed")


@needs_root
async def test_one_user_cannot_hold_all_connections(tmp_path: Path) -> None:
    open_to_all(tmp_path)
    async with together(tmp_path) as parts, AsyncExitStack() as stack:
        socket = parts.agent.config.socket
        for _ in range(MAX_CALLS_PER_UID):
            await stack.enter_async_context(await connected(socket, NOBODY))
        one_more = await stack.enter_async_context(await connected(socket, NOBODY))
        assert await one_more.receive_some() == b""
        async with parts.agent.call() as caller:  # root's
            await signs_on(parts, caller, await caller.passcode())


START = encode_record(RecordType.START, Start(service="sudo", user="alice").encode())


@pytest.mark.parametrize(
    "said",
    [
        b"\xff",
        encode_record(RecordType.ANSWER, b"12345678"),
        encode_record(RecordType.FAILED),
        encode_record(RecordType.START, b"\x02"),
        encode_record(RecordType.START, Start(service="", user="alice").encode()),
        b"S\xff\xff",
    ],
)
async def test_a_caller_that_says_something_else_is_refused(tmp_path: Path, said: bytes) -> None:
    async with together(tmp_path) as parts:
        async with await connected(parts.agent.config.socket) as stream:
            await stream.send_all(said)
            assert await stream.receive_some() == b""
        assert len(parts.log.named("caller refused")) == 1
        assert not parts.log.named("sign-on ended")


async def test_a_caller_that_says_nothing_is_refused(tmp_path: Path, mock_clock: MockClock) -> None:
    mock_clock.rate = 1.0
    async with together(tmp_path) as parts:
        async with await connected(parts.agent.config.socket) as stream:
            await stream.send_all(START[:-1])
            await wait_all_tasks_blocked(0.02)
            mock_clock.jump(START_TIMEOUT)
            assert await stream.receive_some() == b""
        (refused,) = parts.log.named("caller refused")
        assert refused["reason"] == "no start record in time"


async def test_a_caller_that_leaves_at_once_is_nobody(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        async with await connected(parts.agent.config.socket):
            pass
        await parts.agent.idle()
        assert not parts.log.named("caller refused")
        assert not parts.log.named("sign-on ended")


@pytest.mark.parametrize("said", [b"\xff", START])
async def test_a_caller_that_breaks_the_wire_later_is_gone(tmp_path: Path, said: bytes) -> None:
    async with together(tmp_path) as parts, parts.agent.call() as caller:
        await caller.passcode()
        await caller.stream.send_all(said)
        assert await caller.result() in (Result.DENIED, Result.CONVERSATION_FAILED)
