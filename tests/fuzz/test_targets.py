"""Each target notices a fault in what it fuzzes, and its seeds reach that far."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from pam_agent.local_wire import RecordReader
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


DATA = Requests.data


def strict_data(requests: Requests, link: Any, number: int, frame: bytes, now: float) -> None:
    if number not in link.requests:
        raise ProtocolError("Data for a request that there is not")
    DATA(requests, link, number, frame, now)


FAULTS: dict[str, tuple[object, object]] = {
    "address": ("protocol.address.MAX_PORT", 99999),
    "admin_wire": ("pam_agent.admin_wire.decode_line", lambda line, decoder: decoder.decode(line)),
    "agent_decision": ("protocol.keys.equal", yes),
    "agent_enrolment": ("protocol.enrolment.MAX_DEVICE_NAME", 10),
    "agent_h1": ("protocol.keys.equal", yes),
    "agent_link": ("pam_agent.link.MAX_REJECTS", 99),
    "canonical": ("protocol.canonical._walk", nothing),
    "codes": ("protocol.ticket.LOOK_AHEAD", 16),
    "data_messages": ("protocol.data_messages.MAX_FRAME", 10),
    "frames": ((FrameReader, "take"), nothing),
    "local_wire": ("pam_agent.local_wire.MAX_PAYLOAD", 0xFFFF),
    "messages": ("protocol.messages.decode", lambda body, allowed: allowed.decode(body)),
    "offer": ("protocol.enrolment.clean", str.upper),
    "passcode": ("protocol.passcode._interim", lambda digits: 0),
    "plaintexts": ("protocol.signon_messages.clean", same),
    "proxy_header": ("relay.proxy_header.MAX_HEADER", 537),
    "relay_admin_wire": (
        "relay.admin_wire.decode_line",
        lambda line, decoder: decoder.decode(line),
    ),
    "relay_and_agent": ((Requests, "data"), strict_data),
    "relay_link": ((RelayHandshake, "attach"), yes),
    "relay_validator": ("relay.transactions.MAX_TRANSACTION_FRAMES", 99),
    "relay_world": ((Door, "put_out"), put_out_at_once),
    "sign_on_uri": ("protocol.sign_on_uri.clean", same),
    "text": ("protocol.text._UNSAFE_CATEGORIES", frozenset({"Cc"})),
    "validator_context": ("protocol.signon_messages.MAX_NOTE", 10),
    "validator_enrolment": ("protocol.enrolment.MAX_HOST", 10),
    "validator_receipt": ((_Machine, "_check_sign_on_id"), nothing),
}


CUT = ("agent_link", "frames", "local_wire", "relay_link", "relay_validator")
"""Targets whose inputs say how a stream is cut."""


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


def forgets(reader: FrameReader | RecordReader, data: bytes) -> None:
    """What came before, when it was a single byte."""
    before = reader._buffer[getattr(reader, "_offset", 0) :]
    reader._buffer = data if len(before) == 1 else before + data
    if isinstance(reader, FrameReader):
        reader._offset = 0


@pytest.mark.parametrize("target", CUT)
def test_a_fault_between_pieces_is_noticed(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = list(seeds(target))
    for reader in (FrameReader, RecordReader):
        monkeypatch.setattr(reader, "feed", forgets)
    with pytest.raises((AssertionError, LookupError, ValueError)):
        all_of(once(target), inputs)


def all_of(run: Callable[[bytes], None], inputs: Iterable[bytes]) -> None:
    for data in inputs:
        run(data)
