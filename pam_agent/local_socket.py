"""shell. The PAM module's end of a sign-on: its records in, texts and the result out."""

import contextlib
import pwd
from dataclasses import dataclass
from typing import Final

import trio

from daemons.unix_listener import peer_uid
from pam_agent.local_wire import (
    FROM_MODULE,
    RecordReader,
    RecordType,
    Result,
    SecretPart,
    Start,
    encode_record,
)
from protocol.errors import ProtocolError

MODE: Final = 0o666
"""Anybody may connect: who may ask for whom is decided by the caller's uid."""

START_TIMEOUT: Final = 5.0
"""Seconds for the first record: the module sends it at once."""

NAME_TIMEOUT: Final = 5.0
"""Seconds for the system to name the caller's uid: a directory service may be away."""

SEND_TIMEOUT: Final = 5.0
"""Seconds for the module to take a text; it reads all the time but while a prompt is open."""

READ: Final = 4096


class ModuleGoneError(Exception):
    """The PAM module, and so the program that called it, is no longer there."""


@dataclass(frozen=True)
class Caller:
    """The process that called PAM: its uid, and that uid's name if it has one. root needs none."""

    uid: int
    name: str | None


class Module:
    """The PAM module at the other end of one connection."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream: Final = stream
        self._reader: Final = RecordReader(FROM_MODULE)

    async def caller(self) -> Caller:
        """Who it is, by SO_PEERCRED and the system's user database."""
        uid = peer_uid(self._stream)
        if uid == 0:  # may do anything: its logins do not wait for a directory service
            return Caller(uid, None)
        entry: pwd.struct_passwd | None = None
        with trio.move_on_after(NAME_TIMEOUT), contextlib.suppress(KeyError):
            entry = await trio.to_thread.run_sync(pwd.getpwuid, uid, abandon_on_cancel=True)
        return Caller(uid, None if entry is None else entry.pw_name)

    async def start(self) -> Start:
        """The first record. Raises ProtocolError or ModuleGoneError."""
        with trio.move_on_after(START_TIMEOUT):
            kind, payload = await self.receive()
            if kind is not RecordType.START:
                raise ProtocolError("the first record is no start")
            return Start.decode(payload)
        raise ProtocolError("no start record in time")

    async def receive(self) -> tuple[RecordType, bytes]:
        """The next record. Raises ProtocolError or ModuleGoneError."""
        while (record := self._reader.next_record()) is None:
            try:
                data = await self._stream.receive_some(READ)
            except trio.BrokenResourceError:
                raise ModuleGoneError from None
            if not data:
                raise ModuleGoneError
            self._reader.feed(bytes(data))
        return record

    async def show(self, text: str) -> None:
        """As PAM_TEXT_INFO. Raises ModuleGoneError."""
        await self._send(encode_record(RecordType.INFO, text.encode()))

    async def prompt(self, text: str) -> None:
        """As PAM_PROMPT_ECHO_ON; a record ANSWER or FAILED follows. Raises ModuleGoneError."""
        await self._send(encode_record(RecordType.PROMPT, text.encode()))

    async def secret(self, text: str, part: SecretPart) -> None:
        """As PAM_PROMPT_ECHO_OFF, where users type a code as the password or behind it; a record
        ANSWER or FAILED follows. Raises ModuleGoneError."""
        await self._send(encode_record(RecordType.SECRET, bytes((part,)) + text.encode()))

    async def end(self, text: str, result: Result) -> None:
        """The last text, if there is one, and the result; then the end of the stream.

        Raises ModuleGoneError.
        """
        records = encode_record(RecordType.INFO, text.encode()) if text else b""
        await self._send(records + encode_record(RecordType.RESULT, bytes((result,))))
        try:
            await self._stream.send_eof()
        except trio.BrokenResourceError:
            raise ModuleGoneError from None

    async def _send(self, data: bytes) -> None:
        try:
            with trio.fail_after(SEND_TIMEOUT):
                await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.TooSlowError):
            raise ModuleGoneError from None
