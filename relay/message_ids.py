"""pure. A fixed id for each event of the relay's own, by which the journal finds all of a kind.

Drawn at random once (`python -c "import uuid; print(uuid.uuid4().hex)"`); an id is never used for
anything else, whatever becomes of its event's words.
"""

from collections.abc import Mapping
from typing import Final

from daemons import message_ids
from daemons.journal import JournalForm

MESSAGE_IDS: Final[Mapping[str, str]] = {
    "configuration adopted": "da5c5191d6684ec9ba4bf8cfc2df57da",
    "configuration refused": "a07884f50e004796beb3440ed4829589",
    "few descriptors": "e149928195c14d11a9e971f053ae2f07",
    "link ended": "3bffbf5e31ba4ace8e24c0bdd44a7c10",
    "link up": "63a1ba4da4e3403eba7c1270cb48a847",
    "no admin socket": "811ba2eeb0c441b9ae19cd83c9cc0e3c",
    "no descriptor left": "ece2e83511b34e98ac77ca1893fc3deb",
    "no metrics": "5a94bae032b24e5b8fa68903bf6c7487",
    "nothing taken over": "62078c5db8484436a3eb8facf9177c6e",
    "relay down": "f16837f989a24a00a174b01e1e54ab9f",
    "relay handed over": "067b054bfe534b9a910625db5b239830",
    "relay stopping": "dcef5b7b9e6c486b9e7659c959ebe1f5",
    "relay taken over": "3b43d621232140f7a2329ee633799acb",
    "relay up": "1570cb0cc8b94b9a97401117cfb6e015",
    "repeated": "ec89cbc265e24d1e9eec4af9030e13ea",
    "request ended": "26da8db0b6b84076963eba04757dc2ed",
    "restart needed": "548a23b855754dd486a6f369b27802b4",
    "signalled by command": "5588e22685e741978292c858add01f64",
    "validator ended": "280d8002e73b4f83975f8cb9213cf100",
}

JOURNAL_FORM: Final = JournalForm("bartizan-relay", {**message_ids.MESSAGE_IDS, **MESSAGE_IDS})
"""How the relay's events become entries."""
