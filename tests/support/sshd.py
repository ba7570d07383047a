"""edge. A real sshd on a SystemHost, on a port of 127.0.0.1, and a real ssh client's command."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from tests.support.namespace import USER, SystemHost
from tests.support.programs import free_port

PROGRAM: Final = "/usr/sbin/sshd"
PATIENCE: Final = 20.0


@dataclass(frozen=True)
class Sshd:
    """Where it listens. `identity` is a private key of ada's, whose public half it knows, and
    `known_hosts` has its own."""

    port: int
    identity: Path
    known_hosts: Path

    def client(
        self, *words: str, methods: str = "keyboard-interactive", address: str = "127.0.0.1"
    ) -> list[str]:
        """An ssh client of ada's that does `words` in the session, with one attempt per method;
        `address` is its own."""
        options = {
            "BindAddress": address,
            "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "PreferredAuthentications": methods,
            "NumberOfPasswordPrompts": "1",
        }
        command = ["ssh", "-F", "none", "-p", str(self.port), "-i", str(self.identity)]
        for name, value in options.items():
            command += ["-o", f"{name}={value}"]
        return [*command, f"{USER}@127.0.0.1", *words]


@asynccontextmanager
async def sshd(host: SystemHost, folder: Path, settings: str) -> AsyncIterator[Sshd]:
    """Runs it with keys and configuration in `folder`; `settings` are further lines."""
    for key in ("host_key", "identity"):
        made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
        await trio.run_process(made)
    keys = folder / "authorized_keys"
    keys.write_text((folder / "identity.pub").read_text())
    running = Sshd(free_port(), folder / "identity", folder / "known_hosts")
    running.known_hosts.write_text(
        f"[127.0.0.1]:{running.port} {(folder / 'host_key.pub').read_text()}"
    )
    (folder / "sshd_config").write_text(
        f"Port {running.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\n"
        f"AuthorizedKeysFile {keys}\nStrictModes no\nPidFile none\nLogLevel VERBOSE\n"
        f"UsePAM yes\nUseDNS no\nPrintMotd no\nPrintLastLog no\n{settings}"
    )
    command = host.command(PROGRAM, "-D", "-e", "-f", folder / "sshd_config")
    process = await trio.lowlevel.open_process(command, stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        with trio.fail_after(PATIENCE):
            said = b""
            while b"Server listening" not in said:
                more = await process.stderr.receive_some()
                assert more, said.decode(errors="replace")
                said += more
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_drain, process.stderr)
            yield running
            nursery.cancel_scope.cancel()
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            await process.wait()
            await process.stderr.aclose()


async def _drain(stream: trio.abc.ReceiveStream) -> None:
    """Takes the log away, so that sshd never waits for a reader."""
    async for _ in stream:
        pass
