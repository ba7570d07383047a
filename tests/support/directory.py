"""edge. A directory of users on a machine: a daemon at a Unix socket, and a name service that asks
it, as sssd and its libnss_sss do."""

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from tests.support.c_programs import built
from tests.support.machine import Machine

SOURCE: Final = Path(__file__).with_name("directory_nss.c")
PIPES: Final = "/var/lib/sss/pipes"
LIBRARY: Final = "/usr/lib/x86_64-linux-gnu/libnss_directory.so.2"


@asynccontextmanager
async def directory(host: Machine, answers: Mapping[str, str]) -> AsyncIterator[None]:
    """`answers` to questions such as `i ada`; nothing is known of others. It is away afterwards."""
    pipe = host.path(f"{PIPES}/nss")
    pipe.parent.mkdir(parents=True, exist_ok=True)
    with trio.socket.socket(trio.socket.AF_UNIX) as listening:
        await listening.bind(str(pipe))
        pipe.chmod(0o666)
        listening.listen()

        async def answer(stream: trio.SocketStream) -> None:
            async with stream:
                asked = bytes(await stream.receive_some(512)).decode().strip()
                await stream.send_all(answers.get(asked, "").encode())

        async with trio.open_nursery() as nursery:
            listener = trio.SocketListener(listening)
            nursery.start_soon(trio.serve_listeners, answer, [listener])
            try:
                yield
            finally:
                nursery.cancel_scope.cancel()
                pipe.unlink()


def asks_it(host: Machine) -> None:
    """From now on the machine's name service does."""
    shutil.copy(built(SOURCE, Path(LIBRARY).name, "-O2", "-fPIC", "-shared"), host.path(LIBRARY))
    switch = host.path("/etc/nsswitch.conf")
    text = "".join(f"{each}: files directory\n" for each in ("passwd", "group", "initgroups"))
    switch.write_text(text)
