"""edge. One host with all parts of Bartizan on it, for the real programs that ask PAM."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support import debian, packages
from tests.support.moved_clocks import Clocks, moved_clocks
from tests.support.namespace import system_host, why_not
from tests.support.programs import installation
from tests.support.site import OTHER_LINES, SUDOERS, Site

PROGRAMS = (
    *("unshare", "setpriv", "setsid", "openssl", "pamtester"),
    *("ssh", "ssh-keygen", "sshd", "scp", "git", "sudo", "su", "login"),
)


@pytest.fixture(scope="session")
def possible() -> None:
    _need(*PROGRAMS)


@pytest.fixture(scope="session")
def debs() -> tuple[Path, ...]:
    """The packages, for machines of tests/support/machine.py."""
    _need(*packages.PROGRAMS, *debian.PROGRAMS)
    return packages.built_packages()


def _need(*programs: str) -> None:
    """Skips and says why; where CI=true nothing may be missing."""
    reason = why_not(programs)
    if reason is not None and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture
def folder(possible: None) -> Iterator[Path]:
    """Not pytest's own: ada has to get to her home."""
    with tempfile.TemporaryDirectory(prefix="bartizan-") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@pytest.fixture
def clocks(folder: Path) -> Iterator[Clocks]:
    """The agent's on `site`."""
    with moved_clocks(folder / "clocks") as moved:
        yield moved


@pytest.fixture
async def site(folder: Path, clocks: Clocks) -> AsyncIterator[Site]:
    host = system_host(folder, SUDOERS)
    async with installation(host, folder, agent_prefix=clocks.prefix) as parts:
        for service in ("sshd", "sudo", "pamtester"):
            host.service(service, parts.auth_line + OTHER_LINES)
        yield Site(host, parts, folder)
