"""The module in its place in a stack: credentials, and the kinds of call it does not serve."""

import pytest

from pam_agent.local_wire import Result
from tests.support.module_host import Host
from tests.support.pam import PamCode
from tests.support.scripted_agent import Caller


async def approve(caller: Caller) -> None:
    await caller.start()
    await caller.end(Result.APPROVED)


async def deny(caller: Caller) -> None:
    await caller.start()
    await caller.end(Result.DENIED)


async def unavailable(caller: Caller) -> None:
    await caller.start()
    await caller.end(Result.UNAVAILABLE)


async def test_credentials_are_set_after_a_sign_on_with_no_other_module(host: Host) -> None:
    async with host.agent(approve), host.caller() as pam:
        assert (await pam.authenticate()).code is PamCode.SUCCESS
        assert (await pam.call("setcred")).code is PamCode.SUCCESS


async def test_credentials_are_set_without_a_sign_on(host: Host) -> None:
    """sshd after a public key and sudo under NOPASSWD call it so, with no agent asked."""
    async with host.caller() as pam:
        assert (await pam.call("setcred")).code is PamCode.SUCCESS


@pytest.mark.parametrize(
    ("kind", "call"),
    [("account", "acct_mgmt"), ("session", "open_session"), ("password", "chauthtok")],
)
async def test_a_stack_that_misplaces_the_module_refuses(host: Host, kind: str, call: str) -> None:
    stack = host.stack(text=kind + " required {module} socket={socket}\n")
    async with host.agent(approve), host.caller(stack) as pam:
        ending = await pam.call(call)
    assert ending.code is PamCode.MODULE_UNKNOWN


REQUISITE = "auth requisite {module} socket={socket}\nauth required pam_permit.so\n"
PASS_OVER = (
    "auth [success=ok authinfo_unavail=ignore default=die] {module} socket={socket}\n"
    "auth required pam_permit.so\n"
)


async def test_a_denial_ends_a_stack_that_requires_the_module(host: Host) -> None:
    async with host.agent(deny), host.caller(host.stack(text=REQUISITE)) as pam:
        assert (await pam.authenticate()).code is PamCode.AUTH_ERR


async def test_a_stack_may_pass_over_what_is_unavailable_and_nothing_else(host: Host) -> None:
    stack = host.stack(text=PASS_OVER)
    async with host.caller(stack) as pam:
        assert (await pam.authenticate()).code is PamCode.SUCCESS
    async with host.agent(unavailable), host.caller(stack) as pam:
        assert (await pam.authenticate()).code is PamCode.SUCCESS
    async with host.agent(deny), host.caller(stack) as pam:
        assert (await pam.authenticate()).code is PamCode.AUTH_ERR


async def not_required(caller: Caller) -> None:
    await caller.start()
    await caller.end(Result.IGNORED)


async def test_a_user_who_need_not_sign_on_is_let_in_by_the_others_or_not_at_all(
    host: Host,
) -> None:
    for others, code in (
        ("", PamCode.PERM_DENIED),
        ("auth required pam_permit.so\n", PamCode.SUCCESS),
        ("auth required pam_deny.so\n", PamCode.AUTH_ERR),
    ):
        stack = host.stack(text="auth required {module} socket={socket}\n" + others)
        async with host.agent(not_required), host.caller(stack) as pam:
            ending = await pam.authenticate()
        assert (ending.code, ending.outcome) == (code, "not-required")


async def hang_up(caller: Caller) -> None:
    await caller.start()


async def test_an_agent_killed_in_the_middle_is_no_way_around_the_module(host: Host) -> None:
    async with host.agent(hang_up), host.caller(host.stack(text=PASS_OVER)) as pam:
        assert (await pam.authenticate()).code is PamCode.AUTH_ERR
