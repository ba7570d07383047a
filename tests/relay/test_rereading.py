"""Another configuration: what takes long stops nobody, and whatever is wrong is a refusal."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from protocol.address import TcpAddress
from relay import config
from relay.activation import open_listeners
from relay.config import ConfigError, ListenerPlan, Plan
from relay.listeners import look_up
from relay.rereading import PATIENCE, Reloads, reread
from relay.switch import Listener
from tests.support.programs import free_port

NAME = "localhost"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """By Unix for agents, by name for validators."""
    file = tmp_path / "relay.toml"
    file.write_text(
        f'[[agents]]\nlisten = "unix:{tmp_path}/agents.sock"\n'
        f'[[validators]]\nlisten = "tcp:{NAME}:{free_port()}"\n'
    )
    return config.plan(config.load(file))


@pytest.fixture
def listening(plan: Plan) -> Iterator[list[Listener]]:
    found = open_listeners(plan)
    yield found
    for each in found:
        each.socket.close()


def same(plan: Plan) -> Plan:
    return plan


def with_another(plan: Plan) -> Plan:
    """It listens for validators at a new port of the name, too."""
    more = ListenerPlan(TcpAddress(NAME, free_port()), None)
    return replace(plan, listeners=(*plan.listeners, more))


class NameServer:
    """Answers when it may, and says in which thread it was asked for which port."""

    def __init__(self, real: Callable[..., Any]) -> None:
        self.real = real
        self.asked: list[tuple[int, int]] = []
        self.was_asked = trio.Event()
        self.may_answer = threading.Event()

    def __call__(self, host: str, port: int, *more: Any, **options: Any) -> Any:
        self.asked.append((port, threading.get_ident()))
        trio.from_thread.run_sync(self.was_asked.set)
        self.may_answer.wait()
        return self.real(host, port, *more, **options)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch, listening: list[Listener]) -> NameServer:
    """For whoever asks when `listening` has been opened."""
    server = NameServer(socket.getaddrinfo)
    monkeypatch.setattr(socket, "getaddrinfo", server)
    return server


async def test_a_name_that_is_listened_on_is_not_looked_up_again(
    plan: Plan, listening: list[Listener], names: NameServer
) -> None:
    limits = replace(plan, agents={bytes(32): "web1"})
    found, listeners, gone = await reread(lambda: limits, same, listening)
    assert found is limits
    assert [each.socket for each in listeners] == [each.socket for each in listening]
    assert not gone
    assert not names.asked


async def test_the_loop_goes_on_while_a_new_name_is_looked_up(
    plan: Plan, listening: list[Listener], names: NameServer, nursery: trio.Nursery
) -> None:
    new = with_another(plan)
    done: list[list[Listener]] = []

    async def change() -> None:
        _, listeners, _ = await reread(lambda: new, same, listening)
        done.append(listeners)

    nursery.start_soon(change)
    await names.was_asked.wait()
    assert not done
    names.may_answer.set()
    while not done:
        await trio.lowlevel.checkpoint()
    ports = {each.socket.getsockname()[1] for each in done[0] if each.trusted is None}
    assert ports == {each.address.port for each in new.listeners[1:]}  # type: ignore[union-attr]
    [(port, thread)] = names.asked
    assert new.listeners[-1].address == TcpAddress(NAME, port)
    assert thread != threading.get_ident()
    for each in done[0][len(listening) :]:
        each.socket.close()


async def test_a_name_server_that_does_not_answer_is_not_waited_for_for_long(
    plan: Plan, listening: list[Listener], names: NameServer, autojump_clock: MockClock
) -> None:
    began = trio.current_time()
    try:
        with pytest.raises(ConfigError, match="not read after 10 s: a name server"):
            await reread(lambda: with_another(plan), same, listening)
    finally:
        names.may_answer.set()
    assert trio.current_time() - began == pytest.approx(PATIENCE)


@pytest.mark.parametrize("error", [OSError("disk"), ValueError("number"), ConfigError("key")])
async def test_whatever_is_wrong_is_a_refusal(listening: list[Listener], error: Exception) -> None:
    def read() -> Plan:
        raise error

    with pytest.raises(ConfigError, match=str(error)):
        await reread(read, same, listening)


async def test_what_was_opened_for_a_plan_that_is_refused_is_closed(
    plan: Plan, listening: list[Listener]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = ListenerPlan(TcpAddress("127.0.0.1", other.getsockname()[1]), None)
        new = with_another(plan)
        new = replace(new, listeners=(*new.listeners, taken))
        before = set(os.listdir("/proc/self/fd"))
        with pytest.raises(ConfigError, match="cannot listen on"):
            await reread(lambda: new, same, listening)
        assert set(os.listdir("/proc/self/fd")) == before
    assert all(each.socket.fileno() >= 0 for each in listening)


async def test_it_is_fitted_in_the_loop_and_what_is_not_wanted_is_named(
    plan: Plan, listening: list[Listener]
) -> None:
    threads: list[int] = []

    def fit(plan: Plan) -> Plan:
        threads.append(threading.get_ident())
        return plan

    moved = replace(plan, listeners=plan.listeners[:1])
    _, listeners, gone = await reread(lambda: moved, fit, listening)
    assert threads == [threading.get_ident()]
    assert [each.address for each in listeners] == [plan.listeners[0].address]
    assert gone == listening[1:]


async def test_who_asks_for_a_reload_waits_for_one_that_begins_after_it(
    nursery: trio.Nursery,
) -> None:
    reloads = Reloads()
    heard: list[str] = []

    async def ask() -> None:
        heard.append(await reloads.next_one())

    reloads.begin()
    nursery.start_soon(ask)
    await trio.testing.wait_all_tasks_blocked()
    reloads.end("what was there before")
    await trio.testing.wait_all_tasks_blocked()
    assert not heard
    assert reloads.refused == "what was there before"
    reloads.begin()
    reloads.end()
    await trio.testing.wait_all_tasks_blocked()
    assert heard == [""]
    assert not reloads.refused


async def test_a_unix_socket_whose_file_was_removed_is_made_anew(
    plan: Plan, listening: list[Listener], tmp_path: Path
) -> None:
    path = tmp_path / "agents.sock"
    path.unlink()
    _, listeners, gone = await reread(lambda: plan, same, listening)
    assert gone == [listening[0]]
    async with await trio.open_unix_socket(str(path)):
        sock, _ = listeners[0].socket.accept()
        sock.close()
    listeners[0].socket.close()


EVERY, ONE = "0.0.0.0", "127.0.0.1"


@pytest.mark.parametrize(("old", "new"), [(EVERY, ONE), (ONE, EVERY), (ONE, "::"), ("::", ONE)])
async def test_an_address_can_be_changed_for_another_at_the_same_port(
    plan: Plan, old: str, new: str
) -> None:
    if "::" in (old, new) and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    port = free_port(EVERY)
    before, after = (
        replace(plan, listeners=(ListenerPlan(TcpAddress(host, port), None),))
        for host in (old, new)
    )
    with contextlib.ExitStack() as closing:
        [first] = open_listeners(before)
        closing.enter_context(first.socket)
        # Who is connected keeps the port in use, too.
        closing.enter_context(socket.create_connection((ONE, port)))
        first.socket.setblocking(True)
        served, _ = first.socket.accept()
        closing.enter_context(served)
        _, [second], gone = await reread(lambda: after, same, [first])
        closing.enter_context(second.socket)
        assert gone == [first]
        first.socket.close()
        closing.enter_context(socket.create_connection((ONE, port)))
        second.socket.setblocking(True)
        second.socket.settimeout(PATIENCE)
        closing.enter_context(second.socket.accept()[0])
        assert not second.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)


async def test_a_port_that_is_given_up_shares_no_other(plan: Plan) -> None:
    """Though another relay of this user would share it."""
    before, after = (
        replace(plan, listeners=(ListenerPlan(TcpAddress(ONE, port), None),))
        for port in (free_port(), free_port())
    )
    [first] = open_listeners(before)
    [(_, place)] = look_up(after.listeners[0].address)
    in_use = pytest.raises(ConfigError, match="already in use")
    with first.socket, socket.create_server(place, reuse_port=True), in_use:
        await reread(lambda: after, same, [first])


async def test_no_port_is_shared_with_anybody_else(plan: Plan) -> None:
    port = free_port(EVERY)
    before, after = (
        replace(plan, listeners=(ListenerPlan(TcpAddress(host, port), None),))
        for host in (ONE, EVERY)
    )
    [first] = open_listeners(before)
    with first.socket, socket.create_server(("127.0.0.2", port)):
        with pytest.raises(ConfigError, match="already in use"):
            await reread(lambda: after, same, [first])
        assert not first.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
        socket.create_connection((ONE, port)).close()
