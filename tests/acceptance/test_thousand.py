"""A thousand sign-ons in a row: no descriptor is left open, and memory stays as it is.

Relay and agent are processes of their own. A caller of the agent's socket and the validator's
client are in this one, so that a sign-on takes milliseconds.
"""

import gc
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
import trio
import trio.testing

from pam_agent.approval import Approval
from pam_agent.host_signon import HostSignOn
from pam_agent.local_wire import RecordType, Result
from pam_agent.policy import REQUEST_BURST
from pam_agent.records import Device
from pam_agent.sign_ons import MAX_REMEMBERED
from protocol.signon import AgentSignOn
from protocol.signon_messages import Verdict
from tests.support.caller import calling
from tests.support.namespace import USER
from tests.support.patience import until
from tests.support.phone import Phone
from tests.support.plain_host import programs
from tests.support.process_size import descriptors, own_memory
from tests.support.programs import Daemon
from tests.support.services import with_codes
from tests.support.together import signs_on, together
from tests.support.typed_codes import response
from validator.outcomes import Outcome

WARM_UP: Final = MAX_REMEMBERED + 100
"""Until the agent remembers as many ends as it ever does, and caches, threads and the allocator's
pools are there: SQLite's, OpenSSL's, Python's."""
SIGN_ONS: Final = 1000

MOST_GROWTH: Final = 512
"""KiB from WARM_UP on: about half of 1 KiB for each sign-on. Without a leak it is below 300, nearly
all of it the relay's, which remembers ten thousand ends."""

DENIED: Final = 20
"""Every so many-th one is denied: fewer in all than one account may have at once."""
assert (WARM_UP + SIGN_ONS) / DENIED < REQUEST_BURST


class Watched:
    """One of the two processes, as it was after the warm-up."""

    def __init__(self, daemon: Daemon) -> None:
        self._pid: Final = daemon.process.pid
        self._descriptors: Final = descriptors(self._pid)
        self._memory: Final = own_memory(self._pid)

    async def is_the_same(self) -> None:
        # The kernel closes a connection's descriptor a moment after its end was logged.
        with suppress(trio.TooSlowError):
            await until(lambda: descriptors(self._pid) == self._descriptors)
        assert descriptors(self._pid) == self._descriptors
        growth = own_memory(self._pid) - self._memory
        assert growth < MOST_GROWTH, f"{growth} KiB more after {SIGN_ONS} sign-ons"


async def test_a_thousand_in_a_row_leave_nothing_behind(tmp_path: Path) -> None:
    async with programs(tmp_path) as running:
        parts = running.parts

        async def sign_on(first: int, last: int) -> None:
            for number in range(first, last):
                await _sign_on(parts.socket, running.phone, number)
            # The proof of the enrolment is a request, too.
            await parts.relay.logged("request ended", last + 1)
            await parts.agent.logged("sign-on ended", last)

        await sign_on(0, WARM_UP)
        watched = [Watched(parts.relay), Watched(parts.agent)]
        last = WARM_UP + SIGN_ONS
        await sign_on(WARM_UP, last)
        for each in watched:
            await each.is_the_same()
        outcomes = [x["outcome"] for x in parts.agent.log if x["event"] == "sign-on ended"]
        assert outcomes.count("denied") == last // DENIED
        assert outcomes.count("approved") == last - last // DENIED


async def _sign_on(socket: Path, phone: Phone, number: int) -> None:
    denied = number % DENIED == 0
    async with calling(socket, USER, tty=f"pts/{number}") as caller:
        passcode = await caller.passcode()
        ending = await phone.sign_on(passcode, Verdict.DENY if denied else Verdict.APPROVE)
        assert ending.outcome is (Outcome.DENIED if denied else Outcome.SIGNED_ON)
        assert await caller.result() is (Result.DENIED if denied else Result.APPROVED)


@pytest.mark.parametrize("end", ["approved", "denied", "cancelled", "code"])
async def test_keys_do_not_wait_for_the_garbage_collector(tmp_path: Path, end: str) -> None:
    """What a sign-on held is gone with it: nothing in it keeps itself alive."""
    async with together(tmp_path, services={"sshd": with_codes("sshd")}) as parts:
        gc.collect()
        gc.disable()
        kinds = (HostSignOn, Approval, AgentSignOn, Device)
        before = {id(each) for each in gc.get_objects() if isinstance(each, kinds)}
        try:
            async with parts.agent.call(service="sshd", first_factor="publickey") as caller:
                passcode = await caller.passcode()
                if end == "approved":
                    await signs_on(parts, caller, passcode)
                elif end == "denied":
                    await parts.phone.sign_on(passcode, Verdict.DENY)
                    assert await caller.result() is Result.DENIED
                elif end == "code":
                    typed = response(parts.phone.record, passcode)
                    await caller.send(RecordType.ANSWER, typed.encode())
                    assert await caller.result() is Result.APPROVED
            await parts.ended(end)
            await parts.agent.idle()
            await trio.testing.wait_all_tasks_blocked()
            left = [each for each in gc.get_objects() if isinstance(each, kinds)]
            assert [type(each) for each in left if id(each) not in before] == []
        finally:
            gc.enable()
