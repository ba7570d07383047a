"""shell. Another configuration for a relay that runs: read, looked up and listened on, or refused.

What may take long is done beside the event loop, since everybody's sign-ons go on there: files may
be anywhere, users and host names are asked for on a network. And whatever is wrong with a file, it
is refused, and no end of the relay.
"""

from collections.abc import Callable, Sequence
from typing import Final

import trio

from daemons.troubles import refusal
from protocol.address import TcpAddress, UnixAddress
from relay.activation import Given, Places, look_up_all, open_listeners
from relay.config import ConfigError, Plan
from relay.listeners import Place, place_of
from relay.switch import Listener

PATIENCE: Final = 10.0
"""Seconds for the files to be read and new names to be looked up: as long as a system waits for one
name server that does not answer. Who stops the relay meanwhile waits, too."""


class Reloads:
    """What came of a relay's reloads."""

    def __init__(self) -> None:
        self._begun = 0
        self._ended = 0
        self._change = trio.Event()
        self.refused = ""
        """Why the last one was refused, one line; empty if it was not."""

    def begin(self) -> None:
        """Before anything is read."""
        self._begun += 1

    def end(self, refused: str = "") -> None:
        """`refused` says why it was, a line for each mistake; empty if the relay goes by what was
        read."""
        self._ended += 1
        self.refused = refusal(refused)
        self._change.set()
        self._change = trio.Event()

    async def next_one(self) -> str:
        """Why the next one that begins is refused; empty if it is not. One that has begun already
        may have read what was there before."""
        number = self._begun + 1
        while self._ended < number:
            await self._change.wait()
        return self.refused


async def reread(
    read: Callable[[], Plan], fit: Callable[[Plan], Plan], listening: Sequence[Listener]
) -> tuple[Plan, list[Listener], list[Listener]]:
    """The new plan, its listeners, and those of `listening` that it does not want.

    A name that somebody listens on already is not looked up again, so that who is let in can be
    changed while no name server answers. `read` is called in another thread, `fit` in this one.
    Raises ConfigError.
    """
    try:
        with trio.fail_after(PATIENCE):
            plan, places = await trio.to_thread.run_sync(
                _prepare, read, _places(listening), abandon_on_cancel=True
            )
        plan = fit(plan)
        ours = Given(listeners=[each.socket for each in listening])
        listeners = open_listeners(plan, ours, places)
    except trio.TooSlowError:
        raise ConfigError(
            f"not read after {PATIENCE:g} s: a name server, or a file's disk, does not answer;"
            " addresses in the place of names need none"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(str(error)) from None
    return plan, listeners, [each for each in listening if each.socket in ours.listeners]


def _prepare(read: Callable[[], Plan], known: Places) -> tuple[Plan, Places]:
    plan = read()
    return plan, look_up_all(plan, known)


def _places(listening: Sequence[Listener]) -> Places:
    places: dict[TcpAddress | UnixAddress, list[Place]] = {}
    for each in listening:
        places.setdefault(each.address, []).append(place_of(each.socket))
    return {address: tuple(found) for address, found in places.items()}
