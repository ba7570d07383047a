"""pure. What each line of the agent's log means, and what to do about it, for docs/outcomes.md.

How sign-ons and enrolments end is in explanations.
"""

from collections.abc import Mapping
from typing import Final

EVENTS: Final[Mapping[str, tuple[str, str]]] = {
    "sign-on ended": (
        "one for each call of the PAM module; `outcome` is a word from above, `steps` the seconds"
        " to each; a warning where somebody reported it, a disabled device was used, or"
        " break-glass let somebody in",
        "see the outcome",
    ),
    "enrolment ended": ("one for each `bartizan-agent enroll`", "see the outcome"),
    "device disabled": (
        "a device has just become useless: ten failures in a row, or two copies of its keys",
        "ask its owner; revoke it, and enrol anew",
    ),
    "device revoked": ("by an administrator; its keys are gone", "nothing"),
    "break-glass opened": (
        "root has opened one: `user` signs on without a device until `until`, for `reason`; again"
        " at each start of the agent while it is open",
        "ask root, if nobody knows why",
    ),
    "break-glass ended": ("by an administrator, or because its time was over", "nothing"),
    "break-glass not used": (
        "one is open for this user, and no first factor is known to have held before, so it let"
        " nobody in; the sign-on went on with the device",
        "if one had held: set first_factor in [services.NAME]",
    ),
    "alias changed": ("by `bartizan-agent alias`", "nothing"),
    "methods changed": ("by `bartizan-agent methods`", "nothing"),
    "totp changed": ("by `bartizan-agent totp`", "nothing"),
    "store failed": (
        "the store could not be read or written, for `reason`: what needed it was denied",
        "make room on the disk; bartizan-agent status says when it is well again",
    ),
    "sign-on failed unexpectedly": (
        "a fault of this program; that sign-on was denied",
        "report it, with the lines that follow",
    ),
    "caller refused": (
        "a process on this host sent something that is no sign-on",
        "if it was no test: see which process has that uid",
    ),
    "admin request refused": (
        "a process on this host asked at the admin socket what it may not ask",
        "see which process has that uid",
    ),
    "link up": ("a relay is there", "nothing"),
    "link lost": ("and is tried again by itself", "see the reason, if it comes often"),
    "no connection": (
        "a relay cannot be reached; said once until it is",
        "see the relay, and the network between",
    ),
    "request refused": (
        "a relay has not queued a sign-on: `quota`, it was asked too often; `ttl`, the time is"
        " longer than its limits.longest_ttl; `duplicate`, another host waits with that tag, so"
        " two hosts have the same keys; `draining`, it stops; `overloaded`, it is full",
        "see the reason",
    ),
    "relay dropped": ("a new configuration does not name it any more", "nothing"),
    "agent up": ("ready", "nothing"),
    "agent stopping": ("by a signal", "nothing"),
    "configuration adopted": ("at a reload", "nothing"),
    "configuration refused": (
        "at a reload: it has a mistake, and the old one goes on",
        "bartizan-agent check-config says the same",
    ),
    "restart needed": (
        "these keys count from the next start on",
        "systemctl restart bartizan-agent",
    ),
    "log dropped": ("so many lines were taken by nobody", "see why the log's reader is slow"),
    "no journal": ("the journal cannot be reached, so lines are plain", "nothing"),
    "service manager not informed": (
        "systemd did not take a word; without its signs of life it restarts the agent",
        "see that systemd is well",
    ),
}
