import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from pam_agent.accounts import Accounts, DeviceGoneError
from pam_agent.enrolments import Enrolments, TooManyDevicesError
from pam_agent.policy import MAX_FAILURES_SINCE, UNPROVED_SECONDS
from pam_agent.records import AccountStanding, Decided, Device, DisabledReason
from pam_agent.schema import FILE_NAME, StoreError
from pam_agent.store import Transaction
from protocol.limits import MAX_TAGS, RETIRED_GENERATIONS
from protocol.ratchet import Generation, Ratchet
from tests.support.agent_store import NOW, enrol


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
async def accounts(state: Path) -> AsyncIterator[Accounts]:
    async with Accounts.open(state, NOW) as opened:
        yield opened


def root(number: int) -> bytes:
    return number.to_bytes(32, "big")


async def decide(
    accounts: Accounts,
    device: Device,
    base: Generation,
    next_root: bytes,
    *,
    success: bool = True,
    now: float = NOW,
) -> Decided:
    """As when nothing happened between H1 and DECISION."""
    opened = (await accounts.device(device.id)).ratchet
    return await accounts.decide(
        device.id, base, next_root, opened=opened, success=success, now=now
    )


async def test_identity_stays(state: Path) -> None:
    found = []
    for _ in range(2):
        async with Accounts.open(state, NOW) as accounts:
            identity = await accounts.identity()
            found.append(
                (
                    identity.static.private_bytes_raw(),
                    identity.link.private_bytes_raw(),
                    identity.shard,
                )
            )
            assert identity.link_public == identity.link.public_key().public_bytes_raw()
    assert found[0] == found[1]


async def test_a_new_device(accounts: Accounts) -> None:
    device_id = await Enrolments(accounts.store).add_device(
        "alice", "phone", root(1), root(2), root(3), NOW
    )
    assert await accounts.devices("alice") == ()
    device = await accounts.device(device_id)
    assert not device.proved
    await Enrolments(accounts.store).prove(device_id, NOW)
    assert await accounts.devices("alice") == (
        Device(
            id=device_id,
            account="alice",
            name="phone",
            public=root(1),
            rendezvous_root=root(2),
            ratchet=Ratchet(Generation(0, root(3))),
            failures=0,
            backoff_until=0.0,
            disabled=None,
            proved=True,
            created=int(NOW),
            last_used=0,
        ),
    )


async def test_unknown_accounts_are_empty_and_stay_unknown(accounts: Accounts) -> None:
    assert await accounts.devices("mallory") == ()
    await accounts.note_unsuccessful("mallory")
    assert await accounts.account_standing("mallory") == AccountStanding(0, 0)
    assert await Enrolments(accounts.store).list_devices() == ()


async def test_an_approval_moves_ratchet_device_and_account(accounts: Accounts) -> None:
    device = await enrol(accounts)
    await accounts.count_failure(device.id, NOW)
    await accounts.note_unsuccessful("alice")
    base = device.ratchet.current
    assert await decide(accounts, device, base, root(9), now=NOW + 5.9) is Decided.MOVED
    found = await accounts.device(device.id)
    assert found.ratchet == device.ratchet.decided(base, root(9))
    assert (found.failures, found.backoff_until, found.last_used) == (0, 0.0, int(NOW) + 5)
    assert await accounts.account_standing("alice") == AccountStanding(int(NOW) + 5, 0)


async def test_a_denial_moves_the_ratchet_and_counts_for_the_account(accounts: Accounts) -> None:
    device = await enrol(accounts)
    await accounts.count_failure(device.id, NOW)
    base = device.ratchet.current
    assert await decide(accounts, device, base, root(9), success=False) is Decided.MOVED
    found = await accounts.device(device.id)
    assert found.ratchet == device.ratchet.decided(base, root(9))
    assert (found.failures, found.last_used) == (1, 0)
    assert await accounts.account_standing("alice") == AccountStanding(0, 1)


async def test_a_proof_moves_the_ratchet_and_is_no_sign_on(accounts: Accounts) -> None:
    device_id = await Enrolments(accounts.store).add_device(
        "alice", "phone", root(1), root(2), root(3), NOW
    )
    device = await accounts.device(device_id)
    base = device.ratchet.current
    for success in (True, False):
        assert await decide(accounts, device, base, root(4), success=success) is Decided.MOVED
        assert await accounts.account_standing("alice") == AccountStanding(0, 0)
    found = await accounts.device(device_id)
    assert found.ratchet.pending == Generation(1, root(4))
    assert found.last_used == 0


async def test_the_ratchet_of_the_store_is_the_ratchet(accounts: Accounts) -> None:
    """Along many sign-ons with and without CONFIRM, past the retired generations' limit."""
    device = await enrol(accounts)
    ratchet = device.ratchet
    for number in range(3 * RETIRED_GENERATIONS):
        base = ratchet.pending if ratchet.pending and number % 3 else ratchet.current
        moved = ratchet.decided(base, root(number))
        assert moved is not None
        assert await decide(accounts, device, base, root(number)) is Decided.MOVED
        ratchet = moved
        if number % 4 == 0:
            successor = Generation(base.number + 1, root(number))
            ratchet = ratchet.confirmed(successor)
            await accounts.confirm(device.id, successor)
        assert (await accounts.device(device.id)).ratchet == ratchet
    assert len(ratchet.retired) == RETIRED_GENERATIONS


async def test_confirm_of_something_else_changes_nothing(accounts: Accounts) -> None:
    device = await enrol(accounts)
    await accounts.confirm(device.id, Generation(1, root(9)))
    assert (await accounts.device(device.id)) == device


async def test_a_retired_generation_is_the_clone_alarm(accounts: Accounts) -> None:
    device = await enrol(accounts)
    old = device.ratchet.current
    await decide(accounts, device, old, root(1))
    await accounts.confirm(device.id, Generation(old.number + 1, root(1)))
    before = await accounts.device(device.id)
    assert await decide(accounts, device, old, root(2)) is Decided.DISABLED
    after = await accounts.device(device.id)
    assert after.disabled is DisabledReason.CLONE
    assert after.ratchet == before.ratchet
    # For good: not even the honest device goes on.
    assert await decide(accounts, device, before.ratchet.current, root(3)) is Decided.DISABLED
    assert (await accounts.device(device.id)).ratchet == before.ratchet
    assert (await accounts.devices("alice"))[0].disabled is DisabledReason.CLONE


async def test_an_overtaken_decision_changes_nothing(accounts: Accounts) -> None:
    device = await enrol(accounts)
    base = device.ratchet.current
    await decide(accounts, device, base, root(1))
    before = await accounts.device(device.id)
    late = await accounts.decide(
        device.id, base, root(2), opened=device.ratchet, success=True, now=NOW + 9
    )
    assert late is Decided.OVERTAKEN
    assert await accounts.device(device.id) == before
    assert (await accounts.account_standing("alice")).last_success == int(NOW)


async def test_two_decisions_at_once_are_one_and_an_overtaken_one(accounts: Accounts) -> None:
    device = await enrol(accounts)
    results: list[Decided] = []

    async def one(number: int) -> None:
        results.append(
            await accounts.decide(
                device.id,
                device.ratchet.current,
                root(number),
                opened=device.ratchet,
                success=True,
                now=NOW,
            )
        )

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(one, number)
    assert sorted(results, key=lambda each: each.value) == [
        Decided.MOVED,
        *[Decided.OVERTAKEN] * 7,
    ]


async def test_ten_failures_in_a_row_disable(accounts: Accounts) -> None:
    device = await enrol(accounts)
    pauses = []
    for number in range(1, 13):
        found = await accounts.count_failure(device.id, NOW)
        assert found.failures == min(number, 10)
        pauses.append(found.backoff_until - NOW)
        assert found.disabled is (DisabledReason.FAILURES if number >= 10 else None)
    assert pauses[:9] == [0, 0, 0, 0, 30, 60, 120, 240, 480]


async def test_failures_do_not_hide_a_clone(accounts: Accounts) -> None:
    device = await enrol(accounts)
    base = device.ratchet.current
    await decide(accounts, device, base, root(1))
    await accounts.confirm(device.id, Generation(1, root(1)))
    await decide(accounts, device, base, root(2))
    for _ in range(10):
        found = await accounts.count_failure(device.id, NOW)
    assert found.disabled is DisabledReason.CLONE


async def test_an_approval_ends_the_failures(accounts: Accounts) -> None:
    device = await enrol(accounts)
    for _ in range(9):
        await accounts.count_failure(device.id, NOW)
    await decide(accounts, device, device.ratchet.current, root(1))
    found = await accounts.count_failure(device.id, NOW)
    assert (found.failures, found.disabled) == (1, None)


async def test_unsuccessful_sign_ons_are_counted_up_to_what_context_can_tell(
    accounts: Accounts, state: Path
) -> None:
    await enrol(accounts)
    for _ in range(3):
        await accounts.note_unsuccessful("alice")
    assert (await accounts.account_standing("alice")).failures_since == 3
    accounts.store.db.execute("UPDATE account SET failures_since = ?", (MAX_FAILURES_SINCE - 1,))
    for _ in range(3):
        await accounts.note_unsuccessful("alice")
    assert (await accounts.account_standing("alice")).failures_since == MAX_FAILURES_SINCE


async def test_an_account_has_at_most_as_many_devices_as_a_sign_on_asks(
    accounts: Accounts,
) -> None:
    spare = [
        await Enrolments(accounts.store).add_device(
            "alice", "spare", root(1), root(2), root(3), NOW
        )
        for _ in range(2)
    ]
    for number in range(MAX_TAGS - 1):
        await enrol(accounts, name=f"device {number}")
    await Enrolments(accounts.store).prove(spare[0], NOW)
    with pytest.raises(TooManyDevicesError):
        await Enrolments(accounts.store).prove(spare[1], NOW)
    with pytest.raises(TooManyDevicesError):
        await Enrolments(accounts.store).add_device(
            "alice", "one more", root(1), root(2), root(3), NOW
        )
    assert len(await accounts.devices("alice")) == MAX_TAGS
    await enrol(accounts, "bob")
    await Enrolments(accounts.store).revoke("alice", spare[0], NOW)
    await Enrolments(accounts.store).prove(spare[1], NOW)


async def test_what_is_not_proved_in_time_is_removed(accounts: Accounts) -> None:
    first = await Enrolments(accounts.store).add_device(
        "alice", "phone", root(1), root(2), root(3), NOW
    )
    limit = NOW + UNPROVED_SECONDS
    second = await Enrolments(accounts.store).add_device(
        "bob", "phone", root(1), root(2), root(3), limit
    )
    assert {device.id for device in await Enrolments(accounts.store).list_devices()} == {
        first,
        second,
    }
    await Enrolments(accounts.store).add_device(
        "carol", "phone", root(1), root(2), root(3), limit + 1
    )
    assert {device.account for device in await Enrolments(accounts.store).list_devices()} == {
        "bob",
        "carol",
    }
    with pytest.raises(DeviceGoneError):
        await Enrolments(accounts.store).prove(first, limit + 1)


async def test_too_late_a_proof_is_none(accounts: Accounts) -> None:
    device_id = await Enrolments(accounts.store).add_device(
        "alice", "phone", root(1), root(2), root(3), NOW
    )
    with pytest.raises(DeviceGoneError):
        await Enrolments(accounts.store).prove(device_id, NOW + UNPROVED_SECONDS + 1)
    assert await accounts.devices("alice") == ()


async def test_what_is_not_proved_is_removed_at_the_start_and_the_proved_stays(
    state: Path,
) -> None:
    async with Accounts.open(state, NOW) as accounts:
        await Enrolments(accounts.store).add_device(
            "alice", "phone", root(1), root(2), root(3), NOW
        )
        proved = await enrol(accounts, "bob")
    async with Accounts.open(state, NOW + UNPROVED_SECONDS + 1) as accounts:
        assert await Enrolments(accounts.store).list_devices() == (proved,)


async def test_revoke(accounts: Accounts) -> None:
    phone, tablet = await enrol(accounts), await enrol(accounts, name="tablet")
    other = await enrol(accounts, "bob")
    assert await Enrolments(accounts.store).revoke("bob", phone.id, NOW) == ()
    assert await Enrolments(accounts.store).revoke("alice", phone.id, NOW) == (phone,)
    assert await Enrolments(accounts.store).revoke("alice", phone.id, NOW) == ()
    assert await accounts.devices("alice") == (tablet,)
    await enrol(accounts, name="watch")
    assert {
        device.name for device in await Enrolments(accounts.store).revoke("alice", None, NOW)
    } == {"tablet", "watch"}
    assert await Enrolments(accounts.store).list_devices() == (other,)
    assert await accounts.account_standing("alice") == AccountStanding()


async def test_what_is_late_for_a_revoked_device_hits_no_other(accounts: Accounts) -> None:
    device = await enrol(accounts)
    await Enrolments(accounts.store).revoke("alice", None, NOW)
    successor = await enrol(accounts)
    assert successor.id != device.id
    base = device.ratchet.current
    late = await accounts.decide(
        device.id, base, root(1), opened=device.ratchet, success=True, now=NOW
    )
    assert late is Decided.DISABLED
    await accounts.confirm(device.id, base)
    with pytest.raises(DeviceGoneError):
        await accounts.count_failure(device.id, NOW)
    with pytest.raises(DeviceGoneError):
        await Enrolments(accounts.store).prove(device.id, NOW)
    with pytest.raises(DeviceGoneError):
        await accounts.device(device.id)
    assert await accounts.devices("alice") == (successor,)


async def test_revoked_secrets_are_in_no_file(state: Path) -> None:
    async with Accounts.open(state, NOW) as accounts:
        device = await enrol(accounts)
        await decide(accounts, device, device.ratchet.current, root(77))

        def files() -> bytes:
            return b"".join(file.read_bytes() for file in state.iterdir())

        assert device.rendezvous_root in files()
        await Enrolments(accounts.store).revoke("alice", device.id, NOW)
        for secret in (device.rendezvous_root, device.ratchet.current.root, root(77)):
            assert secret not in files()


async def test_used_up_generations_go_from_the_file(state: Path) -> None:
    async with Accounts.open(state, NOW) as accounts:
        device = await enrol(accounts)
        base = device.ratchet.current
        for number in range(RETIRED_GENERATIONS + 2):
            await decide(accounts, device, base, root(1000 + number))
            base = Generation(base.number + 1, root(1000 + number))
            await accounts.confirm(device.id, base)
    assert device.ratchet.current.root not in (state / FILE_NAME).read_bytes()


async def test_cancellation_does_not_interrupt_what_has_begun(accounts: Accounts) -> None:
    device = await enrol(accounts)
    with trio.CancelScope() as scope:
        scope.cancel()
        await accounts.note_unsuccessful("alice")
    assert scope.cancelled_caught
    assert (await accounts.account_standing("alice")).failures_since == 0

    def slowly(tx: Transaction) -> None:
        trio.from_thread.run_sync(scope.cancel)
        tx.db.execute("UPDATE account SET failures_since = 7")

    with trio.CancelScope() as scope:
        await accounts.store.transaction(slowly)
    assert (await accounts.account_standing("alice")).failures_since == 7
    assert await accounts.devices("alice") == (device,)


async def test_one_transaction_at_a_time_in_the_order_of_calls(accounts: Accounts) -> None:
    await enrol(accounts)
    go_on = threading.Event()
    order: list[str] = []

    def first(tx: Transaction) -> None:
        order.append("first")
        go_on.wait()
        order.append("first ends")

    def second(tx: Transaction) -> None:
        order.append("second")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accounts.store.transaction, first)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(accounts.store.transaction, second)
        await trio.testing.wait_all_tasks_blocked(0.01)
        go_on.set()
    assert order == ["first", "first ends", "second"]


async def test_a_transaction_that_fails_leaves_nothing(accounts: Accounts) -> None:
    device = await enrol(accounts)
    with pytest.raises(StoreError, match="the database refused"):
        await accounts.decide(
            device.id,
            device.ratchet.current,
            b"short",
            opened=device.ratchet,
            success=True,
            now=NOW,
        )
    with pytest.raises(ZeroDivisionError):
        await accounts.store.transaction(
            lambda tx: tx.db.execute("DELETE FROM generation") and 1 / 0
        )
    assert await accounts.devices("alice") == (device,)


async def test_a_device_without_keys_is_damage(accounts: Accounts) -> None:
    device = await enrol(accounts)
    accounts.store.db.execute("DELETE FROM generation")
    for question in (accounts.devices("alice"), accounts.count_failure(device.id, NOW)):
        with pytest.raises(StoreError, match="the database refused"):
            await question
