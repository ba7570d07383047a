"""shell. The admin socket: what the command line asks of the running daemon.

daemons.admin_socket says who is heard.
"""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from socket import socket
from typing import Final

import structlog
import trio

from daemons.admin_socket import (
    MODE,
    MOST_CONNECTIONS,
    CallerGoneError,
    send_line,
    serve_caller,
)
from daemons.connections import serve_connections
from daemons.lines import Done, Refused
from daemons.unix_listener import peer_uid, unix_listener
from pam_agent.accounts import Accounts
from pam_agent.admin_wire import (
    DeviceLine,
    Enroll,
    LinkKey,
    ListAccounts,
    Reply,
    Request,
    Revoke,
    ShowLinkKey,
    ShowStatus,
    Why,
    decode_request,
)
from pam_agent.administering import Administering
from pam_agent.administration import Administration, ChangeRefusedError
from pam_agent.break_glass_watch import BreakGlassWatch
from pam_agent.enrolment_events import EnrolmentEvent
from pam_agent.enrolments import Enrolments
from pam_agent.schema import StoreError
from pam_agent.totp_store import TotpStore

Progress = Callable[[EnrolmentEvent], Awaitable[None]]
Enrol = Callable[[str, Progress], Awaitable[None]]
"""Enrol a device for an account; tells each event, the last one too."""
About = Callable[[ShowStatus | Why], Awaitable[list[Reply]]]
"""What the agent says of itself."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Admin:
    """Serves the admin socket. `revoked` is called when devices of an account are gone."""

    def __init__(
        self,
        accounts: Accounts,
        host: str,
        enrol: Enrol,
        revoked: Callable[[str], None],
        about: About,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`host` is the host's label; `clock` goes on while it sleeps. `watch` is to be run
        beside it."""
        self._accounts = accounts
        self._enrolments = Enrolments(accounts.store)
        administration = Administration(accounts.store)
        self.watch: Final = BreakGlassWatch(administration, time.time, clock)
        self._administering: Final = Administering(
            administration, self.watch, TotpStore(accounts.store), revoked
        )
        self._host = host
        self._enrol = enrol
        self._revoked = revoked
        self._about = about

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
        await serve_caller(stream, decode_request, self._answer)

    async def _answer(
        self, request: Request, stream: trio.SocketStream, scope: trio.CancelScope
    ) -> Reply:
        """Do what is asked, and return what to say last."""
        try:
            match request:
                case ListAccounts():
                    for device in await self._enrolments.list_devices():
                        await send_line(stream, DeviceLine.of(device))
                case Revoke():
                    await self._revoke(request, stream)
                case Enroll():
                    if (
                        account := await self._accounts.resolve(request.account)
                    ) != request.account:
                        return Refused(
                            f"{request.account} is another name of {account}: enrol that"
                        )
                    await self._enroll(request.account, stream, scope)
                case ShowStatus() | Why():
                    for reply in await self._about(request):
                        await send_line(stream, reply)
                case ShowLinkKey():
                    identity = await self._accounts.identity()
                    await send_line(stream, LinkKey(identity.link_public, self._host))
                case _:
                    async for line in self._administering.answer(request, peer_uid(stream)):
                        await send_line(stream, line)
        except ChangeRefusedError as error:
            return Refused(str(error))
        except StoreError as error:
            _log.error("store failed", reason=str(error))
            return Refused(str(error))
        return Done()

    async def _revoke(self, request: Revoke, stream: trio.SocketStream) -> None:
        by = f"by uid {peer_uid(stream)}"
        gone = await self._enrolments.revoke(request.account, request.device_id, time.time(), by)
        if gone:
            self._revoked(request.account)
        for device in gone:
            _log.info("device revoked", account=device.account, device=device.id, name=device.name)
        for device in gone:
            await send_line(stream, DeviceLine.of(device))

    async def _enroll(
        self, account: str, stream: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        async def progress(event: EnrolmentEvent) -> None:
            try:
                await send_line(stream, event)
            except CallerGoneError:
                scope.cancel()
                await trio.lowlevel.checkpoint()

        await self._enrol(account, progress)
