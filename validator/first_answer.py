"""shell. Finds the relay that has the request: the host's relays are tried one after another."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import trio

from protocol.errors import ProtocolError
from validator.connection import EndedError, RelayConnection, UnreachableError
from validator.limits import ANSWER_SECONDS, EARLY_CUT_SECONDS
from validator.outcomes import Outcome

_T = TypeVar("_T")


class Opening(NamedTuple, Generic[_T]):
    """How one attempt begins: the tag (16 bytes), the first frame, and who reads the answer."""

    tag: bytes
    frame: bytes
    read: Callable[[bytes], _T]
    """Raises ProtocolError."""


class Answered(NamedTuple, Generic[_T]):
    """A relay brought a genuine answer; the connection is open."""

    connection: RelayConnection
    answer: _T


@dataclass(frozen=True)
class NoAnswer:
    """No relay brought a genuine answer; `unreachable` are those that did not work."""

    outcome: Outcome
    unreachable: tuple[str, ...] = ()
    cut_at_once: bool = False


async def first_answer(
    relays: tuple[str, ...],
    shard: int,
    new_opening: Callable[[], Opening[_T]],
    connected: Callable[[], None],
) -> Answered[_T] | NoAnswer:
    """Try each relay, with an opening of its own; `connected` is called at every connection.

    A relay that cuts the connection has no such request; one that stays silent does not work.
    """
    outcomes: list[Outcome] = []
    unreachable: list[str] = []
    cut_at_once = False
    for relay in relays:
        opening = new_opening()
        try:
            connection = await RelayConnection.open(relay)
        except UnreachableError:
            unreachable.append(relay)
            outcomes.append(Outcome.UNREACHABLE)
            continue
        connected()
        begun = trio.current_time()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(connection)
            try:
                with trio.fail_after(ANSWER_SECONDS):
                    await connection.begin(shard, opening.tag, opening.frame)
                    answer = opening.read(await connection.receive())
            except trio.TooSlowError:
                unreachable.append(relay)
                outcomes.append(Outcome.UNREACHABLE)
            except EndedError:
                outcomes.append(Outcome.NO_SUCH_SIGN_ON)
                cut_at_once |= trio.current_time() - begun < EARLY_CUT_SECONDS
            except ProtocolError:
                outcomes.append(Outcome.NOT_GENUINE)
            else:
                stack.pop_all()
                return Answered(connection, answer)
    worst = max(outcomes, key=_WEIGHT.__getitem__)
    return NoAnswer(worst, tuple(unreachable), cut_at_once)


_WEIGHT = {Outcome.UNREACHABLE: 0, Outcome.NO_SUCH_SIGN_ON: 1, Outcome.NOT_GENUINE: 2}
"""What is told when the relays disagree: what says most."""
