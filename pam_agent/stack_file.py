"""pure. PAM's service files as libpam reads them: lines, controls, includes and substacks.

What libpam cannot use it does not leave out: it puts an entry there that fails. So does this.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from pam_agent.stack_codes import Action, Code

Fetch = Callable[[str], str | None]
"""The text of a file by its name in the folder of PAM's services, or by its absolute path."""

MAX_DEPTH: Final = 16
"""Files within files: libpam's own limit, for a file that includes itself."""

MAX_FILES: Final = 100
"""Files in all, each counted as often as it is included: libpam has no limit, and would be busy for
hours with a file that includes itself twice."""

OTHER: Final = "other"
"""The service file that libpam takes where a service has none, or no line of the type in it."""

AUTH: Final = "auth"
_TYPES: Final = (AUTH, "account", "password", "session")
_BLANKS: Final = " \t\n"
_WORDS: Final[Mapping[str, Mapping[str, Action]]] = {
    "required": {"ok": Action.OK, "ignore": Action.IGNORE, "default": Action.BAD},
    "requisite": {"ok": Action.OK, "ignore": Action.IGNORE, "default": Action.DIE},
    "optional": {"ok": Action.OK, "ignore": Action.IGNORE, "default": Action.IGNORE},
    "sufficient": {"ok": Action.DONE, "ignore": Action.IGNORE, "default": Action.IGNORE},
}
_GOOD: Final = (Code.SUCCESS, Code.NEW_AUTHTOK_REQD)
_ALL_BAD: Final = (int(Action.BAD),) * len(Code)


class Role(Enum):
    """What an entry is to libpam."""

    MODULE = "module"
    SUBSTACK = "substack"
    """A mark that a substack follows, one level deeper; it is never called."""
    MUST_FAIL = "must fail"
    """A line that libpam cannot use: it fails without calling anything."""


@dataclass(frozen=True)
class Entry:
    """One step of a stack. `actions` has a number for each Code: an Action, or how many to skip.

    `file` and `line` are where it stands; `level` counts the substacks that it is in.
    """

    file: str
    line: int
    level: int
    role: Role
    control: str = ""
    actions: tuple[int, ...] = _ALL_BAD
    module: str = ""
    arguments: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The module's file name, without its folder."""
        return self.module.rpartition("/")[2]


@dataclass(frozen=True)
class Problem:
    """Something in a file that libpam reads otherwise than it was meant, or not at all.

    `text` is the line; `fails` says that libpam takes it for a failure.
    """

    file: str
    line: int
    what: str
    text: str = ""
    fails: bool = True


@dataclass
class Reading:
    """A stack of one type as libpam has it in the end. `problems` are in the order of reading."""

    entries: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    others: list[Entry] = field(default_factory=list)
    """The entries of other types in the service's own file and those it includes for all types."""
    files: int = 0
    """How many were read, each as often as it is included."""
    unreached: list[str] = field(default_factory=list)
    """Lines behind the one at which libpam gives up."""
    aborted: bool = False
    """Whether libpam gives up on the file: every sign-on fails."""


def read(service: str, fetch: Fetch) -> Reading:
    """The stack of type auth of a service; libpam reads the file `other` with every one."""
    own, other = _read_service(service, fetch), _read_service(OTHER, fetch)
    own.aborted = own.aborted or other.aborted
    if other.aborted or not own.entries:
        own.problems += other.problems
        own.unreached += other.unreached
        own.entries = own.entries or other.entries
    return own


def _read_service(service: str, fetch: Fetch) -> Reading:
    reading = Reading()
    text = fetch(service)
    if text is not None:
        reading.aborted = not _read_file(reading, fetch, service, text, None, 0, 0)
    return reading


def _read_file(
    reading: Reading,
    fetch: Fetch,
    file: str,
    text: str,
    wanted: str | None,
    depth: int,
    level: int,
) -> bool:
    """Adds a file's entries of type `wanted`, None for all; False when libpam gives up on it."""
    reading.files += 1
    lines = _Lines(text)
    returns = False
    for number, line in (numbered := iter(lines)):
        words = _Words(line)
        place = _Place(file, number, line, wanted, depth, level)
        if line.endswith("\r") and not returns:
            returns = True
            reading.problems.append(place.problem(_RETURN, fails=False))
        written = words.next() or ""
        if written.lower() == "@include":
            if _include(reading, fetch, place, words.next()):
                continue
            reading.unreached += [each for _, each in numbered]
            return False
        role, kind = Role.MODULE, written.removeprefix("-").lower()
        if kind not in _TYPES:
            reading.problems.append(
                place.problem(f"{written!r} is no type of module ({', '.join(_TYPES)})")
            )
            role, kind = Role.MUST_FAIL, wanted or AUTH
        if wanted is not None and kind != wanted:
            continue
        _line(reading, fetch, replace(place, kind=kind), role, words)
    if lines.cut:
        reading.problems.append(
            Problem(
                file, lines.number, "the file ends in a line that a backslash continues", lines.cut
            )
        )
    return not lines.cut


_RETURN: Final = (
    "the line ends in a carriage return, which libpam takes for a part of its last word"
)


@dataclass(frozen=True)
class _Place:
    """A line: its file, number, text and type (None in a file that is included for all types), how
    many files deep, and in how many substacks."""

    file: str
    line: int
    text: str
    kind: str | None
    depth: int
    level: int

    def entry(self, role: Role) -> Entry:
        return Entry(self.file, self.line, self.level, role)

    def problem(self, what: str, *, fails: bool = True) -> Problem:
        return Problem(self.file, self.line, what, self.text, fails)


def _line(reading: Reading, fetch: Fetch, place: _Place, role: Role, words: "_Words") -> None:
    """Adds what the rest of a line comes to."""
    control = words.next()
    module = words.next()
    word = "" if control is None else control.lower()
    if word in ("include", "substack"):
        inner = place
        if word == "substack":
            inner = replace(place, level=place.level + 1)
            _add(reading, place, place.entry(Role.SUBSTACK))
        if not _include(reading, fetch, inner, module):
            _add(reading, place, place.entry(Role.MUST_FAIL))
        return
    if control is None or module is None:
        missing = "control" if control is None else "module"
        reading.problems.append(place.problem(f"there is no {missing}"))
        role = Role.MUST_FAIL
    actions, wrong = _actions(control or "")
    if wrong:
        reading.problems.append(place.problem(wrong))
    entry = replace(
        place.entry(role),
        control=words.as_written(control or ""),
        actions=actions,
        module=module or "",
        arguments=tuple(words),
    )
    _add(reading, place, entry)


def _add(reading: Reading, place: _Place, entry: Entry) -> None:
    (reading.entries if place.kind == AUTH else reading.others).append(entry)


def _include(reading: Reading, fetch: Fetch, place: _Place, name: str | None) -> bool:
    """Adds what is in the file `name`; False when libpam cannot read it, or not to its end."""
    depth = place.depth + 1
    many = reading.files >= MAX_FILES
    text = fetch(name) if name and depth < MAX_DEPTH and not many else None
    if name and text is not None:
        return _read_file(reading, fetch, name, text, place.kind, depth, place.level)
    what = f"includes {name!r}, which cannot be read" if name else "names no file to include"
    if name and depth >= MAX_DEPTH:
        what = f"includes {name!r} {MAX_DEPTH} files deep"
    elif name and many:
        what = f"includes {name!r}, the {MAX_FILES}th file: some must include themselves"
    reading.problems.append(place.problem(what))
    return False


def _actions(control: str) -> tuple[tuple[int, ...], str]:
    """What a control makes of each code, and what is wrong with it, "" for nothing."""
    if (word := _WORDS.get(control.lower())) is not None:
        by_code = dict.fromkeys(Code, word["default"])
        by_code |= dict.fromkeys(_GOOD, word["ok"])
        by_code[Code.IGNORE] = word["ignore"]
        return tuple(int(by_code[code]) for code in Code), ""
    try:
        return _parsed(control), ""
    except _ControlError as error:
        return _ALL_BAD, f"control [{control}]: {error}"


class _ControlError(Exception):
    """What libpam expects in its place."""


def _parsed(control: str) -> tuple[int, ...]:
    """`code=action ...`, read as libpam does: the first name that the text begins with."""
    chosen: list[int | None] = [None] * len(Code)
    rest = control.lstrip()
    while rest:
        name = next((each for each in _NAMES if rest.startswith(each)), None)
        if name is None:
            raise _ControlError(f"no return code at {rest!r}")
        rest = rest[len(name) :].lstrip()
        if not rest.startswith("="):
            raise _ControlError(f"no '=' behind {name}")
        action, rest = _action(rest[1:].lstrip())
        if name == _DEFAULT:
            chosen = [action if each is None else each for each in chosen]
        else:
            chosen[_NAMES.index(name)] = action
        rest = rest.lstrip()
    return tuple(int(Action.BAD) if each is None else each for each in chosen)


_DEFAULT: Final = "default"
_NAMES: Final = (*(code.name.lower() for code in Code), _DEFAULT)
_ACTIONS: Final = {action.name.lower(): action for action in Action}
_MAX_JUMP: Final = 2**31 - 1
_MAX_DIGITS: Final = len(f"{_MAX_JUMP}") + 1


def _action(text: str) -> tuple[int, str]:
    """The action that a text begins with, and what follows it."""
    for name, action in _ACTIONS.items():
        if text.startswith(name):
            return int(action), text[len(name) :]
    digits = text[: len(text) - len(text.lstrip("0123456789"))]
    jump = int(digits.lstrip("0")[:_MAX_DIGITS] or 0)
    if not 0 < jump <= _MAX_JUMP:
        raise _ControlError(f"no action at {text!r}")
    return jump, text[len(digits) :]


class _Lines:
    """The lines of a file with something in them, continued ones joined, and their numbers."""

    def __init__(self, text: str) -> None:
        self._lines: Final = text.split("\n")
        self.number = 0
        """Of the line that was given last; of a joined one, its first."""
        self.cut = ""
        """What was joined where the file ended in a line that was to go on."""

    def __iter__(self) -> Iterator[tuple[int, str]]:
        joined, first = "", 0
        for number, line in enumerate(self._lines, start=1):
            text = line.lstrip(_BLANKS)
            if not text or text.startswith("#"):
                continue
            first = first or number
            self.number = first
            before, comment, _ = text.partition("#")
            end = before.rstrip(_BLANKS)
            if not comment and end.endswith("\\"):
                joined += end[:-1] + " "
                continue
            yield first, joined + before
            joined, first = "", 0
        self.cut = joined


class _Words:
    """The words of a line; what stands in brackets is one, without them."""

    def __init__(self, line: str) -> None:
        self._rest = line
        self._bracketed: set[str] = set()

    def next(self) -> str | None:
        """The next word, None behind the last."""
        rest = self._rest.lstrip(_BLANKS)
        if not rest:
            return None
        if not rest.startswith("["):
            end = next((at for at, each in enumerate(rest) if each in _BLANKS), len(rest))
            self._rest = rest[end + 1 :]
            return rest[:end]
        word, at = "", 1
        while at < len(rest) and rest[at] != "]":
            if rest.startswith("\\]", at):
                at += 1
            word += rest[at]
            at += 1
        self._rest = rest[at + 1 :]
        self._bracketed.add(word)
        return word

    def as_written(self, word: str) -> str:
        """A word as it stands in the file."""
        return f"[{word}]" if word in self._bracketed else word

    def __iter__(self) -> Iterator[str]:
        while (word := self.next()) is not None:
            yield word
