"""The figures of a real agent, read by the official library."""

from importlib.metadata import version
from pathlib import Path

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families as read

from daemons.troubles import Troubles
from daemons.unix_listener import ListenError
from pam_agent.explanations import ENROLMENTS
from pam_agent.metrics import Metrics
from pam_agent.outcomes import SignOnEnd
from pam_agent.overview import Overview
from pam_agent.sign_ons import Stage
from protocol.address import TcpAddress, UnixAddress
from tests.support.agent import start_agent
from tests.support.patience import until
from tests.support.programs import free_port
from tests.support.together import Together, signs_on, together

Samples = dict[tuple[str, str], float]


def overview(parts: Together, dropped: int = 0) -> Overview:
    return Overview(parts.agent.agent, Troubles(), lambda: dropped)


async def scrape(parts: Together, dropped: int = 0) -> Samples:
    """Each sample by its name and the value of its label."""
    page = await Metrics(overview(parts, dropped)).page()
    return {
        (sample.name.removeprefix("bartizan_agent_"), "".join(sample.labels.values())): sample.value
        for family in read(page.decode())
        for sample in family.samples
    }


async def test_every_outcome_is_a_counter_from_the_start(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        found = await scrape(parts)
        for word in SignOnEnd:
            assert found["sign_ons_total", word.value] == 0
        for each in ENROLMENTS:
            assert found["enrolments_total", str(each)] == 0
        for stage in Stage:
            assert found["sign_ons", stage.value] == 0
        assert found["info", version("bartizan")] == 1
        assert found["start_time_seconds", ""] > 1_700_000_000
        assert found["log_dropped_total", ""] == 0
        assert found["decision_seconds_bucket", "+Inf"] == 0


async def test_what_happens_is_counted(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        async with parts.agent.call() as caller:
            await signs_on(parts, caller, await caller.passcode())
        await parts.ended("approved")
        async with parts.agent.call() as caller:
            await caller.passcode()
            parts.agent.agent.refused = "a mistake"
            found = await scrape(parts, dropped=7)
        relay = f"unix:{parts.relay.unix.path}"
        assert found["sign_ons_total", "approved"] == 1
        assert found["sign_ons", "waiting"] == 1
        assert found["callers", ""] == 1
        assert found["queue_seconds_count", ""] == 1
        assert found["decision_seconds_count", ""] == 1
        assert found["devices", "active"] == found["accounts", ""] == 1
        assert found["store_bytes", ""] > 0
        assert (found["store_up", ""], found["configuration_refused", ""]) == (1, 1)
        assert found["log_dropped_total", ""] == 7
        assert (found["relay_up", relay], found["relay_requests", relay]) == (1, 1)
        (link,) = parts.agent.host.links
        link._end("a test wants it")
        await until(lambda: link.losses)
        assert (await scrape(parts))["relay_losses_total", relay] == 1


async def test_no_label_names_anybody(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        async with parts.agent.call(rhost="192.0.2.7", tty="pts/9") as caller:
            await signs_on(parts, caller, await caller.passcode())
        await parts.ended("approved")
        page = (await Metrics(overview(parts)).page()).decode()
    for name in ("alice", "192.0.2.7", "pts/9", "phone", "web1"):
        assert name not in page


async def test_a_store_that_fails_is_said(tmp_path: Path) -> None:
    async with together(tmp_path) as parts:
        db = parts.agent.host.accounts.store.db
        db.execute("ALTER TABLE account RENAME TO gone")
        found = await scrape(parts)
        db.execute("ALTER TABLE gone RENAME TO account")
    assert found["store_up", ""] == 0
    assert ("accounts", "") not in found
    assert found["sign_ons_total", "approved"] == 0


async def get(stream: trio.SocketStream) -> bytes:
    async with stream:
        await stream.send_all(b"GET /metrics HTTP/1.1\r\n\r\n")
        return b"".join([chunk async for chunk in stream])


async def test_they_are_on_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "metrics.sock"
    async with together(tmp_path, metrics=UnixAddress(str(path))):
        assert path.stat().st_mode & 0o777 == 0o660
        page = await get(await trio.open_unix_socket(path))
    assert page.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"bartizan_agent_store_up 1\n" in page
    assert not path.exists()


async def test_they_are_on_a_loopback_port(tmp_path: Path) -> None:
    port = free_port()
    async with together(tmp_path, metrics=TcpAddress("127.0.0.1", port)):
        assert b"bartizan_agent_store_up 1\n" in await get(
            await trio.open_tcp_stream("127.0.0.1", port)
        )
        with pytest.RaisesGroup(ListenError, match=None, flatten_subgroups=True) as caught:
            async with trio.open_nursery() as nursery:
                (tmp_path / "second").mkdir()
                await start_agent(
                    nursery, tmp_path / "second", [], metrics=TcpAddress("127.0.0.1", port)
                )
    (error,) = caught.value.exceptions
    assert f"metrics.listen: tcp:127.0.0.1:{port}: " in str(error)
    assert "in use" in str(error)
