"""What the module does with an agent that breaks off, or sends what is no record: it denies."""

import unicodedata

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pam_agent.local_wire import (
    FROM_AGENT,
    MAX_PAYLOAD,
    RecordReader,
    RecordType,
    Result,
    encode_record,
)
from protocol.errors import ProtocolError
from tests.support.module_host import Host
from tests.support.pam import PamCode
from tests.support.scripted_agent import Caller

APPROVED = encode_record(RecordType.RESULT, bytes((Result.APPROVED,)))

NOT_RECORDS = {
    "start is the module's": b"S\x00\x01\x01",
    "answer is the module's": b"A\x00\x00",
    "failed is the module's": b"F\x00\x00",
    "one byte too long": b"I" + (MAX_PAYLOAD + 1).to_bytes(2, "big") + b"x" * (MAX_PAYLOAD + 1),
    "longest length": b"P\xff\xff" + b"x" * 0xFFFF,
    "result without a byte": b"R\x00\x00",
    "result of two bytes": b"R\x00\x02YY",
    "long result": b"R\x10\x01" + b"Y" * (MAX_PAYLOAD + 1),
}

NOT_TEXTS = {
    "NUL": b"a\x00b",
    "escape sequence": b"\x1b[2J",
    "carriage return": b"denied\rapproved",
    "tab": b"\t",
    "bell": b"\x07",
    "delete": b"\x7f",
    "first C1 control": b"\xc2\x80",
    "C1 control sequence introducer": b"\xc2\x9b2J",
    "last C1 control": b"\xc2\x9f",
    "C1 as a bare byte": b"\x9b2J",
    "Latin-1": b"caf\xe9 ",
    "overlong slash": b"\xc0\xaf",
    "overlong in three": b"\xe0\x9f\xbf",
    "overlong in four": b"\xf0\x8f\xbf\xbf",
    "surrogate": b"\xed\xa0\x80",
    "above the last character": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "cut in two": b"ok \xc3",
    "cut in three": b"ok \xe2\x96",
    "cut in four": b"ok \xf0\x9f\x98",
    "continuation missing in three": b"\xe2\x96a",
    "continuation missing in four": b"\xf0\x9f\x98a",
}

TEXTS = {
    "line feeds": b"\n\n",
    "before the first C1": b"~",
    "after the last C1": b"\xc2\xa0",
    "last of two bytes": b"\xdf\xbf",
    "first of three bytes": b"\xe0\xa0\x80",
    "before the surrogates": b"\xed\x9f\xbf",
    "after the surrogates": b"\xee\x80\x80",
    "last of three bytes": b"\xef\xbf\xbd",
    "first of four bytes": b"\xf0\x90\x80\x80",
    "last of four bytes": b"\xf4\x8f\xbf\xbd",
    "a block of a QR code": "\u2588\u2580\u2584".encode(),
}


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("stream", NOT_RECORDS.values(), ids=NOT_RECORDS.keys())
async def test_what_is_no_record_denies(host: Host, stream: bytes, bytewise: bool) -> None:
    async def script(caller: Caller) -> None:
        await caller.start()
        if bytewise:
            await caller.send_bytewise(stream[:100])
        await caller.stream.send_all(stream[100:] if bytewise else stream)
        await caller.stream.send_all(APPROVED)
        await caller.receive()

    async with host.agent(script), host.caller() as pam:
        ending = await pam.authenticate()
    assert (ending.code, ending.outcome) == (PamCode.AUTH_ERR, "agent-garbled")
    assert ending.messages == []


async def test_every_unknown_first_byte_denies_without_a_second(host: Host) -> None:
    unknown = [byte for byte in range(256) if byte not in FROM_AGENT]
    left = iter(unknown)

    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.stream.send_all(bytes((next(left),)))
        assert await caller.receive() is None  # the module, which has read one byte, hangs up

    async with host.agent(script), host.caller() as pam:
        endings = [await pam.authenticate() for _ in unknown]
    assert {(e.code, e.outcome) for e in endings} == {(PamCode.AUTH_ERR, "agent-garbled")}


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
@pytest.mark.parametrize("kind", [RecordType.INFO, RecordType.ERROR, RecordType.PROMPT])
async def test_a_text_that_could_harm_a_terminal_denies_unseen(
    host: Host, kind: RecordType, bytewise: bool
) -> None:
    left = iter(NOT_TEXTS.values())

    async def script(caller: Caller) -> None:
        await caller.start()
        stream = encode_record(kind, b"Passcode: " + next(left)) + APPROVED
        await (caller.send_bytewise if bytewise else caller.stream.send_all)(stream)

    async with host.agent(script), host.caller() as pam:
        for name in NOT_TEXTS:
            ending = await pam.authenticate()
            outcome = (ending.code, ending.outcome, ending.messages)
            assert outcome == (PamCode.AUTH_ERR, "agent-garbled", []), name


async def test_a_text_at_the_edge_of_what_is_plain_is_shown(host: Host) -> None:
    left = iter(TEXTS.values())

    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.send_bytewise(encode_record(RecordType.INFO, next(left)) + APPROVED)

    async with host.agent(script), host.caller() as pam:
        for name, text in TEXTS.items():
            ending = await pam.authenticate()
            assert [m.text.encode() for m in ending.messages] == [text], name
            assert ending.code is PamCode.SUCCESS


async def test_the_end_of_the_stream_at_any_byte_but_the_last_denies(host: Host) -> None:
    stream = (
        encode_record(RecordType.INFO, "Passcode: 4921\u20097734\n".encode())
        + encode_record(RecordType.PROMPT, b"Enter: ")
        + encode_record(RecordType.ERROR, b"Wrong code.")
        + encode_record(RecordType.PROMPT, b"")
        + APPROVED
    )
    left = iter(range(len(stream) + 1))

    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.stream.send_all(stream[: next(left)])

    async with host.agent(script), host.caller() as pam:
        endings = [await pam.authenticate() for _ in range(len(stream) + 1)]
    lost = {(e.code, e.outcome) for e in endings[:-1]}
    assert lost == {(PamCode.AUTH_ERR, "agent-lost")}
    assert endings[-1].code is PamCode.SUCCESS


async def test_an_agent_that_hangs_up_unread_is_lost_and_not_down(host: Host) -> None:
    async def script(caller: Caller) -> None:
        return

    async with host.agent(script), host.caller() as pam:
        for _ in range(200):  # a race between sending and hanging up: either way a denial
            ending = await pam.authenticate()
            assert (ending.code, ending.outcome) == (PamCode.AUTH_ERR, "agent-lost")


def expected(stream: bytes) -> tuple[PamCode, list[bytes]]:
    """The code and the texts shown for an agent's stream and its end, said another way."""
    reader = RecordReader(FROM_AGENT)
    reader.feed(stream)
    shown: list[bytes] = []
    tail_taken = False
    while True:
        try:
            record = reader.next_record()
        except ProtocolError:
            return PamCode.AUTH_ERR, shown
        if record is None:
            return PamCode.AUTH_ERR, shown
        kind, payload = record
        if kind is RecordType.RESULT:
            codes = {
                b"Y": PamCode.SUCCESS,
                b"U": PamCode.AUTHINFO_UNAVAIL,
                b"C": PamCode.CONV_ERR,
                b"X": PamCode.SYSTEM_ERR,
                b"I": PamCode.PERM_DENIED,  # PAM_IGNORE, and no other module to decide
            }
            return codes.get(payload, PamCode.AUTH_ERR), shown
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            return PamCode.AUTH_ERR, shown
        if any(unicodedata.category(c) == "Cc" and c != "\n" for c in text):
            return PamCode.AUTH_ERR, shown
        if kind is RecordType.SECRET:
            if payload[:1] not in (b"W", b"T"):
                return PamCode.AUTH_ERR, shown
            again = tail_taken and payload[:1] == b"T"
            tail_taken = tail_taken or payload[:1] == b"T"
            if again:  # PAM_AUTHTOK is what was typed before
                continue
            payload = payload[1:]
        shown.append(payload)


kinds = st.sampled_from(sorted(FROM_AGENT))
payloads = st.one_of(
    st.binary(max_size=12),
    st.text(max_size=12).map(str.encode),
    st.sampled_from([bytes((result,)) for result in Result]),
)
chunks = st.one_of(
    st.builds(encode_record, kinds, payloads),
    st.builds(encode_record, kinds, payloads),
    st.builds(encode_record, st.just(RecordType.RESULT), payloads),
    st.builds(encode_record, st.just(RecordType.SECRET), payloads.map(b"T".__add__)),
    st.binary(max_size=6),
)


@given(stream=st.lists(chunks, max_size=8).map(b"".join))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_end_as_their_records_say(host: Host, stream: bytes) -> None:
    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.stream.send_all(stream)

    async def authenticate() -> tuple[PamCode, list[bytes]]:
        async with host.agent(script), host.caller() as pam:
            ending = await pam.authenticate()
            return ending.code, [m.text.encode() for m in ending.messages]

    assert trio.run(authenticate) == expected(stream)
