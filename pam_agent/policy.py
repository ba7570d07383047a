"""pure. Who may ask, how long anything lasts, how failures are punished, how much may wait."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final

from msgspec import Meta, Struct

from pam_agent.records import Device, DisabledReason
from protocol.limits import MAX_TAGS

MAX_SIGN_ONS: Final = 1024
"""Sign-ons waiting in all: each holds a PAM caller's process and a few KiB here; a host on which
more people sign on within one minute would run out of processes first."""

MAX_SIGN_ONS_PER_ACCOUNT: Final = 64
"""Sign-ons waiting for one account: room for automation that opens many sessions at once, while
one account under attack leaves the others 15 places of 16."""

MAX_SILENT_SIGN_ONS: Final = 256
"""Sign-ons at services that show nothing: a quarter of all, so that who tries passwords at a mail
server does not keep anybody from the others. More than Dovecot (30) and PostgreSQL (100) open by
themselves. Each wrong one stays for a second, so it is as many in a second, too."""

REQUEST_BURST: Final = 512
REQUEST_SECONDS: Final = 0.1
"""Requests to relays for one account: eight times as many at once as may wait, and then one in so
many seconds: a quarter and a tenth of what a relay takes of one agent by default, so that whoever
begins sign-ons and leaves them does not use that up for all others. What somebody was let in by is
given back."""

MOST_REQUESTERS: Final = 4096
"""Accounts whose requests are counted, some 200 bytes each; who was not seen for longest goes."""

FIRST_BACKOFF_FAILURE: Final = 5
"""Failures in a row without a pause: people mistype a PIN a few times."""
FIRST_BACKOFF: Final = 30.0
"""Seconds of pause after the fifth failure; doubled by each further one."""
MAX_BACKOFF: Final = 480.0
"""Seconds of the longest pause: the ninth failure's, since the tenth disables the device."""
DISABLING_FAILURE: Final = 10
"""Failures in a row that disable a device: a thief guesses a PIN of 4 digits with 0.1 %."""

MOST_TOTP_FAILURES: Final = 100
"""Failures in a row after which an account's TOTP counts no more, until it is given a new one: so
many NIST SP 800-63B-4 allows. Of three codes among a million, a stranger hits one of them with
0.03 % until then. Devices are not touched."""

MAX_FAILURES_SINCE: Final = 0xFFFF
"""Where an account's count of unsuccessful sign-ons stays: CONTEXT has 16 bits for it."""

UNPROVED_SECONDS: Final = 600
"""Life of an enrolment whose device has not proved its key: as long as its offer lives."""


class Timers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long each step may last, in seconds of a clock that goes on while a host sleeps."""

    queue: Annotated[float, Meta(ge=0.1, le=30)] = 2.0
    """Until a relay has queued the request. A user sees nothing until then; a relay in the same
    country answers within 0.1 s, so 2 s forgive a lost packet and its repetition."""
    validation: Annotated[float, Meta(ge=10, le=300)] = 60.0
    """How long a passcode is valid. 10 or 20 s are too short to fetch a phone and type."""
    acknowledgement: Annotated[float, Meta(ge=5, le=300)] = 45.0
    """From the context on the device to its decision: time to read and to think."""
    sign_on: Annotated[float, Meta(ge=20, le=600)] = 300.0
    """The whole sign-on with all its passcodes. sshd gives 120 s by default, people at a
    console have longer; NIST SP 800-63B-4 allows a secret less than 600 s."""
    confirm: Annotated[float, Meta(ge=0.1, le=30)] = 5.0
    """How long CONFIRM is waited for. PAM has its result by then; without CONFIRM the next
    sign-on repairs the ratchet, so it is not worth waiting longer."""

    def __post_init__(self) -> None:
        if self.sign_on < self.queue + self.validation + self.acknowledgement:
            raise ValueError("sign_on must be at least queue + validation + acknowledgement")


def trusted(
    caller_uid: int, caller_name: str | None, service: str, callers: Mapping[str, Sequence[str]]
) -> bool:
    """Whether what a process says of a sign-on is believed, whoever signs on: root's, and what
    `callers` names. A user may ask for itself, but may lie about what went before."""
    if caller_uid == 0:
        return True
    return caller_name is not None and service in callers.get(caller_name, ())


def may_ask(
    caller_uid: int,
    caller_name: str | None,
    user: str,
    service: str,
    callers: Mapping[str, Sequence[str]],
) -> bool:
    """Whether a process may start a sign-on for `user`; uid and name are the caller's.

    root may for anybody, a user for itself, and another only with the services that `callers`
    names: a PostgreSQL server's user is to ask for its clients, but not to pose as sshd.
    `caller_name` is None for a uid without a name.
    """
    themselves = caller_name is not None and caller_name == user
    return themselves or trusted(caller_uid, caller_name, service, callers)


def backoff_seconds(failures: int) -> float:
    """The pause after so many failures in a row."""
    if failures < FIRST_BACKOFF_FAILURE:
        return 0.0
    doublings = min(failures, DISABLING_FAILURE) - FIRST_BACKOFF_FAILURE
    return min(FIRST_BACKOFF * 2.0**doublings, MAX_BACKOFF)


def disabled_by(failures: int) -> DisabledReason | None:
    """Whether so many failures in a row disable a device."""
    return DisabledReason.FAILURES if failures >= DISABLING_FAILURE else None


def in_backoff(backoff_until: float, now: float) -> bool:
    """Whether a device has to pause; both in Unix seconds.

    A pause that ends later than any pause can means that the clock was set back. It is over then:
    the count of failures stands and still leads to the end, and no clock locks a user out.
    """
    return 0 < backoff_until - now <= MAX_BACKOFF


def may_give_codes(device: Device, now: float) -> bool:
    """Whether responses and tickets of a device are compared at all; `now` in Unix seconds."""
    return device.proved and device.disabled is None and not in_backoff(device.backoff_until, now)


def answered(device: Device, now: float) -> bool:
    """Whether an H1 of a device is looked at; `now` in Unix seconds.

    Of a device that the clone alarm disabled, it is: its owner is told so, and nobody is let in. Of
    one that failed too often it is not, whatever disabled it first: every answer would tell a thief
    whether a PIN was right, and the PIN may be that of other enrolments.
    """
    if device.disabled is DisabledReason.FAILURES or device.failures >= DISABLING_FAILURE:
        return False
    return not in_backoff(device.backoff_until, now)


def asked(devices: Iterable[Device], now: float) -> tuple[Device, ...]:
    """The devices under whose tags a sign-on is queued, at most MAX_TAGS; `now` in Unix seconds.

    Those that can sign on come first.
    """
    found = [each for each in devices if each.proved and answered(each, now)]
    return tuple(sorted(found, key=lambda each: each.disabled is not None))[:MAX_TAGS]
