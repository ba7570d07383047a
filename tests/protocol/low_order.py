"""The public keys of small order on Curve25519, each of which makes any shared secret zero.

The encodings are those of D. J. Bernstein, "Curve25519: new Diffie-Hellman speed records", and of
its page "A state-of-the-art Diffie-Hellman function": the points 0, 1, -1, two of order 8, and the
same numbers again beyond the prime. X25519 ignores the topmost bit, so each has a twin.
"""

PRIME = 2**255 - 19
_ORDER_8 = (
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
)


def _encode(number: int) -> bytes:
    return number.to_bytes(32, "little")


_CANONICAL = [_encode(number) for number in (0, 1, *_ORDER_8, PRIME - 1)]
_BEYOND = [_encode(number) for number in (PRIME, PRIME + 1)]
_TWINS = [point[:31] + bytes((point[31] | 0x80,)) for point in (*_CANONICAL, *_BEYOND)]
LOW_ORDER_POINTS = (*_CANONICAL, *_BEYOND, *_TWINS)
