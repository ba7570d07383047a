"""The relay's commented configuration: as delivered it changes nothing, and what it shows is so."""

import re
from pathlib import Path
from typing import Final

import relay.config
from relay.keys import load_agents

FILES: Final = Path(__file__).parents[2] / "deploy" / "config"


def uncommented(text: str) -> str:
    """With each line in force that is TOML behind its `#`."""
    return re.sub(r"(?m)^# (?=\[|\w+ = )", "", text)


def test_the_relays_file_is_the_default() -> None:
    assert relay.config.load(FILES / "relay.toml") == relay.config.default()


def test_the_relays_file_shows_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(uncommented((FILES / "relay.toml").read_text()))
    shown, default = relay.config.load(file), relay.config.default()
    assert [each.listen for each in shown.agents] == [
        "tcp:[::]:4816",
        "unix:/run/bartizan-relay/agents.sock",
    ]
    assert [each.listen for each in shown.validators] == ["tcp:[::]:4817"]
    assert shown.log == default.log


def test_no_agent_may_attach_yet() -> None:
    assert load_agents(FILES / "relay.agents") == {}
