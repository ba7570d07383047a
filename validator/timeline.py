"""pure. When what happened in one sign-on, and the log's one line about it. Holds no secret."""

import json
from dataclasses import dataclass, field
from enum import StrEnum

from protocol import sign_on_id as sign_on_ids
from protocol.keys import Mode
from validator.outcomes import Outcome


class Step(StrEnum):
    """A moment of a sign-on on this device."""

    CONNECTED = "connected"
    CONTEXT_SHOWN = "context_shown"
    DECIDED = "decided"
    RECEIPT = "receipt"


@dataclass
class Timeline:
    """What is known of a sign-on so far: readable also when the sign-on was broken off."""

    sign_on_id: bytes = b""
    at: dict[Step, float] = field(default_factory=dict)
    """Unix seconds; the last connection made counts as CONNECTED."""

    def line(self, mode: Mode, outcome: Outcome) -> str:
        """One line of JSON, with its line break."""
        entry = {
            "event": "sign-on",
            "mode": mode.name.lower(),
            "sign_on_id": sign_on_ids.display(self.sign_on_id) if self.sign_on_id else None,
            "outcome": outcome.value,
            "at": {step.value: self.at[step] for step in Step if step in self.at},
        }
        return json.dumps(entry) + "\n"
