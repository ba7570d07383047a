"""What is said of the module's arguments; tests/module/test_options.py has what the module says."""

import re
from pathlib import Path

import pytest

from pam_agent.module_options import DEFAULT_SOCKET, DEFAULT_TIMEOUT, MAX_TIMEOUT, judge

SOURCES = Path(__file__).parents[2] / "pam_agent" / "module"


def words(arguments: str, listening: str = DEFAULT_SOCKET) -> list[str]:
    return [word for word, _, _ in judge(arguments.split(), "demo", listening, 107)]


@pytest.mark.parametrize(
    "arguments",
    ["", "debug", "debug debug", "timeout=107", "timeout=00003600", f"socket={DEFAULT_SOCKET}"],
)
def test_what_is_right(arguments: str) -> None:
    assert words(arguments) == []


@pytest.mark.parametrize(
    "arguments",
    [
        "nothing",
        "Debug",
        "debug=yes",
        "socket",
        "timeout",
        "timeout=",
        "timeout=0",
        "timeout=3601",
        "timeout=4000",
        "timeout=" + "9" * 5000,
        "timeout=110s",
        "timeout=-110",
        "timeout=\u0661\u0661\u0661",
        "timeout=110 timeout=110",
    ],
)
def test_what_the_module_refuses(arguments: str) -> None:
    assert "bad-option" in words(arguments)


@pytest.mark.parametrize("path", ["run/agent.sock", "", "/" + "x" * 107, "/" + "\u00e9" * 54])
def test_paths_that_it_refuses_even_if_the_agent_listens_there(path: str) -> None:
    assert words(f"socket={path}", path) == ["bad-option"]
    assert words("socket=/" + "x" * 106, "/" + "x" * 106) == []


def test_what_the_agent_does_not_do() -> None:
    assert words("timeout=106") == ["module-timeout"]
    assert words("socket=/x") == words("", "/x") == ["other-socket"]


def test_the_numbers_are_the_modules() -> None:
    header = (SOURCES / "options.h").read_text()
    for name, value in (("DEFAULT", DEFAULT_TIMEOUT), ("MAX", MAX_TIMEOUT)):
        assert re.search(rf"\bOPTIONS_(DEFAULT|MAX)_TIMEOUT\b\D*{value}\b", header), name
    assert f'DEFAULT_SOCKET[] = "{DEFAULT_SOCKET}"' in (SOURCES / "options.c").read_text()
