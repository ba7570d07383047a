"""pure. What ends the demonstration before there is a result."""


class FailedError(Exception):
    """It cannot go on; the message says why, in lines for the user."""
