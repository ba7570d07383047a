"""pure. The mistakes in sshd's configuration, read from what `sshd -T` says."""

from collections.abc import Iterator, Mapping
from typing import Final

from pam_agent.check_finding import Finding, mistake
from pam_agent.service_policy import ServicePolicy

SERVICE: Final = "sshd"
WHERE: Final = "/etc/ssh/sshd_config"
INTERACTIVE: Final = "keyboard-interactive"
PASSWORD: Final = "password"  # noqa: S105
ANY: Final = "any"
GOOD_METHODS: Final = f"AuthenticationMethods publickey,{INTERACTIVE}"

LEAST_STARTUPS: Final = 10
"""Connections that are not signed on yet, at which sshd may begin to turn some away: its default.
Everybody who looks for a telephone is one of them, so fewer turn people away by chance."""

_ENABLED_BY: Final[Mapping[str, str]] = {
    "publickey": "pubkeyauthentication",
    PASSWORD: "passwordauthentication",
    INTERACTIVE: "kbdinteractiveauthentication",
    "hostbased": "hostbasedauthentication",
    "gssapi-with-mic": "gssapiauthentication",
}
"""The keyword that enables each method."""


def parse(text: str) -> dict[str, str]:
    """The output of `sshd -T`, by its keywords in lower case; the first of several counts."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        keyword, _, value = line.strip().partition(" ")
        found.setdefault(keyword.lower(), value.strip())
    return found


def method_lists(settings: Mapping[str, str]) -> list[tuple[str, ...]]:
    """The lists of methods each of which lets in: those of AuthenticationMethods, or, for `any`,
    each enabled method alone."""
    said = settings.get("authenticationmethods", ANY)
    if said == ANY:
        enabled = [name for name, key in _ENABLED_BY.items() if settings.get(key) == "yes"]
        return [(name,) for name in enabled]
    return [tuple(each.removesuffix(":pam") for each in one.split(",")) for one in said.split()]


def proves_before(settings: Mapping[str, str]) -> bool:
    """Whether sshd has seen another method succeed whenever it comes to PAM's conversation."""
    asking = [each for each in method_lists(settings) if INTERACTIVE in each]
    return bool(asking) and all(each.index(INTERACTIVE) > 0 for each in asking)


def judge(settings: Mapping[str, str], policy: ServicePolicy) -> Iterator[Finding]:
    """All that is wrong, for a PAM service `sshd` that has the module in its stack."""
    if settings.get("usepam") != "yes":
        yield _wrong(
            "ssh-use-pam",
            "UsePAM is no: sshd never asks PAM, and so lets in without the factor.",
            "Write `UsePAM yes`.",
        )
    if settings.get("kbdinteractiveauthentication") != "yes":
        yield _wrong(
            "ssh-keyboard-interactive",
            "KbdInteractiveAuthentication is no: sshd has no other way to show a passcode.",
            "Write `KbdInteractiveAuthentication yes`.",
        )
    if settings.get("permitemptypasswords") == "yes":
        yield _wrong(
            "ssh-empty-passwords",
            "PermitEmptyPasswords is yes: where PAM asks for a password first, an account that has"
            " none has no first factor.",
            "Write `PermitEmptyPasswords no`.",
        )
    yield from _of_methods(settings)
    yield from _of_limits(settings, policy)


def _of_methods(settings: Mapping[str, str]) -> Iterator[Finding]:
    lists = method_lists(settings)
    any_one = settings.get("authenticationmethods", ANY) == ANY
    without = [each for each in lists if INTERACTIVE not in each and PASSWORD not in each]
    if without:
        said = "AuthenticationMethods is not set, and so " if any_one else "AuthenticationMethods: "
        yield _wrong(
            "ssh-method-without",
            f"{said}`{','.join(without[0])}` alone lets in, and never comes to the factor.",
            f"Write `{GOOD_METHODS}`.",
        )
    if any(PASSWORD in each for each in lists):
        what = (
            "PasswordAuthentication is yes" if any_one else f"AuthenticationMethods has {PASSWORD}"
        )
        yield _wrong(
            "ssh-password",
            f"{what}: that method can show nothing before the login is over, so nobody can approve"
            " one; every such login fails after the password was typed.",
            f"Write `PasswordAuthentication no`, and `{GOOD_METHODS}`.",
        )


def _of_limits(settings: Mapping[str, str], policy: ServicePolicy) -> Iterator[Finding]:
    grace, longest = settings.get("logingracetime", ""), policy.timers.sign_on
    if grace.isdigit() and 0 < int(grace) < longest:
        yield _wrong(
            "ssh-grace-time",
            f"LoginGraceTime is {grace} s, and a sign-on may last {longest:.0f} s: sshd would hang"
            " up on somebody who is about to approve.",
            f"Write `LoginGraceTime {longest + 10:.0f}`, or lower sign_on in [services.sshd].",
        )
    begin = settings.get("maxstartups", "").partition(":")[0]
    if begin.isdigit() and int(begin) < LEAST_STARTUPS:
        yield _wrong(
            "ssh-max-startups",
            f"MaxStartups begins at {begin}: who waits for an approval counts, and from there on"
            " sshd turns people away by chance.",
            "Write `MaxStartups 50:30:200`.",
        )


def _wrong(word: str, wrong: str, instead: str) -> Finding:
    return mistake(word, SERVICE, WHERE, wrong, instead)
