"""pure. sudoers as sudo reads it: what it sets by `Defaults`, and where it asks nobody.

Lines are joined and comments left out as sudo's own scanner does, files are included in their
place, and a line that sudo cannot read it leaves out as a whole. Tests hold this to the system's
sudo.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

MAIN: Final = "/etc/sudoers"
MAX_DEPTH: Final = 128
"""Files within files: sudo's own limit."""
MAX_FILES: Final = 1000
"""Files in all, each counted as often as it is included: sudo has no limit, and never comes to the
end of a file that includes itself twice."""

_ALL: Final = "ALL"
_INCLUDE: Final = re.compile(r"^(?:\s*@|#)(include|includedir)\s+(?:\"([^\"]+)\"|((?:\\.|\S)+))")
_DEFAULTS: Final = re.compile(r"^\s*Defaults(?![^:@>!\s])(.*)$")
_NAME: Final = r"!*\s*(?:\"(?:[^\"\\]|\\.)+\"|(?:\\.|[^\s,\"\\])+)"
_SCOPE: Final = re.compile(rf"^([:@>!])\s*({_NAME}(?:\s*,\s*{_NAME})*)\s+(.*)$")
_SETTING: Final = re.compile(
    r"\s*(?:(!+)\s*)?([a-z_]+)\s*"
    r"(?:([-+]?=)\s*(?:\"((?:[^\"\\]|\\.)+)\"|((?:[^#!=,\s\"\\]|\\.)(?:[^#=,\s\"\\]|\\.)*))\s*)?(,|$)"
)
_PIECE: Final = re.compile(r"\"(?:[^\"\\]|\\.)*\"?|\\.?|#(?=-?\d)|(#)|[^\"\\#]+", re.DOTALL)
"""What a line is made of; only a comment's `#` is a group."""
_NUMBER: Final = re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d*)$")
_NOPASSWD: Final = re.compile(r"\bNOPASSWD\s*:")


@dataclass(frozen=True)
class Files:
    """A host's files, for sudo.

    `text` gives what is in one, None when it cannot be read; `missing` says that there is none, for
    sudo neither; `folder` gives the paths in one, in order; `refused` why sudo takes a file or
    folder for unsafe and leaves it out, "" if it does not; `host` is the host's short name.
    """

    text: Callable[[str], str | None]
    missing: Callable[[str], bool]
    folder: Callable[[str], Sequence[str]]
    refused: Callable[[str], str]
    host: str


@dataclass(frozen=True)
class Setting:
    """One word of a `Defaults` line. `value` is "" without one; `scope` is what stands behind
    `Defaults`, `:ada` say, "" for all; `where` is FILE:LINE."""

    where: str
    scope: str
    name: str
    value: str = ""
    negated: bool = False

    @property
    def for_all(self) -> bool:
        return not self.scope or _ALL in self.scope[1:].split(",")

    @property
    def number(self) -> float:
        """The value of one that is a number; sudo takes one without digits for 0."""
        return 0.0 if self.negated else float(f"{self.value}0" if "." in self.value else self.value)

    @property
    def counts(self) -> bool:
        """Whether sudo takes it: it warns of what cannot be a value, and leaves it out."""
        if self.negated:
            return self.name not in ("pam_service", "pam_login_service")
        match self.name:
            case "timestamp_timeout":
                return _NUMBER.match(self.value) is not None
            case "authenticate":
                return not self.value
            case "exempt_group" | "pam_service" | "pam_login_service":
                return self.value != ""
        return True

    @property
    def rank(self) -> int:
        """Settings of a higher rank are taken after all of a lower one."""
        return {">": 1, "!": 2}.get(self.scope[:1], 0)


@dataclass
class Reading:
    """All files together; `files` counts them, each as often as it is included."""

    files: int = 0
    settings: list[Setting] = field(default_factory=list)
    """In the order in which sudo takes them; without those that it does not take, or that add to a
    list."""
    nopasswd: list[str] = field(default_factory=list)
    """Where somebody is let in without being asked."""
    bad_lines: list[str] = field(default_factory=list)
    """`Defaults` lines that sudo cannot read, and leaves out."""
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Files and folders that sudo leaves out, and why."""
    missing: list[str] = field(default_factory=list)
    """Files that are included, and are not there."""
    unread: list[str] = field(default_factory=list)


def read(files: Files) -> Reading:
    """From /etc/sudoers on."""
    reading = Reading()
    _read(reading, files, MAIN, 0)
    reading.settings.sort(key=lambda each: each.rank)
    return reading


def _read(reading: Reading, files: Files, path: str, depth: int) -> None:
    if why := files.refused(path):
        reading.refused.append((path, why))
        return
    reading.files += 1
    few = reading.files <= MAX_FILES
    content = files.text(path) if depth <= MAX_DEPTH and few else None
    if content is None:
        (reading.missing if files.missing(path) and depth else reading.unread).append(path)
        return
    for number, line in _lines(content):
        where = f"{path}:{number}"
        if (included := _INCLUDE.match(line)) is not None:
            target = included[2] or re.sub(r"\\(.)", r"\1", included[3])
            for each in _included(reading, files, path, included[1], target):
                _read(reading, files, each, depth + 1)
        elif (defaults := _DEFAULTS.match(line)) is not None:
            found = _settings(where, defaults[1])
            if found is None:
                reading.bad_lines.append(where)
            reading.settings += found or []
        elif _NOPASSWD.search(line):
            reading.nopasswd.append(where)


def _included(reading: Reading, files: Files, path: str, word: str, target: str) -> Iterator[str]:
    """The files; of a folder those whose names sudo takes."""
    full = target if target.startswith("/") else f"{path.rpartition('/')[0]}/{target}"
    full = full.replace("%h", files.host)
    if word == "include":
        yield full
    elif why := files.refused(full):
        reading.refused.append((full, why))
    else:
        for each in files.folder(full):
            name = each.rpartition("/")[2]
            if "." not in name and not name.endswith("~"):
                yield each


def _lines(content: str) -> Iterator[tuple[int, str]]:
    """Lines without comments and their numbers; continued ones are one, with their first number."""
    whole, began = "", 0
    for number, line in enumerate(content.split("\n"), start=1):
        began = began or number
        if not whole and _INCLUDE.match(line):
            yield number, line
            began = 0
            continue
        whole += line.removesuffix("\r")
        bare = _bare(whole)
        kept = bare.rstrip(" \t")
        if bare == whole and (len(kept) - len(kept.rstrip("\\"))) % 2 == 1:
            whole = kept[:-1]
            continue
        yield began, bare
        whole, began = "", 0
    if began:  # the file ends in a backslash
        yield began, f"{whole}\\"


def _bare(line: str) -> str:
    """A line up to its comment. A `#` before a number is a uid, and in quotes it is itself."""
    for piece in _PIECE.finditer(line):
        if piece[1]:
            return line[: piece.start()]
    return line


def _settings(where: str, rest: str) -> list[Setting] | None:
    """What a `Defaults` line sets, None if sudo cannot read it."""
    scope = ""
    if not rest[:1].isspace():
        scoped = _SCOPE.match(rest)
        if scoped is None:
            return None
        scope, rest = scoped[1] + "".join(scoped[2].split()), scoped[3]
    found: list[Setting] = []
    at, end = 0, ","
    while end:
        one = _SETTING.match(rest, at)
        if one is None or (one[1] and one[3]):
            return None
        value = re.sub(r"\\(.)", r"\1", one[4] or one[5] or "")
        setting = Setting(where, scope, one[2], value, len(one[1] or "") % 2 == 1)
        if one[3] in (None, "=") and setting.counts:
            found.append(setting)
        at, end = one.end(), one[6]
    return found
