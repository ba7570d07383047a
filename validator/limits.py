"""pure. How long the device waits, in seconds, each with its reason."""

from typing import Final

CONNECT_SECONDS: Final = 5.0
"""One relay's name and connection. Longer is a dead relay, and the next one may be alive."""

ANSWER_SECONDS: Final = 10.0
"""From the first bytes to CONTEXT or E2. A relay holds an unmatched validator for 5 s and resets
it then; one that is silent for longer is not working."""

EARLY_CUT_SECONDS: Final = 1.0
"""A reset sooner than this is no uniform rejection (5 s): the relay limits this network, or it is
going down."""

RECEIPT_SECONDS: Final = 15.0
"""From DECISION to RECEIPT: in between the agent writes to its disk; the network may be slow."""

CLOSING_SECONDS: Final = 2.0
"""From CONFIRM to the end of the connection: the host writes to its disk once more. The user has
the outcome either way."""

MAX_DECISION_SECONDS: Final = 300.0
"""To decide, whatever the host says: a whole sign-on lasts no longer."""

PROOF_SECONDS: Final = 20.0
"""From E2 to the proof's CONTEXT: the host queues the proof right after E2, at each relay."""

PROOF_PAUSE_SECONDS: Final = 0.5
"""Between two attempts at the proof, so that a relay which cuts at once is not hammered."""

LOCK_SECONDS: Final = 60.0
"""For another sign-on of the same enrolment on this device: the time a user has to decide."""

LOCK_POLL_SECONDS: Final = 0.05
"""Between two looks at a lock that another process holds."""

PIN_TRIES: Final = 10
"""Wrong PINs in a row after which a host disables this device (SPEC section 5.5). The host counts:
nothing here could."""

FIRST_PAUSE_PIN: Final = 5
FIRST_PAUSE_SECONDS: Final = 30.0
"""From this wrong PIN on the host answers nothing for so long, doubled with each (SPEC 5.5)."""
