"""pure. What a failure, a decision and a confirmation make of a device and of its account.

Each function gives the new value to store. Times are Unix seconds.
"""

from dataclasses import replace

from pam_agent.policy import (
    DISABLING_FAILURE,
    MAX_FAILURES_SINCE,
    backoff_seconds,
    disabled_by,
)
from pam_agent.records import AccountStanding, Decided, Device, DisabledReason
from protocol.ratchet import Generation, Ratchet


def failed(device: Device, now: float) -> Device:
    """After an H1 that a holder of K_rv could not activate."""
    failures = min(device.failures + 1, DISABLING_FAILURE)
    return replace(
        device,
        failures=failures,
        backoff_until=now + backoff_seconds(failures),
        disabled=device.disabled or disabled_by(failures),
    )


def decided(
    device: Device,
    base: Generation,
    next_root: bytes,
    *,
    opened: Ratchet,
    success: bool,
    now: float,
) -> tuple[Decided, Device]:
    """After a verified DECISION under `base`; `opened` is the ratchet as it was at H1.

    The proof of a device that is not proved yet moves its ratchet and nothing else.
    """
    if device.disabled is not None:
        return Decided.DISABLED, device
    if device.ratchet.overtaken(base, opened):
        return Decided.OVERTAKEN, device
    ratchet = device.ratchet.decided(base, next_root)
    if ratchet is None:
        return Decided.DISABLED, replace(device, disabled=DisabledReason.CLONE)
    moved = _with_ratchet(device, ratchet)
    if success and device.proved:
        moved = signed_on(moved, now)
    return Decided.MOVED, moved


def confirmed(device: Device, successor: Generation) -> Device:
    """After CONFIRM for `successor`."""
    return _with_ratchet(device, device.ratchet.confirmed(successor))


def signed_on(device: Device, now: float) -> Device:
    """After somebody was let in by it: its failures in a row are over."""
    return replace(device, failures=0, backoff_until=0.0, last_used=int(now))


def _with_ratchet(device: Device, ratchet: Ratchet) -> Device:
    """Tickets are counted in their generation, so another current one begins at 0."""
    counter = device.ticket_counter if ratchet.current == device.ratchet.current else 0
    return replace(device, ratchet=ratchet, ticket_counter=counter)


def succeeded(now: float) -> AccountStanding:
    """After an approval in time."""
    return AccountStanding(int(now), 0)


def unsuccessful(standing: AccountStanding) -> AccountStanding:
    """After a sign-on that ended in any other way; the count stays at MAX_FAILURES_SINCE."""
    failures = min(standing.failures_since + 1, MAX_FAILURES_SINCE)
    return replace(standing, failures_since=failures)
