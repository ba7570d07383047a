"""edge. The module in both builds: as it is installed, and with the sanitizers in it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.module_host import Host
from tests.support.pam import build_module


@pytest.fixture(scope="session")
def build() -> Callable[[bool], Path]:
    made: dict[bool, Path] = {}

    def once(sanitized: bool) -> Path:
        if sanitized not in made:
            made[sanitized] = build_module(sanitized=sanitized)
        return made[sanitized]

    return once


@pytest.fixture(params=[False, True], ids=["hardened", "sanitized"])
def host(request: pytest.FixtureRequest, tmp_path: Path, build: Callable[[bool], Path]) -> Host:
    return Host(tmp_path, build(request.param), request.param)
