"""pure. What happens while a device is enrolled, as the admin socket tells it line by line."""

from enum import StrEnum

from msgspec import Struct


class EnrolmentFailure(StrEnum):
    """Why an enrolment ended without a device; the word is also the log's."""

    UNAVAILABLE = "unavailable"
    """No relay could queue the offer."""
    EXPIRED = "expired"
    """No device came while the offer was valid."""
    NOT_PROVED = "not-proved"
    """A device came, but did not prove in time that it holds its key."""
    TOO_MANY_DEVICES = "too-many-devices"
    """The account has as many devices as a sign-on can ask."""
    STORE = "store"
    """The agent's store failed; the agent's log says how."""


class Offered(Struct, frozen=True, tag="offered"):
    """The offer is queued. `uri` holds the secret E; `expires` in Unix seconds."""

    uri: str
    expires: int

    def __repr__(self) -> str:
        return f"Offered(expires={self.expires})"


class Compare(Struct, frozen=True, tag="compare"):
    """A device came: both sides show these 6 digits for people to compare."""

    device_name: str
    digits: str


class Enrolled(Struct, frozen=True, tag="enrolled"):
    """The device has proved its key and can sign on. The last event."""

    device_name: str


class Failed(Struct, frozen=True, tag="failed"):
    """The last event."""

    reason: EnrolmentFailure


EnrolmentEvent = Offered | Compare | Enrolled | Failed
