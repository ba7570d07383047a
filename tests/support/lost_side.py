"""A network between agent and relay that loses one side of a link: the relay's end stays open."""

import os
import socket
from dataclasses import dataclass

import trio

from tests.support.patience import until
from tests.support.together import Together


@dataclass(eq=False)
class LostSide:
    """Stands at the relay's address, and carries each link on to the relay."""

    _relay: str
    _here: trio.SocketStream | None = None

    async def forget(self) -> None:
        """The agent's link ends; the relay does not hear of it."""
        assert self._here is not None
        here, self._here = self._here, None
        await here.aclose()

    async def _carry(self, here: trio.SocketStream) -> None:
        """Until the test is over, whatever becomes of the agent's side."""
        self._here = here
        async with here, await trio.open_unix_socket(self._relay) as there:
            async with trio.open_nursery() as both:
                for source, sink in ((here, there), (there, here)):
                    both.start_soon(_pass_on, source, sink)
            await trio.sleep_forever()


async def _pass_on(source: trio.SocketStream, sink: trio.SocketStream) -> None:
    try:
        async for data in source:
            await sink.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return


async def lost_side(parts: Together) -> LostSide:
    """Takes the relay's place; returns when the agent's link has come anew, by way of it."""
    path = parts.relay.unix.path
    os.rename(path, f"{path}.relay")
    listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    await listening.bind(path)
    listening.listen()
    between = LostSide(f"{path}.relay")
    parts.nursery.start_soon(trio.serve_listeners, between._carry, [trio.SocketListener(listening)])
    (link,) = parts.relay.relay.broker.links
    parts.relay.relay.broker.link_gone(link, trio.current_time())
    parts.relay.relay.switch.wake()
    await until(lambda: between._here is not None and parts.relay.relay.broker.links.attached)
    await until(lambda: parts.relay.relay.broker.requests)
    return between
