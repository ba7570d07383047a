"""pure. What goes wrong on the device itself, told to its user."""


class KeyStoreError(Exception):
    """The key store cannot be used as it is; the message says what is wrong, where, what to do.

    The message never holds what is in a record.
    """


class BusyError(Exception):
    """Another sign-on of this device holds the enrolment, longer than the user cares to wait."""
