"""pure. The ways in which a user can show that a sign-on is wanted."""

from enum import StrEnum


class Method(StrEnum):
    """One of them; the words are the configuration's and the store's."""

    APPROVE = "approve"
    """On the device, through a relay: the passcode is typed there, and the sign-on approved."""
    CODE = "code"
    """At the host's prompt: the response that the device computes without network from the
    passcode that is shown."""
    TICKET = "ticket"
    """Typed as the password: a one-time password that the device computes without network for one
    service on one host."""
    TOTP = "totp"
    """The six digits of an authenticator app (RFC 6238), for accounts that were given one."""
