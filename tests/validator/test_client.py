"""The client against the real machines of an agent, on real sockets, also when these fail."""

import socket
import time
from dataclasses import dataclass, field, replace

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from trio.testing import MockClock, wait_all_tasks_blocked

from protocol import keys, passcode
from protocol.errors import ProtocolError
from protocol.frames import encode_frame, encode_preface
from protocol.keys import Mode
from protocol.limits import H1_FRAME_LENGTH
from protocol.messages import AuthValidate, encode
from protocol.ratchet import Standing
from protocol.signon_messages import Context, SignOnOutcome, UserVerification, Verdict
from tests.support.direct_agent import At, DirectAgent, Fault, Waiting, direct_agent
from tests.validator.pairs import pair
from validator import client, limits
from validator.choice import Choice
from validator.connection import RelayConnection
from validator.endings import Ending
from validator.errors import KeyStoreError
from validator.first_answer import NoAnswer
from validator.outcomes import Outcome
from validator.record import Record, State
from validator.timeline import Step, Timeline

APPROVE = Choice(Verdict.APPROVE)


@dataclass
class Desk:
    """The device around the client: what the user does, what is stored."""

    record: Record
    choice: Choice | None = APPROVE
    disk_full: bool = False
    undecided: bool = False
    contexts: list[Context] = field(default_factory=list)
    stored: list[Record] = field(default_factory=list)
    timeline: Timeline = field(default_factory=Timeline)
    asked: trio.Event = field(default_factory=trio.Event)

    async def decide(self, context: Context) -> Choice | None:
        self.contexts.append(context)
        self.asked.set()
        if self.undecided:
            await trio.sleep_forever()
        return self.choice

    def store(self, record: Record) -> None:
        if self.disk_full:
            raise KeyStoreError("no space")
        self.stored.append(record)
        self.record = record

    async def sign_on(
        self, code: str, mode: Mode = Mode.PASSCODE, *, patience: float = 0.0
    ) -> Ending:
        device = client.Device(self.decide, self.store, time.time)
        return await client.sign_on(
            self.record, mode, code, device, self.timeline, patience=patience
        )


@pytest.fixture
async def agent():
    async with direct_agent() as running:
        yield running


def another_passcode(waiting: Waiting) -> str:
    code = passcode.generate()
    return code if code != waiting.passcode else another_passcode(waiting)


# ---- what goes right ----------------------------------------------------------------------------


async def test_an_approval(agent: DirectAgent):
    desk = Desk(pair(agent, state=State.UNPROVED))
    before = desk.record
    waiting = agent.ask(service="sudo", note="/bin/ls", text="welcome")
    ending = await desk.sign_on(waiting.passcode)
    await waiting.ended.wait()
    assert ending == Ending(Outcome.SIGNED_ON, "web1", "alice", said="welcome")
    assert desk.contexts == [waiting.context]
    assert waiting.confirmed
    assert waiting.decision is not None
    assert waiting.decision.verdict is Verdict.APPROVE
    assert waiting.decision.user_verification is UserVerification.PRESENCE
    (stored,) = desk.stored
    assert stored.state is State.ACTIVE
    assert stored.last_used > 0
    assert stored.generation.number == before.generation.number + 1
    assert agent.devices[0].ratchet.current == stored.generation
    assert agent.devices[0].ratchet.standing(before.generation) is Standing.RETIRED
    assert list(desk.timeline.at) == list(Step)
    assert sorted(desk.timeline.at.values()) == list(desk.timeline.at.values())
    assert desk.timeline.sign_on_id == waiting.context.sign_on_id


async def test_the_opening_is_one_write(agent: DirectAgent):
    desk = Desk(pair(agent))
    waiting = agent.ask()
    await desk.sign_on(waiting.passcode)
    tag = keys.tag(
        desk.record.rendezvous_root, keys.passcode_input(Mode.PASSCODE, waiting.passcode)
    )
    start = encode_preface(agent.shard) + encode_frame(encode(AuthValidate(tag)))
    (opening,) = agent.openings
    assert opening.startswith(start)
    assert len(opening) == len(start) + 2 + H1_FRAME_LENGTH


async def test_frames_are_not_held_back(agent: DirectAgent):
    connection = await RelayConnection.open(agent.address)
    async with connection:
        assert connection._stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [(Verdict.DENY, Outcome.DENIED), (Verdict.REPORT, Outcome.REPORTED)],
)
async def test_a_denial_moves_the_ratchet_too(
    agent: DirectAgent, verdict: Verdict, outcome: Outcome
):
    desk = Desk(pair(agent), Choice(verdict, "not me", UserVerification.NONE))
    waiting = agent.ask()
    ending = await desk.sign_on(waiting.passcode)
    await waiting.ended.wait()
    assert ending.outcome is outcome
    assert waiting.decision is not None
    assert waiting.decision.verdict is verdict
    assert waiting.decision.reason == "not me"
    assert waiting.decision.user_verification is UserVerification.NONE
    assert desk.record.generation.number == 1
    assert desk.record.last_used == 0
    assert waiting.confirmed


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (SignOnOutcome.REFUSED, Outcome.REFUSED),
        (SignOnOutcome.TOO_LATE, Outcome.TOO_LATE),
        (SignOnOutcome.AWAITING_APPROVER, Outcome.AWAITING_APPROVER),
    ],
)
async def test_what_the_host_says_counts(agent: DirectAgent, said: SignOnOutcome, outcome: Outcome):
    desk = Desk(pair(agent))
    waiting = agent.ask(outcome=said)
    assert (await desk.sign_on(waiting.passcode)).outcome is outcome
    assert desk.record.generation.number == 1


async def test_many_sign_ons_of_one_device(agent: DirectAgent):
    desk = Desk(pair(agent))
    for number in range(1, 13):
        waiting = agent.ask()
        assert (await desk.sign_on(waiting.passcode)).outcome is Outcome.SIGNED_ON
        await waiting.ended.wait()
        assert desk.record.generation.number == number


# ---- what the host, the relay or the network does -----------------------------------------------

BEFORE_CONTEXT = [
    (At.ACCEPT, Fault.RESET, Outcome.NO_SUCH_SIGN_ON),
    (At.ACCEPT, Fault.CLOSE, Outcome.NO_SUCH_SIGN_ON),
    (At.OPENING, Fault.RESET, Outcome.NO_SUCH_SIGN_ON),
    (At.OPENING, Fault.CLOSE, Outcome.NO_SUCH_SIGN_ON),
    (At.FIRST_ANSWER, Fault.RESET, Outcome.NO_SUCH_SIGN_ON),
    (At.FIRST_ANSWER, Fault.CLOSE, Outcome.NO_SUCH_SIGN_ON),
    (At.FIRST_ANSWER, Fault.HALF, Outcome.NO_SUCH_SIGN_ON),
    (At.FIRST_ANSWER, Fault.GARBAGE, Outcome.NOT_GENUINE),
    (At.FIRST_ANSWER, Fault.NO_FRAME, Outcome.NOT_GENUINE),
]


@pytest.mark.parametrize(("at", "fault", "outcome"), BEFORE_CONTEXT)
async def test_cut_before_context(agent: DirectAgent, at: At, fault: Fault, outcome: Outcome):
    desk = Desk(pair(agent))
    agent.faults[at] = fault
    ending = await desk.sign_on(agent.ask().passcode)
    assert ending.outcome is outcome
    assert desk.contexts == []
    assert desk.stored == []
    assert list(desk.timeline.at) == [Step.CONNECTED]


AFTER_DECISION = [
    (At.DECISION, Fault.RESET),
    (At.DECISION, Fault.CLOSE),
    (At.RECEIPT, Fault.RESET),
    (At.RECEIPT, Fault.CLOSE),
    (At.RECEIPT, Fault.HALF),
    (At.RECEIPT, Fault.GARBAGE),
    (At.RECEIPT, Fault.NO_FRAME),
]


@pytest.mark.parametrize("verdict", [Verdict.APPROVE, Verdict.DENY])
@pytest.mark.parametrize(("at", "fault"), AFTER_DECISION)
async def test_cut_before_receipt_is_never_success_and_locks_nobody_out(
    agent: DirectAgent, at: At, fault: Fault, verdict: Verdict
):
    desk = Desk(pair(agent), Choice(verdict))
    agent.faults[at] = fault
    waiting = agent.ask()
    ending = await desk.sign_on(waiting.passcode)
    assert ending.outcome is Outcome.UNKNOWN
    assert desk.stored == []
    agent.faults.clear()
    desk.choice = APPROVE
    assert (await desk.sign_on(agent.ask().passcode)).outcome is Outcome.SIGNED_ON


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.CLOSE])
async def test_cut_before_confirm_is_success_and_locks_nobody_out(agent: DirectAgent, fault: Fault):
    desk = Desk(pair(agent))
    agent.faults[At.CONFIRM] = fault
    waiting = agent.ask()
    assert (await desk.sign_on(waiting.passcode)).outcome is Outcome.SIGNED_ON
    await waiting.ended.wait()
    assert not waiting.confirmed
    assert desk.record.generation.number == 1
    agent.faults.clear()
    assert (await desk.sign_on(agent.ask().passcode)).outcome is Outcome.SIGNED_ON
    assert desk.record.generation.number == 2


@pytest.mark.parametrize(
    ("at", "seconds", "outcome"),
    [
        (At.ACCEPT, limits.ANSWER_SECONDS, Outcome.UNREACHABLE),
        (At.FIRST_ANSWER, limits.ANSWER_SECONDS, Outcome.UNREACHABLE),
        (At.RECEIPT, limits.RECEIPT_SECONDS, Outcome.UNKNOWN),
    ],
)
async def test_silence_is_bounded(
    agent: DirectAgent, mock_clock: MockClock, at: At, seconds: float, outcome: Outcome
):
    desk = Desk(pair(agent))
    agent.faults[at] = Fault.SILENCE
    endings: list[Ending] = []
    async with trio.open_nursery() as nursery:

        async def sign_on() -> None:
            endings.append(await desk.sign_on(agent.ask().passcode))

        nursery.start_soon(sign_on)
        await agent.misbehaved.wait()
        await wait_all_tasks_blocked()
        mock_clock.jump(seconds - 0.1)
        await wait_all_tasks_blocked()
        assert endings == []
        mock_clock.jump(0.2)
    assert endings[0].outcome is outcome
    assert endings[0].unreachable == ((agent.address,) if outcome is Outcome.UNREACHABLE else ())


async def test_a_relay_that_does_not_answer_the_connection_is_given_up(mock_clock: MockClock):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = f"127.0.0.1:{full.getsockname()[1]}"
        waiting = []
        for _ in range(3):  # what the queue of accepted connections holds, and more
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(full.getsockname())
        desk = Desk(pair(DirectAgent(), relays=(address,)))
        endings: list[Ending] = []
        async with trio.open_nursery() as nursery:

            async def sign_on() -> None:
                endings.append(await desk.sign_on(passcode.generate()))

            nursery.start_soon(sign_on)
            # Name lookup is a thread of the system: wait until the connection is being made.
            for _ in range(6):
                await wait_all_tasks_blocked(0.05)
                mock_clock.jump(1.0)
            await wait_all_tasks_blocked(0.05)
            nursery.cancel_scope.cancel()
        assert endings[0].outcome is Outcome.UNREACHABLE
        assert endings[0].unreachable == (address,)
        for each in waiting:
            each.close()


async def test_an_unknown_passcode(agent: DirectAgent):
    desk = Desk(pair(agent))
    waiting = agent.ask()
    ending = await desk.sign_on(another_passcode(waiting))
    assert ending.outcome is Outcome.NO_SUCH_SIGN_ON
    assert ending.cut_at_once
    assert not waiting.matched.is_set()


async def test_a_rejection_after_the_relays_hold_is_no_early_cut(mock_clock: MockClock):
    async with direct_agent(hold=5.0) as agent:
        desk = Desk(pair(agent))
        endings: list[Ending] = []
        async with trio.open_nursery() as nursery:

            async def sign_on() -> None:
                endings.append(await desk.sign_on(another_passcode(agent.ask())))

            nursery.start_soon(sign_on)
            await agent.rejecting.wait()
            await wait_all_tasks_blocked()
            mock_clock.jump(5.01)
        assert endings[0].outcome is Outcome.NO_SUCH_SIGN_ON
        assert not endings[0].cut_at_once


async def test_a_host_that_gives_up_ends_the_question(agent: DirectAgent):
    desk = Desk(pair(agent), undecided=True)
    waiting = agent.ask()
    async with trio.open_nursery() as nursery:

        async def give_up() -> None:
            await desk.asked.wait()
            waiting.cancelled.set()

        nursery.start_soon(give_up)
        with trio.fail_after(waiting.context.seconds_left / 2):
            ending = await desk.sign_on(waiting.passcode)
    assert ending.outcome is Outcome.UNDECIDED
    assert desk.stored == []
    assert Step.DECIDED not in desk.timeline.at


async def test_leaving_sends_nothing(agent: DirectAgent):
    desk = Desk(pair(agent), choice=None)
    waiting = agent.ask()
    assert (await desk.sign_on(waiting.passcode)).outcome is Outcome.UNDECIDED
    await waiting.ended.wait()
    assert waiting.decision is None


@pytest.mark.parametrize(
    ("seconds_left", "bound"), [(20, 20.0), (65535, limits.MAX_DECISION_SECONDS)]
)
async def test_the_time_to_decide_is_bounded(
    agent: DirectAgent, mock_clock: MockClock, seconds_left: int, bound: float
):
    desk = Desk(pair(agent), undecided=True)
    endings: list[Ending] = []
    async with trio.open_nursery() as nursery:

        async def sign_on() -> None:
            endings.append(await desk.sign_on(agent.ask(seconds_left=seconds_left).passcode))

        nursery.start_soon(sign_on)
        await desk.asked.wait()
        await wait_all_tasks_blocked()
        mock_clock.jump(bound - 0.1)
        await wait_all_tasks_blocked()
        assert endings == []
        mock_clock.jump(0.2)
    assert endings[0].outcome is Outcome.UNDECIDED


# ---- several relays -----------------------------------------------------------------------------


async def test_relays_are_tried_one_after_another(agent: DirectAgent):
    async with direct_agent() as stranger:
        relays = ("127.0.0.1:1", "no address", stranger.address, agent.address)
        desk = Desk(pair(agent, relays=relays))
        waiting = agent.ask()
        assert (await desk.sign_on(waiting.passcode)).outcome is Outcome.SIGNED_ON
        assert len(stranger.openings) == 1
        # Each relay gets an H1 of its own: none can be replayed at another.
        assert stranger.openings[0][-H1_FRAME_LENGTH:] != agent.openings[0][-H1_FRAME_LENGTH:]


async def test_one_relay_without_the_sign_on_says_more_than_one_out_of_reach(agent: DirectAgent):
    desk = Desk(pair(agent, relays=("127.0.0.1:1", agent.address)))
    ending = await desk.sign_on(another_passcode(agent.ask()))
    assert ending.outcome is Outcome.NO_SUCH_SIGN_ON
    assert ending.unreachable == ("127.0.0.1:1",)


async def test_no_relay_in_reach():
    desk = Desk(pair(DirectAgent(), relays=("127.0.0.1:1", "127.0.0.1:2")))
    ending = await desk.sign_on(passcode.generate())
    assert ending.outcome is Outcome.UNREACHABLE
    assert ending.unreachable == ("127.0.0.1:1", "127.0.0.1:2")
    assert desk.timeline.at == {}


async def test_garbage_from_one_relay_does_not_hide_the_next(agent: DirectAgent):
    async with direct_agent() as liar:
        desk = Desk(pair(agent, relays=(liar.address, agent.address)))
        waiting = agent.ask()
        liar.devices.append(agent.devices[0])
        liar._waiting.update(agent._waiting)
        liar.faults[At.FIRST_ANSWER] = Fault.GARBAGE
        liar.static = agent.static
        assert (await desk.sign_on(waiting.passcode)).outcome is Outcome.SIGNED_ON


# ---- the ratchet and the key store --------------------------------------------------------------


async def test_an_old_copy_rings_the_clone_alarm(agent: DirectAgent):
    desk = Desk(pair(agent))
    thief = Desk(desk.record)
    for _ in range(2):
        waiting = agent.ask()
        assert (await desk.sign_on(waiting.passcode)).outcome is Outcome.SIGNED_ON
        await waiting.ended.wait()
    waiting = agent.ask()
    assert (await thief.sign_on(waiting.passcode)).outcome is Outcome.DISABLED
    await waiting.ended.wait()
    assert not waiting.confirmed
    assert agent.devices[0].disabled
    assert thief.record == replace(thief.stored[0], state=State.DISABLED)
    assert thief.record.generation.number == 0


async def test_no_confirm_before_the_next_key_is_durable(agent: DirectAgent):
    desk = Desk(pair(agent), disk_full=True)
    waiting = agent.ask()
    ending = await desk.sign_on(waiting.passcode)
    await waiting.ended.wait()
    assert ending.outcome is Outcome.SIGNED_ON
    assert ending.not_stored == "no space"
    assert not waiting.confirmed
    desk.disk_full = False
    assert (await desk.sign_on(agent.ask().passcode)).outcome is Outcome.SIGNED_ON


# ---- enrolment ----------------------------------------------------------------------------------


async def enrol(agent: DirectAgent) -> Record:
    offer = agent.offer()
    static = X25519PrivateKey.generate()
    found = await client.request_enrolment(offer, "laptop", static)
    assert not isinstance(found, NoAnswer)
    answer, enrolled = found
    assert enrolled.compare == agent.devices[-1].compare
    return Record.enrolled(offer, static, answer, enrolled, "laptop", 1000)


async def test_an_enrolment_and_its_proof(agent: DirectAgent):
    desk = Desk(await enrol(agent))
    assert (desk.record.host, desk.record.user, desk.record.enrolled_at) == ("web1", "alice", 1000)
    assert desk.record.state is State.UNPROVED
    assert agent.devices[0].name == "laptop"
    ending = await desk.sign_on("", Mode.PROOF)
    await agent.proofs[0].ended.wait()
    assert ending.outcome is Outcome.SIGNED_ON
    assert agent.devices[0].proved
    assert desk.record.state is State.ACTIVE
    assert (await desk.sign_on(agent.ask().passcode)).outcome is Outcome.SIGNED_ON


async def test_the_proof_is_waited_for(agent: DirectAgent):
    agent.proof_after = limits.PROOF_PAUSE_SECONDS
    desk = Desk(await enrol(agent))
    ending = await desk.sign_on("", Mode.PROOF, patience=limits.PROOF_SECONDS)
    assert ending.outcome is Outcome.SIGNED_ON
    assert len(agent.openings) >= 3  # the enrolment, an attempt too early, the proof


async def test_a_proof_that_never_comes_is_given_up(agent: DirectAgent):
    agent.proof_after = -1
    desk = Desk(await enrol(agent))
    patience = 2.2 * limits.PROOF_PAUSE_SECONDS
    ending = await desk.sign_on("", Mode.PROOF, patience=patience)
    assert ending.outcome is Outcome.NO_SUCH_SIGN_ON
    assert 2 <= len(agent.openings) - 1 <= 3


async def test_a_proof_that_is_not_genuine_is_not_tried_again(agent: DirectAgent):
    desk = Desk(await enrol(agent))
    agent.faults[At.FIRST_ANSWER] = Fault.GARBAGE
    ending = await desk.sign_on("", Mode.PROOF, patience=limits.PROOF_SECONDS)
    assert ending.outcome is Outcome.NOT_GENUINE
    assert len(agent.openings) == 2


@pytest.mark.parametrize(("at", "fault", "outcome"), BEFORE_CONTEXT)
async def test_an_enrolment_that_is_cut(agent: DirectAgent, at: At, fault: Fault, outcome: Outcome):
    agent.faults[at] = fault
    found = await client.request_enrolment(agent.offer(), "laptop", X25519PrivateKey.generate())
    assert isinstance(found, NoAnswer)
    assert found.outcome is outcome


async def test_an_offer_that_was_used_is_gone(agent: DirectAgent):
    offer = agent.offer()
    static = X25519PrivateKey.generate()
    assert not isinstance(await client.request_enrolment(offer, "one", static), NoAnswer)
    found = await client.request_enrolment(offer, "two", static)
    assert isinstance(found, NoAnswer)
    assert found.outcome is Outcome.NO_SUCH_SIGN_ON


async def test_an_offer_with_a_low_order_key(agent: DirectAgent):
    offer = replace(agent.offer(), agent_public=bytes(32))
    with pytest.raises(ProtocolError):
        await client.request_enrolment(offer, "laptop", X25519PrivateKey.generate())
