"""The agent that is not there, cannot be reached, or does not answer in time."""

import errno
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from pam_agent.local_wire import RecordType, Result
from tests.support.module_host import Host
from tests.support.pam import Message, PamCode, Reply
from tests.support.scripted_agent import Caller

SLACK = 5.0
"""Seconds that a busy machine may take on top of a deadline."""


async def test_an_absent_socket_is_an_agent_that_is_down(host: Host) -> None:
    async with host.caller() as pam:
        ending = await pam.authenticate()
    assert (ending.code, ending.outcome) == (PamCode.AUTHINFO_UNAVAIL, "agent-down")


async def test_an_absent_folder_is_an_agent_that_is_down(host: Host) -> None:
    """systemd removes /run/bartizan-agent when it stops the agent."""
    stack = host.stack(text=f"auth required {{module}} socket={host.folder}/no/pam.sock\n")
    async with host.caller(stack) as pam:
        assert (await pam.authenticate()).code is PamCode.AUTHINFO_UNAVAIL


async def test_a_socket_that_nobody_listens_at_is_an_agent_that_is_down(host: Host) -> None:
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(host.socket))
    async with host.caller() as pam:
        ending = await pam.authenticate()
    assert (ending.code, ending.outcome) == (PamCode.AUTHINFO_UNAVAIL, "agent-down")


async def test_what_is_no_socket_of_an_agent_is_an_error_and_not_absence(host: Host) -> None:
    """An administrator's stack may pass over an agent that is down, never over a broken host."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wrong:
        wrong.bind(str(host.socket))
        async with host.caller() as pam:
            ending = await pam.authenticate()
    assert (ending.code, ending.outcome) == (PamCode.SYSTEM_ERR, "agent-unreached")
    assert any(os.strerror(errno.EPROTOTYPE) in text for _, text in ending.log)


async def test_without_a_free_descriptor_nothing_is_absent(host: Host) -> None:
    """The limit is inherited from whoever calls sudo: it must not be a way around the factor."""

    async def script(caller: Caller) -> None:
        raise AssertionError("the module cannot have got here")

    async with host.agent(script), host.caller() as pam:
        assert (await pam.call("setcred")).code is PamCode.SUCCESS  # loads the module
        await pam.limit_descriptors(3)
        ending = await pam.authenticate()
        await pam.limit_descriptors(64)
    assert (ending.code, ending.outcome) == (PamCode.SYSTEM_ERR, "agent-unreached")


@contextmanager
def full_backlog(host: Host) -> Iterator[None]:
    """An agent that is there and accepts nobody, as one that somebody floods."""
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as waiting:
        listening.bind(str(host.socket))
        listening.listen(0)
        waiting.connect(str(host.socket))
        yield


@pytest.mark.parametrize("interrupted", [False, True], ids=["undisturbed", "interrupted"])
async def test_a_full_backlog_is_late_and_not_absent(host: Host, interrupted: bool) -> None:
    with full_backlog(host):
        async with host.caller(host.stack("timeout=1")) as pam:
            if interrupted:
                await pam.interrupt_every(0.005)
            ending = await pam.authenticate()
    assert (ending.code, ending.outcome) == (PamCode.AUTH_ERR, "timed-out")
    assert 0.99 <= ending.seconds <= 1 + SLACK
    assert (ending.alarms > 50) is interrupted


@pytest.mark.parametrize("interrupted", [False, True], ids=["undisturbed", "interrupted"])
async def test_the_deadline_ends_an_agent_that_says_nothing(host: Host, interrupted: bool) -> None:
    hung_up = trio.Event()

    async def script(caller: Caller) -> None:
        await caller.start()
        assert await caller.receive() is None
        hung_up.set()

    async with host.agent(script), host.caller(host.stack("timeout=1")) as pam:
        if interrupted:
            await pam.interrupt_every(0.005)
        ending = await pam.authenticate()
        await hung_up.wait()
    assert (ending.code, ending.outcome) == (PamCode.AUTH_ERR, "timed-out")
    assert 0.99 <= ending.seconds <= 1 + SLACK
    assert (ending.alarms > 50) is interrupted


async def test_records_do_not_move_the_deadline(host: Host) -> None:
    async def script(caller: Caller) -> None:
        await caller.start()
        while True:
            await caller.send(RecordType.INFO, "Still waiting.")
            await trio.sleep(0.05)  # real time: what is tested is a clock in another process

    async with host.agent(script), host.caller(host.stack("timeout=1")) as pam:
        ending = await pam.authenticate()
    assert (ending.code, ending.outcome) == (PamCode.AUTH_ERR, "timed-out")
    assert 0.99 <= ending.seconds <= 1 + SLACK
    assert len(ending.messages) > 5


async def test_half_a_record_does_not_move_the_deadline(host: Host) -> None:
    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.stream.send_all(b"R\x00")
        await caller.receive()

    async with host.agent(script), host.caller(host.stack("timeout=1")) as pam:
        ending = await pam.authenticate()
    assert (ending.code, ending.outcome) == (PamCode.AUTH_ERR, "timed-out")


async def test_an_approval_that_is_read_after_the_deadline_is_late(host: Host) -> None:
    """A prompt may wait for ever; what was sent meanwhile does not count for ever."""

    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.send(RecordType.PROMPT, "Enter: ")
        await caller.end(Result.APPROVED)

    async def dawdle(message: Message) -> Reply:
        await trio.sleep(1.1)
        return b""

    async with host.agent(script), host.caller(host.stack("timeout=1")) as pam:
        ending = await pam.authenticate(dawdle)
    assert (ending.code, ending.outcome) == (PamCode.AUTH_ERR, "timed-out")


async def test_signals_do_not_disturb_a_sign_on(host: Host) -> None:
    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.send(RecordType.PROMPT, "Enter: ")
        assert await caller.receive() == (RecordType.ANSWER, b"yes")
        await trio.sleep(0.2)  # real time, for the other process's timer
        await caller.end(Result.APPROVED)

    async def say(message: Message) -> Reply:
        return b"yes"

    async with host.agent(script), host.caller() as pam:
        await pam.interrupt_every(0.002)
        ending = await pam.authenticate(say)
    assert ending.code is PamCode.SUCCESS
    assert ending.alarms > 20


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
async def test_ctrl_c_ends_a_sign_on_that_blocks_it_and_stays_to_be_found(
    host: Host, number: signal.Signals
) -> None:
    """So does sudo: it looks for the pending signal afterwards, and gives up if there is one."""
    cancelled = trio.Event()

    async def script(caller: Caller) -> None:
        await caller.start()
        pam.process.send_signal(number)
        assert await caller.receive() is None
        cancelled.set()

    async with host.agent(script), host.caller() as pam:
        await pam.block_interrupts()
        ending = await pam.authenticate()
        await cancelled.wait()
        assert (ending.code, ending.outcome) == (PamCode.AUTH_ERR, "interrupted")
        assert ending.interrupt_pending
        await pam.kill()


async def test_ctrl_c_comes_before_an_approval(host: Host) -> None:
    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.send(RecordType.PROMPT, "Enter: ")
        await caller.end(Result.APPROVED)

    async def interrupt(message: Message) -> Reply:
        pam.process.send_signal(signal.SIGINT)
        return b""

    async with host.agent(script), host.caller() as pam:
        await pam.block_interrupts()
        ending = await pam.authenticate(interrupt)
        assert (ending.code, ending.outcome) == (PamCode.AUTH_ERR, "interrupted")
        await pam.kill()


async def test_ctrl_c_ends_the_wait_for_a_full_backlog(host: Host) -> None:
    async def interrupt() -> None:
        await trio.sleep(0.3)  # real time: the other process waits in connect() by now
        pam.process.send_signal(signal.SIGINT)

    with full_backlog(host):
        async with host.caller() as pam, trio.open_nursery() as nursery:
            await pam.block_interrupts()
            nursery.start_soon(interrupt)
            ending = await pam.authenticate()
            await pam.kill()
    assert (ending.code, ending.outcome) == (PamCode.AUTH_ERR, "interrupted")
    assert ending.seconds < 0.3 + SLACK


async def test_ctrl_c_that_is_not_blocked_ends_the_process_as_ever(host: Host) -> None:
    cancelled = trio.Event()

    async def script(caller: Caller) -> None:
        await caller.start()
        pam.process.send_signal(signal.SIGINT)
        assert await caller.receive() is None
        cancelled.set()

    async with host.agent(script), host.caller() as pam:
        with pytest.raises(AssertionError, match=f"code {-signal.SIGINT}"):
            await pam.authenticate()
        await cancelled.wait()


@pytest.mark.parametrize("closed", [(), (0,), (2,), (0, 1, 2)], ids=str)
async def test_the_socket_is_no_standard_stream_and_closes_on_exec(
    host: Host, closed: tuple[int, ...]
) -> None:
    """Else an application started with closed streams writes to the agent, or a child holds it."""
    before: set[int] = set()
    opened: dict[int, str] = {}

    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.send(RecordType.PROMPT, "Enter: ")
        await caller.receive()
        await caller.end(Result.APPROVED)

    async def look(message: Message) -> Reply:
        for number in open_descriptors() - before:
            opened[number] = state_of(number)
        return b""

    def state_of(number: int) -> str:
        return Path(f"/proc/{pam.process.pid}/fdinfo/{number}").read_text()

    def open_descriptors() -> set[int]:
        return {int(name) for name in os.listdir(f"/proc/{pam.process.pid}/fd")}

    async with host.agent(script), host.caller() as pam:
        await pam.call("setcred")  # loads the module
        for number in closed:
            await pam.close_descriptor(number)
        await pam.call("setcred")  # returns when the descriptors are closed
        before |= open_descriptors()
        assert (await pam.authenticate(look)).code is PamCode.SUCCESS
    assert len(opened) == 2  # the socket, and what watches for Ctrl-C
    for number, status in opened.items():
        assert number > 2
        (flags,) = [line.split()[1] for line in status.splitlines() if line.startswith("flags:")]
        assert int(flags, 8) & os.O_CLOEXEC
