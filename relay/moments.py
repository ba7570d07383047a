"""pure. Moments of a steady clock, as a log tells of them."""


def between(earlier: float, later: float) -> float:
    """Seconds from one moment to another, to the microsecond, as a log tells them."""
    return int((later - earlier) * 1e6 + 0.5) / 1e6
