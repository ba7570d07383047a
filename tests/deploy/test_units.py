"""The units: what systemd itself says of their syntax and of their sandbox."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

UNITS: Final = Path(__file__).parents[2] / "deploy" / "systemd"
MOST_EXPOSED: Final = {
    "bartizan-relay.service": 1.3,
    "bartizan-relay@.service": 1.3,
    "bartizan-agent.service": 2.0,
}


@pytest.fixture(autouse=True)
def analyze() -> None:
    if shutil.which("systemd-analyze") is None:
        missing = "needs systemd-analyze: apt-get install systemd"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)


def said(*arguments: str | Path) -> str:
    done = subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", MOST_EXPOSED)
def test_the_sandbox_is_as_tight_as_promised(name: str) -> None:
    report = said("security", "--offline=true", UNITS / name)
    [level] = re.findall(r"Overall exposure level for \S+ ([0-9.]+)", report)
    assert float(level) <= MOST_EXPOSED[name], report


@pytest.mark.parametrize("name", sorted(each.name for each in UNITS.glob("*.[st]*[et]")))
def test_systemd_knows_every_line(name: str, tmp_path: Path) -> None:
    """An unknown directive is only a warning where a unit is loaded."""
    text = (UNITS / name).read_text()
    # Neither the programs nor their pages are installed where the tests run.
    text = re.sub(r"(?m)^(Exec\w+=)\S+", r"\1/bin/true", text)
    text = re.sub(r"(?m)^Documentation=.*\n", "", text)
    for each in UNITS.iterdir():
        (tmp_path / each.name).write_text(each.read_text())
    (tmp_path / name).write_text(text)
    complaints = [line for line in said("verify", tmp_path / name).splitlines() if name in line]
    assert complaints == []


def test_an_instance_differs_in_its_name_alone() -> None:
    one = (UNITS / "bartizan-relay.service").read_text().partition("[Unit]")[2]
    instance = (UNITS / "bartizan-relay@.service").read_text().partition("[Unit]")[2]
    for of_the_instance in (" --config /etc/bartizan/relay-%i.toml", " %i"):
        instance = instance.replace(of_the_instance, "")
    assert instance == one
