from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pam_agent.codes import (
    CodeVerdict,
    Judgement,
    judge_response,
    judge_ticket,
    judge_totp,
    method_of,
)
from pam_agent.device_state import failed
from pam_agent.methods import Method
from pam_agent.policy import (
    DISABLING_FAILURE,
    FIRST_BACKOFF,
    FIRST_BACKOFF_FAILURE,
    MAX_BACKOFF,
    MOST_TOTP_FAILURES,
)
from pam_agent.records import Device, DisabledReason, Totp
from protocol import offline, ticket
from protocol.ocra import hotp
from protocol.ratchet import Generation, Ratchet
from tests.support.agent_store import NOW, device

PASSCODE = "49217734"
OLD, CURRENT, PENDING = (Generation(n + 3, bytes([n + 3]) * 32) for n in range(3))
WRONG, RIGHT = CodeVerdict.WRONG, CodeVerdict.RIGHT
PHONE = device(1, ratchet=Ratchet(CURRENT, PENDING, (OLD,)), rendezvous_root=b"\x11" * 32)
TABLET = device(2, rendezvous_root=b"\x22" * 32)


def response(generation: Generation, passcode: str = PASSCODE) -> str:
    return offline.response(offline.offline_key(generation.root), passcode)


def made(
    owner: Device = PHONE,
    counter: int = 0,
    generation: Generation | None = None,
    service: str = "postgresql",
) -> str:
    base = generation or owner.ratchet.current
    key = offline.offline_key(base.root)
    return ticket.locator(owner.rendezvous_root, base.number, counter, service) + ticket.proof(
        key, base.number, counter, service
    )


def with_wrong_proof(whole: str) -> str:
    return whole[:-1] + ("0" if whole[-1] != "0" else "1")


def judged(typed: str, *devices: Device, service: str = "postgresql") -> Judgement:
    return judge_ticket(devices, service, typed, NOW)


def answered(typed: str, *devices: Device, now: float = NOW) -> Judgement:
    return judge_response(devices, PASSCODE, typed, now)


@pytest.mark.parametrize(
    ("typed", "method"),
    [
        ("1234 5678", Method.CODE),
        ("123 456", Method.TOTP),
        ("7q2km-9xw4p", Method.TICKET),
        ("0123456789", Method.TICKET),
        ("", None),
        ("alice", None),
        ("hunter2", None),
        ("1234567", None),
    ],
)
def test_a_texts_form_tells_what_it_can_be(typed: str, method: Method | None) -> None:
    assert method_of(typed) is method


# ---- responses -----------------------------------------------------------------------------------


def test_a_right_response_ends_the_failures() -> None:
    tried = replace(PHONE, failures=3)
    result = answered(response(CURRENT), TABLET, tried)
    after = replace(PHONE, last_used=int(NOW))
    assert result == Judgement(RIGHT, after, (after,))


def test_a_right_response_under_the_pending_generation_commits_it() -> None:
    result = answered(response(PENDING), replace(PHONE, ticket_counter=7))
    assert result.verdict is RIGHT
    (after,) = result.changed
    assert after.ratchet == Ratchet(PENDING, None, (CURRENT, OLD))
    assert after.ticket_counter == 0


def test_a_response_under_a_retired_generation_is_nobodys_failure() -> None:
    assert answered(response(OLD), PHONE, TABLET) == Judgement(WRONG)


def test_a_response_belongs_to_its_passcode() -> None:
    """One that was right at another prompt: seen over the shoulder, or typed twice."""
    seen = response(CURRENT, "00000000")
    assert answered(seen, PHONE).verdict is WRONG


def test_a_wrong_response_counts_on_every_device_that_could_have_made_it() -> None:
    cloned = device(3, disabled=DisabledReason.CLONE)
    unproved = device(4, proved=False)
    paused = device(5, failures=6, backoff_until=NOW + 1)
    result = answered("00000000", PHONE, TABLET, cloned, unproved, paused)
    assert result == Judgement(WRONG, None, (failed(PHONE, NOW), failed(TABLET, NOW)))


@pytest.mark.parametrize("typed", ["", "1234567", "yes", "0000 00000", PASSCODE, "4921 7734"])
def test_what_is_no_guess_counts_for_nothing(typed: str) -> None:
    assert answered(typed, PHONE, TABLET) == Judgement(WRONG)


def test_ten_wrong_responses_disable_the_device() -> None:
    found, now = PHONE, NOW
    for number in range(1, DISABLING_FAILURE + 1):
        assert found.disabled is None
        (found,) = answered("00000000", found, now=now).changed
        assert found.failures == number
        now = found.backoff_until if found.backoff_until else now
    assert found.disabled is DisabledReason.FAILURES
    assert answered(response(CURRENT), found, now=now + MAX_BACKOFF) == Judgement(WRONG)


def test_from_the_fifth_failure_on_it_pauses_and_nothing_is_compared() -> None:
    found = PHONE
    for _ in range(FIRST_BACKOFF_FAILURE):
        (found,) = answered("00000000", found).changed
    assert found.backoff_until == NOW + FIRST_BACKOFF
    for typed in ("00000000", response(CURRENT)):
        assert answered(typed, found) == Judgement(CodeVerdict.THROTTLED)
    assert answered(response(CURRENT), found, now=NOW + FIRST_BACKOFF).verdict is RIGHT


def test_a_clock_that_is_set_back_ends_the_pause() -> None:
    paused = replace(PHONE, failures=5, backoff_until=NOW + 10**8)
    assert answered(response(CURRENT), paused).verdict is RIGHT
    (counted,) = answered("00000000", paused).changed
    assert counted.failures == 6


@pytest.mark.parametrize(
    "devices",
    [(), (device(disabled=DisabledReason.FAILURES),), (device(proved=False),)],
    ids=["unknown", "disabled", "unproved"],
)
def test_without_a_device_everything_is_wrong_and_the_same_work(
    devices: tuple[Device, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    derived: list[bytes] = []
    whole = offline.response

    def counting(key: bytes, passcode: str) -> str:
        derived.append(key)
        return whole(key, passcode)

    monkeypatch.setattr(offline, "response", counting)
    decoy = whole(offline.offline_key(bytes(32)), PASSCODE)
    for typed in ("00000000", decoy):
        assert answered(typed, *devices) == Judgement(WRONG)
    assert len(derived) == 2


# ---- tickets -------------------------------------------------------------------------------------


def test_a_right_ticket_is_used_up_with_all_before_it() -> None:
    (after,) = judged(made(counter=5), TABLET, replace(PHONE, failures=4)).changed
    assert after == replace(PHONE, ticket_counter=6, last_used=int(NOW))
    for counter in range(6):
        assert judged(made(counter=counter), after) == Judgement(CodeVerdict.REPLAYED)
    assert judged(made(counter=6), after).verdict is RIGHT


@pytest.mark.parametrize("expected", [0, 100, 2**32 - 1])
def test_the_look_ahead(expected: int) -> None:
    owner = replace(PHONE, ticket_counter=expected)
    last = min(expected + ticket.LOOK_AHEAD, 2**32) - 1
    assert judged(made(counter=last), owner).verdict is RIGHT
    if last < 2**32 - 1:
        assert judged(made(counter=last + 1), owner) == Judgement(WRONG)
    if expected > ticket.LOOK_AHEAD:
        assert judged(made(counter=expected - ticket.LOOK_AHEAD - 1), owner) == Judgement(WRONG)


def test_the_last_ticket_of_all() -> None:
    (after,) = judged(made(counter=2**32 - 1), replace(PHONE, ticket_counter=2**32 - 1)).changed
    assert after.ticket_counter == 2**32
    assert judged(made(counter=2**32 - 1), after) == Judgement(CodeVerdict.REPLAYED)


def test_a_ticket_is_for_one_service() -> None:
    assert judged(made(service="dovecot"), PHONE) == Judgement(WRONG)
    assert judged(made(service="dovecot"), PHONE, service="dovecot").verdict is RIGHT


def test_a_ticket_of_the_pending_generation_commits_it() -> None:
    owner = replace(PHONE, ticket_counter=20)
    (after,) = judged(made(counter=2, generation=PENDING), owner).changed
    assert after.ratchet == Ratchet(PENDING, None, (CURRENT, OLD))
    assert after.ticket_counter == 3


def test_a_ticket_of_a_retired_generation_is_wrong_and_nobodys_failure() -> None:
    assert judged(made(generation=OLD), PHONE) == Judgement(WRONG)


def test_a_wrong_proof_is_a_failure_of_its_device_and_uses_the_ticket_up() -> None:
    typed = with_wrong_proof(made(counter=5))
    result = judged(typed, PHONE, TABLET)
    after = replace(failed(PHONE, NOW), ticket_counter=6)
    assert result == Judgement(WRONG, None, (after,))
    for again in (typed, made(counter=5)):
        assert judged(again, after) == Judgement(CodeVerdict.REPLAYED)


def test_a_wrong_proof_under_the_pending_generation_commits_nothing() -> None:
    (after,) = judged(with_wrong_proof(made(generation=PENDING)), PHONE).changed
    assert after == failed(PHONE, NOW)


def test_a_thief_of_the_store_has_ten_guesses() -> None:
    """Locators come from K_rv, which the store has in clear; what a PIN hides is guessed."""
    found, now = PHONE, NOW
    for number in range(1, DISABLING_FAILURE + 1):
        guess = with_wrong_proof(made(found, found.ticket_counter + number))
        (found,) = judge_ticket([found], "postgresql", guess, now).changed
        assert found.failures == number
        now = found.backoff_until if found.backoff_until else now
    assert found.disabled is DisabledReason.FAILURES
    right = made(found, found.ticket_counter)
    assert judge_ticket([found], "postgresql", right, now + MAX_BACKOFF) == Judgement(WRONG)


def test_a_used_ticket_tells_a_guesser_nothing() -> None:
    owner = replace(PHONE, ticket_counter=10)
    right = judged(made(counter=3), owner)
    assert right == judged(with_wrong_proof(made(counter=3)), owner)
    assert right == Judgement(CodeVerdict.REPLAYED)


def test_while_a_device_pauses_its_tickets_are_not_compared() -> None:
    paused = replace(PHONE, failures=5, backoff_until=NOW + 30)
    assert judged(made(), paused) == Judgement(CodeVerdict.THROTTLED)
    assert judged(with_wrong_proof(made()), paused) == Judgement(CodeVerdict.THROTTLED)
    assert judged(made(TABLET), paused, TABLET).verdict is RIGHT


@given(st.text())
def test_an_outsider_who_knows_the_users_name_causes_no_failure(typed: str) -> None:
    """Whatever is typed as a password: only a locator can count, and that needs K_rv."""
    for method in (judged, answered):
        result = method(typed, PHONE, TABLET)
        guessed = method is answered and method_of(typed) is Method.CODE
        assert result.changed == () or guessed


@given(st.text(alphabet=ticket.ALPHABET, min_size=10, max_size=10))
def test_an_outsiders_tickets_are_nobodys_failure(typed: str) -> None:
    assert judged(typed, PHONE, TABLET) == Judgement(WRONG)


@pytest.mark.parametrize("devices", [(), (device(proved=False),)], ids=["unknown", "unproved"])
def test_without_a_device_a_ticket_is_the_same_work(
    devices: tuple[Device, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    derived: list[int] = []
    whole = ticket.locator

    def counting(root: bytes, generation: int, counter: int, service: str) -> str:
        derived.append(counter)
        return whole(root, generation, counter, service)

    monkeypatch.setattr(ticket, "locator", counting)
    assert judged("7Q2KM9XW4P", *devices) == Judgement(WRONG)
    assert derived == list(range(ticket.LOOK_AHEAD))


@pytest.mark.parametrize("typed", ["", "secret", "7Q2KM9XW4", "12345678"])
def test_what_is_no_ticket(typed: str) -> None:
    assert judged(typed, PHONE) == Judgement(WRONG)


# ---- TOTP ----------------------------------------------------------------------------------------

SECRET = b"12345678901234567890"
TOTP = Totp("alice", SECRET, created=0)
STEP = int(NOW) // 30


def code(step: int) -> str:
    return hotp(SECRET, step)


@pytest.mark.parametrize(
    ("offset", "verdict"), [(-2, WRONG), (-1, RIGHT), (0, RIGHT), (1, RIGHT), (2, WRONG)]
)
def test_a_totp_of_this_step_or_its_neighbours(offset: int, verdict: CodeVerdict) -> None:
    found, after = judge_totp(replace(TOTP, failures=2), code(STEP + offset), NOW)
    assert found is verdict
    if verdict is RIGHT:
        assert after == replace(TOTP, last_step=STEP + offset)
    else:
        assert after == replace(TOTP, failures=3, backoff_until=NOW)


@pytest.mark.parametrize(
    ("seconds", "typed"), [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")]
)
def test_rfc_6238(seconds: int, typed: str) -> None:
    """Its codes of 8 digits, cut to the 6 that apps show."""
    assert judge_totp(TOTP, typed, seconds)[0] is RIGHT
    assert judge_totp(TOTP, f"{typed[:3]} {typed[3:]}", seconds)[0] is RIGHT


def test_once_only_and_never_an_older_one() -> None:
    _, after = judge_totp(TOTP, code(STEP), NOW)
    assert after is not None
    for step in (STEP, STEP - 1):
        assert judge_totp(after, code(step), NOW) == (CodeVerdict.REPLAYED, None)
    assert judge_totp(after, code(STEP + 1), NOW)[0] is RIGHT


@pytest.mark.parametrize(
    ("ahead", "verdict"), [(2, CodeVerdict.REPLAYED), (2880, CodeVerdict.REPLAYED), (2881, RIGHT)]
)
def test_a_clock_that_is_set_back_locks_nobody_out_for_longer_than_a_day(
    ahead: int, verdict: CodeVerdict
) -> None:
    found, after = judge_totp(replace(TOTP, last_step=STEP + ahead), code(STEP), NOW)
    assert found is verdict
    assert after is None or after.last_step == STEP


def test_a_totps_failures_pause_it_and_a_hundred_end_it() -> None:
    found, now = TOTP, NOW
    wrong = "000000"
    for number in range(1, MOST_TOTP_FAILURES + 1):
        while any(wrong == code(int(now) // 30 + offset) for offset in (-1, 0, 1)):
            wrong = f"{int(wrong) + 1:06d}"
        verdict, after = judge_totp(found, wrong, now)
        assert (verdict, after is not None) == (WRONG, True)
        assert after is not None
        assert after.failures == number
        found = after
        if number == FIRST_BACKOFF_FAILURE:
            assert judge_totp(found, code(STEP), NOW) == (CodeVerdict.THROTTLED, None)
        now = max(now, found.backoff_until)
    now += 2 * MAX_BACKOFF
    assert judge_totp(found, code(int(now) // 30), now) == (CodeVerdict.THROTTLED, None)


@pytest.mark.parametrize(
    "typed", ["", "12345", "1234567", "12345x", "\uff11\uff12\uff13\uff14\uff15\uff16"]
)
def test_what_is_no_totp_counts_for_nothing(typed: str) -> None:
    assert judge_totp(TOTP, typed, NOW) == (WRONG, None)


def test_an_account_without_totp_looks_like_a_wrong_code() -> None:
    for typed, now in product(("000000", hotp(bytes(32), STEP)), (NOW, 0.0, -5.0)):
        assert judge_totp(None, typed, now) == (WRONG, None)
