"""edge. The pages of docs/services, as they are: their blocks, by what file each is for."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGES: Final = Path(__file__).resolve().parents[2] / "docs" / "services"
COMMON_AUTH: Final = (
    "auth\t[success=1 default=ignore]\tpam_unix.so nullok\n"
    "auth\trequisite\t\t\tpam_deny.so\n"
    "auth\trequired\t\t\tpam_permit.so\n"
    "auth\toptional\t\t\tpam_cap.so\n"
)
"""Debian's, as pam-auth-update makes it."""
_BLOCK: Final = re.compile(r"^```(\w+) (/\S+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """`kind` is pam, sshd_config, sudoers or toml; `mark` says what a stack does on purpose."""

    page: str
    kind: str
    path: Path
    mark: str
    text: str

    @property
    def name(self) -> str:
        return self.path.name

    def __str__(self) -> str:
        return f"{self.page}-{self.name}-{self.mark or 'plain'}"


def blocks(kind: str, page: str = "*") -> list[Block]:
    """All blocks of a kind, in the order of the pages."""
    return [each for each in _all(page) if each.kind == kind]


def _all(page: str) -> Iterator[Block]:
    for file in sorted(PAGES.glob(f"{page}.md")):
        for kind, path, mark, text in _BLOCK.findall(file.read_text()):
            yield Block(file.stem, kind, Path(path), mark, text)
