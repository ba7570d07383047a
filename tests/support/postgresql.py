"""edge. A real PostgreSQL on a SystemHost, as Debian runs it: by its own user, asking PAM."""

import os
import pwd
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from tests.support.namespace import SystemHost
from tests.support.patience import PATIENCE, until
from tests.support.programs import free_port

OWNER: Final = "postgres"
LOCAL: Final = "127.0.0.1"
READY: Final = "ready to accept connections"


def programs() -> Path:
    """Where Debian has them."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return found[-1] if found else Path("/nonexistent")


@dataclass(frozen=True)
class PostgreSQL:
    """`log` is the server's own: it says there why it refuses before it tells the client."""

    port: int
    folder: Path
    _log: Path

    @property
    def log(self) -> str:
        return self._log.read_text()

    async def psql(
        self, statement: str, user: str, password: str, *, host: str = LOCAL
    ) -> tuple[int, str]:
        """Exit code, and all that it says. Asks nobody for a password."""
        done = await trio.run_process(
            self.command(statement, user, host),
            capture_stdout=True,
            stderr=subprocess.STDOUT,
            check=False,
            env={**os.environ, "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "60"},
        )
        return done.returncode, done.stdout.decode().strip()

    def command(self, statement: str, user: str, host: str = LOCAL) -> list[str]:
        """psql, for who wants to be asked."""
        words = ["psql", "--no-psqlrc", "-Atc", statement, "-d", "postgres"]
        return [*words, "-h", host, "-p", str(self.port), "-U", user]

    async def lets_in(self, user: str, password: str) -> bool:
        """Whether such a password does."""
        code, said = await self.psql("SELECT current_user", user, password)
        assert (code, said) == (0, user) or "authentication failed" in said, said
        return code == 0

    @asynccontextmanager
    async def client(self, user: str, source: str = LOCAL) -> AsyncIterator["Client"]:
        """Without psql. It has said who it is, and hangs up at the end."""
        body = struct.pack("!I", 196608) + b"user\0" + user.encode() + b"\0database\0postgres\0\0"
        async with await trio.open_tcp_stream(LOCAL, self.port, local_address=source) as stream:
            await stream.send_all(struct.pack("!I", len(body) + 4) + body)
            yield Client(stream)

    async def lets_in_from(self, source: str, user: str, password: str) -> bool:
        """The same for a client with that address."""
        async with self.client(user, source) as client:
            await client.is_asked()
            return await client.answer(password)


class Client:
    """The wire of PostgreSQL, for who takes time between its messages."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream

    async def is_asked(self) -> None:
        """For a password: the server's first message."""
        assert await self._message() == (b"R", struct.pack("!I", 3)), "no question for a password"

    async def answer(self, password: str) -> bool:
        """Whether it lets in."""
        body = password.encode() + b"\0"
        await self._stream.send_all(b"p" + struct.pack("!I", len(body) + 4) + body)
        kind, payload = await self._message()
        assert kind in (b"R", b"E"), kind
        return (kind, payload) == (b"R", struct.pack("!I", 0))

    async def is_cut_off(self) -> None:
        """The server ends it by itself."""
        with trio.fail_after(PATIENCE):
            async for _ in self._stream:
                pass

    async def _message(self) -> tuple[bytes, bytes]:
        with trio.fail_after(PATIENCE):
            kind, length = struct.unpack("!cI", await self._exactly(5))
            return kind, await self._exactly(length - 4)

    async def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = await self._stream.receive_some(count - len(data))
            assert more, "the server has hung up"
            data += more
        return data


@asynccontextmanager
async def postgresql(host: SystemHost, folder: Path, hba: str) -> AsyncIterator[PostgreSQL]:
    """`hba` are lines of pg_hba.conf for connections by TCP."""
    owner = pwd.getpwnam(OWNER)
    for name, line in (
        ("passwd", f"{OWNER}:x:{owner.pw_uid}:{owner.pw_gid}::/nonexistent:/bin/sh\n"),
        ("group", f"{OWNER}:x:{owner.pw_gid}:\n"),
    ):
        with (host.etc / name).open("a") as file:
            file.write(line)
    own = folder / "postgresql"
    own.mkdir()
    os.chown(own, owner.pw_uid, owner.pw_gid)
    identity = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    data, log = own / "data", own / "log"
    initdb = [
        *identity,
        programs() / "initdb",
        "-D",
        data,
        "--no-sync",
        "-A",
        "trust",
        "-E",
        "UTF8",
    ]
    await trio.run_process([str(x) for x in initdb], capture_stdout=True, cwd=own)
    (data / "pg_hba.conf").write_text(f"local all all trust\n{hba}")
    port = free_port()
    given = {"listen_addresses": LOCAL, "unix_socket_directories": str(own), "fsync": "off"}
    options = [f"-c{key}={value}" for key, value in given.items()]
    server = host.command(*identity, programs() / "postgres", "-D", data, "-p", str(port), *options)
    with log.open("w") as file:
        process = await trio.lowlevel.open_process(server, stderr=file, stdout=file, cwd=own)
    try:
        running = PostgreSQL(port, own, log)
        await until(lambda: READY in running.log or process.poll() is not None)
        assert process.poll() is None, running.log
        yield running
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            with trio.move_on_after(PATIENCE):
                await process.wait()
            process.kill()
            await process.wait()
