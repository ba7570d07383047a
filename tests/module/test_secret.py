"""What somebody types as the password: the agent gets the code in it, and no byte of the rest."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pam_agent.local_wire import RecordType, Result, SecretPart, Start, encode_record
from tests.support.module_host import Host
from tests.support.pam import Fails, Message, Nothing, Null, PamCode, PamSession, Reply, Style
from tests.support.scripted_agent import Caller

FIRST_FACTOR = "Cheshire-Cat, grinning"
TICKET = "7KQF-3M9XB2"
PROMPT = "Password: "
WHOLE, TAIL = SecretPart.WHOLE, SecretPart.TAIL
MAX_CODE = 32
MAX_RESPONSE = 512
"""PAM_MAX_RESP_SIZE."""


class Asking:
    """An agent's script that asks for a secret; `heard` is every byte that it was sent."""

    def __init__(self, part: SecretPart, result: Result = Result.APPROVED) -> None:
        self.part = part
        self.result = result
        self.heard = b""

    async def __call__(self, caller: Caller) -> None:
        take = caller.stream.receive_some

        async def noted(most: int | None = None) -> bytes:
            data = bytes(await take(most))
            self.heard += data
            return data

        caller.stream.receive_some = noted  # type: ignore[method-assign]
        await caller.start()
        await caller.send(RecordType.SECRET, chr(self.part) + PROMPT)
        self.answer = await caller.receive()
        await caller.end(self.result)
        assert await caller.receive() is None


def typing(reply: Reply) -> Callable[[Message], Awaitable[Reply]]:
    async def say(message: Message) -> Reply:
        return reply

    return say


def all_that_was_sent(answer: bytes) -> bytes:
    start = encode_record(RecordType.START, Start("demo", "alice").encode())
    return start + encode_record(RecordType.ANSWER, answer)


CODES = [
    (WHOLE, TICKET, TICKET),
    (WHOLE, "123 456", "123 456"),
    (WHOLE, "", ""),
    (WHOLE, "a" * MAX_CODE, "a" * MAX_CODE),
    (WHOLE, "a" * (MAX_CODE + 1), ""),
    (WHOLE, f"{FIRST_FACTOR},{TICKET}", ""),
    (WHOLE, "Tr0ub4dor&3", ""),
    (WHOLE, "naïve", ""),
    (TAIL, f"{FIRST_FACTOR},{TICKET}", TICKET),
    (TAIL, f",{TICKET}", TICKET),
    (TAIL, FIRST_FACTOR + ",", ""),
    (TAIL, "no comma in it", ""),
    (TAIL, "", ""),
    (TAIL, "pass,word!", ""),
    (TAIL, "p" * (MAX_RESPONSE - 1) + "," + TICKET, TICKET),
    (TAIL, "p," + "a" * (MAX_CODE + 1), ""),
]


@pytest.mark.parametrize(("part", "typed", "code"), CODES)
async def test_the_agent_is_sent_the_code_and_nothing_else(
    host: Host, part: SecretPart, typed: str, code: str
) -> None:
    agent = Asking(part)
    async with host.agent(agent), host.caller() as pam:
        ending = await pam.authenticate(typing(typed))
        await pam.hang_up()
    assert [(m.style, m.text) for m in ending.messages] == [(Style.PROMPT_ECHO_OFF, PROMPT)]
    assert ending.code is PamCode.SUCCESS
    assert agent.heard == all_that_was_sent(code.encode())
    assert not any(typed and typed in text for _, text in ending.log)


@pytest.mark.parametrize("part", [WHOLE, TAIL])
@pytest.mark.parametrize(
    "reply", [Fails(), Fails(PamCode.ABORT), Null(), Nothing()], ids=["fails", "aborts", "null", ""]
)
async def test_no_answer_fails_the_conversation(host: Host, part: SecretPart, reply: Reply) -> None:
    agent = Asking(part)
    async with host.agent(agent), host.caller() as pam:
        ending = await pam.authenticate(typing(reply))
    assert (ending.code, ending.outcome) == (PamCode.CONV_ERR, "conversation-failed")
    assert agent.answer == (RecordType.FAILED, b"")


async def test_a_first_factor_too_long_to_be_cut_fails_the_conversation(host: Host) -> None:
    agent = Asking(TAIL)
    async with host.agent(agent), host.caller() as pam:
        ending = await pam.authenticate(typing("p" * MAX_RESPONSE + "," + TICKET))
    assert (ending.code, ending.outcome) == (PamCode.CONV_ERR, "conversation-failed")
    assert agent.answer == (RecordType.FAILED, b"")


def behind(host: Host, before: str = "") -> tuple[str, Path]:
    """A stack with the module and, behind it, one that writes down the password it is given."""
    seen = host.folder / "seen"
    script = host.folder / "write-down"
    script.write_text(f"#!/bin/sh\ncat >{seen}\n")
    script.chmod(0o755)
    text = before + "auth required {module} socket={socket}\n"
    return text + f"auth required pam_exec.so expose_authtok quiet {script}\n", seen


def written(seen: Path) -> str:
    return seen.read_bytes().rstrip(b"\0").decode()


@pytest.mark.parametrize(
    ("typed", "first_factor"),
    [
        (f"{FIRST_FACTOR},{TICKET}", FIRST_FACTOR),
        (FIRST_FACTOR + ",", FIRST_FACTOR),
        ("no comma", "no comma"),
        ("hello,world!", "hello"),
    ],
)
async def test_the_modules_behind_are_given_the_first_factor(
    host: Host, typed: str, first_factor: str
) -> None:
    text, seen = behind(host)
    async with host.agent(Asking(TAIL)), host.caller(host.stack(text=text)) as pam:
        ending = await pam.authenticate(typing(typed))
    assert ending.code is PamCode.SUCCESS
    assert len(ending.messages) == 1
    assert written(seen) == first_factor


async def test_the_password_of_a_module_before_is_cut_and_not_asked_for_again(host: Host) -> None:
    text, seen = behind(host, "auth required pam_exec.so expose_authtok quiet /bin/true\n")
    agent = Asking(TAIL)
    async with host.agent(agent), host.caller(host.stack(text=text)) as pam:
        ending = await pam.authenticate(typing(f"{FIRST_FACTOR},{TICKET}"))
        await pam.hang_up()
    assert ending.code is PamCode.SUCCESS
    assert len(ending.messages) == 1
    assert agent.heard == all_that_was_sent(TICKET.encode())
    assert written(seen) == FIRST_FACTOR


async def test_a_whole_secret_is_asked_for_and_the_password_of_a_module_before_left_alone(
    host: Host,
) -> None:
    """It is a first factor that was right: none of it is sent, though it looks like a code."""
    text, seen = behind(host, "auth required pam_exec.so expose_authtok quiet /bin/true\n")
    agent = Asking(WHOLE)
    replies = iter(["looks-like-a-code", TICKET])

    async def say(message: Message) -> Reply:
        return next(replies)

    async with host.agent(agent), host.caller(host.stack(text=text)) as pam:
        ending = await pam.authenticate(say)
        await pam.hang_up()
    assert ending.code is PamCode.SUCCESS
    assert agent.heard == all_that_was_sent(TICKET.encode())
    assert written(seen) == "looks-like-a-code"


async def test_a_ticket_is_no_password_for_the_modules_behind(host: Host) -> None:
    text, seen = behind(host)
    replies = iter([TICKET, FIRST_FACTOR])

    async def say(message: Message) -> Reply:
        return next(replies)

    async with host.agent(Asking(WHOLE)), host.caller(host.stack(text=text)) as pam:
        ending = await pam.authenticate(say)
    assert len(ending.messages) == 2
    assert written(seen) == FIRST_FACTOR


@pytest.mark.parametrize("part", [WHOLE, TAIL])
@pytest.mark.parametrize("result", [Result.APPROVED, Result.DENIED])
async def test_no_byte_of_it_stays_in_memory(
    tmp_path: Path,
    build: Callable[[bool], Path],
    monkeypatch: pytest.MonkeyPatch,
    part: SecretPart,
    result: Result,
) -> None:
    """In the build that is installed: a sanitizer keeps what is freed, and terabytes of shadow.

    The application is bound at its start. A lazy one saves the processor's registers on its stack
    at each first call, with what libpam copied last in them: no module can do anything about that.
    """
    monkeypatch.setenv("LD_BIND_NOW", "1")
    host = Host(tmp_path, build(False), False)
    pieces = [f"{number}. Cheshire-Cat; " for number in range(20)]  # long: nothing covers all of it
    agent = Asking(part, result)
    found = []

    async def say(message: Message) -> Reply:
        found.append(remembers(pam, b"alice"))
        return "".join(pieces) + "," + TICKET

    async with host.agent(agent), host.caller() as pam:
        await pam.authenticate(say)
        assert agent.answer == (RecordType.ANSWER, b"" if part is WHOLE else TICKET.encode())
        for piece in (*pieces, TICKET):
            assert not remembers(pam, piece.encode()), piece
    assert found == [True], "memory is not looked into"


def remembers(pam: PamSession, text: bytes) -> bool:
    """Whether the process that called PAM has `text` anywhere in what it may write to."""
    process = Path(f"/proc/{pam.process.pid}")
    with (process / "mem").open("rb", buffering=0) as memory:
        for line in (process / "maps").read_text().splitlines():
            extent, rights, *_ = line.split()
            if rights.startswith("rw"):
                first, last = (int(each, 16) for each in extent.split("-"))
                memory.seek(first)
                if text in memory.read(last - first):
                    return True
    return False


@pytest.mark.parametrize(
    "payload", [b"", b"X" + PROMPT.encode(), PROMPT.encode(), b"\x00", b"W\x1b[2J", b"W\xff"]
)
async def test_a_secret_record_that_is_none_is_a_refusal(host: Host, payload: bytes) -> None:
    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.stream.send_all(encode_record(RecordType.SECRET, payload))
        await caller.end(Result.APPROVED)

    async with host.agent(script), host.caller() as pam:
        ending = await pam.authenticate(typing(TICKET))
    assert (ending.code, ending.outcome) == (PamCode.AUTH_ERR, "agent-garbled")
    assert ending.messages == []
