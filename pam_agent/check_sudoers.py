"""pure. The mistakes in sudoers: for how long sudo asks nobody again, and whom it never asks."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from pam_agent.check_finding import Finding, mistake, note, unchecked
from pam_agent.sudoers import MAIN, Reading, Setting

TIMESTAMP: Final = 15.0
"""Minutes: sudo's own default of timestamp_timeout."""
_PAM_SERVICES: Final[Mapping[str, str]] = {"pam_service": "sudo", "pam_login_service": "sudo-i"}
"""Each with its default."""


def services(reading: Reading) -> tuple[str, str]:
    """The PAM services as which sudo asks, for a plain call and for a login shell."""
    chosen = {each.name: each.value for each in reading.settings if each.for_all}
    plain, login = (chosen.get(name, usual) for name, usual in _PAM_SERVICES.items())
    return plain, login


def judge(
    service: str, used: Collection[str], reading: Reading, meant: Collection[str] = ()
) -> Iterator[Finding]:
    """All that is wrong, for a host where `service` is sudo's; `used` have the module. What is said
    for those in `meant`, `Defaults:ada` say, is a note."""
    for path, why in reading.refused:
        yield mistake(
            "sudoers-left-out",
            service,
            path,
            f"sudo leaves this out, since it is {why}: what is said there does not count.",
            f"chown root:root {path}; chmod go-w {path}",
        )
    for path in dict.fromkeys((*reading.unread, *reading.missing, *reading.bad_lines)):
        yield unchecked(
            "sudoers-not-read",
            service,
            path,
            "it cannot be read.",
            "Run this as root, and `visudo -c` to see what sudo does not like.",
        )
    if reading.unread:
        return
    yield from _for_all(service, used, [each for each in reading.settings if each.for_all])
    for each in reading.settings:
        if not each.for_all and _weakens(each):
            yield _scoped(service, each, meant)
    for place in reading.nopasswd:
        yield note(
            "sudo-nopasswd",
            service,
            place,
            "for what NOPASSWD names sudo asks nobody, and so not for the factor.",
        )


def _for_all(service: str, used: Collection[str], settings: Sequence[Setting]) -> Iterator[Finding]:
    last = {each.name: each for each in settings}
    said = last.get("timestamp_timeout", Setting(MAIN, "", "timestamp_timeout", f"{TIMESTAMP}"))
    if _weakens(said):
        yield mistake("sudo-timestamp", service, said.where, _remembers(said), _FORGET)
    for name, wrong in (
        ("authenticate", "`!authenticate`: sudo asks nobody, and so not for the factor."),
        ("exempt_group", "sudo asks nobody of this group, and so not for the factor."),
    ):
        if name in last and _weakens(last[name]):
            yield mistake("sudo-asks-nobody", service, last[name].where, wrong, "Remove it.")
    for name, usual in _PAM_SERVICES.items():
        other = last.get(name)
        if other is not None and _weakens(other) and other.value not in used:
            yield mistake(
                "sudo-other-service",
                service,
                other.where,
                f"{name}: sudo asks PAM as {other.value}, whose stack does not have the module.",
                f"Remove it, so that /etc/pam.d/{usual} counts, or put the module there.",
            )


_FORGET: Final = "Write `Defaults timestamp_timeout=0` into a file in /etc/sudoers.d, with visudo."


def _remembers(said: Setting) -> str:
    minutes = said.number
    lasts = f"for {minutes:g} minutes" if minutes > 0 else "until the next start of the host"
    return (
        f"sudo remembers a sign-on: {lasts} it asks nobody again in that terminal, whatever the"
        " command is."
    )


def _scoped(service: str, setting: Setting, meant: Collection[str]) -> Finding:
    """Of a setting that is not for all."""
    scope = f"Defaults{setting.scope}"
    if setting.name != "timestamp_timeout":
        wrong = (
            f"what this line says of {setting.name} for `{scope}` lets sudo go without asking, or"
            " ask another stack."
        )
        return note("sudo-scoped", service, setting.where, wrong)
    wrong = f"where `{scope}` applies {_remembers(setting)}"
    if scope in ("".join(each.split()) for each in meant):
        return note("sudo-timestamp", service, setting.where, f"it is meant, {wrong}")
    instead = f"Remove it. Or, if it is meant, check with --meant '{scope}'."
    return mistake("sudo-timestamp", service, setting.where, wrong, instead)


def _weakens(setting: Setting) -> bool:
    """Whether it lets sudo go without asking, or ask elsewhere."""
    match setting.name:
        case "timestamp_timeout":
            return not setting.negated and setting.number != 0
        case "authenticate":
            return setting.negated
        case "exempt_group":
            return not setting.negated
    return setting.name in _PAM_SERVICES and setting.value != _PAM_SERVICES[setting.name]
