import json

import pytest

from protocol.keys import Mode
from validator.outcomes import Outcome
from validator.timeline import Step, Timeline


def test_one_line_with_the_steps_in_order():
    timeline = Timeline(b"12345678")
    timeline.at = {Step.RECEIPT: 4.5, Step.CONNECTED: 1.25, Step.DECIDED: 3.0}
    line = timeline.line(Mode.PASSCODE, Outcome.SIGNED_ON)
    assert line.endswith("}\n")
    assert line.count("\n") == 1
    entry = json.loads(line)
    assert entry == {
        "event": "sign-on",
        "mode": "passcode",
        "sign_on_id": "gezdgnbvgy3tq",
        "outcome": "signed-on",
        "at": {"connected": 1.25, "decided": 3.0, "receipt": 4.5},
    }
    assert list(entry["at"]) == ["connected", "decided", "receipt"]


@pytest.mark.parametrize("outcome", Outcome)
def test_a_sign_on_that_never_got_its_context_has_no_id(outcome: Outcome):
    entry = json.loads(Timeline().line(Mode.PROOF, outcome))
    assert entry["sign_on_id"] is None
    assert entry["outcome"] == outcome.value
    assert entry["mode"] == "proof"
