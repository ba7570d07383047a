"""Every file says how warm it is, and files that say "pure." are, whatever they import in turn."""

import ast
import tomllib
from pathlib import Path
from typing import Final

import grimp
import pytest

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("protocol", "daemons", "relay", "pam_agent", "validator")
TEMPERATURES: Final = ("pure.", "shell.", "edge.")


def modules(temperature: str) -> list[str]:
    found = []
    for package in PACKAGES:
        for file in (ROOT / package).glob("*.py"):
            docstring = ast.get_docstring(ast.parse(file.read_text())) or ""
            if docstring.startswith(temperature):
                found.append(f"{package}.{file.stem}")
    return sorted(found)


@pytest.fixture(scope="module")
def contract() -> dict[str, list[str]]:
    """The one in pyproject.toml that `lint-imports` checks."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    [pure] = [each for each in contracts if each["name"].startswith("Pure files are pure")]
    return dict(pure)


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)


def test_every_file_says_how_warm_it_is() -> None:
    said = {module for temperature in TEMPERATURES for module in modules(temperature)}
    files = {
        f"{package}.{file.stem}"
        for package in PACKAGES
        for file in (ROOT / package).glob("*.py")
        if file.stem != "__init__"
    }
    assert files - said == set()


def test_the_contract_names_every_pure_file_of_the_relay(contract: dict[str, list[str]]) -> None:
    named = {name for name in contract["source_modules"] if name.startswith("relay.")}
    assert named == {module for module in modules("pure.") if module.startswith("relay.")}


def test_pure_files_reach_nothing_that_is_not(
    contract: dict[str, list[str]], graph: grimp.ImportGraph
) -> None:
    pure = set(modules("pure."))
    for warm in {*contract["forbidden_modules"], *modules("shell."), *modules("edge.")}:
        if warm in graph.modules:
            assert graph.find_downstream_modules(warm) & pure == set(), warm


def test_the_graph_sees_what_it_must(
    contract: dict[str, list[str]], graph: grimp.ImportGraph
) -> None:
    """Else the test above could not fail."""
    reached = graph.find_upstream_modules("relay.service")
    assert {"trio", "signal", "relay.config", "os"} <= reached
    assert {"trio", "signal", "os"} <= set(contract["forbidden_modules"])
