"""pure. How many tickets and TOTPs may be judged, for an account and from an address.

Both are strangers' to try: a ticket has 50 bits, so what the limits keep is the machine's time, and
that a stranger meets a device's locator (SPEC section 7.3) once in many months at the best.
"""

import ipaddress
from collections import OrderedDict
from typing import Final

from pam_agent.buckets import Buckets

ADDRESS_BURST: Final = 10
ADDRESS_SECONDS: Final = 6.0
"""From one address: ten at once, for a mail program with several connections or an office behind
one address, and then one in so many seconds. A right one is given back."""

ACCOUNT_BURST: Final = 60
ACCOUNT_SECONDS: Final = 1.0
"""For one account, from wherever: one a second in the long run. A ticket is hit at that rate once
in half a million years, a locator twice a year; ten failures in a row take five years in which the
device is never used."""

MOST_TRACKED: Final = 4096
"""Accounts, and as many addresses, that are remembered: some 200 bytes each. The one that was not
seen for longest goes first; to push it out, a stranger must spend so many others."""

MOST_KNOWN: Final = 1024
"""Accounts with an address from which they were let in: the account's limit does not hold there, so
that a flood from elsewhere does not keep its owner out."""

_NETWORK_BITS: Final = 64
"""Of an IPv6 address: what one customer is given at the least."""


class CodeThrottle:
    """For all accounts of a host. Moments are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._accounts: Buckets[str] = Buckets(ACCOUNT_BURST, ACCOUNT_SECONDS, MOST_TRACKED)
        self._addresses: Buckets[tuple[str, str]] = Buckets(
            ADDRESS_BURST, ADDRESS_SECONDS, MOST_TRACKED
        )
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def enter(self, account: str, remote: str, moment: float) -> bool:
        """Whether one more may be judged. `remote` is empty or what PAM's caller gave."""
        source = network(remote)
        address = self._address(account, source)
        known = (account, source) in self._known
        if not self._addresses.room(address, moment):
            return False
        if not known and not self._accounts.room(account, moment):
            return False
        self._addresses.add(address, moment, 1)
        if not known:
            self._accounts.add(account, moment, 1)
        return True

    def right(self, account: str, remote: str, moment: float) -> None:
        """The one that has entered was right."""
        source = network(remote)
        self._addresses.add(self._address(account, source), moment, -1)
        self._known[account, source] = None
        self._known.move_to_end((account, source))
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    @staticmethod
    def _address(account: str, source: str) -> tuple[str, str]:
        """An address is one for all accounts. Without one, each account is on its own: else who
        uses a program that gives none could keep all others out."""
        return ("", source) if source else (account, "")


def network(remote: str) -> str:
    """What counts as one source: an IPv4 address, the network of an IPv6 one, any other text."""
    try:
        address = ipaddress.ip_address(remote.partition("%")[0])
    except ValueError:
        return remote
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), _NETWORK_BITS), strict=False))
