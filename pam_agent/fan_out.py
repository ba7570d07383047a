"""shell. One request, queued at every relay at once; one good answer makes the others void."""

from collections import deque
from typing import Final

import trio

from pam_agent.host import Host
from pam_agent.link_events import WasClosed, WasQueued, WasRefused
from pam_agent.relay_link import RelayEvent, RelayLink, RequestHandle
from protocol.messages import CloseReason, RefusedReason

LOOK_AGAIN: Final = 5.0
"""Seconds between looks at the host's clock: Trio's stands still while the host sleeps, so a
deadline that passed in its sleep is seen this late."""

_STOPS: Final = RefusedReason.DRAINING.name.lower()


class FanOut:
    """The handles of one request at all relays, and the events that still matter."""

    def __init__(self, host: Host, sign_on_id: bytes, tags: tuple[bytes, ...]) -> None:
        """`tags` are 16 bytes each, 1 to 8 of them."""
        self._host: Final = host
        self._sign_on_id: Final = sign_on_id
        self._tags: Final = tags
        self._handles: set[RequestHandle] = set()
        self._events: deque[RelayEvent] = deque()
        self._came = trio.Event()
        self._refused: dict[RelayLink, str] = {}

    def submit(self, expires: float) -> None:
        """Queue it everywhere until `expires` by the host's clock."""
        for link in self._host.links:
            handle = link.submit(self._sign_on_id, self._tags, expires, self._inbox)
            self._handles.add(handle)

    def submit_again(self, handle: RequestHandle) -> None:
        """Queue it once more where it has ended, until the same moment."""
        expires = handle.request.expires
        self._handles.add(handle.link.submit(self._sign_on_id, self._tags, expires, self._inbox))

    async def queued(self, deadline: float) -> bool:
        """Whether any relay has queued it by `deadline`. Only then may a passcode be shown."""
        while self._handles and (event := await self.next(deadline)) is not None:
            if isinstance(event.event, WasQueued):
                return True
        return False

    @property
    def unreached(self) -> bool:
        """Whether no relay is there: every link is down, or its relay stops.

        Whoever begins many sign-ons can bring a relay to refuse one, or this host to be late: then
        a relay is there.
        """
        return all(
            not link.protocol.up or self._refused.get(link) == _STOPS for link in self._host.links
        )

    def no_help(self) -> dict[str, str]:
        """Why each relay has not queued it, by its address, as far as events were looked at."""
        return {str(link.address): self._why(link) for link in self._host.links}

    def _why(self, link: RelayLink) -> str:
        if link in self._refused:
            return f"refused: {self._refused[link]}"
        return "no answer in time" if link.protocol.up else f"down: {link.trouble}"

    async def next(self, deadline: float) -> RelayEvent | None:
        """The next event of a handle that still matters; None from the deadline on.

        What nobody has looked at by then stays for the next call.
        """
        while (left := deadline - self._host.clock()) > 0:
            while self._events:
                event = self._events.popleft()
                event.handle.waiting -= 1
                if event.handle in self._handles:
                    if isinstance(event.event, WasRefused):
                        self._refused[event.handle.link] = event.event.reason.name.lower()
                    if isinstance(event.event, WasRefused | WasClosed):
                        self._handles.discard(event.handle)
                    return event
            self._came = trio.Event()
            with trio.move_on_after(min(left, LOOK_AGAIN)):
                await self._came.wait()
        return None

    def done(self, handle: RequestHandle) -> None:
        """Close this one as what it was for; the relay takes what is still to be sent first."""
        self._handles.discard(handle)
        handle.close(CloseReason.DONE)

    def withdraw(self, keep: RequestHandle | None = None) -> None:
        """Take it back everywhere, or everywhere but at one relay."""
        for handle in [each for each in self._handles if each is not keep]:
            self._handles.discard(handle)
            handle.close(CloseReason.WITHDRAWN)
        if keep is None:
            self._events.clear()  # of no interest any more, and their handles know us

    def _inbox(self, event: RelayEvent) -> None:
        self._events.append(event)
        self._came.set()
