"""The vectors are what the code makes today, and nothing that SPEC names is missing from them."""

import json
from enum import IntEnum
from pathlib import Path
from typing import Any, get_args

import pytest

from protocol import messages, offline, passcode, ticket
from protocol.agent_auth import public_bytes
from protocol.enrolment import EnrolAnswer, Offer, OfferError
from protocol.errors import ActivationFailedError, ProtocolError
from protocol.keys import Mode
from protocol.messages import (
    FROM_AGENT,
    FROM_RELAY,
    FROM_VALIDATOR,
    CloseReason,
    Message,
    RefusedReason,
)
from protocol.passcode import MistypedError
from protocol.signon import AgentSignOn, EnrolledDevice
from protocol.signon_messages import (
    Confirm,
    Context,
    Decision,
    H1Payload,
    Receipt,
    Role,
    SignOnOutcome,
    UserVerification,
    Verdict,
)
from tests.vectors.fixed import AGENT, DEVICE, GENERATION, K_RV, PASSCODE, fields_of
from tests.vectors.generate import DOCUMENTS, FOLDER, jsonable, text


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_files_are_as_generated(name: str) -> None:
    assert (FOLDER / name).read_text() == text(name), "run python -m tests.vectors.generate"


def test_there_is_no_other_file() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == set(DOCUMENTS)


def test_the_specification_names_each_file() -> None:
    spec = Path(FOLDER, "..", "..", "protocol", "SPEC.md").read_text()
    assert all(f"`{name}`" in spec for name in DOCUMENTS)


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return document


def test_every_message_is_there() -> None:
    there = {vector["message"] for vector in load("messages.json")["messages"]}
    assert there == {message.__name__ for message in get_args(Message)}


@pytest.mark.parametrize(
    ("message", "field", "kind"),
    [("Refused", "reason", RefusedReason), ("Close", "reason", CloseReason)],
)
def test_every_reason_is_there(message: str, field: str, kind: type[IntEnum]) -> None:
    vectors = load("messages.json")["messages"]
    assert {v["fields"][field] for v in vectors if v["message"] == message} == set(kind)


@pytest.mark.parametrize(
    ("message", "field", "kind"),
    [
        ("Context", "mode", Mode),
        ("Context", "role", Role),
        ("Decision", "verdict", Verdict),
        ("Decision", "user_verification", UserVerification),
        ("Receipt", "outcome", SignOnOutcome),
    ],
)
def test_every_value_of_a_plaintext_is_there(message: str, field: str, kind: type[IntEnum]) -> None:
    vectors = load("plaintexts.json")["plaintexts"]
    assert {v["fields"][field] for v in vectors if v["message"] == message} == set(kind)


def test_every_label_is_there() -> None:
    vectors = load("derivations.json")["vectors"]
    labels = {v["inputs"]["label"] for v in vectors if v["function"] == "KDF"}
    assert labels == {"link", "tag", "psk", "m1", "rv", "r0", "compare", "offline", "ticket"}


# ---- what the generator only writes down, and this code must do ----------------------------------

SENDERS = {"agent": FROM_AGENT, "relay": FROM_RELAY, "validator": FROM_VALIDATOR}
DECODERS = {
    decoder.__name__: decoder.decode for decoder in (H1Payload, Context, Decision, Receipt, Confirm)
}
DECODERS["EnrolAnswer"] = EnrolAnswer.decode


@pytest.mark.parametrize("vector", load("messages.json")["refused"], ids=lambda v: v["reason"])
def test_refused_messages(vector: dict[str, str]) -> None:
    with pytest.raises(ProtocolError):
        messages.decode(bytes.fromhex(vector["body"]), SENDERS[vector["sender"]])


@pytest.mark.parametrize("vector", load("plaintexts.json")["refused"], ids=lambda v: v["reason"])
def test_refused_plaintexts(vector: dict[str, str]) -> None:
    with pytest.raises(ProtocolError):
        DECODERS[vector["message"]](bytes.fromhex(vector["plaintext"]))


@pytest.mark.parametrize("name", ["ignored", "cleaned"])
def test_plaintexts_that_no_encoder_makes(name: str) -> None:
    vector = load("plaintexts.json")[name]
    message = DECODERS[vector["message"]](bytes.fromhex(vector["plaintext"]))
    assert jsonable(fields_of(message)) == vector["fields"]


def test_mistyped_passcodes_and_offers() -> None:
    for code in load("passcodes.json")["mistyped"]:
        with pytest.raises(MistypedError):
            passcode.parse(code)
    for uri in load("enrolment.json")["mistyped"]:
        with pytest.raises(OfferError):
            Offer.decode(uri)
    for uri in load("enrolment.json")["typed"]:
        assert Offer.decode(uri) == Offer.decode(load("enrolment.json")["uri"])


def test_what_is_typed_without_a_network() -> None:
    vectors = load("offline.json")
    for v in vectors["typed_responses"]:
        assert offline.parse(v["typed"]) == v["response"]
    for v in vectors["typed_tickets"]:
        assert ticket.parse(v["typed"]) == v["ticket"]
    assert not any(map(offline.parse, vectors["no_responses"]))
    assert not any(map(ticket.parse, vectors["no_tickets"]))


@pytest.mark.parametrize("vector", load("sign_on.json")["refused_h1"], ids=lambda v: v["why"])
def test_refused_h1(vector: dict[str, Any]) -> None:
    device = EnrolledDevice(public_bytes(DEVICE), K_RV, (GENERATION,))
    agent = AgentSignOn(AGENT, device, Mode.PASSCODE, PASSCODE)
    with pytest.raises(ProtocolError) as caught:
        agent.receive_h1(bytes.fromhex(vector["frame"]))
    assert isinstance(caught.value, ActivationFailedError) == vector["counted"]
