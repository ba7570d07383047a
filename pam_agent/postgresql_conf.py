"""pure. What PostgreSQL reads: postgresql.conf with what it includes, and whom pg_hba.conf sends to
PAM. Tests hold the first to the system's postgres."""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

MAX_DEPTH: Final = 10
"""Files within files: PostgreSQL's own limit."""
PAM_SERVICE: Final = "postgresql"
"""As which PostgreSQL asks where pg_hba.conf names no other."""

_AUTO: Final = "postgresql.auto.conf"
_SETTING: Final = re.compile(
    r"^\s*([A-Za-z_][\w$.]*)\s*=?\s*(?:'((?:[^'\\]|\\.|'')*)'|([^\s'#]+))\s*(?:#.*)?$"
)
_TIME: Final = re.compile(r"^\s*\+?(0[xX][\da-fA-F]+|\d+(?:\.\d*)?|\.\d+)\s*(us|ms|s|min|h|d|)\s*$")
_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_FIELD: Final = re.compile(r"(?:(?:\"[^\"]*\"|[^\s,\"#])+(?:,+[ \t]*)?)+|(#)")
"""A field of pg_hba.conf: words with commas between; or where a comment begins."""


@dataclass(frozen=True)
class Files:
    """`text` gives what is in a file, None when it cannot be read; `missing` says that there is
    none; `folder` gives the *.conf in one, in order."""

    text: Callable[[str], str | None]
    missing: Callable[[str], bool]
    folder: Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class Setting:
    """`where` is FILE:LINE."""

    value: str
    where: str

    @property
    def seconds(self) -> float | None:
        """A time that is given in seconds or with its unit, whole; None for what is none."""
        found = _TIME.match(self.value)
        if found is None:
            return None
        number, unit = found[1].lower(), found[2]
        octal = number.startswith("0") and number.isdigit() and not set(number) & set("89")
        base = 16 if number.startswith("0x") else 8 if octal else 0
        try:
            return float(round((int(number, base) if base else float(number)) * _UNITS[unit]))
        except OverflowError:
            return None


@dataclass
class Cluster:
    """One PostgreSQL. `services` are the PAM services that its pg_hba.conf names, and where."""

    path: str
    settings: dict[str, Setting] = field(default_factory=dict)
    services: dict[str, str] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def read(path: str, files: Files) -> Cluster:
    """The one whose postgresql.conf lies at a path."""
    cluster = Cluster(path)
    own = path.rpartition("/")[0]
    _read(cluster, files, path, 0)
    data = _value(cluster, "data_directory", own)
    if not files.missing(f"{data}/{_AUTO}"):
        _read(cluster, files, f"{data}/{_AUTO}", 0)
    hba = _value(cluster, "hba_file", f"{own}/pg_hba.conf")
    rules = None if files.missing(hba) else files.text(hba)
    if rules is not None:
        cluster.services = dict(_pam_services(hba, rules))
    elif not files.missing(hba):
        cluster.unread.append(hba)
    return cluster


def _value(cluster: Cluster, name: str, usual: str) -> str:
    setting = cluster.settings.get(name)
    return usual if setting is None else setting.value


def _read(cluster: Cluster, files: Files, path: str, depth: int) -> None:
    content = files.text(path) if depth <= MAX_DEPTH else None
    if content is None:
        cluster.unread.append(path)
        return
    for number, line in enumerate(content.splitlines(), start=1):
        found = _SETTING.match(line)
        if found is None:
            continue
        name = found[1].lower()
        value = found[3] or re.sub(r"''|\\(.)", lambda each: each[1] or "'", found[2] or "")
        if name in ("include", "include_if_exists", "include_dir"):
            target = value if value.startswith("/") else f"{path.rpartition('/')[0]}/{value}"
            for each in files.folder(target) if name == "include_dir" else [target]:
                if name != "include_if_exists" or not files.missing(each):
                    _read(cluster, files, each, depth + 1)
        else:
            cluster.settings[name] = Setting(value, f"{path}:{number}")


def _pam_services(path: str, text: str) -> Iterator[tuple[str, str]]:
    """Of a pg_hba.conf: each service once, where it is named last."""
    for number, fields in _rules(text):
        at = _method_at(fields)
        if fields[at : at + 1] != ["pam"]:
            continue
        options: Mapping[str, str] = dict(each.partition("=")[::2] for each in fields[at + 1 :])
        yield options.get("pamservice", PAM_SERVICE), f"{path}:{number}"


def _method_at(fields: Sequence[str]) -> int:
    """Which field is the method: there may be a database, users, an address and its mask before."""
    if fields[0] == "local":
        return 3
    try:
        ipaddress.ip_address("".join(fields[3:4]))
    except ValueError:
        return 4
    return 5


def _rules(text: str) -> Iterator[tuple[int, list[str]]]:
    """The fields of each rule, continued lines together, by the number of its first line."""
    whole, began = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        began = began or number
        whole += line
        if whole.endswith("\\"):
            whole = whole[:-1]
            continue
        fields = []
        for found in _FIELD.finditer(whole):
            if found[1]:
                break
            fields.append(found[0].replace('"', ""))
        if fields:
            yield began, fields
        whole, began = "", 0
