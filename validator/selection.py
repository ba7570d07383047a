"""pure. Which enrolment the user means."""

from collections.abc import Iterable
from typing import Final

from validator.record import Record, State

_PREFERENCE: Final = {State.ACTIVE: 2, State.UNPROVED: 1, State.DISABLED: 0}


def distinct(records: Iterable[Record]) -> tuple[Record, ...]:
    """One record for each (host, user), sorted by them: an active one first, then the newest.

    There are two only after an enrolment that was repeated and broken off.
    """
    best: dict[tuple[str, str], Record] = {}
    for record in sorted(records, key=lambda r: (_PREFERENCE[r.state], r.enrolled_at)):
        best[record.host, record.user] = record
    return tuple(best[key] for key in sorted(best))


def matching(
    records: Iterable[Record], host: str | None, user: str | None = None
) -> tuple[Record, ...]:
    """The enrolments that `host` (a label or its beginning) and `user` leave to choose from.

    A label that fits exactly leaves out those that it only begins: `web1` is not `web10`. One that
    fits but for its case, which a QR code has lost, does so after it.
    """
    found = tuple(r for r in distinct(records) if user is None or r.user == user)
    if host is None:
        return found
    exact = tuple(r for r in found if r.host == host)
    same = tuple(r for r in found if r.host.casefold() == host.casefold())
    return exact or same or tuple(r for r in found if r.host.startswith(host))
