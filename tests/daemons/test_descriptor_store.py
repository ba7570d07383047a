import os
from pathlib import Path

import pytest
import structlog.testing
import trio
import trio.testing

from daemons.descriptor_store import MAX_NAMES, DescriptorStore
from daemons.supervision import MAX_STORED, Supervision
from tests.support.service_manager import ServiceManager, service_manager


async def listen(manager: ServiceManager) -> None:
    while True:
        await manager.hear()


async def test_without_a_store_nothing_is_kept(tmp_path: Path) -> None:
    for told in (Supervision(store=9), Supervision(f"{tmp_path}/notify")):
        store = DescriptorStore(told)
        assert store.room == 0
        assert not await store.keep([("one", [0])])
        await store.forget(["one"])


async def test_what_is_kept_is_kept_until_it_is_forgotten(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    address = f"{tmp_path}/notify"
    one, two = os.memfd_create("one"), os.memfd_create("two")
    async with service_manager(address) as manager:
        nursery.start_soon(listen, manager)
        store = DescriptorStore(Supervision(address, store=1000))
        assert await store.keep([("one", [one] * (MAX_STORED + 1)), ("two", [two])])
        assert manager.batches == [MAX_STORED, 1, 1, 1], "the last one is the barrier's"
        names = [name for name, _ in manager.stored]
        assert names == ["one"] * (MAX_STORED + 1) + ["two"]
        assert os.fstat(manager.stored[-1][1]).st_ino == os.fstat(two).st_ino
        await store.forget(["one", "three"])
        assert [name for name, _ in manager.stored] == ["two"]
        nursery.cancel_scope.cancel()
    for descriptor in (one, two):
        os.close(descriptor)


async def test_no_more_is_kept_than_the_next_process_can_be_told(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    address = f"{tmp_path}/notify"
    fit = MAX_NAMES // 200
    one = os.memfd_create("one")
    async with service_manager(address) as manager:
        nursery.start_soon(listen, manager)
        store = DescriptorStore(Supervision(address, store=fit + 9))
        assert await store.keep([("n" * 199, [one] * (fit + 1)), ("two", [one])])
        names = ":".join(name for name, _ in manager.stored)
        assert len(names) == MAX_NAMES - 1
        nursery.cancel_scope.cancel()
    os.close(one)
    room = 10_000
    """For listeners, which are kept before."""
    told = {"LISTEN_FDNAMES": f"{names}:{'n' * room}"}
    await trio.run_process(["/bin/true"], env=told)
    with pytest.raises(OSError, match="too long"):
        await trio.run_process(["/bin/true"], env={"LISTEN_FDNAMES": told["LISTEN_FDNAMES"] * 2})


async def test_a_manager_that_does_not_read_is_not_waited_for_for_ever(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    address = f"{tmp_path}/notify"
    with structlog.testing.capture_logs() as logs:
        async with service_manager(address):
            store = DescriptorStore(Supervision(address, store=1))
            assert not await store.keep([("one", [0])])
            await store.forget(["one"])
        assert not await store.keep([("one", [0])])
    assert [line["event"] for line in logs] == [
        "no descriptors kept",
        "descriptors still kept",
        "no descriptors kept",
    ]
