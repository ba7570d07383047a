"""edge. A real PAM stack in a process of its own, for Trio tests and without root.

    service = service_folder(tmp_path, "demo", f"auth required {module} socket={socket}\\n")
    async with pam_session(service, "alice") as pam:
        ending = await pam.authenticate(conversation)

The process is `pam_driver.c` on the system's libpam; `conversation` is an async function that is
given each Message as it is shown and returns what the user does. It may wait for anything: a
validator that approves, an event of the test.
"""

import os
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Final

import trio

from tests.support.c_programs import BUILD, built

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCE: Final = Path(__file__).with_name("pam_driver.c")
SANITIZERS: Final = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
CLEAN_EXIT: Final = 0


class PamCode(IntEnum):
    """The codes of Linux-PAM that the module or the stack around it can give."""

    SUCCESS = 0
    SYMBOL_ERR = 2
    SYSTEM_ERR = 4
    PERM_DENIED = 6
    AUTH_ERR = 7
    AUTHINFO_UNAVAIL = 9
    CONV_ERR = 19
    IGNORE = 25
    ABORT = 26
    MODULE_UNKNOWN = 28


class Style(IntEnum):
    """The styles of a message in a PAM conversation."""

    PROMPT_ECHO_OFF = 1
    PROMPT_ECHO_ON = 2
    ERROR_MSG = 3
    TEXT_INFO = 4


@dataclass(frozen=True)
class Message:
    """One message that the application was asked to show. `at` is CLOCK_MONOTONIC, seconds."""

    style: Style
    text: str
    at: float


@dataclass(frozen=True)
class Fails:
    """The conversation function returns this code."""

    code: PamCode = PamCode.CONV_ERR


@dataclass(frozen=True)
class Null:
    """The conversation function succeeds with a response whose text is a null pointer."""


@dataclass(frozen=True)
class Nothing:
    """The conversation function succeeds and leaves its response pointer null."""


Reply = bytes | str | Fails | Null | Nothing
Conversation = Callable[[Message], Awaitable[Reply]]


@dataclass(frozen=True)
class Ending:
    """How one call into the stack ended.

    `descriptors` are those the process has open then, `alarms` the signals that interrupted it,
    `interrupt_pending` whether SIGINT or SIGQUIT waits to be unblocked.
    """

    code: PamCode
    messages: Sequence[Message]
    log: Sequence[tuple[int, str]]
    began: float
    ended: float
    descriptors: int
    alarms: int
    interrupt_pending: bool

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    @property
    def outcome(self) -> str:
        """The outcome word that the module has logged, once."""
        (word,) = [
            text.partition("outcome=")[2].split(" ")[0]
            for _, text in self.log
            if "outcome=" in text
        ]
        return word


async def press_enter(message: Message) -> Reply:
    """A user who reads everything and only ever presses Enter."""
    return Null() if message.style in (Style.TEXT_INFO, Style.ERROR_MSG) else b""


@dataclass
class Service:
    """A service file in a private folder, in the manner of /etc/pam.d/NAME."""

    folder: Path
    name: str


def service_folder(folder: Path, name: str, text: str) -> Service:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return Service(folder, name)


def build_module(*, sanitized: bool = False) -> Path:
    """The module, built anew if its sources have changed."""
    target = "asan" if sanitized else "all"
    subprocess.run(["make", "--silent", "-C", ROOT / "pam_agent/module", target], check=True)
    return BUILD / ("module-asan" if sanitized else "module") / "pam_bartizan.so"


def build_driver(*, sanitized: bool = False) -> Path:
    """The driver, built anew if its source has changed. A sanitized module needs its like."""
    name = "pam_driver-asan" if sanitized else "pam_driver"
    flags = SANITIZERS if sanitized else ("-O2",)
    return built(SOURCE, name, "-rdynamic", *flags, libraries=("-lpam",))


@dataclass
class PamSession:
    """One PAM handle, in its own process. Calls are made one after the other."""

    process: trio.Process
    _buffer: bytes = field(default=b"", repr=False)

    async def authenticate(
        self, conversation: Conversation = press_enter, *, flags: int = 0
    ) -> Ending:
        return await self.call("authenticate", conversation, flags=flags)

    async def call(
        self, name: str, conversation: Conversation = press_enter, *, flags: int = 0
    ) -> Ending:
        """Calls pam_NAME and holds the conversation until it returns."""
        messages: list[Message] = []
        log: list[tuple[int, str]] = []
        began = time.clock_gettime(time.CLOCK_MONOTONIC)  # the driver's clock too
        await self._send(f"call {name} {flags}")
        while True:
            word, *rest = (await self._next_line()).split(" ")
            if word == "log":
                log.append((int(rest[0]), bytes.fromhex(rest[1]).decode(errors="replace")))
            elif word == "message":
                text = bytes.fromhex(rest[2]).decode()
                messages.append(Message(Style(int(rest[0])), text, float(rest[1])))
                await self._send(_line_of(await conversation(messages[-1])))
            elif word == "result":
                code, ended, descriptors, alarms, pending = rest
                return Ending(
                    PamCode(int(code)),
                    messages,
                    log,
                    began,
                    float(ended),
                    int(descriptors),
                    int(alarms),
                    pending == "1",
                )
            else:
                raise AssertionError(f"the driver said {word}")

    async def set_item(self, name: str, value: bytes | str) -> None:
        """Sets PAM_RUSER, PAM_RHOST or PAM_TTY: `name` is ruser, rhost or tty."""
        await self._send(f"item {name} {_bytes(value).hex()}")

    async def put_environment(self, setting: bytes | str) -> None:
        await self._send(f"env {_bytes(setting).hex()}")

    async def interrupt_every(self, seconds: float) -> None:
        """Lets a signal interrupt the process's system calls again and again."""
        await self._send(f"timer {round(seconds * 1e6)}")

    async def block_interrupts(self) -> None:
        """Blocks SIGINT and SIGQUIT, as sudo does while PAM authenticates."""
        await self._send("block")

    async def limit_descriptors(self, most: int) -> None:
        """Sets the soft limit: descriptors from `most` on cannot be opened."""
        await self._send(f"limit {most}")

    async def close_descriptor(self, number: int) -> None:
        await self._send(f"close {number}")

    async def hang_up(self) -> int:
        """Ends the handle as an application does; the exit code tells of a sanitizer's finding."""
        assert self.process.stdin is not None
        await self.process.stdin.aclose()
        return await self.process.wait()

    async def kill(self) -> None:
        """The application dies, as by Ctrl-C or a dropped connection."""
        self.process.kill()
        await self.process.wait()

    async def _send(self, line: str) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send_all(line.encode() + b"\n")

    async def _next_line(self) -> str:
        assert self.process.stdout is not None
        while b"\n" not in self._buffer:
            received = await self.process.stdout.receive_some()
            if not received:
                code = await self.process.wait()
                raise AssertionError(f"the PAM driver died with code {code}")
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode()


def _bytes(text: bytes | str) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _line_of(reply: Reply) -> str:
    match reply:
        case Fails(code):
            return f"fail {int(code)}"
        case Null():
            return "null"
        case Nothing():
            return "nothing"
        case bytes() | str():
            return f"answer {_bytes(reply).hex()}"


@asynccontextmanager
async def pam_session(
    service: Service,
    user: str | bytes,
    *,
    sanitized: bool = False,
    arguments: Sequence[str | bytes] = (),
    patience: float = 60.0,
) -> AsyncIterator[PamSession]:
    """A PAM handle for `user` in a process that is killed at the end, if it is still there.

    An empty user makes the module ask for one. `arguments` only stand in the command line.
    A process that ended by itself must have ended well: a sanitizer's finding is a failure here.
    What is done with the handle fails after `patience` seconds, so that no test hangs.
    """
    driver = build_driver(sanitized=sanitized)
    command = [os.fsencode(driver), os.fsencode(service.folder), service.name.encode()]
    command += [_bytes(user), *map(_bytes, arguments)]
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    session = PamSession(process)
    try:
        with trio.fail_after(patience):
            yield session
        if process.returncode is None:
            code = await session.hang_up()
            assert code == CLEAN_EXIT, f"the PAM driver ended with code {code}"
    finally:
        if process.returncode is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    await stream.aclose()
