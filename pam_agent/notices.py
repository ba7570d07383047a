"""pure. What a device is to be told at its next sign-on, in CONTEXT's alert."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from protocol.signon_messages import MAX_ALERT
from protocol.text import fit

MAX_NOTICES: Final = 8
"""Kept for each device; then the oldest goes. What one CONTEXT can say is less anyway."""


@dataclass(frozen=True)
class Notice:
    """`at` in Unix seconds."""

    id: int
    at: int
    text: str


def alert_text(notices: Sequence[Notice]) -> str:
    """At most MAX_ALERT bytes: the newest one, and how many more there are."""
    if not notices:
        return ""
    newest = max(notices, key=lambda each: each.id).text
    more = f" (and {len(notices) - 1} more)" if len(notices) > 1 else ""
    return fit(newest, MAX_ALERT - len(more)) + more
