"""Devices for the agent's tests: as values, and enrolled in a real store."""

import secrets

from pam_agent.accounts import Accounts
from pam_agent.enrolments import Enrolments
from pam_agent.records import Device
from protocol.ratchet import Generation, Ratchet

NOW = 1_800_000_000.0


def device(number: int = 1, **changes: object) -> Device:
    fields: dict[str, object] = {
        "id": number,
        "account": "alice",
        "name": "phone",
        "public": bytes(32),
        "rendezvous_root": b"\x01" * 32,
        "ratchet": Ratchet(Generation(0, b"\x02" * 32)),
        "failures": 0,
        "backoff_until": 0.0,
        "disabled": None,
        "proved": True,
        "created": 0,
        "last_used": 0,
    }
    return Device(**(fields | changes))  # type: ignore[arg-type]


async def enrol(accounts: Accounts, account: str = "alice", name: str = "phone") -> Device:
    """A proved device with random keys."""
    device_id = await Enrolments(accounts.store).add_device(
        account,
        name,
        secrets.token_bytes(32),
        secrets.token_bytes(32),
        secrets.token_bytes(32),
        NOW,
    )
    await Enrolments(accounts.store).prove(device_id, NOW)
    return await accounts.device(device_id)
