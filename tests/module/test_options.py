"""The module's arguments: what is not understood refuses everybody."""

import syslog

import pytest

from pam_agent.local_wire import RecordType, Result
from tests.support.module_host import Host
from tests.support.pam import PamCode
from tests.support.scripted_agent import Caller

LONGEST_PATH = 107
"""Bytes of a Unix socket's path, without the NUL."""

WRONG = {
    "unknown": ("frobnicate", "frobnicate", "is not known"),
    "unknown value": ("sokcet=/run/x", "sokcet=/run/x", "is not known"),
    "upper case": ("Debug", "Debug", "is not known"),
    "debug with a value": ("debug=1", "debug=1", "is not known"),
    "abbreviated": ("time=5", "time=5", "is not known"),
    "socket twice": ("socket=/run/x", "socket=/run/x", "is given twice"),
    "timeout twice": ("timeout=5 timeout=6", "timeout=6", "is given twice"),
    "no timeout": ("timeout=", "timeout=", "is no number of seconds"),
    "timeout zero": ("timeout=0", "timeout=0", "is no number of seconds"),
    "timeout above the most": ("timeout=3601", "timeout=3601", "is no number of seconds"),
    "timeout of 2**32 + 1": ("timeout=4294967297", "timeout=4294967297", "is no number of seconds"),
    "timeout of 2**64 + 1": (
        "timeout=18446744073709551617",
        "timeout=18446744073709551617",
        "is no number of seconds",
    ),
    "negative timeout": ("timeout=-1", "timeout=-1", "is no number of seconds"),
    "signed timeout": ("timeout=+1", "timeout=+1", "is no number of seconds"),
    "fraction": ("timeout=1.5", "timeout=1.5", "is no number of seconds"),
    "timeout with a unit": ("timeout=60s", "timeout=60s", "is no number of seconds"),
    "hexadecimal timeout": ("timeout=0x10", "timeout=0x10", "is no number of seconds"),
    "timeout after a space": ("[timeout= 5]", "timeout= 5", "is no number of seconds"),
}


async def approve(caller: Caller) -> None:
    await caller.start()
    await caller.end(Result.APPROVED)


@pytest.mark.parametrize(("options", "wrong", "meaning"), WRONG.values(), ids=WRONG.keys())
async def test_a_wrong_option_is_said_and_refuses(
    host: Host, options: str, wrong: str, meaning: str
) -> None:
    async with host.agent(approve), host.caller(host.stack(options)) as pam:
        ending = await pam.authenticate()
    assert (ending.code, ending.outcome) == (PamCode.SYSTEM_ERR, "bad-option")
    (complaint,) = [text for _, text in ending.log if "option '" in text]
    assert f"option '{wrong}' {meaning}" in complaint


@pytest.mark.parametrize("path", ["", "pam.sock", "@abstract", "/" + "x" * LONGEST_PATH])
async def test_a_socket_path_is_absolute_and_fits(host: Host, path: str) -> None:
    stack = host.stack(text=f"auth required {{module}} socket={path}\n")
    async with host.caller(stack) as pam:
        ending = await pam.authenticate()
    assert (ending.code, ending.outcome) == (PamCode.SYSTEM_ERR, "bad-option")
    assert any("is no absolute path" in text for _, text in ending.log)


async def test_the_longest_socket_path_is_used(host: Host) -> None:
    path = "/" + "x" * (LONGEST_PATH - 1)
    async with host.caller(host.stack(text=f"auth required {{module}} socket={path}\n")) as pam:
        ending = await pam.authenticate()
    assert (ending.code, ending.outcome) == (PamCode.AUTHINFO_UNAVAIL, "agent-down")


@pytest.mark.parametrize("options", ["timeout=1", "timeout=3600", "timeout=0005", "debug debug"])
async def test_a_right_option_is_taken(host: Host, options: str) -> None:
    async with host.agent(approve), host.caller(host.stack(options)) as pam:
        assert (await pam.authenticate()).code is PamCode.SUCCESS


async def test_the_default_socket_is_the_agents(host: Host) -> None:
    """Without an agent on this machine the default path is one that nobody listens at."""
    async with host.caller(host.stack(text="auth required {module}\n")) as pam:
        ending = await pam.authenticate()
    assert ending.outcome == "agent-down"
    assert b"/run/bartizan-agent/pam.sock\0" in host.module.read_bytes()


async def test_debug_names_the_records_and_no_text(host: Host) -> None:
    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.send(RecordType.PROMPT, "Passcode 4921 7734: ")
        await caller.receive()
        await caller.end(Result.APPROVED)

    async with host.agent(script), host.caller(host.stack("debug")) as pam:
        ending = await pam.authenticate()
    debug = [text for priority, text in ending.log if priority & 7 == syslog.LOG_DEBUG]
    assert [text.rpartition("): ")[2] for text in debug] == [
        "record P from the agent",
        "record R from the agent",
    ]
    assert not any("4921" in text for _, text in ending.log)
