"""edge. A real Dovecot on a SystemHost: IMAP on loopback, its users asked for by PAM."""

import imaplib
import pwd
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from tests.support.namespace import UID, SystemHost
from tests.support.patience import PATIENCE, until
from tests.support.programs import free_port

OWNERS: Final = ("dovecot", "dovenull")
LOCAL: Final = "127.0.0.1"
_CONFIG: Final = """
protocols = imap
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
auth_verbose = yes
auth_failure_delay = 0
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail/%u
first_valid_uid = {uid}
passdb {{
  driver = pam
  args = dovecot
}}
userdb {{
  driver = static
  args = uid={uid} gid={uid} home={folder}/mail/%u
}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""


@dataclass(frozen=True)
class Dovecot:
    """`log` is the server's own. Another process writes it: wait for what it is to say."""

    port: int
    _log: Path

    @property
    def log(self) -> str:
        return self._log.read_text()

    async def lets_in(self, user: str, password: str, source: str = LOCAL) -> bool:
        """Whether IMAP's LOGIN does, and the mailbox is there then."""
        return await trio.to_thread.run_sync(self._login, user, password, source)

    @asynccontextmanager
    async def waiting_client(self, source: str) -> AsyncIterator[None]:
        """Is asked for name and password, and gives none."""
        async with await trio.open_tcp_stream(LOCAL, self.port, local_address=source) as stream:
            said = b""
            with trio.fail_after(PATIENCE):
                while b"\r\n" not in said:
                    said += await stream.receive_some()
                await stream.send_all(b"a AUTHENTICATE PLAIN\r\n")
                while not said.endswith(b"+ \r\n"):
                    said += await stream.receive_some()
            yield

    def _login(self, user: str, password: str, source: str) -> bool:
        client = _From(source, self.port)
        refused = ""
        try:
            client.login(user, password)
            assert client.select("INBOX")[0] == "OK"
        except imaplib.IMAP4.error as error:
            refused = str(error)
        finally:
            client.shutdown()
        assert "AUTHENTICATIONFAILED" in refused or not refused, refused
        return not refused


class _From(imaplib.IMAP4):
    """A client whose address is the test's choice."""

    def __init__(self, source: str, port: int) -> None:
        self._source = source
        super().__init__(LOCAL, port, timeout=60)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        address = (self.host, self.port)
        return socket.create_connection(address, timeout, source_address=(self._source, 0))


@asynccontextmanager
async def dovecot(host: SystemHost, folder: Path) -> AsyncIterator[Dovecot]:
    """Its PAM service is `dovecot`."""
    for name in OWNERS:
        owner = pwd.getpwnam(name)
        with (host.etc / "passwd").open("a") as file:
            file.write(f"{name}:x:{owner.pw_uid}:{owner.pw_gid}::/nonexistent:/bin/false\n")
        with (host.etc / "group").open("a") as file:
            file.write(f"{name}:x:{owner.pw_gid}:\n")
    own = folder / "dovecot"
    (own / "mail").mkdir(parents=True)
    (own / "mail").chmod(0o777)
    port = free_port()
    file = own / "dovecot.conf"
    file.write_text(_CONFIG.format(folder=own, uid=UID, port=port))
    server = host.command("dovecot", "-F", "-c", file)
    with (own / "said").open("w") as said:
        process = await trio.lowlevel.open_process(server, stdout=said, stderr=said)
    try:
        running = Dovecot(port, own / "log")
        await until(lambda: _listens(port) or process.poll() is not None)
        assert process.poll() is None, (own / "said").read_text()
        yield running
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            with trio.move_on_after(PATIENCE):
                await process.wait()
            process.kill()
            await process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOCAL, port)) == 0
