"""pure. What a PAM service is given: how it shows things, how long it waits, which methods count.

Programs differ in what of a PAM conversation reaches the user, and in how long they wait. What is
known of a program is its default here; `[services.NAME]` says otherwise.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct, structs

from pam_agent.methods import Method
from pam_agent.policy import Timers
from protocol.signon_messages import MAX_FIRST_FACTOR
from protocol.text import clean

MAX_LEASE: Final = 86400
"""Seconds of the longest lease: who has left in the evening is asked again in the morning."""

MAX_NAME: Final = 256
"""Characters of a user's or a group's name: the local wire takes no longer one from PAM."""

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]


class Display(StrEnum):
    """How a service can show something before the sign-on is decided."""

    PROMPT = "prompt"
    """Inside the text of a prompt with echo: shown at once wherever anything is."""
    INFO = "info"
    """As text, without waiting for a key."""
    SILENT = "silent"
    """Not at all, but it hands over a password: what is typed there is judged."""
    REFUSE = "refuse"
    """Not at all, and there is nobody to ask: every sign-on fails at once."""


class Secret(StrEnum):
    """What of the typed password is for us, where display is silent."""

    WHOLE = "whole"
    """All of it."""
    TAIL = "tail"
    """What stands behind its last comma; what stands before goes to the modules that follow."""


MEANT_FOR: Final[Mapping[Display, tuple[Method, ...]]] = {
    Display.PROMPT: (Method.APPROVE, Method.CODE, Method.TOTP),
    Display.INFO: (Method.APPROVE, Method.CODE, Method.TOTP),
    Display.SILENT: (Method.TICKET, Method.TOTP),
    Display.REFUSE: (),
}
"""The methods that a display can do at all."""

DEFAULT_METHODS: Final[Mapping[Display, tuple[Method, ...]]] = {
    Display.PROMPT: (Method.APPROVE,),
    Display.INFO: (Method.APPROVE,),
    Display.SILENT: (Method.TICKET,),
    Display.REFUSE: (),
}
"""What an administrator has to want is not there. Never TOTP: it shows nobody what is approved. And
where an approval is possible, no code: whoever has read the agent's store can make codes, but
cannot approve."""


class ServiceTable(Struct, frozen=True, forbid_unknown_fields=True):
    """What the PAM service NAME is given; PAM's names are in lower case. Defaults are known for
    sshd, sudo, sudo-i, su, su-l, login, postgresql, dovecot, cron and atd; docs/services/ has a
    page for most. All others are taken for programs that can show a prompt."""

    display: Annotated[Display | None, Meta(examples=["silent"])] = None
    """`prompt`: inside a prompt that Enter answers, where a code may be typed, too. `info`: as
    text, and it goes on by itself. `silent`: nothing can be shown, and what is typed as the
    password is a ticket or a TOTP. `refuse`: there is nobody to ask, and the sign-on fails at once.
    Known without being told: `info` for sudo, sudo-i, su, su-l and login, or `prompt` where their
    methods have `totp`; `silent` for postgresql and dovecot, `refuse` for cron and atd, `prompt`
    for sshd and all others. With `info` a code can be typed only while no relay can be reached."""

    methods: Annotated[list[Method] | None, Meta(examples=[["ticket", "totp"]])] = None
    """What counts here. `approve`: on the device, through a relay. `code`: typed at the prompt,
    from `bartizan respond`; it is offered only where a first factor held. `ticket`: typed as the
    password, from `bartizan ticket`. `totp`: from an authenticator app, for accounts that were
    given one. Without it `approve`, or `ticket` where the display is silent: whoever has read the
    agent's store can make codes and tickets, and cannot approve. An account can have its own
    (bartizan-agent methods)."""

    validation: Annotated[float, Meta(ge=10, le=300, examples=[30.0])] | None = None
    """In place of timers.validation; where the display is silent, how long the password is waited
    for. Without it that key's, but at most 30 for login, postgresql and dovecot, which give up
    after 60 s in all."""

    acknowledgement: Annotated[float, Meta(ge=5, le=300, examples=[15.0])] | None = None
    """In place of timers.acknowledgement. Without it that key's, but at most 15 for login,
    postgresql and dovecot."""

    sign_on: Annotated[float, Meta(ge=20, le=600, examples=[50.0])] | None = None
    """In place of timers.sign_on. Without it that key's, but at most 110 for sshd, which gives up
    after 120 s (LoginGraceTime), and 50 for login, postgresql and dovecot."""

    lease: Annotated[float, Meta(ge=0, le=MAX_LEASE)] = 0.0
    """For so many seconds after a sign-on the same account is let in again from the same address
    without another one, and who comes while it waits is let in with it: for programs that open many
    connections. 0 for never. Only where a first factor held, or, where the display is silent, for
    who types the same password."""

    users: Annotated[list[Name] | None, Meta(examples=[["ada", "grace"]])] = None
    """Who has to sign on here; for others PAM is told to ignore the module, and the stack decides.
    Together with `groups`: who is in either. Without both: everybody."""

    groups: Annotated[list[Name] | None, Meta(examples=[["admins"]])] = None
    """Whose members have to sign on here, as the host's name service has it. While it does not
    answer, everybody has to, and so has whom it does not know; and while it does not know one of
    these names, or of those in `users`, everybody has to, too: it may be misspelt."""

    first_factor: (
        Annotated[str, Meta(min_length=1, max_length=MAX_FIRST_FACTOR, examples=["password"])]
        | None
    ) = None
    """What the stack of this service has made sure of before Bartizan is asked. Say it only where
    nobody can come so far without: codes, leases and break-glass rely on it. The approver is shown
    it. sshd says by itself which method went before."""

    qr: bool = False
    """Whether a QR code of host and passcode is shown below them, for devices with a camera: 15
    to 19 lines of half blocks. Terminals that are not UTF-8 spoil it."""

    secret: Secret | None = None
    """Where the display is silent: `whole`: the password is the ticket, or the TOTP. `tail`: it is
    the first factor, a comma, and the ticket; the modules that follow are given the first factor
    (try_first_pass). Without it `whole`."""


@dataclass(frozen=True)
class Known:
    """What is known of a program; seconds, infinite where it does not matter."""

    display: Display
    validation: float = math.inf
    acknowledgement: float = math.inf
    sign_on: float = math.inf
    gives_up: str = ""
    """Its own limit: what it is called, and how long it is by default."""


KNOWN: Final[Mapping[str, Known]] = {
    # Holds text back until the next prompt, up to OpenSSH 10.2. Those 120 s begin with the
    # connection: 110 leave some for the first factor.
    "sshd": Known(Display.PROMPT, sign_on=110, gives_up="LoginGraceTime, 120 s"),
    # Shows text at once. It passes PAM_SILENT, which the module does not obey.
    "sudo": Known(Display.INFO),
    "sudo-i": Known(Display.INFO),
    "su": Known(Display.INFO),
    "su-l": Known(Display.INFO),
    # Name and password have to be typed within the same 60 s.
    "login": Known(Display.INFO, 30, 15, 50, "LOGIN_TIMEOUT in /etc/login.defs, 60 s"),
    # Drops text, fails at a prompt with echo, and hands over the password.
    "postgresql": Known(Display.SILENT, 30, 15, 50, "authentication_timeout, 60 s"),
    # Drops text, answers a prompt with echo by the user's name, and hands over the password.
    "dovecot": Known(Display.SILENT, 30, 15, 50, "its authentication's limit, 60 s"),
    # Nobody sits there. They do not even ask: this is for stacks that are wrong.
    "cron": Known(Display.REFUSE),
    "atd": Known(Display.REFUSE),
}
"""By PAM service name, as seen with these programs."""

_UNKNOWN: Final = Known(Display.PROMPT)
"""A prompt is what most programs can show."""


@dataclass(frozen=True)
class ServicePolicy:
    """`timers` are the waits of this service, `lease` seconds. No `users` and no `groups`:
    everybody has to sign on. `first_factor` is what its stack guarantees, "" for nothing."""

    display: Display
    methods: frozenset[Method]
    timers: Timers
    lease: float = 0.0
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    first_factor: str = ""
    qr: bool = False
    secret: Secret = Secret.WHOLE

    @property
    def for_everybody(self) -> bool:
        """Whether nobody is excepted."""
        return not self.users and not self.groups

    @property
    def shows_passcode(self) -> bool:
        """Whether there is a passcode, and a user who can read it."""
        return not self.methods.isdisjoint({Method.APPROVE, Method.CODE})


def policy_of(name: str, services: Mapping[str, ServicePolicy], timers: Timers) -> ServicePolicy:
    """What a service is given; `services` are those that the configuration names."""
    return services.get(name) or policy(name, ServiceTable(), timers)


def policy(name: str, table: ServiceTable, timers: Timers) -> ServicePolicy:
    """The policy that a good table comes to; `timers` are those of all services."""
    known = KNOWN.get(name, _UNKNOWN)
    display = table.display or _display(table, known)
    methods = DEFAULT_METHODS[display] if table.methods is None else table.methods
    return ServicePolicy(
        display,
        frozenset(methods),
        _timers(table, known, timers),
        table.lease,
        frozenset(table.users or ()),
        frozenset(table.groups or ()),
        table.first_factor or "",
        table.qr,
        table.secret or Secret.WHOLE,
    )


def _display(table: ServiceTable, known: Known) -> Display:
    """Who has an authenticator app only has to be asked for its code; others press Enter."""
    asks = known.display is Display.INFO and Method.TOTP in (table.methods or ())
    return Display.PROMPT if asks else known.display


def _timers(table: ServiceTable, known: Known, timers: Timers) -> Timers:
    """What was chosen counts; else what is known is a cap, which gives way to what steps need."""
    validation = table.validation or min(timers.validation, known.validation)
    acknowledgement = table.acknowledgement or min(timers.acknowledgement, known.acknowledgement)
    needed = timers.queue + validation + acknowledgement
    sign_on = table.sign_on or min(timers.sign_on, known.sign_on)
    return structs.replace(
        timers,
        validation=validation,
        acknowledgement=acknowledgement,
        sign_on=max(sign_on, needed),
    )


def methods_for(policy: ServicePolicy, own: frozenset[Method] | None) -> frozenset[Method]:
    """The methods that count for an account whose `own` the administrator has set, None for none.

    They narrow what the service allows, and may add TOTP only, where it can be typed.
    """
    if own is None:
        return policy.methods
    return own & (policy.methods | (frozenset(MEANT_FOR[policy.display]) & {Method.TOTP}))


def nonsense(name: str, table: ServiceTable, timers: Timers) -> Iterator[str]:
    """What is wrong with a table whose keys are good one by one: `key: what` for each mistake."""
    chosen = policy(name, table, timers)
    yield from _wrong_methods(chosen)
    if table.secret is not None and chosen.display is not Display.SILENT:
        yield f'secret: found with display = "{chosen.display}", expected with "silent" only'
    if chosen.qr and not chosen.shows_passcode:
        yield "qr: found where no passcode is shown"
    if chosen.lease and chosen.display is Display.REFUSE:
        yield "lease: found where every sign-on is refused"
    for key in ("users", "groups"):
        named = getattr(table, key)
        if named == []:
            yield f"{key}: found none, expected at least one name, or no key for everybody"
        elif any(clean(each) != each for each in named or ()):
            yield f"{key}: expected printable names"
    if clean(chosen.first_factor) != chosen.first_factor:
        yield "first_factor: expected printable text"
    needed = timers.queue + chosen.timers.validation + chosen.timers.acknowledgement
    if table.sign_on is not None and table.sign_on < needed:
        yield (
            f"sign_on: found {table.sign_on:g}, expected at least timers.queue + validation +"
            f" acknowledgement, {needed:g}"
        )


def _wrong_methods(chosen: ServicePolicy) -> Iterator[str]:
    meant = MEANT_FOR[chosen.display]
    words = " or ".join(meant) or "none"
    for method in Method:
        if method in chosen.methods and method not in meant:
            yield f'methods: found {method} with display = "{chosen.display}", expected {words}'
    if not chosen.methods and meant:
        yield f"methods: found none, expected {words}"
