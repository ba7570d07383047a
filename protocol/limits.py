"""pure. The numbers both ends of a wire must agree on (SPEC sections 2 to 6).

What an operator may choose lives in the configuration of the relay or the agent, not here.
Lengths are bytes unless the name says otherwise.
"""

from typing import Final

VERSION: Final = 1
SUITE: Final = 1
"""Suite 1: X25519, AES-256-GCM, SHA-256."""

# Frames
PREFACE_LENGTH: Final = 6
LENGTH_PREFIX: Final = 2
MAX_FRAME: Final = 2048
"""Body of one frame on a validator's connection."""
MAX_LINK_FRAME: Final = 2080
"""Body of one frame on a link: MAX_FRAME and the wrapping of a Data message."""
MAX_UNKNOWN_FRAME: Final = 512
"""Body of one frame from a peer that is not known yet."""

# Relay-level messages
SIGN_ON_ID_LENGTH: Final = 8
TAG_LENGTH: Final = 16
MAX_TAGS: Final = 8
"""Tags of one AuthRequest: the devices of one account."""
MAX_REJECTS: Final = 8
"""How often one request may be put back in the queue."""
MAX_ADDRESS_TEXT: Final = 64
"""UTF-8 bytes of the validator's address in Paired: an IPv6 address with scope and port fits."""

# Transactions: few and small frames, so these caps take the place of flow control
MAX_TRANSACTION_FRAMES: Final = 16
MAX_TRANSACTION_BYTES: Final = 16 * 1024

# Link upkeep, seconds
PING_INTERVAL: Final = 20.0
LINK_SILENCE: Final = 60.0

# Keys and M-AUTH
KEY_LENGTH: Final = 32
MAC_LENGTH: Final = 16
NONCE_LENGTH: Final = 16
RANDOM_LENGTH: Final = 32
H1_PAYLOAD_LENGTH: Final = 16
H1_FRAME_LENGTH: Final = 32 + H1_PAYLOAD_LENGTH + 16 + MAC_LENGTH
CONTEXT_LENGTH: Final = 1536
DECISION_LENGTH: Final = 256
RECEIPT_LENGTH: Final = 256
CONFIRM_LENGTH: Final = 256
RETIRED_GENERATIONS: Final = 8
"""Ratchet roots an agent remembers in order to recognise a copy of a device."""

# Enrolment
ENROL_REQUEST_LENGTH: Final = 256
ENROL_ANSWER_LENGTH: Final = 512
ENROLMENT_SECONDS: Final = 600
"""Life of an enrolment offer: long enough to fetch a phone, short enough to forget."""
MAX_RELAYS: Final = 4
"""Relay addresses in an offer: a typed code must stay typeable."""
