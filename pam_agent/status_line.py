"""pure. The agent in one line, for a service manager's status."""

from collections.abc import Mapping


def status_line(waiting: int, running: int, relays: Mapping[str, bool]) -> str:
    """How many sign-ons wait for a device and are with one, and by address what relay is up."""
    attached = [address for address, up in relays.items() if up]
    away = [address for address, up in relays.items() if not up]
    parts = [
        f"sign-ons: {waiting} waiting, {running} running",
        f"attached to {', '.join(attached)}" if attached else "ATTACHED TO NO RELAY",
    ]
    if away and attached:
        parts.append(f"not to {', '.join(away)}")
    return "; ".join(parts)
