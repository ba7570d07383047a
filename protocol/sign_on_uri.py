"""pure. A sign-on as a QR code: what the host's screen shows to a device with a camera (SPEC 3.2).

    BARTIZAN-SIGNON:WEB1/49217734

The host's label and the passcode, nothing else: a user's name is typed by a stranger, and the
device knows its own. All of it is in the alphanumeric set of QR codes, which keeps them small; so
the label has lost its case, and is to be compared without.
"""

from typing import Final
from urllib.parse import quote, unquote

from protocol import passcode
from protocol.signon_messages import MAX_HOST
from protocol.text import clean

SCHEME: Final = "bartizan-signon:"
_OUTSIDE_THE_SET: Final = str.maketrans({"_": "%5F", "~": "%7E"})
_MAX_URI: Final = len(SCHEME) + 3 * MAX_HOST + 1 + passcode.LENGTH


class SignOnUriError(ValueError):
    """What was scanned is no sign-on; the message says why, without repeating it."""


def encode(host: str, digits: str) -> str:
    """The URI of a host's label and a passcode (8 digits)."""
    label = quote(host, safe="").translate(_OUTSIDE_THE_SET)
    return f"{SCHEME}{label}/{digits}".upper()


def is_sign_on_uri(text: str) -> bool:
    return text[: len(SCHEME)].lower() == SCHEME


def decode(uri: str) -> tuple[str, str]:
    """The host's label, whose case may be lost, and the passcode. Raises SignOnUriError."""
    if not is_sign_on_uri(uri) or len(uri) > _MAX_URI:
        raise SignOnUriError(f"a sign-on's code begins with {SCHEME}")
    label, _, digits = uri[len(SCHEME) :].rpartition("/")
    host = clean(unquote(label, errors="replace"))
    if not host.strip():
        raise SignOnUriError("the code names no host")
    try:
        return host, passcode.parse(digits)
    except passcode.MistypedError as error:
        raise SignOnUriError(f"the code's passcode is wrong: {error}") from None
