"""edge. A device, and a host that it is enrolled at."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.direct_agent import DirectAgent, direct_agent
from tests.validator.command_line import put
from tests.validator.pairs import pair
from tests.validator.stores import RECORD, write
from tests.validator.terminal_user import environment
from validator.keystore import KeyStore
from validator.record import Record


@pytest.fixture
async def agent():
    async with direct_agent() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def env(home: Path) -> dict[str, str]:
    return environment(home)


@pytest.fixture
def record(agent: DirectAgent, home: Path) -> Record:
    """An enrolled device."""
    enrolled = pair(agent)
    put(home, enrolled)
    return enrolled


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "bartizan"


@pytest.fixture
def store(path: Path) -> Iterator[KeyStore]:
    with KeyStore(path) as opened:
        write(opened, RECORD)
        yield opened
