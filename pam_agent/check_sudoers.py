"""pure. The mistakes in sudoers: for how long sudo asks nobody again, and whom it never asks.

Files are read as sudo does: continued lines, comments, @include and @includedir in their place; of
several words for all the last counts.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from pam_agent.check_finding import Finding, mistake, note, unchecked

SERVICES: Final = ("sudo", "sudo-i")
MAIN: Final = "/etc/sudoers"
TIMESTAMP: Final = 15.0
"""Minutes: sudo's own default of timestamp_timeout."""
MAX_DEPTH: Final = 128
"""Files within files: sudo's own limit."""

Text = Callable[[str], str | None]
"""What is in a file, None when it cannot be read."""
Folder = Callable[[str], Sequence[str]]
"""The paths of the files in a folder, in order; none where there is no folder."""

_INCLUDE: Final = re.compile(r"^\s*[@#](include|includedir)\s+\"?(.*?)\"?\s*$")
_DEFAULTS: Final = re.compile(r"^\s*Defaults([:@>!]\s*[^\s,]+(?:\s*,\s*[^\s,]+)*)?\s+(.*)$")
_SETTING: Final = re.compile(r"^\s*(!*)\s*(\w+)\s*(?:[-+]?=\s*\"?([^\"]*?)\"?)?\s*$")
_PIECE: Final = re.compile(r"\"(?:[^\"\\]|\\.)*\"|\\.|[^\"\\]|[\"\\]")
_BARE: Final = re.compile(r"(?:\"(?:[^\"\\]|\\.)*\"|\\.|[^\"\\#]|[\"\\]|#(?=\d))*")
"""A line without its comment; a `#` before a digit is a uid."""
_NOPASSWD: Final = re.compile(r"\bNOPASSWD\s*:")
_NUMBER: Final = re.compile(r"^-?(\d+(\.\d*)?|\.\d+)$")
_PAM_SERVICES: Final = {"pam_service": "sudo", "pam_login_service": "sudo-i"}
"""Each with its default."""


@dataclass(frozen=True)
class _Line:
    """One line, continued ones together, without its comment."""

    place: str
    text: str


@dataclass(frozen=True)
class _Setting:
    """`value` is "no" for one that is negated; `scope` names whom it is for, "" for all."""

    place: str
    scope: str
    name: str
    value: str


@dataclass
class _Reading:
    settings: list[_Setting] = field(default_factory=list)
    nopasswd: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def judge(service: str, used: Sequence[str], text: Text, folder: Folder) -> Iterator[Finding]:
    """All that is wrong, for a host where `service` is sudo's; `used` have the module."""
    reading = _Reading()
    _read(reading, MAIN, text, folder, 0)
    for path in reading.unread:
        yield unchecked(
            "sudoers-not-read", service, path, "it cannot be read.", "Run this as root."
        )
    if reading.unread:
        return
    yield from _for_all(service, used, [each for each in reading.settings if not each.scope])
    for each in reading.settings:
        if each.scope and _weakens(each):
            yield note(
                "sudo-scoped",
                service,
                each.place,
                f"what this line says of {each.name} for `{each.scope}` lets sudo go without asking"
                " there, or ask another stack.",
            )
    for place in reading.nopasswd:
        yield note(
            "sudo-nopasswd",
            service,
            place,
            "for what NOPASSWD names sudo asks nobody, and so not for the factor.",
        )


def _for_all(service: str, used: Sequence[str], settings: Sequence[_Setting]) -> Iterator[Finding]:
    last = {each.name: each for each in settings}
    said = last.get("timestamp_timeout", _Setting(MAIN, "", "timestamp_timeout", f"{TIMESTAMP}"))
    if _weakens(said):
        minutes = float(said.value) if _NUMBER.match(said.value) else TIMESTAMP
        lasts = f"for {minutes:g} minutes" if minutes > 0 else "until the next start of the host"
        yield mistake(
            "sudo-timestamp",
            service,
            said.place,
            f"sudo remembers a sign-on: {lasts} it asks nobody again in that terminal, whatever the"
            " command is.",
            "Write `Defaults timestamp_timeout=0` into a file in /etc/sudoers.d, with visudo.",
        )
    for name, wrong in (
        ("authenticate", "`!authenticate`: sudo asks nobody, and so not for the factor."),
        ("exempt_group", "sudo asks nobody of this group, and so not for the factor."),
    ):
        if name in last and _weakens(last[name]):
            yield mistake("sudo-asks-nobody", service, last[name].place, wrong, "Remove it.")
    for name, usual in _PAM_SERVICES.items():
        other = last.get(name)
        if other is not None and _weakens(other) and other.value not in used:
            yield mistake(
                "sudo-other-service",
                service,
                other.place,
                f"{name}: sudo asks PAM as {other.value}, whose stack does not have the module.",
                f"Remove it, so that /etc/pam.d/{usual} counts, or put the module there.",
            )


def _weakens(setting: _Setting) -> bool:
    """Whether it lets sudo go without asking, or ask elsewhere."""
    value = setting.value
    if setting.name == "timestamp_timeout":
        return value != "no" and not (_NUMBER.match(value) and float(value) == 0)
    if setting.name == "authenticate":
        return value == "no"
    if setting.name == "exempt_group":
        return value not in ("no", "")
    return setting.name in _PAM_SERVICES and value not in ("no", _PAM_SERVICES[setting.name])


def _read(reading: _Reading, path: str, text: Text, folder: Folder, depth: int) -> None:
    content = text(path) if depth <= MAX_DEPTH else None
    if content is None:
        reading.unread.append(path)
        return
    for line in _lines(path, content):
        included = _INCLUDE.match(line.text)
        if included is not None:
            for one in _included(path, included[1], included[2], folder):
                _read(reading, one, text, folder, depth + 1)
            continue
        said = "".join(_BARE.findall(line.text)[:1])
        defaults = _DEFAULTS.match(said)
        if defaults is not None:
            scope = "".join((defaults[1] or "").split())
            reading.settings += _settings(line.place, scope, defaults[2])
        elif _NOPASSWD.search(said):
            reading.nopasswd.append(line.place)


def _included(path: str, word: str, target: str, folder: Folder) -> Sequence[str]:
    """The files; of a folder those that sudo takes."""
    full = target if target.startswith("/") else f"{path.rpartition('/')[0]}/{target}"
    if word == "include":
        return [full]
    names = ((each, each.rpartition("/")[2]) for each in folder(full))
    return [each for each, name in names if "." not in name and not name.endswith("~")]


def _lines(path: str, content: str) -> Iterator[_Line]:
    whole, began = "", 0
    for number, line in enumerate(content.splitlines(), start=1):
        began = began or number
        if line.endswith("\\"):
            whole += line[:-1]
            continue
        yield _Line(f"{path}:{began}", whole + line)
        whole, began = "", 0
    if whole:
        yield _Line(f"{path}:{began}", whole)


def _settings(place: str, scope: str, words: str) -> Iterator[_Setting]:
    one = ""
    for piece in [*_PIECE.findall(words), ","]:
        if piece != ",":
            one += piece
            continue
        found = _SETTING.match(one)
        if found is not None:
            negated = len(found[1]) % 2 == 1
            yield _Setting(place, scope, found[2], "no" if negated else found[3] or "")
        one = ""
