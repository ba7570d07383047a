"""pure. The errors that bytes from a peer can cause."""


class ProtocolError(Exception):
    """What a peer sent is not what SPEC.md allows at this point.

    The message is for the operator's log only and never holds bytes of the peer or a secret;
    the peer itself is told nothing (SPEC section 2.6).
    """


class ActivationFailedError(ProtocolError):
    """H1 carries a good m1mac but opens under no key of the device (SPEC section 5.5).

    Only a holder of K_rv can cause it: it is the sign of a wrong PIN or a wrong passcode mode,
    and the one failure of H1 that is counted against the device.
    """
