"""The relay's configuration, as delivered, changes nothing and lets nobody in."""

from pathlib import Path
from typing import Final

import relay.config
from relay.keys import load_agents

FILES: Final = Path(__file__).parents[2] / "deploy" / "config"


def test_the_relays_file_is_the_default() -> None:
    assert relay.config.load(FILES / "relay.toml") == relay.config.default()


def test_no_agent_may_attach_yet() -> None:
    assert load_agents(FILES / "relay.agents") == {}
