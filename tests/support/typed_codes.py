"""Codes as devices and authenticator apps make them, and how a test's caller types them."""

from pam_agent.administration_rows import encode_methods
from pam_agent.host import Host
from pam_agent.methods import Method
from pam_agent.records import Totp
from pam_agent.rows import write_totp
from protocol import offline, ticket
from protocol.ocra import hotp
from validator.record import Record

SECRET = b"12345678901234567890"
"""Of every authenticator app."""
STEP = 30


def response(record: Record, passcode: str) -> str:
    """What `bartizan respond` shows."""
    return offline.response(offline.offline_key(record.generation.root), passcode)


def ticket_of(record: Record, service: str, counter: int = 0) -> str:
    """What `bartizan ticket` shows the `counter`-th time."""
    base = record.generation
    locator = ticket.locator(record.rendezvous_root, base.number, counter, service)
    key = offline.offline_key(base.root)
    return locator + ticket.proof(key, base.number, counter, service)


def totp(now: float, steps: int = 0) -> str:
    """What the app shows so many steps after `now` (Unix seconds)."""
    return hotp(SECRET, int(now) // STEP + steps, 6)


async def give_totp(host: Host, account: str = "alice") -> None:
    app = Totp(account, SECRET, int(host.wall_clock()))
    await host.accounts.store.transaction(lambda tx: write_totp(tx, app))


async def give_methods(host: Host, methods: set[Method], account: str = "alice") -> None:
    """Those of the account, at every service."""
    text = encode_methods(frozenset(methods))
    await host.accounts.store.transaction(
        lambda tx: tx.db.execute(
            "INSERT OR REPLACE INTO method (account, service, methods) VALUES (?, '*', ?)",
            (account, text),
        )
    )
