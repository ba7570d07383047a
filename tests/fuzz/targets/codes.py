"""pure. What is typed at the host in place of an approval, against what SPEC section 7 says."""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import replace

from pam_agent.codes import (
    CodeVerdict,
    Judgement,
    judge_response,
    judge_ticket,
    judge_totp,
    method_of,
)
from pam_agent.methods import Method
from pam_agent.records import Device, DisabledReason, Totp
from protocol.ratchet import Generation, Ratchet
from tests.fuzz.script import Script, script
from tests.protocol import independent
from tests.protocol.independent import RefusedError
from tests.support.agent_store import NOW, device

LONGEST = 64
PASSCODE = "49217734"
SERVICE = "postgresql"
OLD, CURRENT, PENDING = (Generation(n, bytes([n]) * 32) for n in (6, 7, 8))
PHONE = device(
    1,
    rendezvous_root=b"\x11" * 32,
    ratchet=Ratchet(CURRENT, PENDING, (OLD,)),
    ticket_counter=40,
    failures=9,
)
TABLET = device(2, rendezvous_root=b"\x22" * 32)
PAUSED = device(3, rendezvous_root=b"\x33" * 32, failures=5, backoff_until=NOW + 1)
CLONED = device(4, rendezvous_root=b"\x44" * 32, disabled=DisabledReason.CLONE)
DEVICES = (PHONE, TABLET, PAUSED, CLONED)

FRESH, USED, PENDING_ONE = "fresh", "used", "pending"


def k_off(generation: Generation) -> bytes:
    return independent.kdf(generation.root, "offline", b"", 32)


def whole(owner: Device, generation: Generation, counter: int, service: str = SERVICE) -> str:
    root = owner.rendezvous_root
    return independent.ticket(root, k_off(generation), generation.number, counter, service)


TABLET_BASE = TABLET.ratchet.current
TICKETS = {
    **{whole(PHONE, CURRENT, n): (USED, PHONE, n) for n in range(8, 40)},
    **{whole(PHONE, CURRENT, n): (FRESH, PHONE, n) for n in range(40, 72)},
    **{whole(PHONE, PENDING, n): (PENDING_ONE, PHONE, n) for n in range(32)},
    **{whole(TABLET, TABLET_BASE, n): (FRESH, TABLET, n) for n in range(32)},
}
"""Those that mean anything; by their locators too."""
LOCATED = {ticket[:6]: (ticket, *place) for ticket, place in TICKETS.items()}
OTHERS = (
    whole(PHONE, CURRENT, 7),
    whole(PHONE, CURRENT, 72),
    whole(PHONE, PENDING, 32),
    whole(PHONE, OLD, 0),
    whole(PHONE, CURRENT, 40, "dovecot"),
    whole(TABLET, TABLET_BASE, 32),
    whole(PAUSED, PAUSED.ratchet.current, 0),
    whole(CLONED, CLONED.ratchet.current, 0),
)

RIGHT_RESPONSES = {
    independent.offline_response(k_off(generation), PASSCODE): owner
    for owner, generation in ((PHONE, CURRENT), (PHONE, PENDING), (TABLET, TABLET_BASE))
}
LATE_RESPONSE = independent.offline_response(k_off(OLD), PASSCODE)

SECRET = b"12345678901234567890"
STEP = int(NOW) // 30
TOTP = Totp("alice", SECRET, created=0, last_step=STEP - 1)


def totp_code(step: int) -> str:
    mac = hmac.new(SECRET, step.to_bytes(8, "big"), hashlib.sha1).digest()
    start = mac[19] % 16
    return f"{int.from_bytes(mac[start : start + 4], 'big') % 2**31 % 10**6:06d}"


def once(data: bytes) -> None:
    """u8 where it is typed | u8 a ticket's number, u8 position, u8 character | or UTF-8 text."""
    read = Script(data)
    match read.number() % 4:
        case 0:
            known = (*TICKETS, *OTHERS)
            typed = known[read.number() % len(known)]
            place = read.number() % 20
            if place < len(typed):
                typed = typed[:place] + chr(read.number() % 128) + typed[place + 1 :]
            ticket_is_judged(typed)
        case 1:
            ticket_is_judged(read.rest().decode(errors="replace"))
        case 2:
            response_is_judged(read.rest().decode(errors="replace"))
        case _:
            totp_is_judged(read.rest().decode(errors="replace"))


def ticket_is_judged(typed: str) -> None:
    judgement = judge_ticket(DEVICES, SERVICE, typed, NOW)
    try:
        found = independent.typed_ticket(typed)
    except RefusedError:
        assert judgement == Judgement(CodeVerdict.WRONG)
        return
    assert method_of(typed) is Method.TICKET
    if found[:6] not in LOCATED:
        assert judgement == Judgement(CodeVerdict.WRONG)
        return
    right, kind, owner, counter = LOCATED[found[:6]]
    if kind == USED:
        assert judgement == Judgement(CodeVerdict.REPLAYED)
        return
    (after,) = judgement.changed
    assert after.id == owner.id
    assert (judgement.verdict is CodeVerdict.RIGHT) is (found == right)
    if found == right:
        assert judgement.device == after
        assert (after.failures, after.ticket_counter) == (0, counter + 1)
        assert (after.ratchet == owner.ratchet) is (kind == FRESH)
    else:
        assert judgement.device is None
        expected = counter + 1 if kind == FRESH else owner.ticket_counter
        assert (after.failures, after.ticket_counter) == (owner.failures + 1, expected)
        assert after.ratchet == owner.ratchet


def response_is_judged(typed: str) -> None:
    judgement = judge_response(DEVICES, PASSCODE, typed, NOW)
    try:
        digits = independent.typed_response(typed)
    except RefusedError:
        assert judgement == Judgement(CodeVerdict.WRONG)
        return
    assert method_of(typed) is Method.CODE
    if digits in RIGHT_RESPONSES:
        (after,) = judgement.changed
        assert judgement == Judgement(CodeVerdict.RIGHT, after, (after,))
        assert (after.id, after.failures) == (RIGHT_RESPONSES[digits].id, 0)
    elif digits in (LATE_RESPONSE, PASSCODE):
        assert judgement == Judgement(CodeVerdict.WRONG)
    else:
        assert judgement.verdict is CodeVerdict.WRONG
        assert [(each.id, each.failures) for each in judgement.changed] == [(1, 10), (2, 1)]
        assert judgement.changed[0].disabled is DisabledReason.FAILURES


def totp_is_judged(typed: str) -> None:
    verdict, after = judge_totp(TOTP, typed, NOW)
    digits = typed.replace(" ", "")
    if len(digits) != 6 or not all(each in "0123456789" for each in digits):
        assert (verdict, after) == (CodeVerdict.WRONG, None)
    elif digits in (totp_code(STEP), totp_code(STEP + 1)):
        assert verdict is CodeVerdict.RIGHT
        assert after is not None
        assert totp_code(after.last_step) == digits
        assert after.last_step > TOTP.last_step
    elif digits == totp_code(STEP - 1):
        assert (verdict, after) == (CodeVerdict.REPLAYED, None)
    else:
        assert verdict is CodeVerdict.WRONG
        assert after == replace(TOTP, failures=1, backoff_until=NOW)


def seeds() -> Iterator[bytes]:
    count = len(TICKETS) + len(OTHERS)
    for number in (*range(0, count, 7), *range(len(TICKETS), count)):
        yield script(0, number, 19)
        yield script(0, number, 9, ord("o"))
        yield script(0, number, 0, ord("i"))
    for typed in ("", "OIL01-oil01", "7Q2KM 9XW4P", "7Q2KM9XW4\u0131", "password"):
        yield script(1) + typed.encode()
    for typed in (*TICKETS, *OTHERS):
        if set(typed) & set("01"):
            yield script(1) + typed.replace("0", "o").replace("1", "L").lower().encode()
    for typed in (*RIGHT_RESPONSES, LATE_RESPONSE, PASSCODE, "00000000", "0000-000 1", "yes", ""):
        yield script(2) + typed.encode()
    for step in range(STEP - 2, STEP + 3):
        yield script(3) + totp_code(step).encode()
    for typed in ("", "12345", "123 456", "\uff11\uff12\uff13\uff14\uff15\uff16"):
        yield script(3) + typed.encode()
