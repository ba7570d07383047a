import json

import click
import pytest
from click.testing import CliRunner, Result

from daemons import command_line
from daemons.admin_client import RefusedError, UnreachableError
from daemons.command_line import failing, json_option, show, sign_on_id_argument
from daemons.troubles import Trouble

TROUBLE = Trouble(1.0, "error", "down")


class OtherError(Exception):
    pass


@click.command()
@sign_on_id_argument
@json_option
def why(sign_on_id: str, as_json: bool) -> None:
    show([TROUBLE], [sign_on_id, "a row"], as_json=as_json)


def run(*args: str) -> Result:
    return CliRunner().invoke(why, args)


def test_an_id_is_taken_as_people_type_it() -> None:
    assert run(" ABCDEFGHIJK27 ").output == "abcdefghijk27\na row\n"


@pytest.mark.parametrize("text", ["", "abcdefghijk2", "abcdefghijk271", "abcdefghijk20"])
def test_what_is_no_id_is_refused(text: str) -> None:
    result = run(text)
    assert result.exit_code == 2
    assert "expected 13 letters and digits" in result.output


def test_programs_get_the_replies_themselves() -> None:
    expected = '{"type":"trouble","at":1.0,"level":"error","what":"down"}\n'
    assert run("abcdefghijk27", "--json").output == expected


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b2J", "\x7f", "\u202e", "\u2028", "\x85", "ä"])
def test_a_terminal_that_it_is_printed_on_obeys_nobody(text: str) -> None:
    printed = command_line.as_json_text(Trouble(1.0, "error", text))
    assert printed.isascii()
    assert printed.isprintable()
    assert json.loads(printed)["what"] == text


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RefusedError("one\ntwo"), command_line.EXIT_NOT_DONE),
        (UnreachableError("one\ntwo"), command_line.EXIT_UNREACHABLE),
        (OtherError("one\ntwo"), 7),
    ],
)
def test_an_error_is_lines_and_an_exit_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, failing("bartizan-x", {OtherError: 7}):
        raise error
    assert ended.value.code == code
    assert capsys.readouterr() == ("", "bartizan-x: one\nbartizan-x: two\n")


def test_another_error_is_a_bug_and_stays_one() -> None:
    with pytest.raises(KeyError), failing("bartizan-x", {OtherError: 7}):
        raise KeyError
