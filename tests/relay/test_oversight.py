"""The admin socket and the metrics of a real relay, and the commands that ask it."""

import contextlib
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import structlog.testing
import trio
from prometheus_client.parser import text_string_to_metric_families

from daemons.admin_client import RefusedError, UnreachableError, ask_daemon
from daemons.lines import encode_line
from daemons.logs import Book
from daemons.report import when
from daemons.troubles import MAX_REFUSAL, Trouble
from protocol.address import UnixAddress
from relay.admin_wire import (
    AgentLine,
    Listening,
    Penalty,
    Probe,
    Reload,
    Reply,
    Request,
    ShowStatus,
    Status,
    Unknown,
    Waiting,
    Why,
    decode_reply,
)
from relay.limits import Limits
from relay.outcomes import LinkOutcome, RequestOutcome, ValidatorOutcome
from relay.oversight import oversee
from relay.overview import MAX_PENALTIES
from relay.report import is_well, status_lines, story_lines
from relay.standing import strangers_ended
from tests.support.caller import connected
from tests.support.patience import PATIENCE, until
from tests.support.quiet_book import a_book
from tests.support.relay import RunningRelay, start_relay
from tests.support.together import together

NOBODY = 65534


@dataclass
class Overseen:
    """A relay, and the paths of its two sockets."""

    running: RunningRelay
    admin: Path
    metrics: Path
    book: Book

    async def ask(self, request: Request) -> list[Reply]:
        def ask() -> list[Reply]:
            return list(ask_daemon("relay", self.admin, request, decode_reply))

        return await trio.to_thread.run_sync(ask)

    async def status(self) -> Status:
        [status] = [each for each in await self.ask(ShowStatus()) if isinstance(each, Status)]
        return status

    async def samples(self) -> dict[tuple[str, str], float]:
        """By name and outcome, stage or limit."""
        async with await trio.open_unix_socket(self.metrics) as stream:
            await stream.send_all(b"GET /metrics HTTP/1.1\r\n\r\n")
            answer = b"".join([data async for data in stream])
        text = answer.partition(b"\r\n\r\n")[2].decode()
        return {
            (sample.name, "".join(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@pytest.fixture
async def overseen(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Overseen]:
    running = await start_relay(nursery, tmp_path, limits=Limits(source_burst=5, network_burst=99))
    yield await watched(running, tmp_path, nursery)
    nursery.cancel_scope.cancel()


async def watched(running: RunningRelay, folder: Path, nursery: trio.Nursery) -> Overseen:
    found = Overseen(running, folder / "relay-admin.sock", folder / "metrics.sock", a_book())
    running.relay.plan = replace(
        running.relay.plan, admin_socket=found.admin, metrics=UnixAddress(str(found.metrics))
    )
    await nursery.start(oversee, running.relay, found.book)
    return found


async def leaves(overseen: Overseen) -> None:
    """A validator that connects and closes, or is refused."""
    address = overseen.running.validators
    with contextlib.suppress(OSError):  # one that is refused is reset at once
        await (await trio.open_tcp_stream(address.host, address.port)).aclose()


async def test_the_admin_socket_is_the_owners(overseen: Overseen) -> None:
    assert overseen.admin.stat().st_mode & 0o777 == 0o600
    assert overseen.metrics.stat().st_mode & 0o777 == 0o660


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
async def test_other_users_are_not_heard(overseen: Overseen) -> None:
    open_to_all(overseen.admin.parent)
    overseen.admin.chmod(0o666)
    with structlog.testing.capture_logs() as logs:
        async with await connected(overseen.admin, NOBODY) as stranger:
            assert await stranger.receive_some() == b""
    assert [(line["event"], line["uid"]) for line in logs] == [("admin request refused", NOBODY)]


def open_to_all(folder: Path) -> None:
    """Other users may enter `folder`."""
    for each in (folder, *folder.parents):
        each.chmod(each.stat().st_mode & 0o7777 | 0o011)


async def test_status(overseen: Overseen) -> None:
    replies = await overseen.ask(ShowStatus())
    listening = [each for each in replies if isinstance(each, Listening)]
    running = overseen.running
    assert [each.address for each in listening] == [
        str(running.unix),
        f"tcp:{running.agents}",
        f"tcp:{running.validators}",
    ]
    assert [each.who for each in listening] == ["agents", "agents", "validators"]
    assert not is_well(replies), "no agent is attached"
    lines = list(status_lines(replies, 0.0))
    assert f"listens     {running.unix}  for agents" in lines


async def test_floods_are_counted_exactly_in_status_and_metrics(overseen: Overseen) -> None:
    for _ in range(7):
        await leaves(overseen)
    relay = overseen.running.relay
    await until(lambda: sum(strangers_ended(relay.tally, relay.broker).validators.values()) == 7)
    status = await overseen.status()
    assert sum(status.validators_ended.values()) == 7
    assert status.validators_ended["refused"] >= 1
    assert status.sources == 1
    replies = await overseen.ask(ShowStatus())
    assert [each for each in replies if isinstance(each, Penalty)] == [Penalty("127.0.0.0/24", 1)]
    samples = await overseen.samples()
    counted = {
        word: samples["bartizan_relay_validators_total", word.value] for word in ValidatorOutcome
    }
    assert sum(counted.values()) == 7
    assert counted[ValidatorOutcome.REFUSED] == status.validators_ended["refused"]
    assert samples["bartizan_relay_sources_refused", ""] == 1


async def test_the_networks_named_are_those_that_fit_on_a_screen(overseen: Overseen) -> None:
    port = overseen.running.validators.port
    networks = [f"127.0.{number}.0/24" for number in range(1, MAX_PENALTIES + 2)]
    for network in networks:
        for host in (1, 2) if network == networks[-1] else (1,):
            for _ in range(6):
                with socket.socket() as stranger:
                    stranger.bind((network.replace("0/24", str(host)), 0))
                    with contextlib.suppress(OSError):
                        stranger.connect(("127.0.0.1", port))
    with trio.fail_after(PATIENCE):
        while (await overseen.status()).sources <= len(networks):  # noqa: ASYNC110
            await trio.sleep(0.01)
    named = [each for each in await overseen.ask(ShowStatus()) if isinstance(each, Penalty)]
    assert named[0] == Penalty(networks[-1], 2)
    assert len(named) == MAX_PENALTIES


async def test_every_outcome_is_a_counter_from_the_start(overseen: Overseen) -> None:
    samples = await overseen.samples()
    for name, words in (
        ("requests", RequestOutcome),
        ("validators", ValidatorOutcome),
        ("links", LinkOutcome),
    ):
        found = {labels for metric, labels in samples if metric == f"bartizan_relay_{name}_total"}
        assert found == {word.value for word in words}
        assert all(samples[f"bartizan_relay_{name}_total", word] == 0 for word in found)


async def test_a_sign_on_is_seen_while_it_waits_and_when_it_is_over(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        overseen = await watched(parts.relay, tmp_path, parts.nursery)
        async with parts.agent.call() as caller:
            passcode = await caller.passcode()
            assert (await overseen.status()).waiting == 1
            replies = await overseen.ask(ShowStatus())
            [agent] = [each for each in replies if isinstance(each, AgentLine)]
            assert (agent.agent, agent.waiting, agent.running) == (f"uid:{os.getuid()}", 1, 0)
            assert is_well(replies)
            async with parts.phone.attempt(passcode) as attempt:
                await attempt.context()
                samples = await overseen.samples()
                assert samples["bartizan_relay_requests", "running"] == 1
                assert samples["bartizan_relay_requests", "waiting"] == 0
                assert samples["bartizan_relay_links", ""] == 1
                [sign_on_id] = parts.agent.host.sign_ons._under_way
                [story] = await overseen.ask(Why(sign_on_id))
                assert isinstance(story, Waiting)
                assert story.ran >= 0
                assert ": runs" in next(iter(story_lines(sign_on_id, [story])))
                await attempt.outcome()
                await attempt.confirm()
                await attempt.gone()
        await parts.ended("approved")
        assert (await overseen.samples())["bartizan_relay_requests_total", "done"] == 1


async def test_the_logs_troubles_and_losses_are_told(overseen: Overseen) -> None:
    trouble = {"event": "no descriptor left", "connections": 7}
    overseen.book.note({**trouble, "level": "warning", "time": 0.0})
    overseen.book.write(b"{}\n{}\n", 2)
    replies = await overseen.ask(ShowStatus())
    assert Trouble(0.0, "warning", "no descriptor left: connections 7") in replies
    assert list(status_lines(replies, 0.0))[-2:] == [
        "last warnings and errors",
        f"  {when(0.0)}  no descriptor left: connections 7",
    ]
    assert (await overseen.samples())["bartizan_relay_log_dropped_total", ""] == 2


async def test_it_says_when_it_does_not_know(overseen: Overseen) -> None:
    [reply] = await overseen.ask(Why("a" * 13))
    assert isinstance(reply, Unknown)
    assert next(iter(story_lines("a" * 13, [reply]))) == f"nothing is known of {'a' * 13}"


async def test_a_relay_that_takes_no_signal_says_so(overseen: Overseen) -> None:
    """In this process nobody handles SIGHUP, and it would end the test."""
    with pytest.raises(RefusedError, match="does not take SIGHUP"):
        await trio.to_thread.run_sync(
            lambda: list(ask_daemon("relay", overseen.admin, Reload(), decode_reply))
        )


async def test_what_cannot_be_listened_on_does_not_stop_the_relay(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    running = await start_relay(nursery, tmp_path)
    nowhere = tmp_path / "none"
    running.relay.plan = replace(
        running.relay.plan,
        admin_socket=nowhere / "admin.sock",
        metrics=UnixAddress(str(nowhere / "metrics.sock")),
    )
    with structlog.testing.capture_logs() as logs:
        await nursery.start(oversee, running.relay, a_book())
    assert [line["event"] for line in logs] == ["no admin socket", "no metrics"]
    nursery.cancel_scope.cancel()


async def test_a_refused_configuration_is_told_until_one_is_taken(overseen: Overseen) -> None:
    reloads = overseen.running.relay.reloads
    gauge = ("bartizan_relay_configuration_refused", "")
    assert (await overseen.samples())[gauge] == 0
    reloads.begin()
    reloads.end("relay.toml: one\nrelay.toml: two")
    status = await overseen.status()
    said = "configuration refused, the old one counts: relay.toml: one; relay.toml: two"
    assert said in list(status_lines([status], 0.0))
    assert (await overseen.samples())[gauge] == 1
    reloads.begin()
    reloads.end()
    assert not (await overseen.status()).refused
    assert (await overseen.samples())[gauge] == 0
    reloads.end("x" * 2 * MAX_REFUSAL)
    assert len(reloads.refused.encode()) == MAX_REFUSAL


async def test_two_probes_have_not_the_same_key(overseen: Overseen) -> None:
    line = encode_line(Probe(bytes(32)))
    guests = overseen.running.relay.broker.links.guests

    async def said(stream: trio.SocketStream, last: bytes) -> bool:
        await stream.send_all(line)
        heard = b""
        while last not in heard:
            heard += (more := await stream.receive_some())
            if not more:
                return False
        return True

    async with await trio.open_unix_socket(str(overseen.admin)) as first:
        assert await said(first, b'"go"')
        async with await trio.open_unix_socket(str(overseen.admin)) as second:
            assert await said(second, b"already")
        assert list(guests) == [bytes(32)]
    await until(lambda: not guests)
    async with await trio.open_unix_socket(str(overseen.admin)) as third:
        assert await said(third, b'"go"')


def test_no_relay_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="no relay listens there"):
        list(ask_daemon("relay", tmp_path / "none.sock", ShowStatus(), decode_reply))
