"""pure. Lines of the admin socket about an account's TOTP."""

from typing import Annotated

from msgspec import Meta, Struct

from pam_agent.totp_uri import SECRET_LENGTH
from pam_agent.wire_values import Account


class SetTotp(Struct, frozen=True, forbid_unknown_fields=True, tag="set-totp"):
    """Give `account` a TOTP secret. Answered by TotpSecret."""

    account: Account


class RemoveTotp(Struct, frozen=True, forbid_unknown_fields=True, tag="remove-totp"):
    """Take it away."""

    account: Account


class TotpLine(Struct, frozen=True, tag="totp"):
    """An account with an authenticator app: nothing in here is secret. `created` in Unix seconds;
    `failures` in a row."""

    account: str
    created: int
    failures: int


class TotpSecret(Struct, frozen=True, tag="totp-secret"):
    """The new secret (20 bytes, in JSON as base64). Said once."""

    secret: Annotated[bytes, Meta(min_length=SECRET_LENGTH, max_length=SECRET_LENGTH)]

    def __repr__(self) -> str:
        return "TotpSecret()"
