"""pure. A fixed id for each event of the agent's own, by which the journal finds all of a kind.

Drawn at random once (`python -c "import uuid; print(uuid.uuid4().hex)"`); an id is never used for
anything else, whatever becomes of its event's words.
"""

from collections.abc import Mapping
from typing import Final

from daemons import message_ids
from daemons.journal import JournalForm

MESSAGE_IDS: Final[Mapping[str, str]] = {
    "agent stopping": "e7bf06c141864432a20037133576c50f",
    "agent up": "43394e53cc2e4122ae6e422eb4da16fc",
    "break-glass not used": "5fec852807cc4cfdb2e6c51f0402469b",
    "alias changed": "bf81b10b45bd45f9b5e1e5409cc597da",
    "break-glass ended": "2245b1470e7f4ef2b1518e567ffcb803",
    "break-glass opened": "e06f7098804e43e59acd095ec77c0d18",
    "caller refused": "e0d0a07e137d490ab097440650618163",
    "configuration adopted": "47d92e47dacb4fd3998514c2351323db",
    "configuration refused": "c90f0508891e45c1abfaa84c122792a4",
    "device disabled": "6214b9eec1e64a5cb47be50597da00df",
    "device revoked": "41bc5c8610b843758642eef6c30a8429",
    "enrolment ended": "ffa9f470d05f488bace90e7257371ff6",
    "link lost": "163b36facbc543ebb02beb7bc4e208f2",
    "link up": "4f27cc6fd52d4f0caa8c9e339a4d6c04",
    "methods changed": "a1ae74816f2f4b85ba10645e55c25e86",
    "no connection": "54c35d23e64c415788084035122a3767",
    "relay dropped": "d526607deebc467da077c85a88ce33c8",
    "request refused": "fbf783d683ad4bbd8350c6e8d3f72820",
    "restart needed": "f7714b25633140b99442bbfd66f54c93",
    "sign-on ended": "0f358de16d9c4d3d8aaae874fd3efe25",
    "sign-on failed unexpectedly": "7971ef2336ae404ab746d8d420a21dfd",
    "store failed": "2b35b2c76e1944a6b9ec9f10e2aed4c5",
    "totp changed": "83e39ca9f7234aaa9dad6d8eec0fc0bd",
}

JOURNAL_FORM: Final = JournalForm("bartizan-agent", {**message_ids.MESSAGE_IDS, **MESSAGE_IDS})
"""How the agent's events become entries."""
