"""shell. Which sign-ons are under way that others may wait with."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import trio

from pam_agent.leases import LeaseKey
from pam_agent.outcomes import SignOnEnd

MAX_JOINED: Final = 64
"""Callers that wait with one sign-on: as many as may wait for one account otherwise."""


class Leading:
    """A sign-on that others wait with. `end` is None when it ended for reasons of its own."""

    def __init__(self, sign_on_id: bytes) -> None:
        self.sign_on_id: Final = sign_on_id
        self.over: Final = trio.Event()
        self.end: SignOnEnd | None = None
        self.joined = 0


class Pending:
    """All of one host, by what they have in common with others."""

    def __init__(self) -> None:
        self._leading: dict[LeaseKey, Leading] = {}

    def find(self, key: LeaseKey) -> Leading | None:
        return self._leading.get(key)

    @contextmanager
    def lead(self, key: LeaseKey, sign_on_id: bytes) -> Iterator[Leading]:
        """Others wait with this one from now on, unless there is one already: see `find`."""
        self._leading[key] = leading = Leading(sign_on_id)
        try:
            yield leading
        finally:
            del self._leading[key]
            leading.over.set()

    def __iter__(self) -> Iterator[Leading]:
        return iter(self._leading.values())
