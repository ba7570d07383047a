"""pure. What is typed at the host instead of an approval: a response, a ticket, a TOTP.

Each judge gets what the store has and gives what the store is to have, before anybody is told. A
stranger must be able to cause no failure of a device: a response comes after a first factor, a
ticket's failure needs its locator, and a TOTP's failures are its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from pam_agent.device_state import confirmed, failed, signed_on
from pam_agent.methods import Method
from pam_agent.policy import MOST_TOTP_FAILURES, backoff_seconds, in_backoff, may_give_codes
from pam_agent.records import Device, Totp
from protocol import offline, ticket
from protocol.keys import equal
from protocol.limits import KEY_LENGTH
from protocol.ocra import hotp
from protocol.ratchet import Generation, Ratchet, Standing

TOTP_DIGITS: Final = 6
TOTP_STEP: Final = 30
"""Seconds of a time step: what every authenticator app knows."""
TOTP_WINDOW: Final = 1
"""Steps to either side: the time to read and type, and clocks that are 30 s apart."""
TOTP_MEMORY: Final = 86_400 // TOTP_STEP
"""Steps. A last step further ahead than a day means that the clock went wrong and was set right: it
is forgotten, and the account's owner is not locked out until that day comes again."""

_COUNTERS: Final = 2**32


class CodeVerdict(Enum):
    """What comes of it. Only RIGHT lets anybody in."""

    RIGHT = "right"
    WRONG = "wrong"
    REPLAYED = "replayed"
    """It was right once, and has been used or passed over."""
    THROTTLED = "throttled"
    """It was not compared: there were too many wrong ones."""


@dataclass(frozen=True)
class Judgement:
    """`device` is the one whose code was right; `changed` are those to be stored."""

    verdict: CodeVerdict
    device: Device | None = None
    changed: tuple[Device, ...] = ()


def method_of(typed: str) -> Method | None:
    """What a text can be, by its form; None for what is none of them."""
    if offline.parse(typed) is not None:
        return Method.CODE
    if ticket.parse(typed) is not None:
        return Method.TICKET
    return None if _totp_digits(typed) is None else Method.TOTP


# ---- responses (SPEC section 7.2) ----------------------------------------------------------------


def judge_response(devices: Sequence[Device], passcode: str, typed: str, now: float) -> Judgement:
    """An answer to `passcode`; `devices` are the account's. Asked once for a passcode.

    What cannot be a response, and the passcode typed back, counts for nothing: people do that.
    """
    answer = offline.parse(typed)
    if answer is None or answer == passcode:
        return Judgement(CodeVerdict.WRONG)
    able = [each for each in devices if may_give_codes(each, now)]
    if not able:
        return Judgement(_nobody(devices, _answering([_DECOY], passcode, answer)))
    found = _answering(able, passcode, answer)
    for device, generation in found:
        if device.ratchet.standing(generation) in (Standing.CURRENT, Standing.PENDING):
            after = signed_on(confirmed(device, generation), now)
            return Judgement(CodeVerdict.RIGHT, after, (after,))
    if found:
        return Judgement(CodeVerdict.WRONG)  # under a retired generation: late, or an old copy's
    return Judgement(CodeVerdict.WRONG, changed=tuple(failed(each, now) for each in able))


def _answering(
    devices: Sequence[Device], passcode: str, answer: str
) -> list[tuple[Device, Generation]]:
    """Every generation that `answer` is right under. All are compared, whatever is found."""
    return [
        (device, generation)
        for device in devices
        for generation in device.ratchet.candidates()
        if _same(offline.response(offline.offline_key(generation.root), passcode), answer)
    ]


# ---- tickets (SPEC section 7.3) ------------------------------------------------------------------


@dataclass(frozen=True)
class _Located:
    """A ticket's place. `used`: its counter lies before the one that is expected."""

    device: Device
    generation: Generation
    counter: int
    used: bool


def judge_ticket(devices: Sequence[Device], service: str, typed: str, now: float) -> Judgement:
    """A ticket for `service`; `devices` are the account's."""
    whole = ticket.parse(typed)
    if whole is None:
        return Judgement(CodeVerdict.WRONG)
    locator, proof = whole[: ticket.LOCATOR_CHARACTERS], whole[ticket.LOCATOR_CHARACTERS :]
    able = [each for each in devices if may_give_codes(each, now)]
    if not able:
        return Judgement(_nobody(devices, _located([_DECOY], service, locator)))
    found = _located(able, service, locator)
    fresh = [place for place in found if not place.used]
    for place in fresh:
        if _proved(place, service, proof):
            after = _counted(confirmed(place.device, place.generation), place)
            after = signed_on(after, now)
            return Judgement(CodeVerdict.RIGHT, after, (after,))
    if fresh:
        changed = tuple(_counted(failed(place.device, now), place) for place in fresh)
        return Judgement(CodeVerdict.WRONG, changed=changed)
    # The proof of a used one is not looked at: the answer would cost a guesser nothing.
    return Judgement(CodeVerdict.REPLAYED if found else CodeVerdict.WRONG)


def _located(devices: Sequence[Device], service: str, locator: str) -> list[_Located]:
    """Where `locator` is right, at most one place a device. All are compared, whatever is found."""
    found = {
        place.device.id: place
        for device in devices
        for place in _places(device)
        if _same(
            ticket.locator(device.rendezvous_root, place.generation.number, place.counter, service),
            locator,
        )
    }
    return list(found.values())


def _places(device: Device) -> Iterator[_Located]:
    ratchet, expected = device.ratchet, device.ticket_counter
    for counter in range(max(0, expected - ticket.LOOK_AHEAD), expected):
        yield _Located(device, ratchet.current, counter, used=True)
    for counter in range(expected, min(expected + ticket.LOOK_AHEAD, _COUNTERS)):
        yield _Located(device, ratchet.current, counter, used=False)
    if ratchet.pending is not None:
        for counter in range(ticket.LOOK_AHEAD):
            yield _Located(device, ratchet.pending, counter, used=False)


def _proved(place: _Located, service: str, proof: str) -> bool:
    key = offline.offline_key(place.generation.root)
    return _same(ticket.proof(key, place.generation.number, place.counter, service), proof)


def _counted(device: Device, place: _Located) -> Device:
    """The ticket is used up, wherever its generation is the current one."""
    if place.generation != device.ratchet.current:
        return device
    return replace(device, ticket_counter=place.counter + 1)


# ---- TOTP (RFC 6238) -----------------------------------------------------------------------------


def judge_totp(totp: Totp | None, typed: str, now: float) -> tuple[CodeVerdict, Totp | None]:
    """The verdict, and what is to be stored if anything changed. `totp` is None where there is
    none, which looks like a wrong code."""
    digits = _totp_digits(typed)
    if digits is None:
        return CodeVerdict.WRONG, None
    step = max(0, int(now) // TOTP_STEP)
    secret = _DECOY.rendezvous_root if totp is None else totp.secret
    matching = [
        each
        for each in range(max(0, step - TOTP_WINDOW), step + TOTP_WINDOW + 1)
        if _same(hotp(secret, each, TOTP_DIGITS), digits)
    ]
    if totp is None:
        return CodeVerdict.WRONG, None
    if totp.failures >= MOST_TOTP_FAILURES or in_backoff(totp.backoff_until, now):
        return CodeVerdict.THROTTLED, None
    last = totp.last_step if totp.last_step <= step + TOTP_MEMORY else -1
    fresh = [each for each in matching if each > last]
    if fresh:
        return CodeVerdict.RIGHT, replace(totp, last_step=fresh[0], failures=0, backoff_until=0.0)
    if matching:
        return CodeVerdict.REPLAYED, None
    failures = totp.failures + 1
    until = now + backoff_seconds(failures)
    return CodeVerdict.WRONG, replace(totp, failures=failures, backoff_until=until)


def _totp_digits(typed: str) -> str | None:
    digits = typed.replace(" ", "")
    good = len(digits) == TOTP_DIGITS and digits.isascii() and digits.isdigit()
    return digits if good else None


# ---- all of them ---------------------------------------------------------------------------------

_DECOY: Final = Device(
    id=0,
    account="",
    name="",
    public=bytes(KEY_LENGTH),
    rendezvous_root=bytes(KEY_LENGTH),
    ratchet=Ratchet(Generation(0, bytes(KEY_LENGTH))),
    failures=0,
    backoff_until=0.0,
    disabled=None,
    proved=False,
    created=0,
    last_used=0,
)
"""For accounts without a device, so that the time taken does not tell. What it matches is dropped:
nothing that is made from it can be right."""


def _nobody(devices: Sequence[Device], _decoy: Sequence[object]) -> CodeVerdict:
    """The verdict where no device may give codes: a pause is told, for it ends."""
    pausing = any(each.proved and each.disabled is None for each in devices)
    return CodeVerdict.THROTTLED if pausing else CodeVerdict.WRONG


def _same(one: str, other: str) -> bool:
    """In constant time."""
    return equal(one.encode(), other.encode())
