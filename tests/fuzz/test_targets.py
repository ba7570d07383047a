"""Each target notices a fault in what it fuzzes, and its seeds reach that far."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from protocol.agent_auth import RelayHandshake
from protocol.errors import ProtocolError
from protocol.frames import FrameReader
from protocol.signon import _Machine
from relay.door import Door
from relay.requests import Requests
from tests.fuzz.place import PYTHON, seeds
from tests.fuzz.test_found import once


def nothing(*_: object) -> None:
    """Not done at all."""


def same(thing: object) -> object:
    return thing


def yes(*_: object) -> bool:
    return True


def put_out_at_once(door: Door, validator: Any, outcome: Any, now: float) -> None:
    door.dismiss(validator, outcome, now)


def strict_data(requests: Requests, link: Any, message: Any, now: float) -> None:
    if message.request not in link.requests:
        raise ProtocolError("Data for a request that there is not")
    requests.forward(link.requests[message.request].transaction, now)


FAULTS: dict[str, tuple[object, object]] = {
    "address": ("protocol.address.MAX_PORT", 99999),
    "admin_wire": ("pam_agent.admin_wire._decode", lambda line, decoder: decoder.decode(line)),
    "agent_decision": ("protocol.keys.equal", yes),
    "agent_enrolment": ("protocol.enrolment.MAX_DEVICE_NAME", 10),
    "agent_h1": ("protocol.keys.equal", yes),
    "agent_link": ("pam_agent.link.MAX_REJECTS", 99),
    "canonical": ("protocol.canonical._walk", nothing),
    "frames": ((FrameReader, "take"), nothing),
    "local_wire": ("pam_agent.local_wire.MAX_PAYLOAD", 0xFFFF),
    "messages": ("protocol.messages.decode", lambda body, allowed: allowed.decode(body)),
    "offer": ("protocol.enrolment.clean", str.upper),
    "passcode": ("protocol.passcode._interim", lambda digits: 0),
    "plaintexts": ("protocol.signon_messages.clean", same),
    "proxy_header": ("relay.proxy_header.MAX_HEADER", 537),
    "relay_and_agent": ((Requests, "data"), strict_data),
    "relay_link": ((RelayHandshake, "attach"), yes),
    "relay_validator": ("relay.transactions.MAX_TRANSACTION_FRAMES", 99),
    "relay_world": ((Door, "put_out"), put_out_at_once),
    "text": ("protocol.text._UNSAFE_CATEGORIES", frozenset({"Cc"})),
    "validator_context": ("protocol.signon_messages.MAX_NOTE", 10),
    "validator_enrolment": ("protocol.enrolment.MAX_HOST", 10),
    "validator_receipt": ((_Machine, "_check_sign_on_id"), nothing),
}


def test_each_target_has_a_fault() -> None:
    assert tuple(FAULTS) == PYTHON


@pytest.mark.parametrize("target", FAULTS)
def test_a_fault_is_noticed(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, fault = FAULTS[target]
    inputs = list(seeds(target))
    if isinstance(where, tuple):
        monkeypatch.setattr(*where, fault)
    else:
        monkeypatch.setattr(where, fault)
    with pytest.raises((AssertionError, LookupError, ValueError)):
        all_of(once(target), inputs)


def all_of(run: Callable[[bytes], None], inputs: Iterable[bytes]) -> None:
    for data in inputs:
        run(data)
