"""shell. The admin socket: what the command line asks of the running daemon.

Only root and the agent's own user are heard. One request per connection.
"""

import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from socket import socket
from typing import Final

import structlog
import trio

from daemons.connections import serve_connections
from pam_agent.accounts import Accounts
from pam_agent.admin_wire import (
    MAX_LINE,
    AdminWireError,
    DeviceLine,
    Done,
    Enroll,
    LinkKey,
    ListAccounts,
    Refused,
    Reply,
    Request,
    Revoke,
    ShowLinkKey,
    ShowStatus,
    Why,
    decode_request,
    encode_line,
)
from pam_agent.enrolment_events import EnrolmentEvent
from pam_agent.schema import StoreError
from pam_agent.unix_listener import peer_uid, unix_listener

MODE: Final = 0o600
MOST_CONNECTIONS: Final = 8
"""At a time: administrators are few, and each may hold one for as long as an enrolment lasts."""
LINE_SECONDS: Final = 5.0
"""For a request to arrive, and for a reply to be taken: the other end is on this machine."""

Progress = Callable[[EnrolmentEvent], Awaitable[None]]
Enrol = Callable[[str, Progress], Awaitable[None]]
"""Enrol a device for an account; tells each event, the last one too."""
About = Callable[[ShowStatus | Why], Awaitable[list[Reply]]]
"""What the agent says of itself."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class _CallerGoneError(Exception):
    """The command line went away or does not read."""


class Admin:
    """Serves the admin socket. `revoked` is called when devices of an account are gone."""

    def __init__(
        self,
        accounts: Accounts,
        host: str,
        enrol: Enrol,
        revoked: Callable[[str], None],
        about: About,
    ) -> None:
        """`host` is the host's label."""
        self._accounts = accounts
        self._host = host
        self._enrol = enrol
        self._revoked = revoked
        self._about = about
        self._allowed = frozenset({0, os.geteuid()})

    async def serve(
        self,
        path: Path,
        given: socket | None = None,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Listen on `path` until cancelled, by the socket `given` if there is one.

        Raises ListenError before it has started.
        """
        async with unix_listener(path, MODE, given) as listener:
            task_status.started()
            await serve_connections(listener, self.serve_one, MOST_CONNECTIONS)

    async def serve_one(self, stream: trio.SocketStream) -> None:
        """One connection, from its request to its last reply."""
        uid = peer_uid(stream)
        if uid not in self._allowed:
            _log.warning("admin request refused", uid=uid)
            return
        try:
            request = decode_request(await _receive_line(stream))
        except AdminWireError as error:
            _log.warning("admin request refused", uid=uid, reason=str(error))
            return
        except _CallerGoneError:
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_when_closed, stream, nursery.cancel_scope)
            try:
                last = await self._answer(request, stream, nursery.cancel_scope)
                await _send(stream, last)
            except _CallerGoneError:
                pass
            nursery.cancel_scope.cancel()

    async def _answer(
        self, request: Request, stream: trio.SocketStream, scope: trio.CancelScope
    ) -> Reply:
        """Do what is asked, and return what to say last."""
        try:
            match request:
                case ListAccounts():
                    for device in await self._accounts.list_devices():
                        await _send(stream, DeviceLine.of(device))
                case Revoke():
                    await self._revoke(request, stream)
                case Enroll():
                    await self._enroll(request.account, stream, scope)
                case ShowStatus() | Why():
                    for reply in await self._about(request):
                        await _send(stream, reply)
                case ShowLinkKey():
                    identity = await self._accounts.identity()
                    await _send(stream, LinkKey(identity.link_public, self._host))
        except StoreError as error:
            _log.error("store failed", reason=str(error))
            return Refused(str(error))
        return Done()

    async def _revoke(self, request: Revoke, stream: trio.SocketStream) -> None:
        gone = await self._accounts.revoke(request.account, request.device_id)
        if gone:
            self._revoked(request.account)
        for device in gone:
            _log.info("device revoked", account=device.account, device=device.id, name=device.name)
        for device in gone:
            await _send(stream, DeviceLine.of(device))

    async def _enroll(
        self, account: str, stream: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        async def progress(event: EnrolmentEvent) -> None:
            try:
                await _send(stream, event)
            except _CallerGoneError:
                scope.cancel()
                await trio.lowlevel.checkpoint()

        await self._enrol(account, progress)


async def _cancel_when_closed(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    """Whatever comes behind the request ends it: the end of the stream, or what no caller sends."""
    with contextlib.suppress(trio.BrokenResourceError):
        await stream.receive_some(1)
    scope.cancel()


async def _receive_line(stream: trio.SocketStream) -> bytes:
    """One line with its newline. Raises AdminWireError, or _CallerGoneError when none came."""
    line = b""
    with trio.move_on_after(LINE_SECONDS):
        while not line.endswith(b"\n") and len(line) <= MAX_LINE:
            try:
                more = await stream.receive_some(MAX_LINE + 1 - len(line))
            except trio.BrokenResourceError:
                raise _CallerGoneError from None
            if not more:
                raise _CallerGoneError
            line += more
        return line
    raise AdminWireError("no whole line in time")


async def _send(stream: trio.SocketStream, reply: Reply) -> None:
    """Raises _CallerGoneError."""
    try:
        with trio.fail_after(LINE_SECONDS):
            await stream.send_all(encode_line(reply))
    except (trio.BrokenResourceError, trio.TooSlowError):
        raise _CallerGoneError from None
