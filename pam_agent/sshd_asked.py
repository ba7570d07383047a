"""edge. sshd, asked what its configuration comes to: for all, and where a Match block applies."""

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pam_agent.host_files import HostFiles
from pam_agent.sshd_config import CONNECTION, MAIN, Block, NotAskedError, Tree, read

SSHD: Final = "/usr/sbin/sshd"
PATIENCE: Final = 10.0
"""Seconds for `sshd -T`: it reads a file or two."""

_REFUSED: Final = re.compile(
    r" line \d+: |: terminating, |AuthenticationMethods cannot be satisfied"
)
"""What sshd says of a configuration that it does not take, and not of its keys or folders."""


@dataclass(frozen=True)
class Sshd:
    """The sshd of a host, with its configuration; `tree` is None where there is none to be read."""

    files: HostFiles
    tree: Tree | None

    @classmethod
    def of(cls, files: HostFiles) -> "Sshd":
        return cls(
            files,
            read(
                lambda path: files.text(Path(path)),
                lambda pattern: [str(each) for each in files.matching(pattern)],
            ),
        )

    @property
    def command(self) -> str:
        """The question, as somebody would type it."""
        return f"{SSHD} -T" + ("" if self._is_this else f" -f {self.files.root}{MAIN}")

    def for_all(self) -> str:
        """What applies where no Match block does. NotAskedError."""
        if self.tree is None or self._is_this:
            return _ask([])
        return self._ask_tree(self.tree, None)

    def where(self, on: frozenset[Block]) -> str:
        """What applies where these blocks do, and no others. NotAskedError."""
        return self._ask_tree(self.tree or Tree(), on)

    @property
    def _is_this(self) -> bool:
        return self.files.root == Path("/")

    def _ask_tree(self, tree: Tree, on: frozenset[Block] | None) -> str:
        with tempfile.TemporaryDirectory(prefix="bartizan-check-") as folder:
            places = [f"{folder}/{number}.conf" for number in range(len(tree.paths))]
            for place, text in zip(places, tree.written(places.__getitem__, on), strict=True):
                Path(place).write_text(text)
            try:
                return _ask(["-f", places[0]])
            except NotAskedError as error:
                why = str(error)
                for place, path in zip(places, tree.paths, strict=True):
                    why = why.replace(place, path)
                raise NotAskedError(why, refused=error.refused) from None


def _ask(options: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            [SSHD, "-T", "-C", CONNECTION, *options],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotAskedError(str(error)) from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["it says nothing"]
        raise NotAskedError("; ".join(said[-2:]), refused=_REFUSED.search(done.stderr) is not None)
    return done.stdout
