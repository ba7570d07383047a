"""pure. sshd_config with all that it includes, and each Match block switched on or off.

sshd itself has to say what a configuration comes to. So that it can be asked for a block whatever
the block's criteria are, all files are written anew, with other words behind `Match` and in place
of what `Include` names; each line stays the line that it was.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

MAIN: Final = "/etc/ssh/sshd_config"
FOLDER: Final = "/etc/ssh"
"""Where sshd looks for what `Include` names without a folder."""
MAX_DEPTH: Final = 16
"""Files within files: sshd's own limit."""
MAX_FILES: Final = 500
"""Files, each counted as often as it is included: more than any host has."""

ON: Final = "Match all"
OFF: Final = "Match LocalPort 1"
CONNECTION: Final = "lport=65535"
"""The connection that sshd is asked for, as `-C` takes it: of everything else nothing is known, and
a Match that asks for it does not apply."""

Text = Callable[[str], str | None]
"""What is in a file, None when it cannot be read."""
Matching = Callable[[str], Sequence[str]]
"""The files that an absolute pattern stands for, in order."""

_KEYWORD: Final = re.compile(r"^\s*\"?([A-Za-z]+)\"?(?:\s*=\s*|\s+|$)(.*)$")
_WORD: Final = re.compile(r"\"([^\"]*)\"|'([^']*)'|([^\s\"'=#][^\s=]*)|(#.*)")


class NotAskedError(Exception):
    """sshd does not say what a configuration comes to; its text is why.

    `refused`: because of what stands there, so that it does not start with it either.
    """

    def __init__(self, why: str, *, refused: bool = False) -> None:
        super().__init__(why)
        self.refused = refused


@dataclass(frozen=True)
class Block:
    """A Match line: where it stands, and what is written there.

    `within` are the blocks whose own criteria count here, too: it is in a file they include.
    """

    file: str
    line: int
    criteria: str
    within: tuple["Block", ...] = ()

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"

    @property
    def always(self) -> bool:
        """Whether it applies to every connection."""
        words = _words(self.criteria)
        return [word.lower() for word in words] == ["all"] or set(words[1::2]) == {"*"}

    @property
    def never(self) -> bool:
        """Whether it applies to none: of something it says only what it is not."""
        here = any(all(each[:1] == "!" for each in of) for of in _criteria(self).values())
        return here or any(each.never for each in self.within)

    def __str__(self) -> str:
        return f"Match {self.criteria}"


@dataclass(frozen=True)
class _Match:
    text: str
    block: Block


@dataclass(frozen=True)
class _Include:
    """The files, by their number."""

    files: tuple[int, ...]


@dataclass(frozen=True)
class Question:
    """What applies to a connection that meets `blocks`, one or two of them; `on` are those and
    all that apply wherever those do."""

    blocks: tuple[Block, ...]
    on: frozenset[Block]

    def __str__(self) -> str:
        *first, last = self.blocks
        both = [f"`{each}` ({each.place}) and " for each in first]
        return f"where {''.join(both)}`{last}` {'both apply' if first else 'applies'}"


@dataclass
class Tree:
    """All files; the first is the main one. A block is another one each time it is included."""

    paths: list[str] = field(default_factory=list)
    files: list[list[str | _Match | _Include]] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """Files that are included and cannot be read, or are too many."""

    def written(self, place: Callable[[int], str], on: frozenset[Block] | None) -> list[str]:
        """The text of each file. `place` is where the file of a number will lie; of the blocks
        those apply that are `on`, or, for None, those whose criteria do."""
        return ["".join(f"{_line(each, place, on)}\n" for each in file) for file in self.files]

    def questions(self) -> Iterator[Question]:
        """Each block alone, with those without which it never applies; then each two that one
        connection can meet. sshd needs no question for `Match all`."""
        always = frozenset(each for each in self.blocks if each.always and not each.within)
        alone = [
            Question((each,), always | {each, *each.within})
            for each in self.blocks
            if not each.never and (each.within or each.criteria.lower() != "all")
        ]
        yield from alone
        for one, other in combinations(alone, 2):
            on = one.on | other.on
            if on not in (one.on, other.on) and not any(
                _exclusive(a, b) for a in one.on for b in other.on
            ):
                yield Question((*one.blocks, *other.blocks), on)


def read(text: Text, matching: Matching) -> Tree | None:
    """The whole configuration, None when the main file cannot be read."""
    tree = Tree()
    return tree if _add(tree, MAIN, text, matching, (), 0) is not None else None


def _add(
    tree: Tree, path: str, text: Text, matching: Matching, within: tuple[Block, ...], depth: int
) -> int | None:
    """Adds a file and what it includes, and gives its number."""
    content = text(path) if depth < MAX_DEPTH and len(tree.files) < MAX_FILES else None
    if content is None:
        tree.unread.append(path)
        return None
    number, lines = len(tree.files), list[str | _Match | _Include]()
    tree.paths.append(path)
    tree.files.append(lines)
    inside = within
    for at, line in enumerate(content.split("\n"), start=1):
        keyword, rest = _keyword(line)
        if keyword == "match":
            block = Block(path, at, " ".join(_words(rest)), within)
            tree.blocks.append(block)
            inside = (*within, block)
            lines.append(_Match(line, block))
        elif keyword == "include":
            found = [
                _add(tree, each, text, matching, inside, depth + 1)
                for word in _words(rest)
                for each in matching(word if word.startswith("/") else f"{FOLDER}/{word}")
            ]
            lines.append(_Include(tuple(each for each in found if each is not None)))
        else:
            lines.append(line)
    return number


def _keyword(line: str) -> tuple[str, str]:
    found = _KEYWORD.match(line)
    return ("", "") if found is None else (found[1].lower(), found[2])


def _words(text: str) -> list[str]:
    """The words up to a comment, without their quotes."""
    words = []
    for quoted, other, bare, comment in _WORD.findall(text):
        if comment:
            break
        words.append(quoted or other or bare)
    return words


def _line(
    line: str | _Match | _Include, place: Callable[[int], str], on: frozenset[Block] | None
) -> str:
    if isinstance(line, _Include):
        named = " ".join(f'"{place(each)}"' for each in line.files)
        return f"Include {named}" if named else "#"
    if isinstance(line, _Match):
        return line.text if on is None else ON if line.block in on else OFF
    return line


# ---- which blocks no connection meets together ---------------------------------------------------


def _exclusive(one: Block, other: Block) -> bool:
    """Whether both ask for the same thing, and never for the same value of it.

    A user is in several groups, so those never exclude one another.
    """
    ones, others = _criteria(one), _criteria(other)
    return any(
        _apart(name, ones[name], others[name]) for name in ones.keys() & others.keys() - {"group"}
    )


def _criteria(block: Block) -> dict[str, list[str]]:
    words = _words(block.criteria)
    pairs = zip(words[::2], words[1::2], strict=False)
    return {name.lower(): values.split(",") for name, values in pairs}


def _apart(name: str, ones: Sequence[str], others: Sequence[str]) -> bool:
    if any(each.startswith("!") or set(each) & set("*?") for each in (*ones, *others)):
        return False
    if name not in ("address", "localaddress"):
        return not set(ones) & set(others)
    try:
        networks = [
            [ipaddress.ip_network(each, strict=False) for each in all_] for all_ in (ones, others)
        ]
    except ValueError:
        return False
    return not any(
        a.version == b.version and a.overlaps(b) for a in networks[0] for b in networks[1]
    )
