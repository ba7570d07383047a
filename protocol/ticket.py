"""pure. Tickets: one-time passwords for services that can show nothing (SPEC section 7.3).

A ticket is 50 bits in 10 characters. The first 30 are its locator, by which an agent finds the
enrolment and the counter; the last 20 are its proof, that whoever made it holds the ratchet's root.
Only a holder of K_rv makes a right locator, so a wrong proof behind one is no stranger's.

The relay must never import this module.
"""

from typing import Final

from protocol.kdf import kdf

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32: no I, L, O, which look like others, and no U."""
LOCATOR_CHARACTERS: Final = 6
PROOF_CHARACTERS: Final = 4
LENGTH: Final = LOCATOR_CHARACTERS + PROOF_CHARACTERS
LOOK_AHEAD: Final = 32
"""Counters from the expected one on that an agent tries: tickets made and never used."""

_BITS: Final = 5
_FORGIVEN: Final = str.maketrans({"O": "0", "I": "1", "L": "1", " ": None, "-": None})
_LABEL: Final = "ticket"


def locator(rendezvous_root: bytes, generation: int, counter: int, service: str) -> str:
    """6 characters, from K_rv (32 bytes)."""
    return _characters(rendezvous_root, generation, counter, service, LOCATOR_CHARACTERS)


def proof(offline_key: bytes, generation: int, counter: int, service: str) -> str:
    """4 characters, from K_off (32 bytes)."""
    return _characters(offline_key, generation, counter, service, PROOF_CHARACTERS)


def _characters(key: bytes, generation: int, counter: int, service: str, count: int) -> str:
    """The first 5 * `count` bits of the derivation, 5 a character."""
    context = generation.to_bytes(4, "big") + counter.to_bytes(4, "big") + service.encode()
    length = (count * _BITS + 7) // 8
    number = int.from_bytes(kdf(key, _LABEL, context, length), "big")
    number >>= length * 8 - count * _BITS
    shifts = range((count - 1) * _BITS, -1, -_BITS)
    return "".join(ALPHABET[number >> shift & 0x1F] for shift in shifts)


def display(ticket: str) -> str:
    """As people read it: `7Q2KM-9XW4P`."""
    return f"{ticket[:5]}-{ticket[5:]}"


def parse(typed: str) -> str | None:
    """The 10 characters of what was typed; None when it is no ticket's form.

    Lower case, spaces and hyphens are allowed, and o, i, l for 0, 1, 1.
    """
    if not typed.isascii():
        return None  # other alphabets have letters whose upper case is one of ours
    characters = typed.upper().translate(_FORGIVEN)
    good = len(characters) == LENGTH and all(each in ALPHABET for each in characters)
    return characters if good else None
