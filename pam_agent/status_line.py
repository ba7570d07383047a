"""pure. The agent in one line, for a service manager's status."""

from collections.abc import Mapping


def status_line(sign_ons: int, relays: Mapping[str, bool]) -> str:
    """`relays` says by address whether the agent is attached there."""
    attached = [address for address, up in relays.items() if up]
    away = [address for address, up in relays.items() if not up]
    parts = [
        f"{sign_ons} sign-on{'' if sign_ons == 1 else 's'} under way",
        f"attached to {', '.join(attached)}" if attached else "ATTACHED TO NO RELAY",
    ]
    if away and attached:
        parts.append(f"not to {', '.join(away)}")
    return "; ".join(parts)
