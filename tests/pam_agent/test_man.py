"""bartizan-agent(8) says what the program does."""

import re
import shutil
import subprocess
from pathlib import Path

import click
import msgspec
import pytest

from daemons.command_line import EXIT_NOT_DONE, EXIT_UNREACHABLE
from daemons.log_settings import Log
from pam_agent import admin_wire, cli, config, config_file
from pam_agent.command_line import EXIT_BAD_SETUP
from pam_agent.policy import Timers

PAGE = Path(__file__).parents[2] / "docs" / "man" / "bartizan-agent.8"
TEXT = PAGE.read_text().replace("\\-", "-").replace("\\fR", "").replace("\\fI", "")


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_it_is_a_man_page() -> None:
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z", str(PAGE)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


def test_it_names_every_command_and_option() -> None:
    for name, command in cli.main.commands.items():
        assert re.search(rf"^\.(B|BI) \"?{name}\b", TEXT, re.M), name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.opts[0] in TEXT


def test_it_names_every_key() -> None:
    for table in (
        config_file.AgentFile,
        config_file.RelayTable,
        Log,
        config_file.MetricsTable,
        config_file.ServiceTable,
        Timers,
    ):
        for field in msgspec.structs.fields(table):
            heading = rf"^\.(B {field.name}$|SS \[+{field.name}(\.NAME)?\])"
            assert re.search(heading, TEXT, re.M), field.name


def test_its_numbers_are_the_programs() -> None:
    for field in msgspec.structs.fields(Timers):
        (bounds,) = field.type.__metadata__
        assert re.search(rf"{bounds.ge:g} to {bounds.le:g},[^.]*default {field.default:g}\.", TEXT)
    for code in (EXIT_NOT_DONE, EXIT_BAD_SETUP, EXIT_UNREACHABLE):
        assert f".B {code}\n" in TEXT


def test_its_example_is_a_configuration() -> None:
    examples = re.findall(r"\.nf\n(.*?)\.fi", TEXT, re.S)
    parsed = [config.parse(each, "example") for each in examples if " = " in each]
    assert parsed[0].callers == {"postgres": ("postgresql",)}
    assert parsed[1].host == "web1"
    assert admin_wire.LinkKey(bytes(32), "web1").line
