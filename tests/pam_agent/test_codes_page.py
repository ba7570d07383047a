"""docs/codes.md says what there is."""

import re
from pathlib import Path

import pytest

from pam_agent import cli, config
from pam_agent.methods import Method
from pam_agent.outcomes import SignOnEnd
from pam_agent.service_policy import Display
from protocol.ticket import LOOK_AHEAD, parse

PAGE = (Path(__file__).parents[2] / "docs" / "codes.md").read_text()
REST = (
    'host = "web1"\nstate = "/s"\nsocket = "/p"\nadmin_socket = "/a"\n'
    '[[relays]]\nlink = "unix:/l"\nvalidators = ["relay:4817"]\n'
)


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", PAGE, re.S))
def test_each_configuration_is_one(block: str) -> None:
    ((name, policy),) = config.parse(REST + block, "the page").services.items()
    assert f"[services.{name}]" in block
    silent = {Method.TICKET, Method.TOTP}
    assert not policy.methods - silent or policy.display is not Display.SILENT


def test_its_words_are_the_programs() -> None:
    assert {f"`{method}`" for method in Method} - {"`approve`"} <= set(re.findall(r"`\w+`", PAGE))
    outcomes = re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.M)
    assert [SignOnEnd(word) for word in outcomes] == [
        SignOnEnd.WRONG_CODE,
        SignOnEnd.REPLAYED,
        SignOnEnd.THROTTLED,
    ]
    for command in set(re.findall(r"bartizan-agent (\w+)", PAGE)):
        assert command in cli.main.commands
    assert f"has made {LOOK_AHEAD} tickets" in PAGE
    (shown,) = re.findall(r",(\w{5}-\w{5})\)", PAGE.replace("`", ""))
    assert parse(shown) is not None
