"""pure. Who waits for an approval now, and who calls: limits, passcodes that do not occur twice."""

from collections.abc import Callable
from typing import Final

from pam_agent.policy import MAX_SIGN_ONS, MAX_SIGN_ONS_PER_ACCOUNT, MAX_SILENT_SIGN_ONS

MAX_CALLS_PER_UID: Final = 128
"""Connections of one user other than root: twice what one account may wait for. Anybody may
connect, and without this bound one user could keep all others out."""

MAX_CALLS_OF_USERS: Final = MAX_SIGN_ONS * 3 // 4
"""Connections of all users but root together: one user may have many uids (/etc/subuid). The rest
is for root's programs, sshd, sudo and login."""


class Calls:
    """The connections of callers, by uid."""

    def __init__(
        self, most_per_uid: int = MAX_CALLS_PER_UID, most_of_users: int = MAX_CALLS_OF_USERS
    ) -> None:
        self._most: Final = most_per_uid
        self._most_of_users: Final = most_of_users
        self._count: dict[int, int] = {}

    def enter(self, uid: int) -> bool:
        """Whether one more connection may be served; if so, `leave` is owed for it."""
        count = self._count.get(uid, 0)
        of_users = len(self) - self._count.get(0, 0)
        if uid != 0 and (count >= self._most or of_users >= self._most_of_users):
            return False
        self._count[uid] = count + 1
        return True

    def leave(self, uid: int) -> None:
        self._count[uid] -= 1
        if not self._count[uid]:
            del self._count[uid]

    def __len__(self) -> int:
        return sum(self._count.values())


class Silent:
    """Sign-ons that wait for no device: what was typed is judged, and they end."""

    def __init__(self, most: int = MAX_SILENT_SIGN_ONS) -> None:
        self._most: Final = most
        self._count = 0

    def enter(self) -> bool:
        """Whether there is room for one more; if so, `leave` is owed for it."""
        if self._count >= self._most:
            return False
        self._count += 1
        return True

    def leave(self) -> None:
        self._count -= 1

    def __len__(self) -> int:
        return self._count


class Place:
    """One sign-on that waits. `passcode` is unlike every other one of the same account."""

    __slots__ = ("account", "passcode", "revoke")

    def __init__(self, account: str, passcode: str, revoke: Callable[[], None]) -> None:
        self.account: Final = account
        self.passcode: Final = passcode
        self.revoke: Final = revoke


class Waiting:
    """All places of one host."""

    def __init__(
        self,
        most: int = MAX_SIGN_ONS,
        most_per_account: int = MAX_SIGN_ONS_PER_ACCOUNT,
    ) -> None:
        self._most: Final = most
        self._most_per_account: Final = most_per_account
        self._places: dict[str, dict[str, Place]] = {}
        self._count = 0

    def enter(
        self, account: str, generate: Callable[[], str], revoke: Callable[[], None]
    ) -> Place | None:
        """A place for one more sign-on, or None when there are too many.

        `generate` gives random passcodes; `revoke` is called when a device of the account is
        revoked.
        """
        own = self._places.get(account, {})
        if self._count >= self._most or len(own) >= self._most_per_account:
            return None
        passcode = generate()
        while passcode in own:
            passcode = generate()
        place = Place(account, passcode, revoke)
        self._places.setdefault(account, {})[passcode] = place
        self._count += 1
        return place

    def __len__(self) -> int:
        return self._count

    def leave(self, place: Place) -> None:
        """To be called once for each place."""
        own = self._places[place.account]
        del own[place.passcode]
        self._count -= 1
        if not own:
            del self._places[place.account]

    def revoke(self, account: str) -> None:
        """End every sign-on of the account."""
        for place in list(self._places.get(account, {}).values()):
            place.revoke()
