import re
from pathlib import Path
from types import ModuleType

import pytest

import daemons.message_ids
import pam_agent.message_ids
import relay.message_ids

CALL = r'(?:_log\.\w+|\bsay|\btell|get_logger\(\)\.\w+)\(\s*"([^"]+)"|\{"event": "([^"]+)"'
MODULES = (daemons.message_ids, pam_agent.message_ids, relay.message_ids)


@pytest.mark.parametrize("module", MODULES)
def test_every_event_has_an_id(module: ModuleType) -> None:
    named = set()
    for file in Path(module.__file__ or "").parent.glob("*.py"):
        text = file.read_text()
        named |= {one or other for one, other in re.findall(CALL, text)}
        if file.name == "records.py":  # those of the relay's broker
            named |= set(re.findall(r'tag="([^"]+)"', text))
    assert named == set(module.MESSAGE_IDS)


def test_no_id_is_used_twice() -> None:
    ids = [each for module in MODULES for each in module.MESSAGE_IDS.values()]
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)
    assert len(set(ids)) == len(ids)
