"""pure. Values in the lines of the agent's admin socket."""

from typing import Annotated, Final

from msgspec import Meta

MAX_ACCOUNT: Final = 256
"""Characters of an account's name: the local wire takes no longer one from PAM."""
MAX_SERVICE_NAME: Final = 64
"""Characters of a PAM service's name in what administrators say."""
ANY_SERVICE: Final = "*"
"""Every service that has no line of its own."""

Account = Annotated[str, Meta(min_length=1, max_length=MAX_ACCOUNT)]
DeviceId = Annotated[int, Meta(ge=1, le=2**63 - 1)]
"""SQLite's integers end there."""
Service = Annotated[str, Meta(min_length=1, max_length=MAX_SERVICE_NAME)]
UnixSeconds = Annotated[int, Meta(ge=0, le=2**63 - 1)]
