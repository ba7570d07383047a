"""The man page says what the program does, no less and no more."""

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from validator.cli import program
from validator.outcomes import ExitCode, Outcome

PAGE = Path(__file__).parents[2] / "docs" / "man" / "bartizan.1"
TEXT = PAGE.read_text().replace("\\-", "-")
SECTIONS = dict(re.findall(r"^\.SH \"?([A-Z -]+)\"?\n(.*?)(?=^\.SH|\Z)", TEXT, re.M | re.S))


def options() -> set[str]:
    assert isinstance(program, click.Group)
    return {
        name
        for command in program.commands.values()
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in parameter.opts
    }


def test_every_command_and_option_is_described_and_no_other():
    assert isinstance(program, click.Group)
    for command in program.commands:
        assert f".B bartizan {command}\n" in TEXT
        assert re.search(rf"^\.SS {command}$", TEXT, re.M)
    written = set(re.findall(r"--[a-z-]+", TEXT))
    assert written == options()


def test_every_exit_code():
    assert re.findall(r"^\.B (\d)$", SECTIONS["EXIT STATUS"], re.M) == [
        str(int(code)) for code in ExitCode
    ]


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome(outcome: Outcome):
    assert re.search(rf"[ \n]{outcome.value}[ \n]", TEXT)


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff")
def test_groff_has_nothing_to_complain_about():
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z", str(PAGE)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
