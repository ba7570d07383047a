"""What the module does for each record of a well-behaved agent."""

import pytest
import trio

from pam_agent.local_wire import MAX_ANSWER, MAX_PAYLOAD, RecordType, Result
from tests.support.module_host import Host
from tests.support.pam import (
    Fails,
    Message,
    Nothing,
    Null,
    PamCode,
    Reply,
    Style,
    press_enter,
)
from tests.support.scripted_agent import Caller

PAM_SILENT = 0x8000

OF_RESULT = {
    Result.APPROVED: (PamCode.SUCCESS, "approved"),
    Result.DENIED: (PamCode.AUTH_ERR, "denied"),
    Result.UNAVAILABLE: (PamCode.AUTHINFO_UNAVAIL, "no-relay"),
    Result.CONVERSATION_FAILED: (PamCode.CONV_ERR, "conversation-failed"),
    Result.FAILED: (PamCode.SYSTEM_ERR, "agent-failed"),
    Result.IGNORED: (PamCode.PERM_DENIED, "not-required"),  # libpam: nothing else decides
}


async def test_every_result_byte_gives_its_code_and_only_one_gives_success(host: Host) -> None:
    bytes_left = iter(range(256))

    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.stream.send_all(b"R\x00\x01" + bytes((next(bytes_left),)))

    async with host.agent(script), host.caller() as pam:
        endings = [await pam.authenticate() for _ in range(256)]
    for byte, ending in enumerate(endings):
        meant = OF_RESULT.get(byte, (PamCode.AUTH_ERR, "denied"))  # type: ignore[call-overload]
        assert (ending.code, ending.outcome) == meant, f"result byte {byte}"
    assert {ending.descriptors for ending in endings} == {endings[0].descriptors}


async def test_info_and_error_are_shown_in_order_in_their_styles(host: Host) -> None:
    blocks = "Passcode: 4921 7734\n\n\u2588\u2580\u2584 \u2588"

    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.send(RecordType.INFO, blocks)
        await caller.send(RecordType.ERROR, "The device is disabled.")
        await caller.send(RecordType.INFO, "")
        await caller.end(Result.DENIED)

    async with host.agent(script), host.caller() as pam:
        ending = await pam.authenticate()
    assert [(m.style, m.text) for m in ending.messages] == [
        (Style.TEXT_INFO, blocks),
        (Style.ERROR_MSG, "The device is disabled."),
        (Style.TEXT_INFO, ""),
    ]
    assert ending.code is PamCode.AUTH_ERR


async def test_text_is_shown_before_the_agent_decides(host: Host) -> None:
    seen = trio.Event()

    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.send(RecordType.INFO, "Passcode: 4921 7734")
        await seen.wait()
        await caller.end(Result.APPROVED)

    async def look(message: Message) -> Reply:
        seen.set()
        return Null()

    async with host.agent(script), host.caller() as pam:
        assert (await pam.authenticate(look)).code is PamCode.SUCCESS


@pytest.mark.parametrize("answer", [b"", b"1234567", b"\xc3\xa9 \xff", b"x" * MAX_ANSWER])
async def test_a_prompt_is_asked_with_echo_and_its_answer_sent(host: Host, answer: bytes) -> None:
    received = []

    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.send(RecordType.PROMPT, "Code or Enter: ")
        received.append(await caller.receive())
        await caller.end(Result.APPROVED)

    async def say(message: Message) -> Reply:
        return answer

    async with host.agent(script), host.caller() as pam:
        ending = await pam.authenticate(say)
    assert [(m.style, m.text) for m in ending.messages] == [
        (Style.PROMPT_ECHO_ON, "Code or Enter: ")
    ]
    assert received == [(RecordType.ANSWER, answer)]
    assert ending.code is PamCode.SUCCESS


async def test_prompts_follow_one_another(host: Host) -> None:
    async def script(caller: Caller) -> None:
        await caller.start()
        for _ in range(20):
            await caller.send(RecordType.PROMPT, "again: ")
            assert await caller.receive() == (RecordType.ANSWER, b"no")
        await caller.end(Result.APPROVED)

    async def say(message: Message) -> Reply:
        return "no"

    async with host.agent(script), host.caller() as pam:
        ending = await pam.authenticate(say)
    assert (len(ending.messages), ending.code) == (20, PamCode.SUCCESS)


@pytest.mark.parametrize(
    "reply",
    [b"x" * (MAX_ANSWER + 1), b"x" * 60_000, Fails(), Fails(PamCode.ABORT), Null(), Nothing()],
    ids=["one too long", "far too long", "fails", "aborts", "null text", "no response"],
)
async def test_a_prompt_without_a_usable_answer_fails_the_conversation(
    host: Host, reply: Reply
) -> None:
    received = []

    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.send(RecordType.PROMPT, "Code or Enter: ")
        received.append(await caller.receive())
        received.append(await caller.receive())
        await caller.end(Result.APPROVED)  # too late: nobody listens

    async def say(message: Message) -> Reply:
        return reply

    async with host.agent(script), host.caller() as pam:
        ending = await pam.authenticate(say)
    assert (ending.code, ending.outcome) == (PamCode.CONV_ERR, "conversation-failed")
    assert received == [(RecordType.FAILED, b""), None]


@pytest.mark.parametrize("kind", [RecordType.INFO, RecordType.ERROR])
async def test_a_text_that_cannot_be_shown_fails_the_conversation(
    host: Host, kind: RecordType
) -> None:
    received = []

    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.send(kind, "Passcode: 4921 7734")
        received.append(await caller.receive())
        await caller.end(Result.APPROVED)

    async def fail(message: Message) -> Reply:
        return Fails()

    async with host.agent(script), host.caller() as pam:
        ending = await pam.authenticate(fail)
    assert (ending.code, ending.outcome) == (PamCode.CONV_ERR, "conversation-failed")
    assert received == [(RecordType.FAILED, b"")]


@pytest.mark.parametrize("reply", [b"password", Null(), Nothing()])
async def test_what_an_application_answers_to_a_text_is_dropped(host: Host, reply: Reply) -> None:
    received = []

    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.send(RecordType.INFO, "Passcode: 4921 7734")
        await caller.end(Result.APPROVED)
        received.append(await caller.receive())

    async def say(message: Message) -> Reply:
        return reply

    async with host.agent(script), host.caller() as pam:
        assert (await pam.authenticate(say)).code is PamCode.SUCCESS
        await pam.hang_up()
    assert received == [None]


async def test_the_longest_text_is_shown_whole(host: Host) -> None:
    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.send(RecordType.INFO, "\u2588" * (MAX_PAYLOAD // 3))
        await caller.send(RecordType.INFO, "y" * MAX_PAYLOAD)
        await caller.end(Result.APPROVED)

    async with host.agent(script), host.caller() as pam:
        ending = await pam.authenticate()
    texts = [m.text for m in ending.messages]
    assert texts == ["\u2588" * (MAX_PAYLOAD // 3), "y" * MAX_PAYLOAD]


async def test_a_verdict_given_while_the_prompt_was_open_counts(host: Host) -> None:
    """The user approves on the device first, and presses Enter when the agent has hung up."""
    hung_up = trio.Event()

    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.send(RecordType.PROMPT, "Press Enter when approved: ")
        await caller.end(Result.APPROVED)
        await caller.stream.aclose()
        hung_up.set()

    async def wait(message: Message) -> Reply:
        await hung_up.wait()
        return b""

    async with host.agent(script), host.caller() as pam:
        assert (await pam.authenticate(wait)).code is PamCode.SUCCESS


async def test_silence_is_not_kept(host: Host) -> None:
    """sudo passes PAM_SILENT on every call: who obeys it shows nobody the passcode."""

    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.send(RecordType.INFO, "Passcode: 4921 7734")
        await caller.send(RecordType.PROMPT, "Enter: ")
        await caller.receive()
        await caller.end(Result.APPROVED)

    async with host.agent(script), host.caller() as pam:
        ending = await pam.authenticate(flags=PAM_SILENT)
    assert [m.text for m in ending.messages] == ["Passcode: 4921 7734", "Enter: "]


async def test_calls_on_one_handle_do_not_touch_one_another(host: Host) -> None:
    results = iter([Result.APPROVED, Result.DENIED, Result.APPROVED, Result.FAILED])

    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.send(RecordType.PROMPT, "Enter: ")
        await caller.receive()
        await caller.end(next(results))

    async with host.agent(script), host.caller() as pam:
        endings = [await pam.authenticate(press_enter) for _ in range(4)]
    assert [ending.code for ending in endings] == [
        PamCode.SUCCESS,
        PamCode.AUTH_ERR,
        PamCode.SUCCESS,
        PamCode.SYSTEM_ERR,
    ]


async def test_a_caller_that_dies_at_the_prompt_is_the_end_of_the_stream(host: Host) -> None:
    after_death = []
    asked = trio.Event()
    seen = trio.Event()

    async def script(caller: Caller) -> None:
        await caller.start()
        await caller.send(RecordType.PROMPT, "Enter: ")
        after_death.append(await caller.receive())
        seen.set()

    async def never(message: Message) -> Reply:
        asked.set()
        await trio.sleep_forever()
        raise AssertionError

    async with host.agent(script), host.caller() as pam, trio.open_nursery() as nursery:
        nursery.start_soon(pam.authenticate, never)
        await asked.wait()
        await pam.kill()
        await seen.wait()
        nursery.cancel_scope.cancel()
    assert after_death == [None]


async def test_a_caller_that_dies_while_it_waits_is_the_end_of_the_stream(host: Host) -> None:
    after_death = []
    started = trio.Event()
    seen = trio.Event()

    async def script(caller: Caller) -> None:
        await caller.start()
        started.set()
        after_death.append(await caller.receive())
        seen.set()

    async def authenticate() -> None:
        with pytest.raises(AssertionError, match="died"):
            await pam.authenticate()

    async with host.agent(script), host.caller() as pam, trio.open_nursery() as nursery:
        nursery.start_soon(authenticate)
        await started.wait()
        await pam.kill()
        await seen.wait()
    assert after_death == [None]
