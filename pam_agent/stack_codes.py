"""pure. The codes that PAM's modules return, and what a stack does with one; see pam.conf(5)."""

from enum import IntEnum


class Code(IntEnum):
    """What a module returns, and what the whole stack comes to; the numbers are Linux-PAM's.

    A name in lower case is what stands in a control in brackets.
    """

    SUCCESS = 0
    OPEN_ERR = 1
    SYMBOL_ERR = 2
    SERVICE_ERR = 3
    SYSTEM_ERR = 4
    BUF_ERR = 5
    PERM_DENIED = 6
    AUTH_ERR = 7
    CRED_INSUFFICIENT = 8
    AUTHINFO_UNAVAIL = 9
    USER_UNKNOWN = 10
    MAXTRIES = 11
    NEW_AUTHTOK_REQD = 12
    ACCT_EXPIRED = 13
    SESSION_ERR = 14
    CRED_UNAVAIL = 15
    CRED_EXPIRED = 16
    CRED_ERR = 17
    NO_MODULE_DATA = 18
    CONV_ERR = 19
    AUTHTOK_ERR = 20
    AUTHTOK_RECOVER_ERR = 21
    AUTHTOK_LOCK_BUSY = 22
    AUTHTOK_DISABLE_AGING = 23
    TRY_AGAIN = 24
    IGNORE = 25
    ABORT = 26
    AUTHTOK_EXPIRED = 27
    MODULE_UNKNOWN = 28
    BAD_ITEM = 29
    CONV_AGAIN = 30
    INCOMPLETE = 31
    """Ends the call at once: the application is to call again. No module of ours returns it."""


MUST_FAIL = Code.PERM_DENIED
"""What libpam says where nothing that it called has decided, and of lines that it cannot use."""


class Action(IntEnum):
    """What a control makes of a code. A number above 0 is none of these: so many are skipped."""

    IGNORE = 0
    """As if the module were not there."""
    OK = -1
    """It is well, if nothing was wrong before."""
    DONE = -2
    """The same, and the stack (or substack) ends if nothing was wrong before."""
    BAD = -3
    """It is not well, whatever follows."""
    DIE = -4
    """The same, and the stack (or substack) ends."""
    RESET = -5
    """Forget what has been in this stack (or substack)."""
